"""What one machine's Ray Serve shall run, request by request; the test plays Serve and the clock."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from tunesmith.config.home import Home
from tunesmith.config.serve import ServeConfig
from tunesmith.controller.local_bases import LocalBases
from tunesmith.records import Lineage, ModelVersion
from tunesmith.stores.bases import BaseStates
from tunesmith.stores.database import Database, ServedBaseRow, open_home_database
from tunesmith.stores.registry import Registry, whole_models
from tunesmith.stores.state_file import PartState

TUNED = "ft:tiny-reader:default:house:0a1b2c"


class Machine:
    """A controller's view of one machine."""

    def __init__(self, folder: Path, **config: Any) -> None:
        self.home = Home(folder)
        self.database = open_home_database(self.home)
        self.states = BaseStates(self.database)
        self.config = ServeConfig.model_validate(config)
        self.running: dict[str, str] = {}
        self.failing: set[str] = set()
        self.free_bytes = 2**40
        self.restart_controller()

    def restart_controller(self) -> None:
        self.bases = LocalBases(
            self.config,
            home=self.home,
            milvus_uri="http://127.0.0.1:1",
            http_port=1,
            states=self.states,
            versions=lambda: whole_models(self.database),
            routes=lambda: [f"/{name}" for name in self.running],
            free=lambda: self.free_bytes,
        )

    def tick(self) -> list[str]:
        """One look, after which Serve has done what it was told; the models in memory."""
        document = self.bases.document({name: {"status": "RUNNING"} for name in self.running})
        wanted = {one["name"]: one["args"].get("model", "") for one in document["applications"]}
        self.parts = self.bases.observe(
            [
                PartState(
                    name,
                    "failed" if name in self.failing else "ready" if name in self.running else "starting",
                )
                for name in wanted
            ]
        )
        self.running = wanted
        return sorted(model for name, model in wanted.items() if name.startswith("engine"))

    def settle(self) -> list[str]:
        for _ in range(3):
            models = self.tick()
        return models

    def let_pass(self, seconds: float) -> None:
        with self.database.session() as session:
            session.execute(update(ServedBaseRow).values(asked_at=ServedBaseRow.asked_at - seconds))

    def state(self, model: str) -> str | None:
        return next((base.state for base in self.states.all() if base.model == model), None)

    @property
    def ready(self) -> bool:
        return all(part.condition == "ready" for part in self.parts)


def register(database: Database, name: str = TUNED, *, hidden: bool = False) -> None:
    lineage = Lineage("tiny-reader", "0" * 64, {}, 1, {}, "0.1.0", f"ftjob-{name}")
    version = ModelVersion(name, "default", "tiny-reader", "full", f"models/{name}", 1, lineage)
    Registry(database, "default").register(version, hidden=hidden)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_whole_model_comes_when_it_is_asked_for_and_goes_with_its_name(machine: Machine) -> None:
    register(machine.database)
    assert machine.settle() == ["tiny-reader"]
    assert machine.states.ask(TUNED).state == "wanted"
    assert machine.tick() == [TUNED, "tiny-reader"]
    assert machine.state(TUNED) == "starting"
    assert machine.ready, "the platform is, whoever is on the way"
    machine.tick()
    assert machine.states.ask(TUNED).state == "ready"
    Registry(machine.database, "default").delete(TUNED)
    assert machine.tick() == ["tiny-reader"]
    assert machine.state(TUNED) is None


def test_its_engine_reads_its_folder_and_serves_no_adapters(machine: Machine) -> None:
    register(machine.database, hidden=True)
    machine.settle()
    machine.states.ask(TUNED)
    engines = machine.bases.document({"engine": {}})["applications"][:2]
    assert engines[0]["route_prefix"] == "/engine"
    told = engines[1]["args"]
    assert (told["model"], told["version"]) == (TUNED, f"models/{TUNED}")
    assert told["source"] == str(machine.home.objects / f"models/{TUNED}")


def test_a_whole_model_is_served_as_the_base_that_it_was_made_from(tmp_path: Path) -> None:
    own = {"max_model_len": 256, "json_whitespace": "none"}
    bases = [{"model": "one/a"}, {"model": "tiny-reader/", "engine": own, "stand_ins": ["gpt-4o"]}]
    machine = Machine(tmp_path, bases=bases)
    register(machine.database)
    machine.settle()
    machine.states.ask(TUNED)
    engines = {one["args"]["model"]: one["args"] for one in machine.bases.document({})["applications"][:3]}
    assert engines[TUNED]["engine"] == engines["tiny-reader/"]["engine"]
    assert engines[TUNED]["engine"]["max_model_len"] == 256


