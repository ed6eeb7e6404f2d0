"""Where traces go: to the collector that the environment names, as OTLP over HTTP, or nowhere.

Where `OTEL_EXPORTER_OTLP_ENDPOINT` (or `telemetry.otlp_endpoint`, which sets it) names nobody, `open_tracer` gives a
tracer that does nothing and loads nothing.
"""

from __future__ import annotations

import os

from tunesmith.telemetry.traces import NoTracer, Tracer

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
"""OpenTelemetry's own variable: the collector's address, without `/v1/traces`."""
_TRACES_ENDPOINT = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"


def use_collector(endpoint: str | None) -> None:
    """Send this process's traces, and those of what it starts, to a collector; what the environment says wins.

    Args:
        endpoint: its address, without `/v1/traces`; None changes nothing.
    """
    if endpoint:
        os.environ.setdefault(ENDPOINT, endpoint)


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
