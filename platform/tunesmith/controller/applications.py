"""Makes Ray Serve run the wanted applications, through the REST API of the Ray dashboard."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import httpx

from tunesmith.controller.supervise import PATIENCE_SECONDS
from tunesmith.stores.state_file import Condition, PartState

_PATH = "/api/serve/applications/"
_FAILED = ("DEPLOY_FAILED", "UNHEALTHY")
_RETRY_SECONDS = 20.0
"""Pause before the wanted applications are sent again to a Serve that does not run them."""


class Applications:
    """Compares what Serve runs with what it shall run.

    Args:
        client: HTTP client with the dashboard's address and token.
        wanted: the Serve config, as the dashboard takes it.
        serves: whether Serve's own HTTP address answers.
    """

    def __init__(
        self, client: httpx.Client, *, wanted: Mapping[str, Any], serves: Callable[[], bool]
    ) -> None:
        self._client = client
        self._wanted = wanted
        self._serves = serves
        self._names = [str(application["name"]) for application in wanted["applications"]]
        self._next_put = 0.0
        self._answered = False
        self._seen: list[PartState] = []
        self._seen_at = -PATIENCE_SECONDS

    def tick(self) -> list[PartState]:
        """Look at Serve, and send the config where it is not what runs.

        Returns:
            The state of each wanted application.
        """
        try:
            running = self._observe()
            self._seen, self._seen_at = self._compare(running), time.monotonic()
            if self._lacks_some(running) or any(state.condition == "failed" for state in self._seen):
                self._put_when_due()
        except httpx.HTTPError as error:
            # A dashboard that is short of CPU says nothing about the applications: they have processes of their own.
            if time.monotonic() - self._seen_at > PATIENCE_SECONDS:
                return self._all(f"waiting for Ray: {type(error).__name__}")
        return self._seen

    def ray_is_gone(self) -> list[PartState]:
        """Take note that the Ray head does not answer; the next one gets the config at once.

        Returns:
            The state of each wanted application.
        """
        self._next_put, self._answered, self._seen, self._seen_at = 0.0, False, [], -PATIENCE_SECONDS
        return self._all("waiting for Ray")

    def _observe(self) -> Mapping[str, Any]:
        response = self._client.get(_PATH)
        response.raise_for_status()
        applications: Mapping[str, Any] = response.json()["applications"]
        return applications

    def _compare(self, running: Mapping[str, Any]) -> list[PartState]:
        if self._lacks_some(running):
            return self._all("waiting for Ray Serve")
        self._answered = self._answered or self._serves()
        return [_state(name, running[name], serves=self._answered) for name in self._names]

    def _lacks_some(self, running: Mapping[str, Any]) -> bool:
        # Nothing was sent to this Serve yet, or its controller lost it.
        return not set(self._names) <= set(running)

    def _put_when_due(self) -> None:
        if time.monotonic() < self._next_put:
            return
        self._next_put = time.monotonic() + _RETRY_SECONDS
        self._client.put(_PATH, json=self._wanted).raise_for_status()

    def _all(self, message: str) -> list[PartState]:
        return [PartState(name, "starting", message) for name in self._names]


def _state(name: str, application: Mapping[str, Any], *, serves: bool) -> PartState:
    status = application["status"]
    if status == "RUNNING":
        return (
            PartState(name, "ready")
            if serves
            else PartState(name, "starting", "waiting for its HTTP address")
        )
    condition: Condition = "failed" if status in _FAILED else "starting"
    return PartState(name, condition, _reason(application) or status.lower())


def _reason(application: Mapping[str, Any]) -> str:
    deployments = application.get("deployments", {}).values()
    messages = [
        application.get("message", ""),
        *(deployment.get("message", "") for deployment in deployments),
    ]
    return " ".join(" ".join(message.split()) for message in messages if message)
