"""Version folders that a program wrote, and what one could write there instead."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from foreign_home import leave_version

from tunesmith.errors import DataError
from tunesmith.stores.foreign_versions import (
    copy_foreign_version,
    foreign_versions,
    read_foreign_version,
)
from tunesmith.stores.no_links import file_below, names_below
from tunesmith.stores.version_folders import MANIFEST

HOME = "projects/acme/runs/lamp"


@pytest.fixture
def left(tmp_path: Path) -> Path:
    """The folder of a version below the volume `tmp_path`."""
    version = leave_version(tmp_path / HOME)
    return tmp_path / HOME / "objects" / version.path


def _take(root: Path) -> Path:
    (folder,) = foreign_versions(root, HOME)
    target = root / "taken"
    copy_foreign_version(root, folder, read_foreign_version(root, folder), target)
    return target


def test_what_a_program_published_is_taken_whole(tmp_path: Path, left: Path) -> None:
    target = _take(tmp_path)
    assert {path.name: path.read_bytes() for path in target.iterdir() if path.name != MANIFEST} == {
        path.name: path.read_bytes() for path in left.iterdir() if path.name != MANIFEST
    }
    assert json.loads((target / MANIFEST).read_text()) == json.loads((left / MANIFEST).read_text())
    before = (target / MANIFEST).stat().st_ino
    assert (_take(tmp_path) / MANIFEST).stat().st_ino == before, "again changes nothing"


def test_a_name_tells_the_project(tmp_path: Path, left: Path) -> None:
    said = read_foreign_version(tmp_path, str(left.relative_to(tmp_path)))
    assert said.name_in("acme").split(":")[:4] == ["ft", "tiny-reader", "acme", "lamp"]
    assert said.name_in("acme").split(":")[4] == said.name.split(":")[4]


def _linked_file(left: Path, secret: Path) -> None:
    (left / "adapter_config.json").unlink()
    (left / "adapter_config.json").symlink_to(secret)


def _linked_folder(left: Path, secret: Path) -> None:
    left.rename(left.with_name("elsewhere"))
    left.symlink_to(left.with_name("elsewhere"))


def _pipe(left: Path, secret: Path) -> None:
    (left / "adapter_config.json").unlink()
    os.mkfifo(left / "adapter_config.json")


def _other_bytes(left: Path, secret: Path) -> None:
    (left / "adapter_model.safetensors").write_bytes(b"other")


def _program(left: Path, secret: Path) -> None:
    (left / "modeling.py").write_text("import os")
    _describe(left, "modeling.py", {"bytes": 9, "sha256": "0" * 64})


def _upwards(left: Path, secret: Path) -> None:
    _describe(left, "../../secret.json", {"bytes": 9, "sha256": "0" * 64})


def _absolute(left: Path, secret: Path) -> None:
    _describe(left, str(secret), {"bytes": 9, "sha256": "0" * 64})


def _describe(left: Path, name: str, described: dict[str, Any]) -> None:
    manifest = json.loads((left / MANIFEST).read_text())
    manifest["files"] = {**manifest["files"], name: described}
    (left / MANIFEST).write_text(json.dumps(manifest))


def _nameless(left: Path, secret: Path) -> None:
    manifest = json.loads((left / MANIFEST).read_text())
    (left / MANIFEST).write_text(json.dumps({**manifest, "name": "ft:a:b:c"}))


def _not_a_number(left: Path, secret: Path) -> None:
    manifest = json.loads((left / MANIFEST).read_text())
    manifest["lineage"]["metrics"] = {"loss": float("nan")}
    (left / MANIFEST).write_text(json.dumps(manifest))


def _changed(left: Path, change: Callable[[dict[str, Any]], None]) -> None:
    manifest = json.loads((left / MANIFEST).read_text())
    change(manifest)
    (left / MANIFEST).write_text(json.dumps(manifest))


def _endless(left: Path, secret: Path) -> None:
    text = (left / MANIFEST).read_text()
    (left / MANIFEST).write_text(text.replace('"loss": 0.5', '"loss": 1e999'))


def _nul(left: Path, secret: Path) -> None:
    _changed(left, lambda manifest: manifest["lineage"].update(code_version="0\0"))


def _half_a_character(left: Path, secret: Path) -> None:
    _changed(left, lambda manifest: manifest["lineage"].update(code_version="\ud800"))


def _somebodys_home(left: Path, secret: Path) -> None:
    _changed(left, lambda manifest: manifest.update(kind="full", base="~nobody"))


def _folder(left: Path, secret: Path) -> None:
    _describe(left, "a/b.json", {"bytes": 9, "sha256": "0" * 64})


def _deep(left: Path, secret: Path) -> None:
    (left / MANIFEST).write_text("[" * 200_000)


@pytest.mark.parametrize(
    ("tamper", "says"),
    [
        (_linked_file, "adapter_config.json cannot be read"),
        (_pipe, "is no file"),
        (_other_bytes, "is not the file that its manifest.json describes"),
        (_program, "modeling.py is neither weights nor settings"),
        (_upwards, "files"),
        (_absolute, "files"),
        (_nameless, "name"),
        (_not_a_number, "NaN is no number"),
        (_endless, "1e999 is no number"),
        (_nul, "holds a NUL"),
        (_half_a_character, "cannot be read"),
        (_somebodys_home, "base"),
        (_folder, "files"),
        (_deep, "cannot be read"),
    ],
)
def test_what_no_version_is_made_of_is_refused(
    tmp_path: Path, left: Path, tamper: Callable[[Path, Path], None], says: str
) -> None:
    secret = tmp_path / "secret.json"
    secret.write_text('{"key": "of the controller"}')
    tamper(left, secret)
    with pytest.raises(DataError, match=says):
        _take(tmp_path)
    assert list(tmp_path.glob("taken*")) == []


def test_a_linked_folder_is_not_there(tmp_path: Path, left: Path) -> None:
    folder = left.relative_to(tmp_path).as_posix()
    _linked_folder(left, tmp_path)
    assert folder not in foreign_versions(tmp_path, HOME)
    with pytest.raises(OSError, match=r"\S"), file_below(tmp_path, f"{folder}/{MANIFEST}"):
        pass


def test_a_folder_that_no_run_made_is_no_version(tmp_path: Path, left: Path) -> None:
    for name in ("..hidden", "not hex", b"\xff\xfe".decode(errors="surrogateescape")):
        (left.parent / name).mkdir()
        (left.parent / name / MANIFEST).write_text("{}")
    assert len(foreign_versions(tmp_path, HOME)) == 1


def test_nobody_leaves_the_root(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "beside").mkdir()
    (tmp_path / "beside" / "file").write_text("x")
    assert names_below(tmp_path / "root", "../beside") == []
    assert names_below(tmp_path / "root", "absent") == []
    with pytest.raises(OSError, match="leads out"), file_below(tmp_path / "root", "../beside/file"):
        pass
