"""Prompts are read by engines of their own, so that a long one holds up nobody's stream.

    request -> a replica of the engine -> a replica of `prefill`: reads the prompt, keeps its KV cache
                  |  <------------------------------------------- says where that lies
                  `-> vLLM fetches the cache and writes the answer

The replica that answers decides nothing but this: whatever cannot be read elsewhere it reads itself. Loads no engine.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ray.serve.handle import DeploymentHandle, DeploymentResponse
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOG = logging.getLogger("ray.serve")
"""The log of a replica."""
CHAT = "/v1/chat/completions"
"""Route of chats."""
ROUTES = frozenset({CHAT, "/v1/completions"})
"""Routes whose requests have a prompt to read."""

_PARAMS = "kv_transfer_params"
# What says how the answer shall be, not what the prompt is; of the answer one token is written there, and thrown away.
_OF_THE_ANSWER = frozenset(
    {
        "best_of",
        "echo",
        "logprobs",
        "min_tokens",
        "n",
        "prompt_logprobs",
        "response_format",
        "stop",
        "stream",
        "stream_options",
        "structured_outputs",
        "tool_choice",
        "top_logprobs",
    }
)


def prompt_alone(body: Mapping[str, Any]) -> dict[str, Any]:
    """What of a request has to do with its prompt.

    Args:
        body: an OpenAI request.

    Returns:
        The same request, which asks for nothing of its answer.
    """
    kept = {name: value for name, value in body.items() if name not in _OF_THE_ANSWER}
    # Tools stand in the prompt; whether one must be called does not.
    return {**kept, "tool_choice": "none"} if kept.get("tools") else kept


def _has_one_prompt(body: Mapping[str, Any]) -> bool:
    """Whether there is one prompt, and one answer to it: a cache is fetched once."""
    prompt = body.get("prompt")
    several = isinstance(prompt, list) and any(not isinstance(token, int) for token in prompt)
    answers = (body.get("n"), body.get("best_of"))
    return not several and not body.get("use_beam_search") and all(each in (None, 1) for each in answers)


class SplitPrefill:
    """Has prompts read elsewhere.

    Args:
        prefill: the deployment whose replicas read them.
        patience_seconds: how long a request waits for that; then its prompt is read here.
    """

    def __init__(self, prefill: DeploymentHandle, *, patience_seconds: float) -> None:
        self._prefill = prefill
        self._patience_seconds = patience_seconds

    async def read(self, route: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Have the prompt of a request read.

        Args:
            route: one of `ROUTES`.
            body: the request.

        Returns:
            The request, with what leads to its cache; without that where nobody could read it.
        """
        # A client may not say from which address an engine fetches what.
        request = {name: value for name, value in body.items() if name != _PARAMS}
        if not _has_one_prompt(request):
            return request
        try:
            where = await self._ask(route, prompt_alone(request))
        except Exception as error:
            # It is gone, busy, or refuses: the engine here reads for itself, and says better what is wrong.
            LOG.warning("A prompt is read here: %s: %s", type(error).__name__, error)
            where = None
        return {**request, _PARAMS: where} if where else request

    async def _ask(self, route: str, prompt: dict[str, Any]) -> dict[str, Any] | None:
        asked = self._prefill.read.remote(route, prompt)
        try:
            return await asyncio.wait_for(_answer_of(asked), self._patience_seconds)
        except BaseException:
            asked.cancel()  # nobody would fetch what it reads
            raise


class ReadElsewhere:
    """ASGI middleware: a request reaches vLLM once its prompt has been read.

    Args:
        app: the application around which it stands.
        split: has prompts read.
    """

    def __init__(self, app: ASGIApp, split: SplitPrefill) -> None:
        self._app = app
        self._split = split

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        route = _route(scope)
        if route is None:
            return await self._app(scope, receive, send)
        whole = await _read_body(receive)
        if whole is None:  # the client has gone
            return None
        try:
            body = json.loads(whole)
        except (ValueError, RecursionError):
            body = None  # vLLM says what is wrong with it
        if isinstance(body, dict):
            whole = json.dumps(await self._split.read(route, body)).encode()
        return await self._app(_of_length(scope, len(whole)), _Again(whole, receive), send)


class _Again:
    """Gives a body once more, then what comes after it."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive

    async def __call__(self) -> Message:
        if self._body is None:
            return await self._receive()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}


async def _answer_of(asked: DeploymentResponse) -> dict[str, Any] | None:
    where: dict[str, Any] | None = await asked
    return where


def _route(scope: Scope) -> str | None:
    if scope["type"] != "http" or scope["method"] != "POST":
        return None
    # Before it stands the application's own route.
    return next((route for route in ROUTES if scope["path"].endswith(route)), None)


async def _read_body(receive: Receive) -> bytes | None:
    pieces: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        pieces.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(pieces)


def _of_length(scope: Scope, length: int) -> Scope:
    headers = [(name, value) for name, value in scope["headers"] if name != b"content-length"]
    return {**scope, "headers": [*headers, (b"content-length", str(length).encode())]}
