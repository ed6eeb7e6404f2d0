"""Versions in a bucket: put there whole by whoever trained them, pulled by a machine that misses them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from s3_server import running_s3

from tunesmith.config.home import Home
from tunesmith.config.train import TrainConfig
from tunesmith.errors import NotFoundError, StorageError
from tunesmith.records import Job, Lineage, ModelVersion
from tunesmith.serve.adapters import RegisteredAdapters
from tunesmith.stores.database import open_home_database
from tunesmith.stores.objects import ObjectStore
from tunesmith.stores.registry import Registry
from tunesmith.stores.version_folders import MANIFEST, VersionFolders
from tunesmith.train.publish import publish

JOB = Job("ftjob-abcdef0123456789abcdef01", "default", "run", "publishing", 1, "f", {}, 0)
LINEAGE = Lineage("tiny-reader", "hash", {}, 17, {"loss": 1.0}, "0.1.0", JOB.id)


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    with running_s3() as (url, environment), pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        yield url


@pytest.fixture
def objects(bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ObjectStore:
    """A prefix of its own, told to both machines, which share a database too."""
    url = f"{bucket}/{uuid.uuid4().hex}"
    monkeypatch.setenv("TUNESMITH_OBJECTS_URL", url)
    monkeypatch.setenv("TUNESMITH_DATABASE_URL", f"sqlite:///{tmp_path}/shared.sqlite3")
    return ObjectStore(url)


@pytest.fixture
def trainer(tmp_path: Path) -> Home:
    return Home(tmp_path / "trainer")


@pytest.fixture
def replica(tmp_path: Path) -> Home:
    return Home(tmp_path / "replica")


@pytest.fixture
def version(objects: ObjectStore, trainer: Home, tmp_path: Path) -> ModelVersion:
    assert objects.keys("projects") == []
    export = tmp_path / "export"
    export.mkdir()
    (export / "adapter_model.safetensors").write_bytes(bytes(range(256)) * 40_000)  # 10 MB: several pieces
    (export / "adapter_config.json").write_text('{"r": 8}', encoding="utf-8")
    config = TrainConfig.model_validate({"name": "run", "data": {"type": "file", "path": "train.jsonl"}})
    registry = Registry(open_home_database(trainer), "default")
    return publish(export, config=config, job=JOB, lineage=LINEAGE, home=trainer, registry=registry)


def _files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_replica_pulls_what_another_machine_has_trained(
    version: ModelVersion, trainer: Home, replica: Home
) -> None:
    adapters = RegisteredAdapters(replica, base="tiny-reader", max_rank=16)
    with ThreadPoolExecutor(8) as pool:
        (folder,) = set(pool.map(adapters.find, [version.name] * 8))
    assert folder == replica.objects / version.path
    assert _files(folder) == _files(trainer.objects / version.path)
    assert [path.name for path in folder.parent.iterdir()] == [folder.name], "nothing half-pulled stays"


def test_beside_a_folder_that_all_share_nothing_is_carried(
    version: ModelVersion, objects: ObjectStore, trainer: Home, replica: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects.delete_all(version.path)
    monkeypatch.setenv("TUNESMITH_OBJECTS_FOLDER", str(trainer.objects))
    adapters = RegisteredAdapters(replica, base="tiny-reader", max_rank=16)
    assert adapters.find(version.name) == trainer.objects / version.path
    VersionFolders(trainer).push(version.path)
    assert objects.keys("projects") == []


def test_what_was_pulled_once_is_not_asked_for_again(
    version: ModelVersion, objects: ObjectStore, replica: Home
) -> None:
    adapters = RegisteredAdapters(replica, base="tiny-reader", max_rank=16)
    adapters.find(version.name)
    objects.delete_all(version.path)
    assert adapters.find(version.name)


def test_bytes_that_are_not_the_versions_are_refused(
    version: ModelVersion, objects: ObjectStore, replica: Home
) -> None:
    with objects.writer(f"{version.path}/adapter_config.json") as other:
        other.write(b'{"r": 9}')
    with pytest.raises(StorageError, match="not those of its version"):
        RegisteredAdapters(replica, base="tiny-reader", max_rank=16).find(version.name)
    assert not (replica.objects / version.path).exists()


def test_a_half_uploaded_version_is_none(
    version: ModelVersion, objects: ObjectStore, trainer: Home, replica: Home
) -> None:
    objects.delete(f"{version.path}/{MANIFEST}")
    with pytest.raises(NotFoundError):
        VersionFolders(replica).find(version.path)
    VersionFolders(trainer).push(version.path)
    manifest = json.loads((VersionFolders(replica).find(version.path) / MANIFEST).read_text(encoding="utf-8"))
    assert manifest["name"] == version.name
