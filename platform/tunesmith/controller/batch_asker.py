"""One request of a batch, sent to the gateway as its owner would send it; what only means "later" is not an answer."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from tunesmith.errors import AuthenticationError

_LATER = {429, 502, 503}
_LONGEST_PAUSE_SECONDS = 30.0
_MOST_FAILURES = 3
"""A request that the gateway or the engine fails on so often will fail again."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the gateway said.

    Attributes:
        status: HTTP status.
        request_id: id of the request, as in the gateway's log.
        body: the JSON that came back.
    """

    status: int
    request_id: str
    body: Mapping[str, Any]


class BatchAsker:
    """Sends the requests of all batches, at most so many at a time.

    Args:
        gateway_url: the gateway's address, without `/v1`.
        parallel: most requests at a time.
        pause_seconds: first pause after a refusal that means "later"; doubled up to half a minute.
        timeout_seconds: longest wait for an answer.
        transport: in place of the network, for tests.
    """

    def __init__(
        self,
        gateway_url: str,
        *,
        parallel: int,
        pause_seconds: float = 1.0,
        timeout_seconds: float = 630.0,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._client = httpx.AsyncClient(
            base_url=gateway_url,
            timeout=httpx.Timeout(timeout_seconds, connect=5.0, pool=None),
            limits=httpx.Limits(max_connections=parallel, max_keepalive_connections=parallel),
            trust_env=False,
            transport=transport,
        )
        self._places = asyncio.Semaphore(parallel)
        self._pause_seconds = pause_seconds

    async def ask(self, endpoint: str, body: Mapping[str, Any], *, token: str) -> Answer:
        """Ask until there is an answer.

        Args:
            endpoint: path of the resource.
            body: JSON to send.
            token: of the held batch.

        Returns:
            The answer, or a refusal that trying again would not change.

        Raises:
            AuthenticationError: the token is good no more: the hold was lost.
        """
        pause, failures = self._pause_seconds, 0
        while True:
            async with self._places:
                response = await self._send(endpoint, body, token)
            if response is not None and response.status_code == 401:
                raise AuthenticationError("The gateway takes the batch's token no more: the hold was lost.")
            failures += (
                response is not None and response.status_code >= 500 and response.status_code not in _LATER
            )
            if response is not None and not _means_later(response, failures):
                return _to_answer(response)
            await asyncio.sleep(max(_retry_after(response), pause * random.uniform(0.5, 1.0)))
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def _send(self, endpoint: str, body: Mapping[str, Any], token: str) -> httpx.Response | None:
        try:
            return await self._client.post(endpoint, json=body, headers={"Authorization": f"Bearer {token}"})
        except httpx.TransportError:
            return None  # the gateway is away, or it was killed over this request


def _means_later(response: httpx.Response, failures: int) -> bool:
    if response.status_code == 429:
        return _code(response) != "insufficient_quota"
    return response.status_code in _LATER or (response.status_code >= 500 and failures < _MOST_FAILURES)


def _code(response: httpx.Response) -> object:
    try:
        return response.json()["error"]["code"]
    except (ValueError, KeyError, TypeError):
        return None


def _retry_after(response: httpx.Response | None) -> float:
    try:
        return min(float(response.headers["retry-after"]), _LONGEST_PAUSE_SECONDS) if response else 0.0
    except (KeyError, ValueError):
        return 0.0


def _to_answer(response: httpx.Response) -> Answer:
    request_id = response.headers.get("x-request-id", "")
    try:
        return Answer(response.status_code, request_id, response.json())
    except ValueError:
        said = {"message": response.text[:500], "type": "server_error", "param": None, "code": None}
        return Answer(
            502 if response.status_code == 200 else response.status_code, request_id, {"error": said}
        )
