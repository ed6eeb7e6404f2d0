from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tunesmith.errors import ConfigError
from tunesmith.ingest.walk import find_files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    docs = tmp_path / "docs"
    for name in ("b.md", "a/c.md", "a/ü n.txt", ".hidden.md", ".git/x.md"):
        (docs / name).parent.mkdir(parents=True, exist_ok=True)
        (docs / name).write_text("text")
    return docs


def paths(*given: Path) -> list[str]:
    return [found.path for found in find_files([str(path) for path in given]).files]


def test_a_folder_is_walked_and_names_are_relative_to_it(folder: Path) -> None:
    assert paths(folder) == ["a/c.md", "a/ü n.txt", "b.md"]
    found = find_files([str(folder)])
    assert found.folders == (str(folder),)
    assert {file.source for file in found.files} == {str(folder)}


def test_a_file_given_by_itself_has_its_own_name(folder: Path) -> None:
    found = find_files([str(folder / "a" / "c.md")])
    assert [file.path for file in found.files] == ["c.md"]
    assert found.folders == ()


def test_links_that_lead_outside_are_left_out(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key.txt").write_text("secret")
    (folder / "out.txt").symlink_to(tmp_path / "secret" / "key.txt")
    (folder / "outside").symlink_to(tmp_path / "secret")
    (folder / "loop").symlink_to(folder)
    (folder / "inside.md").symlink_to(folder / "b.md")
    (folder / "broken.md").symlink_to(tmp_path / "nothing")
    assert paths(folder) == ["a/c.md", "a/ü n.txt", "b.md", "inside.md"]


def test_one_file_given_twice_is_taken_once(folder: Path) -> None:
    assert paths(folder / "b.md", folder / "b.md") == ["b.md"]
    assert paths(folder, folder) == ["a/c.md", "a/ü n.txt", "b.md"]


def test_two_files_of_one_name_are_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "b.md").write_text("other")
    with pytest.raises(ConfigError, match=r'"b.md" in the store: .*docs/b.md and .*other/b.md'):
        paths(folder, tmp_path / "other")


def test_a_path_that_does_not_exist_is_misuse(folder: Path) -> None:
    with pytest.raises(ConfigError, match="nothing-here") as told:
        paths(folder, folder / "nothing-here")
    assert told.value.exit_code == 2


def test_no_path_is_misuse() -> None:
    with pytest.raises(ConfigError, match="nothing to ingest"):
        find_files([])


def test_the_shipped_corpus_is_found_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = find_files(["handbook/2026-01"])
    assert len(found.files) >= 40
    assert "people/annual-leave.md" in [file.path for file in found.files]


def test_a_folder_that_cannot_be_listed_is_told_and_hides_what_is_below(folder: Path, locked: Any) -> None:
    locked.folders.add(str(folder / "a"))
    found = find_files([str(folder)])
    assert [file.path for file in found.files] == ["b.md"]
    (failure,) = found.failed
    assert failure.path == str(folder / "a")
    assert failure.reason == "cannot be listed: Permission denied. Check its permissions"
    assert found.hides(str(folder), "a/c.md")
    assert found.hides(str(folder), "a/deep/er.md")
    assert not found.hides(str(folder), "b.md")
    assert not found.hides(str(folder), "ab.md")


def test_a_root_that_cannot_be_listed_hides_everything_in_it(
    folder: Path, locked: Any, tmp_path: Path
) -> None:
    locked.folders.add(str(folder))
    (tmp_path / "other").mkdir()
    found = find_files([str(folder), str(tmp_path / "other")])
    assert (found.files, [failure.path for failure in found.failed]) == ((), [str(folder)])
    assert found.hides(str(folder), "b.md")
    assert not found.hides(str(tmp_path / "other"), "b.md")


def test_files_of_a_folder_that_may_not_be_entered_are_told(folder: Path, locked: Any) -> None:
    locked.files.add(str(folder / "a" / "c.md"))
    found = find_files([str(folder), str(folder)])
    assert [file.path for file in found.files] == ["a/ü n.txt", "b.md"]
    (failure,) = found.failed
    assert (failure.path, "Permission denied" in failure.reason) == (str(folder / "a" / "c.md"), True)
    assert found.hides(str(folder), "a/c.md")
    assert not found.hides(str(folder), "a/ü n.txt")


def test_a_path_that_cannot_be_reached_is_misuse(folder: Path, locked: Any) -> None:
    locked.files.add(str(folder / "b.md"))
    with pytest.raises(ConfigError, match=r"b\.md\" cannot be reached: Permission denied"):
        find_files([str(folder / "b.md")])


def test_what_is_no_file_is_left_out(folder: Path) -> None:
    os.mkfifo(folder / "pipe.txt")
    assert "pipe.txt" not in paths(folder)
