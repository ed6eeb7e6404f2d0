"""GET /metrics: what the gateway counts, with labels that cannot grow without bound."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fastapi import APIRouter, Request, Response
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.registry import Collector
from starlette.concurrency import run_in_threadpool

from tunesmith.gateway.admission import Admission
from tunesmith.gateway.request_record import RequestRecord

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
_SHORT_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
_OTHER = "other"
MOST_PROJECTS, MOST_MODELS, MOST_CODES = 20, 30, 60
"""Values of a label that get a name of their own, first come; the rest are `other`."""
STAGES = ("embed", "search", "prompt", "generate", "cite")
"""The steps of an answer from documents, in their order."""


class Metrics:
    """Counters and histograms of one gateway.

    Labels: `route` is the route's pattern, never the path; `model` is what answered, as it is registered, never a name
    that was merely asked for; `project`, `model` and `code` have a bounded number of values.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._projects, self._models = _Bounded(MOST_PROJECTS), _Bounded(MOST_MODELS)
        self._codes = _Bounded(MOST_CODES)
        self._requests = self._counter(
            "requests", "Requests answered.", "route", "method", "status", "project"
        )
        self._errors = self._counter(
            "errors", "Requests refused or failed, by the error's code.", "code", "model", "project"
        )
        self._seconds = self._histogram(
            "request_seconds", "Time from a request's first byte to the end of its answer.", _SECONDS, "route"
        )
        self.first_token = self._histogram(
            "time_to_first_token_seconds",
            "Time from a streamed request to its first chunk.",
            _SECONDS,
            *_WHOSE,
        )
        self.inter_token = self._histogram(
            "inter_token_seconds", "Time between two chunks of a stream.", _SHORT_SECONDS, *_WHOSE
        )
        self.queue = self._histogram(
            "queue_seconds",
            "Time that a request waited in the gateway for a place in the data plane.",
            _SHORT_SECONDS,
            *_WHOSE,
        )
        self.stage = self._histogram(
            "retrieval_stage_seconds", "Time of one step of an answer from documents.", _SECONDS, "stage"
        )
        self.tokens = self._counter("tokens", "Tokens of answered requests.", *_WHOSE, "direction")
        self.cached = self._counter(
            "cached_tokens", "Prompt tokens that the engine found in its prefix cache.", *_WHOSE
        )

    def _counter(self, name: str, said: str, *labels: str) -> Counter:
        return Counter(f"tunesmith_{name}", said, labels, registry=self.registry)

    def _histogram(self, name: str, said: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"tunesmith_{name}", said, labels, buckets=buckets, registry=self.registry)

    def watch(self, admission: Admission) -> None:
        """Show how many requests are in flight and how many wait.

        Args:
            admission: looked at when the metrics are read.
        """
        in_flight = Gauge(
            "tunesmith_requests_in_flight", "Requests in the data plane.", registry=self.registry
        )
        waiting = Gauge(
            "tunesmith_requests_waiting", "Requests that wait for a place.", registry=self.registry
        )
        in_flight.set_function(lambda: admission.in_flight)
        waiting.set_function(lambda: admission.waiting)

    def add(self, collector: Collector) -> None:
        """Show what something else counts.

        Args:
            collector: asked whenever the metrics are read.
        """
        self.registry.register(collector)

    def request_done(
        self, record: RequestRecord, *, route: str, method: str, status: int, seconds: float
    ) -> None:
        """Count one answered request.

        Args:
            record: what is known about it.
            route: pattern of the route.
            method: HTTP method.
            status: HTTP status.
            seconds: how long it took.
        """
        model, project = self.whose(record)
        self._requests.labels(route, method, str(status), project).inc()
        self._seconds.labels(route).observe(seconds)
        if record.error_code or status >= 400:
            self._errors.labels(self._codes(record.error_code or str(status)), model, project).inc()

    def whose(self, record: RequestRecord) -> tuple[str, str]:
        """The labels `model` and `project` of a request.

        Args:
            record: what is known about it.

        Returns:
            Both, bounded; `none` where nothing is known.
        """
        return self._models(record.model), self._projects(record.project_id)

    def tally(self, record: RequestRecord, model: str) -> Tally:
        """Begin counting for one answer.

        Args:
            record: the request; learns of the model.
            model: what answers, as it is registered.

        Returns:
            The answer's tally.
        """
        record.model = model
        return Tally(self, record)


