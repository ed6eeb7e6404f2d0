"""Which versions a base answers for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tunesmith.errors import ModelNotFoundError
from tunesmith.gateway.names import Names
from tunesmith.records import Alias
from tunesmith.stores.database import Database
from tunesmith.stores.registry import Registry

NAME = "ft:base:default:house:abc123"


def names_of(database: Database, base: Path) -> Names:
    return Names(lambda project_id: Registry(database, project_id), base=str(base), started_at=0)


def test_a_version_is_served_however_its_base_was_written(
    database: Database, register: Any, tmp_path: Path
) -> None:
    base = tmp_path / "models" / "base"
    base.mkdir(parents=True)
    (tmp_path / "link").symlink_to(base)
    for number, written in enumerate((base, f"{base}/", tmp_path / "link", f"{base}/../base")):
        register(f"{NAME}-{number}", base=str(written))
    names = names_of(database, base)
    assert [model.name for model in names.all("default")][1:] == [f"{NAME}-{number}" for number in range(4)]
    assert names.resolve("default", f"{NAME}-1").model == f"{NAME}-1"


def test_a_version_of_another_folder_is_refused_with_both_names(
    database: Database, register: Any, tmp_path: Path
) -> None:
    for name in ("base", "other"):
        (tmp_path / name).mkdir()
    register(NAME, base=str(tmp_path / "other"))
    names = names_of(database, tmp_path / "base")
    assert [model.kind for model in names.all("default")] == ["base"]
    with pytest.raises(ModelNotFoundError, match=rf"version of .*other, .* serves {tmp_path}/base"):
        names.resolve("default", NAME)


def test_a_whole_model_answers_as_a_base_of_its_own(
    database: Database, register: Any, tmp_path: Path
) -> None:
    register(NAME, base=str(tmp_path / "elsewhere"), kind="full")
    Registry(database, "default").set_alias(Alias("support", "default", NAME))
    names = names_of(database, tmp_path)
    assert [(model.name, model.base) for model in names.all("default")] == [
        (str(tmp_path), str(tmp_path)),
        (NAME, NAME),
        ("support", NAME),
    ]
    assert names.resolve("default", NAME).base == NAME
    assert names.resolve("default", "support").base == NAME
    with pytest.raises(ModelNotFoundError):
        names.resolve("acme", NAME)


def test_each_of_several_bases_answers_for_its_own_versions_and_stand_ins(
    database: Database, register: Any
) -> None:
    register(f"{NAME}-1", base="one/a")
    register(f"{NAME}-2", base="one/b")
    names = Names(
        lambda project_id: Registry(database, project_id),
        base="one/a",
        others=["one/b"],
        started_at=0,
        stand_ins={"gpt-4o": "one/b", "gpt-4o-mini": "one/a"},
    )
    assert [(model.name, model.base) for model in names.all("default")] == [
        ("one/a", "one/a"),
        ("one/b", "one/b"),
        (f"{NAME}-1", "one/a"),
        (f"{NAME}-2", "one/b"),
    ]
    named = names.resolve("default", "gpt-4o")
    assert (named.name, named.model, named.base, named.kind) == ("gpt-4o", "one/b", "one/b", "base")
    assert names.resolve("default", "one/b").kind == "base"
