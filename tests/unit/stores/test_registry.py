"""Aliases move and roll back; versions wait hidden for their proof."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tunesmith.errors import ConflictError, ModelNotFoundError, NotFoundError
from tunesmith.records import Alias, Lineage, ModelVersion
from tunesmith.stores.database import Database
from tunesmith.stores.registry import Registry


@pytest.fixture
def registry(metadata: Database) -> Registry:
    return Registry(metadata, "default")


def _version(name: str) -> ModelVersion:
    lineage = Lineage("base", "0", {}, 1, {}, "0", f"ftjob-{name}")
    return ModelVersion(name, "default", "base", "adapter", f"models/{name}", 1, lineage)


def _point(registry: Registry, *models: str) -> None:
    for model in models:
        registry.set_alias(Alias("support", "default", model, ("handbook",), "Be short."))


def test_an_alias_goes_back_the_way_it_came(registry: Registry) -> None:
    _point(registry, "one", "two", "three")
    assert [registry.roll_back("support").model for _ in range(2)] == ["two", "one"]
    with pytest.raises(ConflictError, match="nothing to go back"):
        registry.roll_back("support")
    assert registry.alias("support") == Alias("support", "default", "one", ("handbook",), "Be short.")


def test_a_move_after_a_rollback_is_what_the_next_one_undoes(registry: Registry) -> None:
    _point(registry, "one", "two")
    registry.roll_back("support")
    _point(registry, "three")
    assert registry.roll_back("support").model == "one"


def test_what_has_been_deleted_is_not_gone_back_to(registry: Registry) -> None:
    registry.register(_version("ft:one"))
    _point(registry, "ft:one", "two")
    registry.delete("ft:one")
    with pytest.raises(ConflictError, match="deleted"):
        registry.roll_back("support")
    alias = registry.alias("support")
    assert alias is not None
    assert alias.model == "two"


def test_an_alias_that_is_not_there_cannot_be_moved_back_or_removed(registry: Registry) -> None:
    for ask in (registry.roll_back, registry.delete_alias):
        with pytest.raises(NotFoundError):
            ask("support")
    _point(registry, "one")
    registry.delete_alias("support")
    assert registry.aliases() == []


def test_a_hidden_version_is_seen_by_engines_alone(registry: Registry) -> None:
    registry.register(_version("ft:one"), hidden=True)
    assert registry.versions() == []
    with pytest.raises(ModelNotFoundError):
        registry.version("ft:one")
    assert registry.version("ft:one", hidden=True).name == "ft:one"
    registry.reveal("ft:one")
    assert [version.name for version in registry.versions()] == ["ft:one"]


def test_checkpoints_stand_beside_the_version_of_their_job(registry: Registry) -> None:
    lineage = Lineage("base", "0", {}, 1, {}, "0", "ftjob-1")
    for step in (None, 5, 10, 15):
        name = "ft:1" if step is None else f"ft:1:ckpt-step-{step}"
        made = ModelVersion(name, "default", "base", "adapter", f"models/{step}", 1, lineage)
        assert registry.register(made, hidden=step == 15).step == step
        assert registry.register(made) == made, "a second call changes nothing"
    registry.register(_version("ft:2"))
    assert [each.step for each in registry.checkpoints("ftjob-1")] == [10, 5]
    assert registry.checkpoints("ftjob-") == []
    registry.delete("ft:1:ckpt-step-10")
    assert [each.step for each in registry.checkpoints("ftjob-1")] == [5]
    assert registry.version("ft:1").path == "models/None"
    assert registry.path("ft:1:ckpt-step-10") == "models/10", "what goes on from it goes on"


def test_an_alias_set_to_what_it_is_has_not_moved(registry: Registry) -> None:
    _point(registry, "one", "two", "two")
    assert registry.roll_back("support").model == "one"


def test_rollbacks_that_come_together_go_back_one_move_each(registry: Registry) -> None:
    _point(registry, *(f"m{number}" for number in range(9)))
    with ThreadPoolExecutor(8) as threads:
        reached = {alias.model for alias in threads.map(lambda _: registry.roll_back("support"), range(8))}
    assert reached == {f"m{number}" for number in range(8)}


def test_an_alias_that_many_move_together_has_moved_that_often(registry: Registry) -> None:
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: _point(registry, f"m{number}"), range(8)))
    for _ in range(7):
        registry.roll_back("support")
    with pytest.raises(ConflictError, match="nothing to go back"):
        registry.roll_back("support")
