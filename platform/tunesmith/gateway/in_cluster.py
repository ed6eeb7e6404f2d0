"""The gateway of a release: it listens to the pod network, and the data plane is a RayService."""

from __future__ import annotations

import threading
import time

import httpx

from tunesmith.stores.state_file import PartState, PlatformState

_SECONDS_BETWEEN_LOOKS = 3.0
_ROUTES = ("engine", "embed", "answer")


class ServeReadiness:
    """Asks Serve's proxy which applications it routes to; the answer is at hand whenever a probe comes.

    Args:
        url: the address of the served base.
        release: name of the release.
    """

    def __init__(self, url: str, *, release: str) -> None:
        self._http = httpx.Client(base_url=url, timeout=3, trust_env=False)
        self._release = release
        self._parts = self._all("has not been asked yet")

    def __call__(self) -> PlatformState:
        """What was seen last.

        Returns:
            A state, always a fresh one: the gateway looks by itself.
        """
        return PlatformState(self._release, time.time(), self._parts)

    def watch(self) -> None:
        """Begin to look, in a thread of its own."""
        threading.Thread(target=self._look_on, name="readiness", daemon=True).start()

    def look(self) -> None:
        """Ask once."""
        try:
            response = self._http.get("/-/routes")
            routes = response.json() if response.is_success else {}
        except (httpx.HTTPError, ValueError) as error:
            self._parts = self._all(f"does not answer: {error or type(error).__name__}")
            return
        self._parts = tuple(
            PartState(name, "ready")
            if f"/{name}" in routes
            else PartState(name, "starting", "Ray Serve does not route to it yet")
            for name in _ROUTES
        )

    def _look_on(self) -> None:
        while True:
            self.look()
            time.sleep(_SECONDS_BETWEEN_LOOKS)

    def _all(self, message: str) -> tuple[PartState, ...]:
        return tuple(PartState(name, "starting", message) for name in _ROUTES)
