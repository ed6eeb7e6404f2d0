"""Requests go straight to a replica where one is known, and by Ray Serve's proxy where none is, or it has gone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import httpx
import pytest
from in_thread import serving
from starlette.applications import Starlette
from starlette.routing import Route

from tunesmith.gateway import replicas as module
from tunesmith.gateway.app import build_app
from tunesmith.gateway.replicas import Replicas
from tunesmith.gateway.upstream import Upstream
from tunesmith.stores.state_file import SILENT_AFTER_SECONDS, PlatformState

from .conftest import Plane

CHAT = "/v1/chat/completions"
BODY = {"model": "tiny-reader", "messages": [{"role": "user", "content": "x"}]}
ENGINE = "/engine/v1/chat/completions"
NOBODY = "http://127.0.0.1:9"


def published(replicas: Mapping[str, Sequence[str]], *, seconds_ago: float = 0.0) -> PlatformState:
    return PlatformState("i", time.time() - seconds_ago, (), replicas)


@pytest.fixture
def replica() -> Plane:
    """A replica of the engine that listens itself."""
    return Plane()


@pytest.fixture
def replica_url(replica: Plane) -> Iterator[str]:
    with serving(Starlette(routes=[Route(ENGINE, replica.chat, methods=["POST"])])) as url:
        yield url


@pytest.fixture
def ask(database, objects, plane_url, readiness, key) -> Callable[..., httpx.Response]:
    """Asks a gateway to which the controller has told these replicas."""

    def do(known: Mapping[str, Sequence[str]], **changes: object) -> httpx.Response:
        app = build_app(
            database=database,
            objects=objects,
            upstream=Upstream(plane_url, replicas=Replicas(lambda: published(known))),
            base="tiny-reader",
            embedder="mini",
            readiness=readiness,
        )
        with serving(app) as url:
            headers = {"Authorization": f"Bearer {key}"}
            return httpx.post(f"{url}{CHAT}", json=BODY | changes, headers=headers, trust_env=False)

    return do


@pytest.mark.parametrize("stream", [False, True])
def test_a_known_replica_is_asked_itself(ask, replica_url, replica: Plane, plane: Plane, stream: bool):
    response = ask({"/engine": [replica_url]}, stream=stream)
    assert response.status_code == 200
    assert [path for path, _ in replica.requests] == [ENGINE]
    assert plane.requests == []


@pytest.mark.parametrize("stream", [False, True])
def test_a_replica_that_has_gone_costs_nothing(ask, plane: Plane, stream: bool):
    assert ask({"/engine": [NOBODY]}, stream=stream).status_code == 200
    assert [path for path, _ in plane.requests] == [ENGINE]


def test_an_answer_that_a_replica_took_with_it_is_made_again(ask, replica_url, replica: Plane):
    replica.deaths = 1
    assert ask({"/engine": [replica_url]}).status_code == 200
    assert len(replica.requests) == 2


def test_other_applications_go_by_the_proxy() -> None:
    replicas = Replicas(lambda: published({"/engine": ["http://a"]}))
    assert replicas.choose(ENGINE) == "http://a"
    assert replicas.choose("/answer/v1/chat/completions") is None
    assert replicas.choose("/engine-room") is None


def test_replicas_take_turns_and_a_lost_one_is_left_out_until_the_next_look(monkeypatch) -> None:
    replicas = Replicas(lambda: published({"/engine": ["http://a", "http://b"]}))
    assert {replicas.choose(ENGINE) for _ in range(2)} == {"http://a", "http://b"}
    replicas.forget("http://a")
    assert {replicas.choose(ENGINE) for _ in range(3)} == {"http://b"}
    monkeypatch.setattr(module, "REMEMBERED_SECONDS", 0.0)
    assert {replicas.choose(ENGINE) for _ in range(2)} == {"http://a", "http://b"}


@pytest.mark.parametrize(
    "state", [None, published({"/engine": ["http://a"]}, seconds_ago=SILENT_AFTER_SECONDS + 1)]
)
def test_what_nobody_or_a_silent_controller_said_is_not_believed(state: PlatformState | None) -> None:
    assert Replicas(lambda: state).choose(ENGINE) is None
