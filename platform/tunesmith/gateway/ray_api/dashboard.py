"""Ray's dashboard as the gateway sees it: asked with its own token, which no client ever holds."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from tunesmith.errors import UnavailableError
from tunesmith.gateway.ray_api.sockets import while_there

_CONNECT_SECONDS, _ANSWER_SECONDS = 3.0, 120.0
_ABSENT = "Ray does not answer. It may be starting: GET /readyz says. Try again."


@dataclass(frozen=True, slots=True)
class RayAnswer:
    """What the dashboard said.

    Attributes:
        status: HTTP status.
        body: as it came.
        media_type: what the body is.
    """

    status: int
    body: bytes
    media_type: str

    def json(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.body)


class RayDashboard:
    """Sends requests to Ray's dashboard.

    Args:
        url: its address.
        token: what Ray asks for.
    """

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}"}
        self._client = httpx.AsyncClient(
            base_url=url,
            headers={**self._headers, "Accept-Encoding": "identity"},
            timeout=httpx.Timeout(_ANSWER_SECONDS, connect=_CONNECT_SECONDS),
            trust_env=False,
        )

    async def ask(
        self, method: str, path: str, *, json: Any = None, content: AsyncIterator[bytes] | None = None
    ) -> RayAnswer:
        """Ask for an answer in one piece.

        Args:
            method: HTTP method.
            path: route of the dashboard.
            json: a body.
            content: a body that is passed on as it comes.

        Returns:
            The answer, whatever its status below 500.

        Raises:
            UnavailableError: nothing answers, or it fails.
        """
        response = await self.open(method, path, json=json, content=content)
        try:
            body = await response.aread()
        except httpx.HTTPError as error:
            raise UnavailableError(_ABSENT) from error
        finally:
            await response.aclose()
        return RayAnswer(
            response.status_code, body, response.headers.get("content-type", "application/octet-stream")
        )

    async def open(
        self, method: str, path: str, *, json: Any = None, content: AsyncIterator[bytes] | None = None
    ) -> httpx.Response:
        """Ask for an answer that is read as it comes.

        Args:
            method: HTTP method.
            path: route of the dashboard.
            json: a body.
            content: a body that is passed on as it comes.

        Returns:
            The open response; whoever holds it closes it.

        Raises:
            UnavailableError: nothing answers, or it fails.
        """
        request = self._client.build_request(method, path, json=json, content=content)
        try:
            response = await self._client.send(request, stream=True)
        except httpx.HTTPError as error:
            raise UnavailableError(_ABSENT) from error
        if response.status_code >= 500 or response.status_code in (401, 403):
            raise UnavailableError(f"Ray failed on this request: {await _reason(response)}")
        return response

    async def tail(self, path: str, client: WebSocket) -> None:
        """Pass a websocket of the dashboard on until either side closes it.

        Args:
            path: route of the dashboard.
            client: not accepted yet.
        """
        address = f"ws{self._url.removeprefix('http')}{path}"
        try:
            # Uncompressed: of compressed frames Ray 2.60's dashboard passes none on. And without pings: it reads
            # nothing while it sends a log, so it would answer none, and the log would break off after forty seconds.
            async with connect(
                address,
                additional_headers=self._headers,
                proxy=None,
                max_size=None,
                compression=None,
                ping_interval=None,
            ) as source:
                await client.accept()
                await while_there(client, _pass_on(source, client))
        except (WebSocketException, OSError):
            with contextlib.suppress(RuntimeError):  # the client is gone too
                await client.close(1011, "Ray does not answer.")

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()


async def _reason(response: httpx.Response) -> str:
    # Of a traceback the last line alone; its files are nobody's business.
    with contextlib.suppress(httpx.HTTPError):
        lines = (await response.aread()).decode(errors="replace").strip().splitlines()
        await response.aclose()
        if response.status_code >= 500 and lines:
            return lines[-1][:300]
    return "its dashboard's log says more. Try again."


async def _pass_on(source: Any, client: WebSocket) -> None:
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):
        try:
            async for lines in source:
                await client.send_text(lines)
            await client.close(source.close_code or 1000)
        except ConnectionClosed:
            await client.close(1011, "Ray went away.")