def test_with_one_place_the_base_sleeps_for_the_whole_model_and_comes_back(tmp_path: Path) -> None:
    machine = Machine(tmp_path, serving={"max_awake": 1})
    register(machine.database)
    machine.settle()
    machine.states.ask("tiny-reader")
    machine.states.ask(TUNED)
    assert machine.settle() == ["tiny-reader"], "it is in use"
    machine.let_pass(20)
    machine.states.ask(TUNED)
    assert machine.tick() == [], "one leaves before the other comes"
    assert machine.settle() == [TUNED]
    assert machine.ready
    assert [part.message for part in machine.parts if part.name == "engine"] == ["asleep"]
    machine.let_pass(20)
    assert machine.states.ask("tiny-reader").state == "wanted"
    assert machine.settle() == ["tiny-reader"]
    assert machine.states.ask("tiny-reader").state == "ready"
    assert (machine.state(TUNED), machine.parts[0].message) == ("asleep", "")


def test_an_idle_base_sleeps_where_that_is_asked_for(tmp_path: Path) -> None:
    machine = Machine(tmp_path, serving={"idle_seconds": 60})
    machine.settle()
    machine.let_pass(61)
    assert machine.settle() == []
    assert machine.ready
    machine.states.ask("tiny-reader")
    assert machine.settle() == ["tiny-reader"]


def test_a_base_that_takes_long_to_start_is_not_put_to_sleep_as_soon_as_it_is_ready(tmp_path: Path) -> None:
    machine = Machine(tmp_path, serving={"idle_seconds": 60, "max_awake": 1})
    register(machine.database)
    machine.tick()
    machine.let_pass(120)
    assert machine.settle() == ["tiny-reader"], "`up` has just said that it is ready"
    machine.states.ask(TUNED)
    assert machine.settle() == ["tiny-reader"], "who was told to come back in ten seconds finds it"
    machine.let_pass(20)
    machine.states.ask(TUNED)
    assert machine.settle() == [TUNED]


def test_several_bases_each_have_an_engine_and_those_beyond_the_places_sleep(tmp_path: Path) -> None:
    bases = [{"model": "one/a"}, {"model": "one/b", "engine": {"max_model_len": 256}}, {"model": "one/c"}]
    machine = Machine(tmp_path, bases=bases, serving={"max_awake": 2})
    assert machine.settle() == ["one/a", "one/b"]
    assert machine.ready
    machine.let_pass(20)
    machine.states.ask("one/c")
    machine.states.ask("one/a")
    assert machine.settle() == ["one/a", "one/c"]


def test_a_new_controller_goes_on_with_what_runs_and_an_empty_serve_begins_anew(machine: Machine) -> None:
    register(machine.database)
    machine.settle()
    machine.states.ask(TUNED)
    machine.settle()
    machine.restart_controller()
    assert machine.settle() == [TUNED, "tiny-reader"]
    machine.running = {}
    assert machine.tick() == [TUNED, "tiny-reader"], "a new Ray head gets what the old one ran"
    machine.running = {}
    machine.restart_controller()
    assert machine.settle() == ["tiny-reader"], "another `up`: nobody has asked for it yet"


def test_a_base_that_cannot_be_started_says_so_and_a_tuned_one_leaves_when_nobody_asks(
    machine: Machine,
) -> None:
    register(machine.database)
    machine.settle()
    asked = time.time()
    machine.states.ask(TUNED)
    machine.tick()
    machine.failing = {name for name in machine.running if name.startswith("engine-")}
    machine.tick()
    assert machine.states.ask(TUNED).state == "failed"
    assert machine.ready
    machine.let_pass(20)
    assert machine.settle() == ["tiny-reader"]
    assert time.time() - asked < 20, "the clock was played"
    machine.failing = {"engine"}
    machine.settle()
    assert not machine.ready


def test_a_base_waits_for_memory_and_is_woken_when_there_is_some(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    machine = Machine(tmp_path)
    register(machine.database)
    assert machine.settle() == ["tiny-reader"]
    machine.free_bytes = 2**20
    machine.states.ask(TUNED)
    assert machine.settle() == ["tiny-reader"]
    assert machine.state(TUNED) == "wanted"
    told = [one for one in caplog.messages if "waits for memory" in one]
    assert len(told) == 1, "once, not at every look"
    assert "0.0 GiB are free" in told[0]
    machine.free_bytes = 2**40
    assert machine.settle() == sorted(["tiny-reader", TUNED])
