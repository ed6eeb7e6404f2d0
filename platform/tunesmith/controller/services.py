"""Makes served bases true: one RayService each, applied from the configuration and the chart's pod templates.

wanted, and not there            applied; a fine-tuned whole model is wanted from the first request for it
wanted, and different            applied: a changed knob in place, a changed pod as the upgrade strategy says
only bounds of groups differ     its running cluster is patched: the operator would not
served by several pods           a disruption budget keeps a drain from taking them all at once
different pods, strategy None    deleted, and made anew when its pods are gone: no second set of GPUs is ever held
there, and not wanted            deleted
"""

from __future__ import annotations

import hashlib
import json
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tunesmith.config.clusters import WorkerGroup
from tunesmith.config.in_cluster import ClusterSettings
from tunesmith.config.serve import BaseConfig
from tunesmith.controller.awake import Roster
from tunesmith.controller.edge import going_on
from tunesmith.errors import PlatformError
from tunesmith.kubernetes.client import KubernetesClient, Thing
from tunesmith.kubernetes.disruption_budget import disruption_budgets
from tunesmith.kubernetes.group_bounds import SIZES, changed_bounds
from tunesmith.kubernetes.names import BASE_ANNOTATION, BASE_LABEL, label_value
from tunesmith.kubernetes.ray_service import ray_service, serving_groups
from tunesmith.kubernetes.reasons import why_cluster_waits
from tunesmith.kubernetes.templates import ClusterTemplates
from tunesmith.records import ModelVersion
from tunesmith.serve.applications import Hosted, cluster_applications
from tunesmith.stores.state_file import Condition, PartState

LOG = logging.getLogger("tunesmith.controller.services")
"""What is made and deleted."""

_SECONDS_BETWEEN_LOOKS = 10.0
_SECONDS_BETWEEN_BUDGETS = 300.0
_PODS = "tunesmith/pods"
"""Annotation with a hash of the cluster's spec, but for its sizes."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A base that shall be served: its RayService, and the worker groups that it takes, the engine's first."""

    service: dict[str, Any]
    base: BaseConfig
    groups: Sequence[WorkerGroup]

    @property
    def name(self) -> str:
        """Of the RayService."""
        return str(self.service["metadata"]["name"])


