"""Versions that programs left in homes of their own, taken into a registry."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from foreign_home import SAID, ProofEngine, leave_version
from in_thread import serving

from tunesmith.config.home import Home
from tunesmith.controller.arrivals import Arrivals
from tunesmith.controller.proving import ProvingEngines
from tunesmith.controller.run_arrivals import RunArrivals
from tunesmith.errors import ModelNotFoundError
from tunesmith.stores.bases import BaseStates
from tunesmith.stores.database import Database
from tunesmith.stores.projects import Projects
from tunesmith.stores.registry import Registry
from tunesmith.stores.version_folders import MANIFEST

RUN = "projects/acme/runs/lamp"


@pytest.fixture
def database(metadata: Database) -> Database:
    return metadata


@pytest.fixture
def engine() -> ProofEngine:
    return ProofEngine()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "release")


@pytest.fixture
def arrivals(database: Database, home: Home, engine: ProofEngine) -> Iterator[Arrivals]:
    with serving(engine.app()) as address:
        engines = ProvingEngines(
            ["tiny-reader"], states=BaseStates(database), address=lambda _: address, always=["tiny-reader"]
        )
        yield Arrivals(database, home, engines=engines)


def test_a_version_is_copied_proved_and_named(
    arrivals: Arrivals, database: Database, home: Home, engine: ProofEngine
) -> None:
    left = leave_version(home.objects / RUN)
    assert arrivals.has_any(RUN)
    arrived = arrivals(RUN, project_id="acme", origin="run-lamp")
    name = left.name.replace(":default:", ":acme:")
    assert (arrived.names, arrived.faults) == ((name,), ())
    assert engine.asked == [name]
    version = Registry(database, "acme").version(name)
    assert version.lineage.job_id == f"run-lamp/{left.path.rpartition('/')[2]}"
    assert (home.objects / version.path / "adapter_model.safetensors").read_bytes() == b"weights of lamp"
    assert arrivals(RUN, project_id="acme", origin="run-lamp").names == (name,)
    assert len(engine.asked) == 1, "again changes nothing"
    assert Registry(database, "default").versions() == []


def test_what_the_engine_says_otherwise_gets_no_name(
    arrivals: Arrivals, database: Database, home: Home, engine: ProofEngine
) -> None:
    engine.tokens = [9, 9]
    left = leave_version(home.objects / RUN)
    (fault,) = arrivals(RUN, project_id="acme", origin="run-lamp").faults
    assert "Trainer and engine differ" in fault
    for hidden in (False, True):
        with pytest.raises(ModelNotFoundError):
            Registry(database, "acme").version(left.name.replace(":default:", ":acme:"), hidden=hidden)
    engine.tokens = list(SAID["token_ids"])
    again = arrivals(RUN, project_id="acme", origin="run-lamp")
    assert (again.names, again.waiting) == ((), ""), "it is not tried for ever"


@pytest.mark.parametrize(
    "proof",
    [b"[]", b"{}", b"[{}]", b"no json", b" " * 2_000_000, json.dumps([{**SAID, "margins": []}]).encode()],
)
def test_a_proof_that_proves_nothing_is_none(
    arrivals: Arrivals, home: Home, engine: ProofEngine, proof: bytes
) -> None:
    left = leave_version(home.objects / RUN, proof=proof)
    (fault,) = arrivals(RUN, project_id="acme", origin="run-lamp").faults
    assert f"proof.json of {left.name.replace(':default:', ':acme:')} proves nothing" in fault
    assert engine.asked == []


def test_an_engine_that_is_away_is_asked_again(
    arrivals: Arrivals, database: Database, home: Home, engine: ProofEngine
) -> None:
    engine.status = 503
    leave_version(home.objects / RUN)
    arrived = arrivals(RUN, project_id="acme", origin="run-lamp")
    assert (arrived.names, arrived.faults) == ((), ())
    assert "answers with 503" in arrived.waiting
    assert Registry(database, "acme").versions() == [], "its name waits for its proof"
    engine.status = 200
    assert len(arrivals(RUN, project_id="acme", origin="run-lamp").names) == 1


def test_at_the_last_try_what_waits_is_given_up_and_holds_no_engine(
    arrivals: Arrivals, database: Database, home: Home, engine: ProofEngine
) -> None:
    engine.status = 503
    left = leave_version(home.objects / RUN)
    arrived = arrivals(RUN, project_id="acme", origin="run-lamp", last=True)
    assert "answers with 503" in arrived.faults[0]
    name = left.name.replace(":default:", ":acme:")
    assert Registry(database, "acme").is_deleted(name)
    engine.status = 200
    for _ in range(2):
        assert "was deleted, or differed" in arrivals(RUN, project_id="acme", origin="run-lamp").faults[0]


def test_a_base_that_is_not_served_is_told_with_the_way_out(
    arrivals: Arrivals, home: Home, engine: ProofEngine
) -> None:
    leave_version(home.objects / RUN, model="Qwen/Qwen3-0.6B")
    (fault,) = arrivals(RUN, project_id="acme", origin="run-lamp").faults
    assert (
        "was trained on Qwen/Qwen3-0.6B, which this release does not serve. Add it to `config.bases`" in fault
    )
    assert engine.asked == []


def test_one_bad_version_keeps_no_other_one_out(arrivals: Arrivals, home: Home) -> None:
    bad = leave_version(home.objects / RUN, name="bad")
    (home.objects / RUN / "objects" / bad.path / "adapter_model.safetensors").write_bytes(b"torn")
    leave_version(home.objects / RUN, name="good")
    arrived = arrivals(RUN, project_id="acme", origin="run-lamp")
    assert [line.split()[0] for line in arrived.lines] == ["Registered:", "Not"]
    assert "adapter_model.safetensors is not the file that its manifest.json describes." in arrived.faults[0]


def test_a_name_that_is_another_ones_is_refused(arrivals: Arrivals, database: Database, home: Home) -> None:
    left = leave_version(home.objects / RUN)
    arrivals(RUN, project_id="acme", origin="run-lamp")
    other = leave_version(home.objects / "projects/acme/runs/other")
    manifest = home.objects / "projects/acme/runs/other/objects" / other.path / MANIFEST
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "name": left.name}))
    (fault,) = arrivals("projects/acme/runs/other", project_id="acme", origin="run-other").faults
    assert f"There is a model named {left.name.replace(':default:', ':acme:')} already" in fault


def test_runs_are_found_and_looked_at_once(
    arrivals: Arrivals, database: Database, home: Home, engine: ProofEngine
) -> None:
    runs = RunArrivals(Projects(database), home, arrivals, patience_seconds=60)
    runs.look()
    leave_version(home.objects / RUN)
    engine.status = 503
    runs.look()
    engine.status = 200
    for _ in range(3):
        runs.look()
    assert len(Registry(database, "acme").versions()) == 1
    assert len(engine.asked) == 2
    leave_version(home.objects / RUN, name="second")
    runs.look()
    assert len(Registry(database, "acme").versions()) == 2


def test_a_run_is_not_waited_for_for_ever(
    arrivals: Arrivals, database: Database, home: Home, engine: ProofEngine
) -> None:
    runs = RunArrivals(Projects(database), home, arrivals, patience_seconds=0)
    leave_version(home.objects / RUN)
    engine.status = 503
    for _ in range(3):
        runs.look()
    assert len(engine.asked) == 1
