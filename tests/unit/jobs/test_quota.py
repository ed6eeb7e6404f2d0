"""GPU hours: of this month, of this project, of running attempts too."""

from __future__ import annotations

import calendar

import pytest

from tunesmith.config.home import Home
from tunesmith.errors import InsufficientQuotaError
from tunesmith.jobs.quota import require_gpu_hours, used_gpu_hours
from tunesmith.stores.database import AttemptRow, JobRow, SubmissionRow, open_home_database
from tunesmith.stores.limits import Limits, LimitStore, of_project

NOW = calendar.timegm((2026, 3, 10, 12, 0, 0))
MARCH = calendar.timegm((2026, 3, 1, 0, 0, 0))


@pytest.fixture
def database(tmp_path):
    opened = open_home_database(Home(tmp_path))
    with opened.session() as session:
        job = {"project_id": "default", "name": "j", "wanted": "succeeded", "state": "running", "fence": 3}
        config = {"resources": {"num_workers": 2}}
        session.add(JobRow(id="ftjob-1", fingerprint="", config=config, created_at=1, **job))
        session.flush()
        for fence, started, finished in (
            (1, MARCH - 7200, MARCH - 3600),
            (2, MARCH - 3600, MARCH + 3600),
            (3, NOW - 1800, None),
        ):
            session.add(
                AttemptRow(
                    job_id="ftjob-1",
                    fence=fence,
                    project_id="default",
                    started_at=started,
                    finished_at=finished,
                )
            )
    yield opened
    opened.close()


def test_hours_of_workers_since_the_month_began(database):
    assert used_gpu_hours(database, "default", now=NOW) == pytest.approx(2 * (1 + 0.5))
    assert used_gpu_hours(database, "acme", now=NOW) == 0


def test_submissions_count_from_the_moment_they_run(database):
    mine = {"entrypoint": "x", "runtime_env": {}, "noted": {}, "driver": {}, "folder": "", "wanted": "ended"}
    mine |= {
        "project_id": "default",
        "message": "",
        "created_ms": MARCH * 1000,
        "resources": {"num_workers": 4},
    }
    with database.session() as session:
        for name, started, ended in (
            ("waits", None, None),
            ("ended", MARCH, MARCH + 1800),
            ("last month's", MARCH - 9000, MARCH - 1),
            ("runs", NOW - 900, None),
        ):
            times = {"started_ms": started and started * 1000, "ended_ms": ended and ended * 1000}
            session.add(SubmissionRow(id=name, state="RUNNING", **mine, **times))
    assert used_gpu_hours(database, "default", now=NOW) == pytest.approx(3 + 4 * (0.5 + 0.25))


def test_a_job_above_the_quota_is_refused_for_good(database):
    limits = LimitStore(database)
    require_gpu_hours(database, limits, "default")
    limits.set(of_project("default"), "default", Limits(gpu_hours_per_month=1))
    with pytest.raises(InsufficientQuotaError, match="of its 1 GPU hours") as caught:
        require_gpu_hours(database, limits, "default")
    assert (caught.value.http_status, caught.value.code) == (429, "insufficient_quota")
    limits.set(of_project("default"), "default", Limits(gpu_hours_per_month=1e9))
    require_gpu_hours(database, limits, "default")
