"""Programs in the cluster, each in a pod like that of `helm test`: the image, a key, the way to the gateway alone."""

from __future__ import annotations

import copy
import json
import secrets
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tunesmith.deploy.helm import ASSUMED_APIS, Helm, Release
from tunesmith.kubernetes.client import KubernetesClient

PROGRAMS = Path(__file__).parents[1] / "cluster" / "programs"
_LABEL = "tunesmith-test/program"


def program_pod(release: Release, helm: Helm, program: str, *arguments: str) -> dict[str, Any]:
    """The pod of a program, from the release's own test pod: what reaches the gateway, and nothing else."""
    # `render` leaves it out, since it would run as soon as it is applied.
    apis = [word for api in ASSUMED_APIS for word in ("--api-versions", api)]
    words = [str(helm.binary), "template", release.name, *release.arguments, *apis]
    shown = subprocess.run(
        [*words, "--show-only", "templates/tests/pod.yaml"], capture_output=True, check=True
    )
    test = yaml.safe_load(shown.stdout)
    pod = copy.deepcopy(test)
    name = f"{program}-{secrets.token_hex(3)}"
    pod["metadata"] = {
        "name": name,
        "namespace": release.namespace,
        "labels": {**test["metadata"]["labels"], _LABEL: program},
    }
    text = (PROGRAMS / f"{program}.py").read_text(encoding="utf-8")
    pod["spec"]["containers"][0]["command"] = ["python", "-P", "-c", text, *arguments]
    return pod


@contextmanager
def running(client: KubernetesClient, pod: dict[str, Any]) -> Iterator[Callable[[], dict[str, Any]]]:
    """Have a program run for a block; call what is yielded for the last thing it said."""
    name, container = pod["metadata"]["name"], pod["spec"]["containers"][0]["name"]
    client.create(pod)
    try:
        yield lambda: _last_line(client.log(name, container=container))
    finally:
        client.delete("Pod", name)


def answer_of(client: KubernetesClient, pod: dict[str, Any], *, seconds: float = 900) -> dict[str, Any]:
    """Run a program to its end, and take what it said last."""
    with running(client, pod) as said:
        deadline = time.monotonic() + seconds
        while (phase := _phase(client, pod)) not in ("Succeeded", "Failed"):
            assert time.monotonic() < deadline, f"{pod['metadata']['name']} is {phase} after {seconds:g} s"
            time.sleep(1)
        name, container = pod["metadata"]["name"], pod["spec"]["containers"][0]["name"]
        assert phase == "Succeeded", client.log(name, container=container).decode(errors="replace")[-2000:]
        return said()


def _phase(client: KubernetesClient, pod: dict[str, Any]) -> str:
    found = client.get("Pod", pod["metadata"]["name"])
    assert found is not None, f"somebody deleted {pod['metadata']['name']}"
    return str((found.get("status") or {}).get("phase", "Pending"))


def _last_line(log: bytes) -> dict[str, Any]:
    lines = [line for line in log.decode(errors="replace").splitlines() if line.startswith("{")]
    return dict(json.loads(lines[-1])) if lines else {}
