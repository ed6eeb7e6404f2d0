"""What one request leaves behind: spans at the collector, a line in the log, numbers in /metrics; no key, no prompt."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Iterator

import httpx
import pytest
from collector import Collector
from in_thread import serving

from tunesmith.gateway.app import build_app
from tunesmith.gateway.metrics import MOST_PROJECTS, Metrics
from tunesmith.gateway.request_record import RequestRecord
from tunesmith.gateway.upstream import Upstream
from tunesmith.stores.keys import KeyStore
from tunesmith.telemetry.collector import ENDPOINT, open_tracer
from tunesmith.telemetry.logs import JsonFormatter
from tunesmith.telemetry.status_server import StatusServer

from .conftest import Plane

CHAT = "/v1/chat/completions"
BODY = {"model": "tiny-reader", "messages": [{"role": "user", "content": "a private question"}]}
TRACE, ABOVE = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture
def collector(monkeypatch) -> Iterator[Collector]:
    with Collector() as listening:
        monkeypatch.setenv(ENDPOINT, listening.url)
        yield listening


@pytest.fixture
def traced(database, objects, plane_url, readiness, key, collector) -> Iterator[httpx.Client]:
    tracer = open_tracer("tunesmith-gateway")
    app = build_app(
        database=database,
        objects=objects,
        upstream=Upstream(plane_url, tracer=tracer),
        base="tiny-reader",
        embedder="mini",
        readiness=readiness,
        tracer=tracer,
    )
    headers = {"Authorization": f"Bearer {key}", "traceparent": f"00-{TRACE}-{ABOVE}-01"}
    with serving(app) as url, httpx.Client(base_url=url, headers=headers, trust_env=False) as client:
        yield client


@pytest.mark.parametrize("stream", [False, True])
def test_a_request_is_a_span_of_its_own_and_one_of_the_model_below_it(traced, collector, plane, key, stream):
    answer = traced.post(CHAT, json=BODY | {"stream": stream})
    spans = {span.name: span for span in collector.wait(lambda seen: len(seen) >= 2)}
    request, model = spans[f"POST {CHAT}"], spans["chat tiny-reader"]
    assert (request.service, request.trace, request.parent) == ("tunesmith-gateway", TRACE, ABOVE)
    assert (model.trace, model.parent) == (TRACE, request.id)
    assert request.attributes["tunesmith.request_id"] == answer.headers["x-request-id"]
    assert request.attributes["tunesmith.project"] == "default"
    assert request.attributes["http.response.status_code"] == 200
    assert model.attributes["gen_ai.operation.name"] == "chat"
    assert model.attributes["gen_ai.usage.input_tokens"] == 5
    # The engine goes on below the model's span.
    assert plane.headers["traceparent"] == f"00-{TRACE}-{model.id}-01"
    assert b"private" not in collector.raw
    assert key.encode() not in collector.raw


def test_a_failure_stands_in_the_trace_with_its_code(traced, collector, plane):
    plane.refusal = (500, "boom")
    assert traced.post(CHAT, json=BODY).status_code == 503
    spans = collector.wait(lambda seen: len(seen) >= 2)
    assert all(span.failed and span.attributes["error.type"] == "unavailable" for span in spans)


@contextlib.contextmanager
def lines() -> Iterator[list[str]]:
    logged: list[str] = []

    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            logged.append(JsonFormatter("gateway").format(record))

    logger, handler = logging.getLogger("tunesmith.request"), Keeping()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield logged
    logger.removeHandler(handler)
    logger.setLevel(level)


def test_a_request_is_one_line_with_who_what_and_how_long(http, key, gateway_url):
    with lines() as logged:
        answer = http.post(CHAT, json=BODY)
        http.post(CHAT, json=BODY | {"model": "a private model"})
        httpx.get(f"{gateway_url}/healthz")
        httpx.get(f"{gateway_url}/metrics")
    done, refused = map(json.loads, logged)
    assert done["request_id"] == answer.headers["x-request-id"]
    assert (done["message"], done["project"], done["model"]) == (f"POST {CHAT} 200", "default", "tiny-reader")
    assert (done["prompt_tokens"], done["completion_tokens"], done["status"]) == (5, 2, 200)
    assert 0 < done["queue_seconds"] < done["seconds"]
    assert (refused["status"], refused["error"]) == (404, "model_not_found")
    assert "private" not in "".join(logged)
    assert key not in "".join(logged)


def test_stages_and_the_cache_are_counted(http, gateway_url, plane: Plane):
    stages = {"embed": 10.0, "search": 20.0, "prompt": 1.0, "generate": 500.0, "cite": 2.0, "total": 533.0}
    plane.completion = {
        "tunesmith": {"timings_ms": stages},
        "usage": {
            "prompt_tokens": 9,
            "completion_tokens": 1,
            "prompt_tokens_details": {"cached_tokens": 7, "created_cache_tokens": None},
        },
    }
    usage = http.post(CHAT, json=BODY).json()["usage"]
    assert usage["prompt_tokens_details"] == {"audio_tokens": 0, "cached_tokens": 7}
    text = httpx.get(f"{gateway_url}/metrics").text
    assert 'tunesmith_retrieval_stage_seconds_sum{stage="generate"} 0.5' in text
    assert 'tunesmith_retrieval_stage_seconds_count{stage="embed"} 1.0' in text
    assert "total" not in {line.partition('stage="')[2].partition('"')[0] for line in text.splitlines()}
    assert 'tunesmith_cached_tokens_total{model="tiny-reader",project="default"} 7.0' in text


def test_time_between_tokens_is_counted_for_all_chunks_but_the_first(http, gateway_url, plane: Plane):
    plane.pieces = 5
    http.post(CHAT, json=BODY | {"stream": True})
    text = httpx.get(f"{gateway_url}/metrics").text
    # Five words, the end, the usage.
    assert 'tunesmith_inter_token_seconds_count{model="tiny-reader",project="default"} 6.0' in text


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP"])
def test_through_a_proxy_the_metrics_take_an_administrators_key(gateway_url, database, key, header):
    url, through = f"{gateway_url}/metrics", {header: "203.0.113.7"}
    assert httpx.get(url).status_code == 200
    assert httpx.get(url, headers=through).status_code == 401
    assert httpx.get(url, headers=through | {"Authorization": f"Bearer {key}"}).status_code == 403
    chief = KeyStore(database).create("default", "chief", role="administer", of_organisation=True)
    assert httpx.get(url, headers=through | {"Authorization": f"Bearer {chief}"}).status_code == 200


async def test_where_prometheus_has_a_port_of_its_own_the_api_tells_administrators_alone(
    database, objects, readiness
):
    metrics = Metrics()
    app = build_app(
        database=database,
        objects=objects,
        upstream=Upstream("http://127.0.0.1:9"),
        base="tiny-reader",
        embedder="mini",
        readiness=readiness,
        metrics=metrics,
    )
    chief = KeyStore(database).create("default", "chief", role="administer", of_organisation=True)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        assert (await client.get("/metrics")).status_code == 401
        told = await client.get("/metrics", headers={"Authorization": f"Bearer {chief}"})
    assert "tunesmith_requests_total{" in told.text
    server = StatusServer(lambda: True, port=0, registry=metrics.registry)
    assert "tunesmith_requests_total{" in httpx.get(f"http://127.0.0.1:{server.port}/metrics").text
    server.close()


def test_labels_stay_few_however_many_projects_there_are():
    metrics = Metrics()
    for number in range(3 * MOST_PROJECTS):
        record = RequestRecord(project_id=f"proj_{number}")
        metrics.tally(record, f"ft:m:{number}").chunk()
        metrics.request_done(record, route="/v1/x", method="POST", status=200, seconds=0.1)
    projects = {
        sample.labels["project"]
        for family in metrics.registry.collect()
        for sample in family.samples
        if "project" in sample.labels
    }
    assert len(projects) == MOST_PROJECTS + 1
    assert "other" in projects
