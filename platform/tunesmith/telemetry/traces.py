"""Traces through gateway, retrieval and engine: W3C context in and out, spans sent as OTLP over HTTP.

Where `OTEL_EXPORTER_OTLP_ENDPOINT` (or `telemetry.otlp_endpoint`, which sets it) names nobody, `open_tracer` gives one
that does nothing and loads nothing. Spans carry names, counts and times; never a prompt or an answer.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
"""OpenTelemetry's own variable: the collector's address, without `/v1/traces`."""
_TRACES_ENDPOINT = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"

Attributes = Mapping[str, str | int | float | bool | None]


class Span(Protocol):
    """One step of a request."""

    def note(self, attributes: Attributes) -> None:
        """Say more about it; what is None is left out."""

    def rename(self, name: str) -> None:
        """Give it the name that became known only now."""

    def fail(self, reason: str) -> None:
        """Mark it as failed."""

    def end(self) -> None:
        """End it; a second time changes nothing."""


class Tracer(Protocol):
    """Makes spans."""

    def start(
        self,
        name: str,
        *,
        kind: str = "internal",
        attributes: Attributes | None = None,
        headers: Mapping[str, str] | None = None,
        began_ns: int | None = None,
    ) -> Span:
        """Begin a span: below the one that `headers` name, else below the current one; now, or when it really began."""

    def current(self, span: Span) -> contextlib.AbstractContextManager[None]:
        """Make a span the current one for a while; it is not ended by that."""

    def headers(self, span: Span | None = None) -> dict[str, str]:
        """What to send along so that the next process goes on below this span, or the current one."""

    def close(self) -> None:
        """Send what has not been sent."""


def collector_endpoint() -> str | None:
    """Where traces are sent to.

    Returns:
        The whole URL, `.../v1/traces`; None where nobody asked for traces.
    """
    whole, base = os.environ.get(_TRACES_ENDPOINT), os.environ.get(ENDPOINT)
    return whole or (f"{base.rstrip('/')}/v1/traces" if base else None)


def open_tracer(service: str) -> Tracer:
    """Make the tracer of one process.

    Args:
        service: its name: `tunesmith-gateway`.

    Returns:
        One that sends spans, or one that does nothing.
    """
    endpoint = collector_endpoint()
    if endpoint is None:
        return NoTracer()
    from tunesmith.telemetry.otlp import OtlpTracer

    return OtlpTracer(service, endpoint)


@contextlib.contextmanager
def spanning(
    tracer: Tracer, name: str, *, kind: str = "internal", attributes: Attributes | None = None
) -> Iterator[Span]:
    """A span around a block, current within it.

    Args:
        tracer: makes it.
        name: its name.
        kind: `internal`, `server` or `client`.
        attributes: what is known of it.

    Yields:
        The span; failed when the block raises.
    """
    span = tracer.start(name, kind=kind, attributes=attributes)
    try:
        with tracer.current(span):
            yield span
    except BaseException as error:
        span.fail(type(error).__name__)
        raise
    finally:
        span.end()


def use_collector(endpoint: str | None) -> None:
    """Send this process's traces, and those of what it starts, to a collector; what the environment says wins.

    Args:
        endpoint: its address, without `/v1/traces`; None changes nothing.
    """
    if endpoint:
        os.environ.setdefault(ENDPOINT, endpoint)


class _NoSpan:
    def note(self, attributes: Attributes) -> None:
        pass

    def rename(self, name: str) -> None:
        pass

    def fail(self, reason: str) -> None:
        pass

    def end(self) -> None:
        pass


class NoTracer:
    """Traces nothing."""

    _span = _NoSpan()

    def start(self, name: str, **_: Any) -> Span:  # noqa: ARG002
        """Begin nothing."""
        return self._span

    def current(self, span: Span) -> contextlib.AbstractContextManager[None]:  # noqa: ARG002
        """Change nothing."""
        return contextlib.nullcontext()

    def headers(self, span: Span | None = None) -> dict[str, str]:  # noqa: ARG002
        """Nothing to send along."""
        return {}

    def close(self) -> None:
        """Nothing to send."""
