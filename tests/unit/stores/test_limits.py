"""Buckets that several gateways draw on, and the sums of what was used."""

from __future__ import annotations

import threading

import pytest

from tunesmith.stores.audit import AuditLog
from tunesmith.stores.database import Database
from tunesmith.stores.limits import Limits, LimitStore, of_key, of_project
from tunesmith.stores.usage import HOUR, UsageStore, Used, UsedBy


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 1_700_000_000.0

        def time(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr("tunesmith.stores.limits.time", clock)
    return clock


def take(store, wanted, *, debt=0.0, unit="tokens", per_minute=600):
    return store.take("project:acme", "acme", unit, per_minute=per_minute, wanted=wanted, debt=debt)


def test_a_bucket_holds_a_minute_and_fills_evenly(metadata, clock):
    store = LimitStore(metadata)
    assert take(store, 400).granted == 400
    assert take(store, 400).granted == 200
    assert take(store, 400).granted == 0
    clock.now += 10
    assert take(store, 400).granted == pytest.approx(100)
    clock.now += 3600
    assert take(store, 1000).granted == 600


def test_what_was_spent_beyond_a_lease_is_paid_first(metadata, clock):
    store = LimitStore(metadata)
    assert take(store, 100, debt=900).granted == 0
    clock.now += 29
    assert take(store, 100).level == pytest.approx(-10)
    clock.now += 2
    assert take(store, 100).granted == pytest.approx(10)


def test_requests_are_granted_whole(metadata, clock):
    store = LimitStore(metadata)
    assert take(store, 10, unit="requests", per_minute=3).granted == 3
    clock.now += 19
    assert take(store, 10, unit="requests", per_minute=3).granted == 0
    clock.now += 2
    assert take(store, 10, unit="requests", per_minute=3).granted == 1


def test_a_clock_that_is_behind_and_a_limit_that_is_lowered_grant_nothing_twice(metadata, clock):
    store = LimitStore(metadata)
    take(store, 600)
    clock.now -= 30
    assert take(store, 600).granted == 0
    clock.now += 630
    assert take(store, 600, per_minute=60).granted == 60


def test_gateways_that_take_at_once_get_no_more_than_there_is(metadata):
    stores = [LimitStore(Database(metadata.url)) for _ in range(4)]
    granted: list[float] = []

    def draw(store):
        granted.extend(take(store, 10, unit="requests", per_minute=50).granted for _ in range(5))

    threads = [threading.Thread(target=draw, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for store in stores:
        store._database.close()
    assert sum(granted) in (50, 51, 52)  # what fills up while they draw


def test_what_is_said_of_a_project_replaces_the_default_and_is_logged(metadata):
    store = LimitStore(metadata, Limits(requests_per_minute=5))
    assert store.project("acme") == Limits(requests_per_minute=5)
    assert store.key("key_1") == Limits()
    store.set(of_project("acme"), "acme", Limits(tokens_per_minute=7))
    store.set(of_key("key_1"), "acme", Limits(1, 2))
    assert store.project("acme") == Limits(tokens_per_minute=7)
    assert store.key("key_1") == Limits(1, 2)
    assert [event.type for event in AuditLog(metadata).list()] == ["rate_limit.updated"] * 2


def test_usage_is_summed_by_what_is_asked_for(metadata):
    store = UsageStore(metadata)
    start = 1_700_000_000 // HOUR * HOUR

    def by(project="acme", key="key_1", model="m", kind="completions", hour=0):
        return UsedBy(project, key, "user-owner", model, kind, start + hour * HOUR)

    store.add({by(): Used(1, 10, 5), by(key="key_2"): Used(2, 20, 6)})
    store.add({by(): Used(1, 1, 1), by(hour=30): Used(1, 2, 3), by(project="default"): Used(9, 9, 9)})
    store.add({by(kind="embeddings", model="e"): Used(4, 4, 0)})

    days = store.report(start=start, end=start + 48 * HOUR, kind="completions", only={"project_id": ["acme"]})
    assert [(line.start, line.used) for line in days] == [
        (start, Used(4, 31, 12)),
        (start + 24 * HOUR, Used(1, 2, 3)),
    ]
    keys = store.report(start=start, end=start + HOUR, width=HOUR, group_by=("project_id", "api_key_id"))
    assert [(dict(line.group), line.used.requests) for line in keys] == [
        ({"project_id": "acme", "api_key_id": "key_1"}, 6),
        ({"project_id": "acme", "api_key_id": "key_2"}, 2),
        ({"project_id": "default", "api_key_id": "key_1"}, 9),
    ]
    assert store.report(start=start + HOUR, end=start + 2 * HOUR) == []
