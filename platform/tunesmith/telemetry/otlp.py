"""The tracer that sends spans; the only file that loads OpenTelemetry."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from tunesmith.telemetry.traces import Attributes, Span

_KINDS = {
    "internal": trace.SpanKind.INTERNAL,
    "server": trace.SpanKind.SERVER,
    "client": trace.SpanKind.CLIENT,
}
_PROPAGATOR = TraceContextTextMapPropagator()


class OtlpSpan:
    """A span that is sent when it has ended.

    Args:
        span: OpenTelemetry's.
    """

    def __init__(self, span: Any) -> None:
        self.inner = span
        self._ended = False

    def note(self, attributes: Attributes) -> None:
        """Say more about it.

        Args:
            attributes: those that are None are left out.
        """
        self.inner.set_attributes({name: value for name, value in attributes.items() if value is not None})

    def rename(self, name: str) -> None:
        """Give it the name that became known only now.

        Args:
            name: the name.
        """
        self.inner.update_name(name)

    def fail(self, reason: str) -> None:
        """Mark it as failed.

        Args:
            reason: a word of bounded variety: an error's code or class.
        """
        self.inner.set_attribute("error.type", reason)
        self.inner.set_status(trace.Status(trace.StatusCode.ERROR))

    def end(self) -> None:
        """End it; a second time changes nothing."""
        if not self._ended:
            self._ended = True
            self.inner.end()


class OtlpTracer:
    """Makes spans and sends them in the background.

    Args:
        service: name of the process.
        endpoint: the collector's URL for traces.
    """

    def __init__(self, service: str, endpoint: str) -> None:
        # A provider of its own, not the global one: vLLM sets that in the engine's process.
        self._provider = TracerProvider(resource=Resource.create({"service.name": service}))
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
        self._tracer = self._provider.get_tracer("tunesmith")

    def start(
        self,
        name: str,
        *,
        kind: str = "internal",
        attributes: Attributes | None = None,
        headers: Mapping[str, str] | None = None,
        began_ns: int | None = None,
    ) -> OtlpSpan:
        """Begin a span.

        Args:
            name: its name.
            kind: `internal`, `server` or `client`.
            attributes: what is known of it.
            headers: of the request that it serves; a `traceparent` there names the span above it.
            began_ns: when it began, Unix nanoseconds; unset: now.

        Returns:
            The span; whoever holds it ends it.
        """
        above = _PROPAGATOR.extract(headers) if headers is not None else None
        span = OtlpSpan(self._tracer.start_span(name, context=above, kind=_KINDS[kind], start_time=began_ns))
        span.note(attributes or {})
        return span

    @contextlib.contextmanager
    def current(self, span: Span) -> Iterator[None]:
        """Make a span the current one for a while.

        Args:
            span: which.
        """
        assert isinstance(span, OtlpSpan)
        token = otel_context.attach(trace.set_span_in_context(span.inner))
        try:
            yield
        finally:
            otel_context.detach(token)

    def headers(self, span: Span | None = None) -> dict[str, str]:
        """What to send along.

        Args:
            span: the one to go on below; unset: the current one.

        Returns:
            `traceparent`, and `tracestate` where there is one; empty where no span is current.
        """
        sent: dict[str, str] = {}
        above = trace.set_span_in_context(span.inner) if isinstance(span, OtlpSpan) else None
        _PROPAGATOR.inject(sent, context=above)
        return sent

    def close(self) -> None:
        """Send what has not been sent."""
        self._provider.shutdown()
