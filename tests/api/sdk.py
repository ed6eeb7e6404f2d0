"""The official Python SDK, unchanged: what methods it has, which were called, and what came over its wire."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import openai
from openai._resource import SyncAPIResource

from .openapi import Spec
from .streams import Event, read_events

_VIEWS = ("with_raw_response", "with_streaming_response")
"""Other views of the same methods."""


def methods_of(resource: Any, prefix: str = "") -> Iterator[str]:
    """Every method that a client has for programs, by walking its tree of resources.

    Args:
        resource: the client, or a part of it.
        prefix: where it stands: `fine_tuning.`.

    Yields:
        Names such as `fine_tuning.jobs.create`.
    """
    for name, attribute in inspect.getmembers_static(type(resource)):
        if name.startswith("_") or name in _VIEWS:
            continue
        if isinstance(attribute, cached_property | property):
            part = getattr(resource, name)
            if isinstance(part, SyncAPIResource):
                yield from methods_of(part, f"{prefix}{name}.")
        elif prefix and callable(attribute):
            yield prefix + name


class Watched:
    """A client, or a part of one, that notes the names of the methods that are called, and changes nothing else.

    Args:
        part: what is watched.
        called: where the names are noted.
        name: where it stands in the client.
    """

    def __init__(self, part: Any, called: set[str], name: str = "") -> None:
        self._part, self._called, self._name = part, called, name

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._part, name)
        known = self._name if name in _VIEWS else f"{self._name}.{name}".lstrip(".")
        if isinstance(value, SyncAPIResource) or name in _VIEWS:
            return Watched(value, self._called, known)

        def call(*arguments: Any, **named: Any) -> Any:
            self._called.add(known)
            return value(*arguments, **named)

        return call


@dataclass
class Ear:
    """Hears every answer that a client gets, and holds it against the spec: bodies, error bodies, events of streams.

    Attributes:
        spec: the judge; None where it is not at hand.
        bodies: how many JSON bodies came, by method, path and status.
        streams: what came over the wire in streams, oldest first.
        called: names of the methods that were called.
    """

    spec: Spec | None
    bodies: list[tuple[str, str, int]] = field(default_factory=list)
    streams: list[tuple[str, str, bytearray]] = field(default_factory=list)
    called: set[str] = field(default_factory=set)

    def client(self, **options: Any) -> openai.OpenAI:
        """Open the official client with this ear at its transport.

        Args:
            options: for the client.

        Returns:
            The client; it never tries again, so that every answer is one that was asked for.
        """
        http = openai.DefaultHttpxClient(event_hooks={"response": [self.hear]}, trust_env=False)
        return openai.OpenAI(http_client=http, max_retries=0, **options)

    def watched(self, client: openai.OpenAI) -> Any:
        """Watch a client, so that it is known in the end which methods were called.

        Args:
            client: the client.

        Returns:
            The same to whoever calls it.
        """
        return Watched(client, self.called)

    def unanswered(self, client: openai.OpenAI) -> Iterator[str]:
        """Routes of the gateway that the spec knows and from which no good answer with a JSON body was heard.

        Args:
            client: with a key.

        Yields:
            Their methods and paths, as in the gateway's own document.
        """
        assert self.spec
        document: Any = client.get("/openapi.json", cast_to=object)
        answered = {f"{method} /v1{path}" for method, path, status in self.bodies if status < 400}
        for path, operations in document["paths"].items():
            for method in map(str.upper, operations):
                pattern = re.sub(r"\{\w+\}", "[^/]+", f"{method} {path}")
                if self.spec.has(method, path.removeprefix("/v1")) and not any(
                    re.fullmatch(pattern, asked) for asked in answered
                ):
                    yield f"{method} {path}"

    def hear(self, response: Any) -> None:
        """Judge an answer; a stream is written along while it is read.

        Args:
            response: of the transport, its body not read yet.

        Raises:
            AssertionError: a body is not as the spec says.
        """
        method, path = response.request.method, response.request.url.path.removeprefix("/v1")
        kind = response.headers.get("content-type", "")
        if kind.startswith("text/event-stream"):
            self._write_along(response, method, path)
        elif kind.startswith("application/json"):
            response.read()
            self.bodies.append((method, path, response.status_code))
            # What the spec has not heard of (our own document, a new user) can be judged by its errors alone.
            if self.spec and (response.status_code >= 400 or self.spec.has(method, path)):
                self.spec.check(method, path, response.status_code, response.json())

    def last_stream(self) -> list[Event]:
        """The events of the last stream, each held against the spec.

        Returns:
            Their JSON.

        Raises:
            AssertionError: an event is not as the spec says.
        """
        method, path, raw = self.streams[-1]
        events = read_events(bytes(raw))
        for event in events:
            if self.spec and set(event) == {"error"}:
                self.spec.check(method, path, 500, event)
            elif self.spec:
                self.spec.check_event(method, path, event)
        return events

    def _write_along(self, response: Any, method: str, path: str) -> None:
        raw, read = bytearray(), response.iter_bytes
        self.streams.append((method, path, raw))

        def iter_bytes(*arguments: Any, **named: Any) -> Iterator[bytes]:
            for piece in read(*arguments, **named):
                raw.extend(piece)
                yield piece

        response.iter_bytes = iter_bytes


def text_of(error: openai.APIStatusError) -> str:
    """What an error says to a person.

    Args:
        error: as the client raised it.

    Returns:
        The message of its body.
    """
    return str(json.loads(error.response.text)["error"]["message"])
