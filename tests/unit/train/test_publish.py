"""A version is a complete folder of safetensors and JSON, then a name."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from tunesmith.config.home import Home
from tunesmith.config.train import TrainConfig
from tunesmith.errors import StorageError
from tunesmith.records import Job, Lineage
from tunesmith.stores.atomic import sync_tree
from tunesmith.stores.database import open_home_database
from tunesmith.stores.registry import Registry
from tunesmith.stores.version_folders import MANIFEST
from tunesmith.train.publish import base_name, publish, version_name

JOB = Job("ftjob-abcdef0123456789abcdef01", "default", "run", "publishing", 1, "f", {}, 0)
LINEAGE = Lineage("tiny-reader", "hash", {}, 17, {"loss": 1.0}, "0.1.0", JOB.id)
Recipe = Callable[..., TrainConfig]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def registry(home: Home) -> Registry:
    return Registry(open_home_database(home), "default")


@pytest.fixture
def export(tmp_path: Path) -> Path:
    folder = tmp_path / "export"
    folder.mkdir()
    (folder / "adapter_model.safetensors").write_bytes(b"weights")
    (folder / "adapter_config.json").write_text(
        '{"base_model_name_or_path": "/somewhere", "r": 8}', encoding="utf-8"
    )
    (folder / "training_args.bin").write_bytes(b"a pickle")
    (folder / "README.md").write_text("a card", encoding="utf-8")
    return folder


def test_name_says_base_project_suffix_and_job(recipe: Recipe) -> None:
    assert version_name(recipe(), JOB) == "ft:tiny-reader:default:run:abcdef0123"
    assert (
        version_name(recipe(model="/models/My-Llama", suffix="hr"), JOB)
        == "ft:My-Llama:default:hr:abcdef0123"
    )
    made = recipe(method={"type": "scratch"}, suffix="tiny-reader")
    assert version_name(made, JOB) == "ft:tiny-reader:default:tiny-reader:abcdef0123"


def test_base_has_the_name_that_serving_gives_it(recipe: Recipe, tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "base")
    for written in (f"{tmp_path}/base/", f"{tmp_path}/link", f"{tmp_path}/link/../base"):
        config = recipe(model=written)
        assert base_name(config) == str(tmp_path / "base")
        assert version_name(config, JOB) == "ft:base:default:run:abcdef0123"
    assert base_name(recipe(model="tiny-reader/")) == "tiny-reader"
    assert base_name(recipe(model="Qwen/Qwen3-0.6B")) == "Qwen/Qwen3-0.6B"


def test_version_holds_what_is_served_and_no_pickle(
    export: Path, recipe: Recipe, home: Home, registry: Registry
) -> None:
    version = publish(export, config=recipe(), job=JOB, lineage=LINEAGE, home=home, registry=registry)
    folder = home.objects / version.path
    assert sorted(path.name for path in folder.iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
        MANIFEST,
    ]
    config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    assert config == {"base_model_name_or_path": "tiny-reader", "r": 8}
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    assert manifest["files"]["adapter_model.safetensors"]["sha256"] == hashlib.sha256(b"weights").hexdigest()
    assert manifest["lineage"]["job_id"] == JOB.id
    assert registry.versions() == [version]
    assert (version.kind, version.base) == ("adapter", "tiny-reader")


def test_second_publish_changes_nothing(export: Path, recipe: Recipe, home: Home, registry: Registry) -> None:
    first = publish(export, config=recipe(), job=JOB, lineage=LINEAGE, home=home, registry=registry)
    (export / "adapter_model.safetensors").write_bytes(b"other weights")
    again = publish(export, config=recipe(), job=JOB, lineage=LINEAGE, home=home, registry=registry)
    assert again == first
    assert (home.objects / first.path / "adapter_model.safetensors").read_bytes() == b"weights"


def test_half_made_folder_is_made_anew(export: Path, recipe: Recipe, home: Home, registry: Registry) -> None:
    partial = home.objects / "projects/default/models/abcdef0123456789abcdef01.dead.partial"
    partial.mkdir(parents=True)
    (partial / "rubbish").write_text("x", encoding="utf-8")
    os.utime(partial, (0, 0))
    version = publish(export, config=recipe(), job=JOB, lineage=LINEAGE, home=home, registry=registry)
    assert not (home.objects / version.path / "rubbish").exists()
    assert not partial.exists()


def test_full_weights_say_their_type(recipe: Recipe, tmp_path: Path, home: Home, registry: Registry) -> None:
    export = tmp_path / "full"
    export.mkdir()
    (export / "config.json").write_text('{"dtype": "float32", "hidden_size": 64}', encoding="utf-8")
    config = recipe(method={"type": "full"})
    version = publish(export, config=config, job=JOB, lineage=LINEAGE, home=home, registry=registry)
    written = json.loads((home.objects / version.path / "config.json").read_text(encoding="utf-8"))
    assert (version.kind, written["dtype"]) == ("full", "bfloat16")


def test_unwritable_store_is_told(export: Path, recipe: Recipe, home: Home, registry: Registry) -> None:
    home.objects.mkdir(parents=True)
    (home.objects / "projects").write_text("a file where a folder should be", encoding="utf-8")
    with pytest.raises(StorageError, match="cannot be written"):
        publish(export, config=recipe(), job=JOB, lineage=LINEAGE, home=home, registry=registry)
    assert registry.versions() == []


def test_failed_copy_says_why_and_takes_no_room(
    export: Path, recipe: Recipe, home: Home, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(source: str, target: str, **_: object) -> None:
        Path(target).write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copytree", partial(shutil.copytree, copy_function=fill))
    with pytest.raises(StorageError, match=r"cannot be written: .*No space left on device.* Free some disk"):
        publish(export, config=recipe(), job=JOB, lineage=LINEAGE, home=home, registry=registry)
    assert list((home.objects / "projects/default/models").iterdir()) == []


def test_two_that_publish_together_make_one_whole_version(
    export: Path, recipe: Recipe, home: Home, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = threading.Barrier(2, timeout=20)

    def meet(folder: Path) -> None:
        together.wait()
        sync_tree(folder)

    monkeypatch.setattr("tunesmith.train.publish.sync_tree", meet)

    def run(_number: int) -> str:
        version = publish(export, config=recipe(), job=JOB, lineage=LINEAGE, home=home, registry=registry)
        return version.path

    with ThreadPoolExecutor(2) as threads:
        (path,) = set(threads.map(run, range(2)))
    manifest = json.loads((home.objects / path / MANIFEST).read_text(encoding="utf-8"))
    assert {name: (home.objects / path / name).stat().st_size for name in manifest["files"]} == {
        name: file["bytes"] for name, file in manifest["files"].items()
    }
    assert [found.name for found in (home.objects / path).parent.iterdir()] == [Path(path).name]
