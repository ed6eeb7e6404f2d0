"""One replica that is late gets a second one: by what the engine measures, and Serve's own autoscaler decides."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from serving_plane import Plane, wait_until

from tunesmith.serve.engine import replica_count
from tunesmith.serve.options import EngineOptions, ReplicaOptions

pytestmark = [pytest.mark.flow, pytest.mark.slow, pytest.mark.timeout(900)]


def test_late_first_tokens_bring_a_second_replica_where_requests_alone_do_not(one_plane: Plane) -> None:
    one_plane.scale(1)
    one_plane.scale_between(_bounds(one_plane))
    with _asking(one_plane) as answers:
        wait_until(lambda: answers() >= 60)
        assert one_plane.num_listening() == 1, "one request at a time is no reason for another"
        # No engine has its first token within a tenth of a millisecond.
        one_plane.scale_between(_bounds(one_plane, target_first_token_seconds=0.0001))
        wait_until(lambda: one_plane.num_listening() == 2)


def _bounds(plane: Plane, **target: float) -> dict[str, Any]:
    replicas = ReplicaOptions(min_replicas=1, max_replicas=2, **target)
    options = EngineOptions(
        model=plane.model,
        source=plane.model,
        home_root="",
        num_cpus=1,
        engine=plane.engine,
        replicas=replicas,
    )
    return replica_count(options)


@contextmanager
def _asking(plane: Plane) -> Iterator[Callable[[], int]]:
    """Ask one question after the other for a block; yields how many were answered."""
    ended, answered = threading.Event(), [0]

    def ask() -> None:
        while not ended.is_set():
            plane.complete(plane.model)
            answered[0] += 1

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield lambda: answered[0]
    finally:
        ended.set()
        thread.join()
