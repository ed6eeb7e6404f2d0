"""Why something does not run, in one line: from what the operator, the scheduler, the kubelet and Kueue have said.

the operator refuses it > the queue holds it > pods cannot be made > an image > a Secret > a crash > no room
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from tunesmith.errors import DependencyError, PermissionDeniedError
from tunesmith.kubernetes.client import KubernetesClient, Thing

_PULL = {"ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"}
_SETUP = {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}
_LONGEST = 300
_SECONDS_TO_BE_SEEN = 60.0


def why_job_waits(client: KubernetesClient, job: Thing) -> str | None:
    """Find out why a RayJob does not run yet.

    Args:
        client: reads its cluster, pods, events and Kueue's word.
        job: the RayJob, as it is now.

    Returns:
        One line; None where it runs, has ended, or simply starts.
    """
    status: Mapping[str, Any] = job.get("status") or {}
    stage, namespace = status.get("jobDeploymentStatus", ""), job["metadata"]["namespace"]
    if stage == "ValidationFailed":
        return _line(
            f"KubeRay refuses it: {status.get('message') or status.get('reason', 'no reason given')}"
        )
    if stage in ("Running", "Complete", "Failed"):
        return None
    if job["spec"].get("suspend"):
        return _why_queued(client, job)
    if not status:
        return _why_unseen(job)
    if not status.get("rayClusterName"):
        return None
    return why_cluster_waits(client, status["rayClusterName"], namespace=namespace)


def why_cluster_waits(client: KubernetesClient, cluster: str, *, namespace: str) -> str | None:
    """Find out why the pods of a Ray cluster do not run.

    Args:
        client: reads pods and events.
        cluster: its name.
        namespace: where it lies.

    Returns:
        One line; None where nothing is known to be wrong.
    """
    pods = client.all("Pod", selector=f"ray.io/cluster={cluster}", namespace=namespace)
    told = [why_pod_waits(pod) for pod in pods]
    if found := sorted((reason for reason in told if reason), key=_weight):
        waiting = len(found)
        return _line(f"{found[0]} ({waiting} of {len(pods)} pods wait)" if waiting > 1 else found[0])
    # Pods that could not even be made: an ordinary quota, PodSecurity, a missing priority class.
    events = client.all("Event", fields=f"involvedObject.name={cluster}", namespace=namespace)
    failed = [
        event for event in events if event.get("type") == "Warning" and "Failed" in event.get("reason", "")
    ]
    return _line(f"Pods cannot be made: {_newest(failed)['message']}") if failed else None


def is_ready(pod: Thing) -> bool:
    """Whether a pod is ready.

    Args:
        pod: the pod.

    Returns:
        What its condition `Ready` says.
    """
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(each.get("type") == "Ready" and each.get("status") == "True" for each in conditions)


def why_pod_waits(pod: Thing) -> str | None:
    """Find out why a pod does not run.

    Args:
        pod: the pod.

    Returns:
        One line; None where it runs or simply starts.
    """
    status = pod.get("status") or {}
    states = [*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())]
    for state in states:
        waiting = state.get("state", {}).get("waiting") or {}
        if waiting.get("reason") in _PULL:
            return (
                f"Image {state.get('image', '?')} cannot be pulled: {waiting.get('message') or waiting['reason']}. "
                "Check its name, and the pull secret"
            )
        if waiting.get("reason") in _SETUP:
            return f"A container cannot be set up: {waiting.get('message') or waiting['reason']}"
        if waiting.get("reason") == "CrashLoopBackOff":
            return _how_it_ended(pod, state, state.get("lastState", {}), "keeps ending", logs="logs -p")
        if status.get("phase") == "Failed" and (state.get("state", {}).get("terminated") or {}).get(
            "exitCode"
        ):
            return _how_it_ended(pod, state, state["state"], "has ended", logs="logs")
    for condition in status.get("conditions", ()):
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return _why_unscheduled(pod, condition.get("message", ""))
    return None


def _how_it_ended(pod: Thing, container: Thing, state: Thing, verb: str, *, logs: str) -> str:
    """With the last line that it printed, where the kubelet has kept that (`FallbackToLogsOnError`)."""
    ended = state.get("terminated") or {}
    printed = [line.strip() for line in (ended.get("message") or "").splitlines() if line.strip()]
    said = printed[-1].removeprefix("error: ") if printed else f"kubectl {logs} {pod['metadata']['name']}"
    reason, code = ended.get("reason", "no reason"), ended.get("exitCode", "?")
    return f"Container {container.get('name')} {verb} ({reason}, exit code {code}): {said}"


def _why_unscheduled(pod: Thing, message: str) -> str:
    asked = _accelerators(pod)
    if "unbound immediate PersistentVolumeClaims" in message:
        return f"Its volume is not bound: {message}"
    if "persistentvolumeclaim" in message:
        return f"Its volume is not there: {message}"
    if asked and f"Insufficient {asked[0]}" in message:
        return f"No node has {asked[1]} x {asked[0]} free: {message}"
    if "node affinity" in message or "node selector" in message or "node(s) had untolerated taint" in message:
        selector = pod["spec"].get("nodeSelector") or {}
        wanted = ", ".join(f"{key}={value}" for key, value in selector.items()) or "its tolerations"
        return f"No node fits {wanted}: {message}"
    return f"No node has room: {message or 'the scheduler gives no reason'}"


def _accelerators(pod: Thing) -> tuple[str, Any] | None:
    """The extended resource that a pod asks for, such as `nvidia.com/gpu`."""
    for container in pod["spec"].get("containers", ()):
        for name, count in (container.get("resources", {}).get("limits") or {}).items():
            if "/" in name:
                return name, count
    return None


def _why_unseen(job: Thing) -> str | None:
    """The operator writes a status within a second or two of a creation."""
    made = job["metadata"].get("creationTimestamp")
    if not made or (datetime.now(UTC) - datetime.fromisoformat(made)).total_seconds() < _SECONDS_TO_BE_SEEN:
        return None
    return (
        "KubeRay's operator has not looked at it: does it run, and does it watch this namespace? "
        "`tunesmith doctor --cluster`"
    )


def _why_queued(client: KubernetesClient, job: Thing) -> str:
    metadata = job["metadata"]
    queue = (metadata.get("labels") or {}).get("kueue.x-k8s.io/queue-name", "?")
    try:
        workloads = client.all("Workload", namespace=metadata["namespace"])
    except PermissionDeniedError:
        return f"Waits in queue {queue}; what for, this account may not see"
    except DependencyError:
        workloads = []
    owned = [
        workload
        for workload in workloads
        if any(
            owner.get("uid") == metadata["uid"] for owner in workload["metadata"].get("ownerReferences", ())
        )
    ]
    if not owned:
        return (
            f"Suspended for queue {queue}, and Kueue has not taken it: is Kueue installed, with RayJob among its "
            "integrations?"
        )
    conditions = (owned[0].get("status") or {}).get("conditions", ())
    for condition in conditions:
        if condition.get("type") in ("QuotaReserved", "Admitted") and condition.get("status") == "False":
            return _line(f"Waits in queue {queue}: {condition.get('message') or 'no quota yet'}")
    return f"Waits in queue {queue} for its turn"


def _weight(reason: str) -> int:
    order = ("Image", "A container", "Container", "Its volume", "No node fits", "No node")
    return next((place for place, start in enumerate(order) if reason.startswith(start)), len(order))


def _newest(events: Sequence[Thing]) -> Thing:
    return max(events, key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime") or ""))


def _line(text: str) -> str:
    line = re.sub(r"\s+", " ", text).strip().rstrip(".")
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."
