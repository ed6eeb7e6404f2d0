"""What a trace is made of: spans through gateway, retrieval and engine, with W3C context in and out.

Spans carry names, counts and times; never a prompt or an answer.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

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