_WHOSE = ("model", "project")
_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip")
"""Set by every ingress and load balancer that speaks HTTP; a scrape goes to the pod itself."""


class _Bounded:
    """Values of one label: the first so many by their names, all others as one."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: set[str] = set()

    def __call__(self, value: str) -> str:
        if not value:
            return "none"
        if value not in self._known:
            if len(self._known) >= self._most:
                return _OTHER
            self._known.add(value)
        return value


class Tally:
    """Counts for one answer.

    Args:
        metrics: where it counts.
        record: the request.
    """

    def __init__(self, metrics: Metrics, record: RequestRecord) -> None:
        self._record = record
        whose = metrics.whose(record)
        self._queue = metrics.queue.labels(*whose)
        self._first_token = metrics.first_token.labels(*whose)
        self._inter_token = metrics.inter_token.labels(*whose)
        self._sides = {side: metrics.tokens.labels(*whose, side) for side in ("prompt", "completion")}
        self._cached = metrics.cached.labels(*whose)
        self._stage = metrics.stage
        self._asked = self._last = time.perf_counter()

    @property
    def model(self) -> str:
        """What answers."""
        return self._record.model

    @property
    def tokens(self) -> tuple[int, int]:
        """Tokens read and written so far."""
        return self._record.prompt_tokens, self._record.completion_tokens

    @property
    def project_id(self) -> str:
        """Whose request it is."""
        return self._record.project_id

    @property
    def request_id(self) -> str:
        """The id that the client gets back."""
        return self._record.request_id

    def admitted(self) -> None:
        """Note that the request has its place in the data plane."""
        self._record.queue_seconds = time.perf_counter() - self._asked
        self._queue.observe(self._record.queue_seconds)

    def chunk(self) -> None:
        """Note that a chunk of a stream came."""
        now = time.perf_counter()
        if self._record.first_token_seconds is None:
            self._record.first_token_seconds = now - self._record.began
            self._first_token.observe(self._record.first_token_seconds)
        else:
            self._inter_token.observe(now - self._last)
        self._last = now

    def answered(self, answer: Mapping[str, Any]) -> None:
        """Count what an answer says of itself.

        Args:
            answer: an answer in one piece, or a chunk of a stream; its tokens and its stages are read, if it has them.
        """
        usage = answer.get("usage") or {}
        for side, counter in self._sides.items():
            counter.inc(usage.get(f"{side}_tokens") or 0)
        self._record.prompt_tokens += usage.get("prompt_tokens") or 0
        self._record.completion_tokens += usage.get("completion_tokens") or 0
        self._cached.inc((usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0)
        timings = (answer.get("tunesmith") or {}).get("timings_ms") or {}
        for stage in STAGES:
            if stage in timings:
                self._stage.labels(stage).observe(timings[stage] / 1000)

    def failed(self, code: str) -> None:
        """Note that the answer broke off after its status was sent.

        Args:
            code: why.
        """
        self._record.error_code = code


def metrics_routes(
    metrics: Metrics, administers: Callable[[Request], Awaitable[object]], *, scraped: bool = True
) -> APIRouter:
    """The metrics resource; without a key, as Prometheus reads it, from where no proxy stands between.

    They name projects and models. An ingress that passes everything on would show them to whoever asks.

    Args:
        metrics: what to show.
        administers: refuses a request without an administrator's key.
        scraped: whether Prometheus comes here, and needs no key; else everybody does.

    Returns:
        Its route.
    """
    router = APIRouter()

    @router.get("/metrics")
    async def read_metrics(request: Request) -> Response:
        if not scraped or any(name in request.headers for name in _FORWARDED):
            await administers(request)
        # On a thread: what is counted in the database is asked for here.
        text = await run_in_threadpool(generate_latest, metrics.registry)
        return Response(text, media_type=CONTENT_TYPE_LATEST)

    return router