class ServedBases:
    """Reconciles the RayServices of one release.

    Args:
        client: the cluster.
        settings: the release.
        templates: reads the chart's pod templates.
        versions: all versions that are whole models, hidden ones too: they are proved on an engine of their own.
        roster: which of these are in memory; configured bases always are.
    """

    def __init__(
        self,
        client: KubernetesClient,
        settings: ClusterSettings,
        *,
        templates: Callable[[], ClusterTemplates],
        versions: Callable[[], Sequence[ModelVersion]] = tuple,
        roster: Roster | None = None,
    ) -> None:
        self._client = client
        self._settings = settings
        self._templates = templates
        self._versions = versions
        self._roster = roster
        self._applied: dict[str, str] = {}
        self._budgets: dict[str, tuple[str, float]] = {}
        self.states: list[PartState] = []

    def run(self, stop: threading.Event) -> None:
        """Look and act until told to stop.

        Args:
            stop: set by a signal.
        """
        while True:
            with going_on("served bases"):
                self.tick()
            if stop.wait(_SECONDS_BETWEEN_LOOKS):
                return

    def tick(self) -> list[PartState]:
        """Look at everything once, and make what is wanted true.

        Returns:
            The state of each wanted base.

        Raises:
            PlatformError: the cluster cannot be read, or the configuration is wrong.
        """
        release = label_value(self._settings.release)
        selector = f"app.kubernetes.io/instance={release},app.kubernetes.io/managed-by=tunesmith"
        found = self._client.all("RayService", selector=selector, namespace=self._settings.namespace)
        there = {
            thing["metadata"]["name"]: thing for thing in found if BASE_LABEL in thing["metadata"]["labels"]
        }
        templates = self._templates()
        bases = [*map(Hosted.configured, self._settings.config.served_bases), *self._tuned(there.values())]
        wanted = {each.name: each for each in map(self._describe(templates), bases)}
        for name in there.keys() - wanted.keys():
            LOG.info("RayService %s is not wanted any more", name)
            self._client.delete("RayService", name, namespace=self._settings.namespace)
        self.states = [self._reconcile(each, there.get(name), templates) for name, each in wanted.items()]
        self._note(self.states)
        return self.states

    def _tuned(self, there: Iterable[Thing]) -> list[Hosted]:
        """The whole models that shall be in memory."""
        if self._roster is None:
            return []
        config, versions = self._settings.config, {version.name: version for version in self._versions()}
        configured = {base.model for base in config.served_bases}
        services = {thing["metadata"]["annotations"][BASE_ANNOTATION] for thing in there} - configured
        awake = self._roster.turn(
            versions,
            engines=services,
            engine_of=str,
            max_awake=config.max_awake - len(configured),
            idle_seconds=config.serving.idle_seconds,
        )
        return [Hosted.tuned(versions[name], self._settings.home, config) for name in sorted(awake)]

    def _note(self, states: Sequence[PartState]) -> None:
        if self._roster is None:
            return
        seen = {state.name: state for state in states}
        for base in self._roster.awake():
            if state := seen.get(base.model):
                self._roster.note(base, state.condition, state.message)

    def _describe(self, templates: ClusterTemplates) -> Callable[[Hosted], _Wanted]:
        def describe(hosted: Hosted) -> _Wanted:
            base = hosted.base
            groups = serving_groups(templates.config.serving, base.worker_group)
            document = cluster_applications(
                self._settings.config,
                hosted,
                home=self._settings.home,
                milvus_uri=self._settings.milvus_uri,
                gpu=bool(groups[0].accelerators),
            )
            service = ray_service(
                base.model,
                document,
                templates,
                group=base.worker_group,
                namespace=self._settings.namespace,
                release=self._settings.release,
            )
            service["metadata"]["annotations"][_PODS] = _hash(
                _without_sizes(service["spec"]["rayClusterConfig"])
            )
            return _Wanted(service, base, groups)

        return describe

    def _reconcile(self, each: _Wanted, there: Thing | None, templates: ClusterTemplates) -> PartState:
        wanted, name, base = each.service, each.name, each.base.model
        if there is not None and "deletionTimestamp" in there["metadata"]:
            return PartState(base, "restarting", "its pods are leaving; then it is made anew")
        drains = templates.config.serving.upgrade_strategy.get("type") == "None"
        if there is not None and drains and _pods_of(there) not in (None, _pods_of(wanted)):
            LOG.info("RayService %s has other pods: drained, and made anew", name)
            self._client.delete("RayService", name, namespace=self._settings.namespace)
            return PartState(base, "restarting", "drained for an upgrade")
        if there is None or self._applied.get(name) != _mark(wanted, there):
            # Applied again also after somebody else changed it: its generation tells.
            there = self._client.apply(wanted)
            self._applied[name] = _mark(wanted, there)
        self._keep_bounds(wanted, there)
        self._keep_budgets(each, there)
        return PartState(base, *self._condition(there))

    def _keep_bounds(self, wanted: Thing, there: Thing) -> None:
        """Have the cluster that serves take over the bounds of its groups, unless another one is to come anyway."""
        name = ((there.get("status") or {}).get("activeServiceStatus") or {}).get("rayClusterName")
        if not name:
            return
        space = there["metadata"]["namespace"]
        try:
            cluster = self._client.get("RayCluster", name, namespace=space)
            # The operator hands the RayService's annotations on to the clusters that it makes of it.
            if cluster is None or _pods_of(cluster) != _pods_of(wanted):
                return
            changes = changed_bounds(wanted["spec"]["rayClusterConfig"], cluster["spec"])
            if changes:
                LOG.info("RayCluster %s gets other bounds of its groups", name)
                self._client.patch("RayCluster", name, changes, namespace=space)
        except PlatformError as error:
            # It serves as before; the next look tries again.
            LOG.warning("RayCluster %s keeps the bounds of its groups: %s", name, error.message)

    def _keep_budgets(self, each: _Wanted, there: Thing) -> None:
        """Have a drain leave pods of the base standing."""
        for budget in disruption_budgets(there, each.base, each.groups):
            name, now = budget["metadata"]["name"], time.monotonic()
            known, applied_at = self._budgets.get(name, ("", 0.0))
            # Again now and then: somebody may have changed or deleted it.
            if known == _hash(budget) and now - applied_at < _SECONDS_BETWEEN_BUDGETS:
                continue
            try:
                self._client.apply(budget)
                self._budgets[name] = _hash(budget), now
            except PlatformError as error:
                # It serves as before; the next look tries again.
                LOG.warning("PodDisruptionBudget %s: %s", name, error.message)

    def _condition(self, service: Thing) -> tuple[Condition, str]:
        status: Mapping[str, Any] = service.get("status") or {}
        ready = _condition_of(status, "Ready")
        if ready.get("status") == "True":
            return "ready", "an upgrade is under way" if _is(status, "UpgradeInProgress") else ""
        failed = [message for message in map(_failure, _applications(status)) if message]
        if failed:
            return "failed", failed[0]
        return "starting", self._why_waits(service, status) or str(
            ready.get("message") or "its cluster is starting"
        )

    def _why_waits(self, service: Thing, status: Mapping[str, Any]) -> str | None:
        for side in ("pendingServiceStatus", "activeServiceStatus"):
            if cluster := (status.get(side) or {}).get("rayClusterName"):
                try:
                    return why_cluster_waits(
                        self._client, cluster, namespace=service["metadata"]["namespace"]
                    )
                except PlatformError as error:
                    LOG.info("%s: %s", cluster, error.message)
        return None


def _applications(status: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """What Serve says of each application, of the cluster that comes before the one that goes."""
    for side in ("pendingServiceStatus", "activeServiceStatus"):
        if told := (status.get(side) or {}).get("applicationStatuses"):
            return list(told.values())
    return []


def _failure(application: Mapping[str, Any]) -> str | None:
    if application.get("status") not in ("DEPLOY_FAILED", "UNHEALTHY"):
        return None
    deployments = (application.get("serveDeploymentStatuses") or {}).values()
    messages = [application.get("message", ""), *(each.get("message", "") for each in deployments)]
    return " ".join(" ".join(messages).split())[:300] or str(application["status"]).lower()


def _condition_of(status: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    return next((each for each in status.get("conditions", ()) if each.get("type") == name), {})


def _is(status: Mapping[str, Any], name: str) -> bool:
    return _condition_of(status, name).get("status") == "True"


def _pods_of(service: Thing) -> str | None:
    told: str | None = (service["metadata"].get("annotations") or {}).get(_PODS)
    return told


def _mark(wanted: Thing, there: Thing) -> str:
    return f"{_hash(wanted)}/{there['metadata'].get('generation')}"


def _without_sizes(cluster: Mapping[str, Any]) -> dict[str, Any]:
    """A cluster's pods, however many: what the operator, too, compares."""
    groups = [
        {key: value for key, value in group.items() if key not in SIZES}
        for group in cluster["workerGroupSpecs"]
    ]
    return {**cluster, "workerGroupSpecs": groups}


def _hash(thing: Any) -> str:
    return hashlib.sha256(json.dumps(thing, sort_keys=True).encode()).hexdigest()[:16]
