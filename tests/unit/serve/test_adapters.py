from __future__ import annotations

import json
from pathlib import Path

import pytest

from tunesmith.config.home import Home
from tunesmith.errors import ConfigError
from tunesmith.records import Lineage, ModelVersion
from tunesmith.serve.adapters import RegisteredAdapters
from tunesmith.stores.database import ProjectRow, open_home_database
from tunesmith.stores.registry import Registry

NAME = "ft:tiny:acme:leave:0a1b2c"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    with open_home_database(home).session() as session:
        session.add(ProjectRow(id="acme", created_at=1))
    return home


@pytest.fixture
def adapters(home: Home) -> RegisteredAdapters:
    return RegisteredAdapters(home, base="tiny", max_rank=8)


def _register(
    home: Home, *, rank: int = 4, base: str = "tiny", weights: str = "adapter_model.safetensors"
) -> Path:
    folder = home.objects / "projects/acme/models/0a1b2c"
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text(json.dumps({"r": rank}), encoding="utf-8")
    (folder / weights).touch()
    lineage = Lineage(
        base=base, data_hash="", config={}, seed=0, metrics={}, code_version="0", job_id="ftjob-1"
    )
    version = ModelVersion(
        NAME, "acme", base, "adapter", str(folder.relative_to(home.objects)), created_at=1, lineage=lineage
    )
    Registry(open_home_database(home), "acme").register(version)
    return folder


def test_registered_after_the_start_is_found(home: Home, adapters: RegisteredAdapters) -> None:
    assert adapters.find(NAME) is None
    folder = _register(home)
    assert adapters.find(NAME) == folder


def test_a_checkpoint_is_found_by_its_own_name(home: Home, adapters: RegisteredAdapters) -> None:
    folder = _register(home)
    lineage = Lineage("tiny", "", {}, 0, {}, "0", "ftjob-1")
    path = str(folder.relative_to(home.objects))
    name = f"{NAME}:ckpt-step-5"
    version = ModelVersion(name, "acme", "tiny", "adapter", path, created_at=1, lineage=lineage)
    assert adapters.find(name) is None
    Registry(open_home_database(home), "acme").register(version, hidden=True)
    assert adapters.find(name) == folder
    assert adapters.find(f"{NAME}:ckpt-step-6") is None
    assert adapters.find(f"{NAME}:ckpt-step-") is None


@pytest.mark.parametrize(
    "name", ["tiny", "ft:tiny:acme", "ft:tiny:other:leave:0a1b2c", "ft:tiny:acme:leave:ffffff", ""]
)
def test_other_names_are_not_found(home: Home, adapters: RegisteredAdapters, name: str) -> None:
    _register(home)
    assert adapters.find(name) is None


def test_adapter_of_another_base_is_not_found(home: Home, adapters: RegisteredAdapters) -> None:
    _register(home, base="other")
    assert adapters.find(NAME) is None


@pytest.mark.parametrize("written", ["{}/base/", "{}/link", "{}/link/../base"])
def test_an_adapter_is_found_however_its_base_was_written(home: Home, written: str) -> None:
    base = home.root / "base"
    base.mkdir()
    (home.root / "link").symlink_to(base)
    folder = _register(home, base=written.format(home.root))
    assert RegisteredAdapters(home, base=str(base), max_rank=8).find(NAME) == folder


def test_pickled_adapter_is_not_loaded(home: Home, adapters: RegisteredAdapters) -> None:
    _register(home, weights="adapter_model.bin")
    assert adapters.find(NAME) is None


def test_rank_above_the_engines_is_told(home: Home, adapters: RegisteredAdapters) -> None:
    _register(home, rank=16)
    with pytest.raises(ConfigError, match=r"rank 16, the engine takes 8"):
        adapters.find(NAME)
