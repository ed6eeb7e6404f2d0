"""Jobs as they are asked for: limits, cursors and filters, whatever a client writes into them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tunesmith.errors import LimitError, NotFoundError
from tunesmith.jobs.requests import JobRequests, new_job_id
from tunesmith.records import Job
from tunesmith.stores.database import Database


@pytest.fixture
def jobs(metadata: Database) -> JobRequests:
    return JobRequests(metadata, "default")


def _submit(jobs: JobRequests, max_active: int | None = None, **metadata: str) -> Job:
    request: dict[str, Any] = {"model": "base", "metadata": metadata}
    return jobs.submit(new_job_id(), request=request, config={"seed": 1}, max_active=max_active)


@pytest.mark.parametrize("key", ["plain", 'a"b', "a'b", "a.b", "$", "a b", "ä", "[0]", "%", "a\\b", "0", ""])
def test_jobs_are_found_by_whatever_their_metadata_is_called(jobs: JobRequests, key: str) -> None:
    wanted = _submit(jobs, **{key: "x'\"\\%_"})
    _submit(jobs, other="x")
    found = jobs.list(metadata={key: "x'\"\\%_"}).items
    assert [job.id for job in found] == [wanted.id]


def test_requests_that_come_together_find_no_more_room_than_there_is(jobs: JobRequests) -> None:
    def ask(_number: int) -> bool:
        try:
            _submit(jobs, max_active=3)
        except LimitError:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sorted(threads.map(ask, range(8))) == [False] * 5 + [True] * 3


def test_a_job_that_has_ended_makes_room(jobs: JobRequests) -> None:
    first = _submit(jobs, max_active=1)
    with pytest.raises(LimitError, match="Wait for one, or cancel one"):
        _submit(jobs, max_active=1)
    jobs.want(first.id, "cancelled")
    _submit(jobs, max_active=1)


@pytest.mark.parametrize("after", ["ftjob-nothing", "", "x" * 10_000, "ä'\"\\"])
def test_a_page_after_no_job_is_told(jobs: JobRequests, after: str) -> None:
    _submit(jobs)
    if not after:
        assert len(jobs.list(after=after).items) == 1
        return
    with pytest.raises(NotFoundError):
        jobs.list(after=after)
