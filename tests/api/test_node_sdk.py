"""The official Node SDK on a live gateway, as far as no engine is needed; `tests/flows` has the rest."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tunesmith.records import DEFAULT_PROJECT, Lineage, ModelVersion
from tunesmith.stores.database import Database, JobRow
from tunesmith.stores.keys import KeyStore
from tunesmith.stores.registry import Registry

from .node_sdk import check_answers, check_calls, run_node
from .openapi import Spec
from .sdk_surface import WITHOUT_ENGINE

PARTS = ("models", "files", "uploads", "fineTuning", "administration", "elsewhere")


@pytest.fixture
def validating(database: Database) -> Iterator[None]:
    """What a controller does first with a job: it finds nothing wrong with its file, and settles one to be paused."""
    ended = threading.Event()

    def validate() -> None:
        while not ended.wait(0.05):
            with database.session() as session:
                # "queued" too: a pause can come between the look at a row and its new state.
                for row in session.query(JobRow).where(JobRow.state.in_(("validating_files", "queued"))):
                    row.state = "paused" if row.wanted == "paused" else "queued"

    thread = threading.Thread(target=validate)
    thread.start()
    yield
    ended.set()
    thread.join()


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("validating")
def test_every_method_is_called_and_every_answer_is_as_the_spec_says(
    gateway_url: str, database: Database, node_programs: Path, spec: Spec
) -> None:
    name = f"ft:tiny-reader:{DEFAULT_PROJECT}:node:90de01"
    lineage = Lineage("tiny-reader", "0" * 64, {}, 12, {}, "0", "ftjob-90de01")
    Registry(database, DEFAULT_PROJECT).register(
        ModelVersion(
            name, DEFAULT_PROJECT, "tiny-reader", "adapter", "models/90de01", int(time.time()), lineage
        )
    )
    key = KeyStore(database).create("default", "chief", role="administer", of_organisation=True)
    told = run_node(node_programs, "surface.ts", name, *PARTS, base_url=f"{gateway_url}/v1", key=key)
    check_calls(told, WITHOUT_ENGINE)
    check_answers(told, spec)
    assert {line["status"] for line in told if "answer" in line} == {200, 400, 401, 403, 404}
