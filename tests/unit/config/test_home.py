from __future__ import annotations

from pathlib import Path

import pytest

from tunesmith.config.home import Home


def test_one_home_has_one_root_however_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / "link").symlink_to(home)
    monkeypatch.chdir(tmp_path)
    written = (home, tmp_path / "link", tmp_path / "home" / ".." / "home", f"{home}/", "home", "./link")
    assert {Home.locate(path).root for path in written} == {home}


def test_a_home_that_does_not_exist_yet_is_located(tmp_path: Path) -> None:
    assert Home.locate(tmp_path / "a" / ".." / "new").root == tmp_path / "new"


def test_links_that_go_in_a_circle_are_left_to_whoever_writes_there(tmp_path: Path) -> None:
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    assert Home.locate(tmp_path / "circle").root.name == "circle"


def test_the_argument_wins_over_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNESMITH_HOME", str(tmp_path / "environment"))
    assert Home.locate().root == tmp_path / "environment"
    assert Home.locate(tmp_path / "argument").root == tmp_path / "argument"
    monkeypatch.delenv("TUNESMITH_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Home.locate().root == tmp_path / ".tunesmith"


def test_objects_lie_in_the_home_or_where_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TUNESMITH_OBJECTS_URL", raising=False)
    assert Home(tmp_path).objects_url == f"file://{tmp_path}/objects"
    assert Home(tmp_path).objects_are_shared
    monkeypatch.setenv("TUNESMITH_OBJECTS_URL", "s3://bucket/prefix")
    assert Home(tmp_path).objects_url == "s3://bucket/prefix"
    assert not Home(tmp_path).objects_are_shared
    monkeypatch.setenv("TUNESMITH_OBJECTS_FOLDER", "/mnt/objects")
    assert Home(tmp_path).objects_are_shared
