"""One name for one base model, whoever asks and however it is written."""

from __future__ import annotations

from pathlib import Path

import pytest

import tunesmith.assets
from tunesmith.assets import canonical_base, model_source, same_base

SHIPPED = Path(tunesmith.assets.__file__).parent / "models" / "tiny-reader"


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a model, called like the shipped one, in the working folder."""
    (tmp_path / "tiny-reader").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path / "tiny-reader"


@pytest.mark.parametrize("name", ["tiny-reader", "tiny-reader/", str(SHIPPED), f"{SHIPPED}/"])
def test_a_shipped_model_is_called_by_its_name(name: str) -> None:
    assert canonical_base(name) == "tiny-reader"
    assert Path(model_source(canonical_base(name))) == SHIPPED


def test_a_folder_is_called_by_its_real_path(base: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(base)
    for name in (
        "./tiny-reader",
        f"{base}",
        f"{base}/",
        f"{base}/../tiny-reader",
        "link",
        f"{tmp_path}/link/",
    ):
        assert canonical_base(name) == str(base)
        assert Path(model_source(name)).resolve() == base


def test_a_folder_under_the_users_home_is_found(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert canonical_base("~/tiny-reader") == str(base)


def test_a_bare_name_is_the_shipped_models_also_beside_a_folder_of_that_name(base: Path) -> None:
    assert canonical_base(base.name) == "tiny-reader"
    assert Path(model_source(base.name)) == SHIPPED


@pytest.mark.parametrize("name", ["Qwen/Qwen3-0.6B", "/nowhere/base/", "no-such-model", "../models"])
def test_any_other_name_stays_as_it_is(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert canonical_base(name) == model_source(name) == name


def test_bases_are_the_same_however_they_are_written(base: Path) -> None:
    assert same_base(f"{base}/", str(base))
    assert same_base("Qwen/Qwen3-0.6B", "Qwen/Qwen3-0.6B")
    assert not same_base("tiny-reader", str(base))
    assert not same_base("Qwen/Qwen3-0.6B", "Qwen/Qwen3-1.7B")
