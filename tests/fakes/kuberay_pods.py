"""What the KubeRay operator adds to the pods of a RayJob: names, `ray start`, a token, and how a job is submitted."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pods import Node, RunningPod

from tunesmith.kubernetes.usage import quantity

DASHBOARD, AGENT, GCS = 8265, 52365, 6379


@dataclass
class RayJobPods:
    """The pods of one RayJob on a node."""

    node: Node
    job: Mapping[str, Any]
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    @property
    def name(self) -> str:
        """Of the RayJob, and so of its cluster."""
        return str(self.job["metadata"]["name"])

    @property
    def service(self) -> str:
        """The name by which the cluster's DNS knows the head."""
        return f"{self.name}-head-svc.{self.job['metadata']['namespace']}.svc.cluster.local"

    def head(self) -> RunningPod:
        """Start the head, and have the DNS know it."""
        group = self.job["spec"]["rayClusterSpec"]["headGroupSpec"]
        head = self._ray("head", group, "--head", {}, {"RAY_ADDRESS": f"127.0.0.1:{GCS}"})
        self.node.names[self.service] = head.address
        return head

    def worker(self) -> RunningPod:
        """Start a worker of the first group; it waits for the head as the operator's init container does."""
        group = self.job["spec"]["rayClusterSpec"]["workerGroupSpecs"][0]
        address = f"{self.service}:{GCS}"
        told = {"FQ_RAY_IP": self.service, "RAY_IP": f"{self.name}-head-svc", "RAY_ADDRESS": address}
        wait = f"until ray health-check --address {address}; do sleep 1; done; "
        return self._ray("worker", group, "", {"address": address}, told, first=wait)

    def submitter(self) -> RunningPod:
        """Start the pod that submits the driver and prints what it prints."""
        spec = self.job["spec"]
        at = f"--address http://{self.service}:{DASHBOARD}"
        known = f"ray job status {at} {spec['jobId']} >/dev/null 2>&1"
        follow = f"ray job logs {at} --follow {spec['jobId']}"
        submit = f"ray job submit {at} --submission-id {spec['jobId']} -- {spec['entrypoint']}"
        words = ["/bin/bash", "-ce", "--", f"if {known} ; then {follow} ; else {submit} ; fi"]
        told = {
            "RAY_DASHBOARD_ADDRESS": f"{self.service}:{DASHBOARD}",
            "RAY_JOB_SUBMISSION_ID": spec["jobId"],
        }
        return self._start("submitter", spec["submitterPodTemplate"], words, told)

    def _ray(
        self,
        role: str,
        group: Mapping[str, Any],
        flag: str,
        added: Mapping[str, Any],
        told: Mapping[str, str],
        *,
        first: str = "",
    ) -> RunningPod:
        limits = group["template"]["spec"]["containers"][0]["resources"]["limits"]
        flags = {
            "num-cpus": int(quantity(limits["cpu"])),
            "memory": int(quantity(limits["memory"])),
            "metrics-export-port": 8080,
            "dashboard-agent-listen-port": AGENT,
            # Ray takes a third of what the pod's limit leaves; nothing here limits memory.
            "object-store-memory": 200_000_000,
            **added,
            **group["rayStartParams"],
        }
        shown = " ".join(f"--{name}={value}" for name, value in sorted(flags.items()))
        start = f"ulimit -n 65536; ray start {flag} {shown} --block"
        own = {"RAY_CLUSTER_NAME": self.name, "RAY_CLOUD_INSTANCE_ID": role, "RAY_PORT": str(GCS), **told}
        return self._start(role, group["template"], ["/bin/bash", "-c", "--", first + start], own)

    def _start(
        self, role: str, template: Mapping[str, Any], command: list[str], told: Mapping[str, str]
    ) -> RunningPod:
        authentication = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": self.token}
        return self.node.start(
            f"{self.name}-{role}", template, command=command, environment={**authentication, **told}
        )
