"""GET /metrics: what the gateway counts, with labels that cannot grow without bound."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


class Metrics:
    """Counters and histograms of one gateway.

    Labels: `route` is the route's pattern, never the path; `kind` says `base`, `version`, `alias` or
    `embedder`, never a model's name.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "tunesmith_requests", "Requests answered.", ("route", "method", "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "tunesmith_request_seconds",
            "Time from a request's first byte to the end of its answer.",
            ("route",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._first_token = Histogram(
            "tunesmith_time_to_first_token_seconds",
            "Time from a streamed request to its first chunk.",
            ("kind",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._tokens = Counter(
            "tunesmith_tokens", "Tokens of answered requests.", ("kind", "direction"), registry=self.registry
        )

    def request_done(self, *, route: str, method: str, status: int, seconds: float) -> None:
        """Count one answered request.

        Args:
            route: pattern of the route.
            method: HTTP method.
            status: HTTP status.
            seconds: how long it took.
        """
        self._requests.labels(route, method, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def tally(self, kind: str) -> Tally:
        """Begin counting for one answer.

        Args:
            kind: `base`, `version`, `alias` or `embedder`.

        Returns:
            The answer's tally.
        """
        return Tally(self._first_token.labels(kind), self._tokens, kind)


class Tally:
    """Counts for one answer.

    Args:
        first_token: histogram of the time to the first token.
        tokens: counter of tokens.
        kind: label of the model.
    """

    def __init__(self, first_token: Histogram, tokens: Counter, kind: str) -> None:
        self._first_token = first_token
        self._tokens = tokens
        self._kind = kind
        self._began = time.perf_counter()
        self._seen = False

    def first_token(self) -> None:
        """Note that a chunk came; only the first one counts."""
        if not self._seen:
            self._seen = True
            self._first_token.observe(time.perf_counter() - self._began)

    def usage(self, usage: Mapping[str, Any] | None) -> None:
        """Count tokens.

        Args:
            usage: the `usage` object of an answer, if there is one.
        """
        for direction in ("prompt", "completion"):
            count = (usage or {}).get(f"{direction}_tokens") or 0
            self._tokens.labels(self._kind, direction).inc(count)


def metrics_routes(metrics: Metrics) -> APIRouter:
    """The metrics resource; without a key, as Prometheus reads it.

    Args:
        metrics: what to show.

    Returns:
        Its route.
    """
    router = APIRouter()

    @router.get("/metrics")
    async def read_metrics() -> Response:
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    return router
