"""What the KubeRay operator adds to the pods of a RayJob and of a RayService: names, `ray start`, a token; how a job is
submitted, and how a Serve config is."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import yaml
from pods import Node, RunningPod

from tunesmith.kubernetes.usage import quantity

DASHBOARD, AGENT, GCS = 8265, 52365, 6379


@dataclass
class RayPods:
    """The pods of one Ray cluster on a node."""

    node: Node
    owner: Mapping[str, Any]
    """The RayJob or RayService."""
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    @property
    def name(self) -> str:
        """Of the cluster."""
        return str(self.owner["metadata"]["name"])

    @property
    def cluster(self) -> Mapping[str, Any]:
        """Its RayClusterSpec."""
        spec = self.owner["spec"]
        found: Mapping[str, Any] = spec.get("rayClusterSpec") or spec["rayClusterConfig"]
        return found

    @property
    def service(self) -> str:
        """The name by which the cluster's DNS knows the head."""
        return f"{self.name}-head-svc.{self.owner['metadata']['namespace']}.svc.cluster.local"

    def head(self) -> RunningPod:
        """Start the head, and have the DNS know it."""
        group = self.cluster["headGroupSpec"]
        head = self._ray("head", group, "--head", {}, {"RAY_ADDRESS": f"127.0.0.1:{GCS}"})
        self.node.know(self.service, head.address)
        return head

    def worker(self) -> RunningPod:
        """Start a worker of the first group; it waits for the head as the operator's init container does."""
        group = self.cluster["workerGroupSpecs"][0]
        address = f"{self.service}:{GCS}"
        told = {"FQ_RAY_IP": self.service, "RAY_IP": f"{self.name}-head-svc", "RAY_ADDRESS": address}
        wait = f"until ray health-check --address {address}; do sleep 1; done; "
        return self._ray("worker", group, "", {"address": address}, told, first=wait)

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
            **added,
            **group["rayStartParams"],
        }
        shown = " ".join(f"--{name}={value}" for name, value in sorted(flags.items()))
        start = f"ulimit -n 65536; ray start {flag} {shown} --block"
        own = {"RAY_CLUSTER_NAME": self.name, "RAY_CLOUD_INSTANCE_ID": role, "RAY_PORT": str(GCS), **told}
        return self.start(role, group["template"], ["/bin/bash", "-c", "--", first + start], own)

    def start(
        self, role: str, template: Mapping[str, Any], command: list[str], told: Mapping[str, str]
    ) -> RunningPod:
        """Start a pod that knows the token."""
        authentication = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": self.token}
        return self.node.start(
            f"{self.name}-{role}", template, command=command, environment={**authentication, **told}
        )


class RayJobPods(RayPods):
    """The pods of one RayJob: its cluster is called as it is."""

    def submitter(self) -> RunningPod:
        """Start the pod that submits the driver and prints what it prints."""
        spec = self.owner["spec"]
        at = f"--address http://{self.service}:{DASHBOARD}"
        known = f"ray job status {at} {spec['jobId']} >/dev/null 2>&1"
        follow = f"ray job logs {at} --follow {spec['jobId']}"
        submit = f"ray job submit {at} {self._runtime_env()} --submission-id {spec['jobId']} -- {spec['entrypoint']}"
        words = ["/bin/bash", "-ce", "--", f"if {known} ; then {follow} ; else {submit} ; fi"]
        told = {
            "RAY_DASHBOARD_ADDRESS": f"{self.service}:{DASHBOARD}",
            "RAY_JOB_SUBMISSION_ID": spec["jobId"],
        }
        return self.start("submitter", spec["submitterPodTemplate"], words, told)

    def _runtime_env(self) -> str:
        """As JSON in double quotes, in which the shell still reads dollars and backticks."""
        if "runtimeEnvYAML" not in self.owner["spec"]:
            return ""
        text = json.dumps(yaml.safe_load(self.owner["spec"]["runtimeEnvYAML"]))
        quoted = text.replace("\\", "\\\\").replace('"', '\\"')
        return f'--runtime-env-json "{quoted}"'


class RayServicePods(RayPods):
    """The pods of one RayService, before its first upgrade."""

    @property
    def name(self) -> str:
        """Of the cluster: the RayService's, and something of its own."""
        return f"{super().name}-x2v9c"

    def configure(self, head: RunningPod, token: str) -> httpx.Response:
        """Hand the Serve config to the head's dashboard, as JSON."""
        document = yaml.safe_load(self.owner["spec"]["serveConfigV2"])
        return httpx.put(
            f"http://{head.address}:{DASHBOARD}/api/serve/applications/",
            json=document,
            headers={"Authorization": f"Bearer {token}"},
            timeout=180,
        )

    def open(self, worker: RunningPod) -> None:
        """Have the DNS know the Service of Serve's proxies: those of the workers, where the head is left out of it."""
        assert self.owner["spec"]["excludeHeadPodFromServeSvc"]
        metadata = self.owner["metadata"]
        self.node.know(f"{metadata['name']}-serve-svc.{metadata['namespace']}.svc", worker.address)
