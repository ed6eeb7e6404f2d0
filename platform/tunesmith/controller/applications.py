"""Makes Ray Serve run the wanted applications, through the REST API of the Ray dashboard."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import httpx

from tunesmith.controller.supervise import PATIENCE_SECONDS
from tunesmith.serve.applications import is_engine
from tunesmith.stores.state_file import Condition, PartState

_PATH = "/api/serve/applications/"
_FAILED = ("DEPLOY_FAILED", "UNHEALTHY")
_RETRY_SECONDS = 20.0
"""Pause before the wanted applications are sent again to a Serve that does not run them."""


class Wanted(Protocol):
    """What Serve shall run."""

    @property
    def parts(self) -> Sequence[str]:
        """Applications that the platform is not ready without."""

    def document(self, running: Mapping[str, Any]) -> Mapping[str, Any]:
        """The Serve config, as the dashboard takes it; `running` is what runs, by application."""

    def observe(self, states: Sequence[PartState]) -> list[PartState]:
        """Told the state of each application of the last document; returns what counts for the platform."""


class Applications:
    """Compares what Serve runs with what it shall run.

    Args:
        client: HTTP client with the dashboard's address and token.
        wanted: what it shall run.
        serves: whether Serve's own HTTP address answers.
    """

    def __init__(self, client: httpx.Client, *, wanted: Wanted, serves: Callable[[], bool]) -> None:
        self.replicas: Mapping[str, Sequence[str]] = {}
        """Where the replicas of each application listen themselves, by its route; as last seen."""
        self._client = client
        self._wanted = wanted
        self._serves = serves
        self._sent: Mapping[str, Any] | None = None
        self._next_put = 0.0
        self._answered = False
        self._seen: list[PartState] = []
        self._seen_at = -PATIENCE_SECONDS

    def tick(self) -> list[PartState]:
        """Look at Serve, and send the config where it is not what runs.

        Returns:
            The state of each application that counts for the platform.
        """
        try:
            running = self._observe()
            document = self._wanted.document(running)
            states = self._compare(document, running)
            self._seen, self._seen_at = self._wanted.observe(states), time.monotonic()
            if self._sent is not None and document != self._sent:
                self._next_put = 0.0
            if _differs(document, running) or any(state.condition == "failed" for state in states):
                self._put_when_due(document)
        except httpx.HTTPError as error:
            # A dashboard that is short of CPU says nothing about the applications: they have processes of their own.
            if time.monotonic() - self._seen_at > PATIENCE_SECONDS:
                return self._all(f"waiting for Ray: {type(error).__name__}")
        return self._seen

    def ray_is_gone(self) -> list[PartState]:
        """Take note that the Ray head does not answer; the next one gets the config at once.

        Returns:
            The state of each application that counts for the platform.
        """
        self._next_put, self._answered, self._seen, self._seen_at = 0.0, False, [], -PATIENCE_SECONDS
        self.replicas = {}
        return self._all("waiting for Ray")

    def _observe(self) -> Mapping[str, Any]:
        response = self._client.get(_PATH)
        response.raise_for_status()
        said = response.json()
        self.replicas = replica_addresses(said.get("target_groups", ()))
        applications: Mapping[str, Any] = said["applications"]
        return applications

    def _compare(self, document: Mapping[str, Any], running: Mapping[str, Any]) -> list[PartState]:
        self._answered = self._answered or (bool(running) and self._serves())
        return [
            _state(name, running[name], serves=self._answered)
            if name in running
            else PartState(name, "starting", "waiting for Ray Serve")
            for name in sorted(_names(document))
        ]

    def _put_when_due(self, document: Mapping[str, Any]) -> None:
        if time.monotonic() < self._next_put:
            return
        self._next_put = time.monotonic() + _RETRY_SECONDS
        self._client.put(_PATH, json=document).raise_for_status()
        self._sent = document

    def _all(self, message: str) -> list[PartState]:
        return [PartState(name, "starting", message) for name in self._wanted.parts]


def replica_addresses(target_groups: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Where replicas listen themselves.

    Args:
        target_groups: as Ray Serve tells them with its details.

    Returns:
        Addresses by the route of their application; none without direct ingress.
    """
    # Serve names its proxy for what has no replica: as a group of its own, and where a replica would be.
    return {
        group["route_prefix"]: [f"http://{target['ip']}:{target['port']}" for target in group["targets"]]
        for group in target_groups
        if group["protocol"] == "HTTP" and group["app_name"]
    }


def _names(document: Mapping[str, Any]) -> set[str]:
    return {str(application["name"]) for application in document["applications"]}


def _differs(document: Mapping[str, Any], running: Mapping[str, Any]) -> bool:
    """Whether Serve lacks an application (nothing was sent to it yet, or it lost it), or has an engine too many."""
    there = {name for name, application in running.items() if application["status"] != "DELETING"}
    names = _names(document)
    return not names <= there or any(is_engine(name) for name in there - names)


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
