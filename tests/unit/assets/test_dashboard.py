"""Every query of the Grafana dashboard asks for what /metrics really says."""

from __future__ import annotations

import json
import re
import shutil
import time
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tunesmith.config.home import Home
from tunesmith.gateway.app import build_app
from tunesmith.gateway.fine_tuning.metrics import JobMetrics
from tunesmith.gateway.metrics import STAGES, Metrics
from tunesmith.gateway.request_record import RequestRecord
from tunesmith.gateway.upstream import Upstream
from tunesmith.stores.database import AttemptRow, Database, JobRow, open_home_database

BOARD = Path(build_app.__code__.co_filename).parents[1] / "assets" / "dashboards" / "tunesmith.json"
EXPRESSIONS = [
    target["expr"]
    for panel in json.loads(BOARD.read_text(encoding="utf-8"))["panels"]
    for target in panel.get("targets", [])
]


@pytest.fixture(scope="module")
def exposed(tmp_path_factory) -> dict[str, set[str]]:
    """The labels of each series of a gateway that has answered, and of a database with jobs."""
    home = Home(tmp_path_factory.mktemp("home"))
    database = open_home_database(home)
    with database.session() as session:
        job = JobRow(
            id="ftjob-1",
            project_id="default",
            name="a",
            wanted="succeeded",
            state="queued",
            fence=1,
            fingerprint="",
            config={},
            created_at=int(time.time()) - 60,
        )
        session.add(job)
        session.flush()
        lost = AttemptRow(job_id="ftjob-1", fence=1, project_id="default", started_at=1, outcome="gone")
        session.add(lost)
    metrics = Metrics()
    metrics.watch(Upstream("http://127.0.0.1:9").admission)
    metrics.add(JobMetrics(database))
    record = RequestRecord(project_id="default")
    tally = metrics.tally(record, "tiny-reader")
    tally.admitted()
    tally.chunk()
    tally.chunk()
    tally.answered({"usage": {}, "tunesmith": {"timings_ms": dict.fromkeys(STAGES, 1.0)}})
    tally.failed("timeout")
    metrics.request_done(record, route="/v1/x", method="POST", status=200, seconds=1)
    series: dict[str, set[str]] = {}
    from prometheus_client import generate_latest

    for family in text_string_to_metric_families(generate_latest(metrics.registry).decode()):
        for sample in family.samples:
            series.setdefault(sample.name, set()).update(sample.labels)
    database.close()
    shutil.rmtree(home.root)
    return series


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_a_query_names_series_and_labels_that_exist(expression: str, exposed: dict[str, set[str]]):
    names = set(re.findall(r"\btunesmith_\w+", expression))
    assert names
    assert names <= set(exposed), names - set(exposed)
    labels = {label for name in names for label in exposed[name]}
    grouped = {
        label.strip() for group in re.findall(r"\bby \(([^)]*)\)", expression) for label in group.split(",")
    }
    assert grouped <= labels, grouped - labels
    for name, chosen in re.findall(r"(tunesmith_\w+)\{([^}]*)\}", expression):
        assert set(re.findall(r"(\w+)=~?\"", chosen)) <= exposed[name]
    assert expression.count("(") == expression.count(")")


def test_every_metric_of_ours_is_shown(exposed: dict[str, set[str]]):
    shown = set(re.findall(r"tunesmith_[a-z_]+", " ".join(EXPRESSIONS)))
    base = {re.sub(r"_(bucket|sum|count|created)$", "", name) for name in exposed}
    unseen = {name for name in base if not any(one.startswith(name.removesuffix("_total")) for one in shown)}
    assert unseen == set()


def test_a_database_that_does_not_answer_hides_no_other_metric(tmp_path: Path):
    database = Database(f"sqlite:///{tmp_path}/none.sqlite3")
    assert list(JobMetrics(database).collect()) == []
    database.close()
