"""What an alias may point at from the command line: what the running platform serves, and else what is registered."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest

from tunesmith.config.home import Home
from tunesmith.config.serve import ServeConfig
from tunesmith.controller.plan import plan_platform
from tunesmith.errors import ModelNotFoundError
from tunesmith.flows.alias import point_alias
from tunesmith.records import Alias, Lineage, ModelVersion
from tunesmith.stores.database import open_home_database
from tunesmith.stores.platform_file import ProcessId, write_running
from tunesmith.stores.registry import Registry

TUNED = "ft:one/b:default:house:0a1b2c"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with an adapter of `one/b`."""
    home = Home(tmp_path)
    lineage = Lineage("one/b", "0" * 64, {}, 1, {}, "0.1.0", "ftjob-1")
    version = ModelVersion(TUNED, "default", "one/b", "adapter", "models/0a1b2c", 1, lineage)
    database = open_home_database(home)
    Registry(database, "default").register(version)
    database.close()
    return home


def _run(home: Home, *bases: str) -> None:
    config = ServeConfig.model_validate({"port": 0, "bases": [{"model": base} for base in bases]})
    write_running(
        dataclasses.replace(plan_platform(home, config), pids={"controller": ProcessId.of(os.getpid())})
    )


@pytest.mark.parametrize("model", ["one/a", "one/b", TUNED])
def test_it_points_at_any_served_base_and_what_was_tuned_on_it(home: Home, model: str) -> None:
    _run(home, "one/a", "one/b")
    assert point_alias(home, Alias("support", "default", model)).model == model


def test_it_points_at_nothing_that_the_platform_does_not_serve(home: Home) -> None:
    _run(home, "one/a")
    for model in ("one/b", TUNED):
        with pytest.raises(ModelNotFoundError, match=f"The model '{model}'"):
            point_alias(home, Alias("support", "default", model))


def test_where_nothing_runs_any_registered_version_will_do(home: Home) -> None:
    assert point_alias(home, Alias("support", "default", TUNED)).model == TUNED
