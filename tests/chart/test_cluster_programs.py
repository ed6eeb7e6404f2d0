"""What `tests/cluster` runs on a real cluster, as far as it carries here.

Its pods, on a fake API server whose kubelet runs their rendered command for real, against a server that speaks enough
of the API.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from api_server import FakeApiServer, api_server
from cluster_pods import answer_of, program_pod, running
from kubernetes_schema import VERSIONS, faults

from generate.helm import find_helm
from generate.manifests import CHART
from tunesmith.deploy.helm import Helm, Release
from tunesmith.kubernetes.client import KubernetesClient
from tunesmith.kubernetes.connection import connect

RELEASE = Release("tunesmith", "tunesmith", chart=CHART, values=[CHART / "ci" / "cpu-one-node.yaml"])


class Api(BaseHTTPRequestHandler):
    """A base, a job that trains a step a look, and answers of one word; `busy` of them are refused first."""

    busy = 0
    looks = 0
    status = "running"

    def do_GET(self) -> None:
        job = {"id": "ftjob-1", "object": "fine_tuning.job", "status": self.status, "error": None}
        if self.path.endswith("/models"):
            self._say({"object": "list", "data": [{"id": "tiny-reader", "object": "model"}]})
        elif "/events" in self.path:
            type(self).looks += 10
            steps = [{"id": str(n), "type": "metrics", "data": {"step": n}} for n in range(self.looks, 0, -1)]
            self._say({"object": "list", "data": steps, "has_more": False})
        else:
            self._say(job)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        for word, status in (("pause", "paused"), ("resume", "running")):
            if self.path.endswith(word):
                type(self).status = status
        if "completions" in self.path and type(self).busy > 0:
            type(self).busy -= 1
            self._say({"error": {"message": "later"}}, 503)
        elif "completions" in self.path:
            self._say("data: [DONE]\n\n")
        else:
            self._say({"id": "ftjob-1", "object": "fine_tuning.job", "status": self.status, "error": None})

    def _say(self, body: dict[str, Any] | str, status: int = 200) -> None:
        data = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/event-stream" if isinstance(body, str) else "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def address() -> Iterator[str]:
    Api.busy, Api.looks, Api.status = 0, 0, "running"
    server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def server() -> Iterator[FakeApiServer]:
    with api_server() as running_server:
        yield running_server


@pytest.fixture
def client(server: FakeApiServer, tmp_path: Path) -> KubernetesClient:
    return KubernetesClient(connect(kubeconfig=str(server.kubeconfig(tmp_path)), patience_seconds=2))


@contextmanager
def kubelet(server: FakeApiServer, address: str) -> Iterator[None]:
    """Run the first pod that appears, and tell its log and its phase."""
    stop = threading.Event()

    def run() -> None:
        while not server.all("Pod"):
            if stop.wait(0.05):
                return
        (pod,) = server.all("Pod")
        (container,) = pod["spec"]["containers"]
        told = {each["name"]: str(each.get("value", "key")) for each in container["env"]}
        command = [sys.executable, *container["command"][1:]]
        environment = {**told, "OPENAI_BASE_URL": address}
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        with subprocess.Popen(command, env=environment, **pipes) as process:
            assert process.stdout is not None
            key = ("tunesmith", pod["metadata"]["name"])
            for line in process.stdout:
                server.logs[key] = server.logs.get(key, "") + line
                if stop.is_set():
                    process.kill()
        if server.find("Pod", pod["metadata"]["name"]):
            phase = "Failed" if process.returncode else "Succeeded"
            server.set_status("Pod", pod["metadata"]["name"], {"phase": phase})

    thread = threading.Thread(target=run)
    thread.start()
    yield
    stop.set()
    thread.join()


def pod(program: str, *arguments: str) -> dict[str, Any]:
    return program_pod(RELEASE, Helm(find_helm("4.1.4"), (4, 1)), program, *arguments)


def test_a_program_runs_in_a_pod_like_that_of_helm_test() -> None:
    made = pod("job", "begin")
    assert (
        made["metadata"]["labels"]["app.kubernetes.io/component"] == "test"
    )  # the policies let it to the gateway
    assert "annotations" not in made["metadata"]  # no hook: helm does not know it
    assert [fault for version in VERSIONS for fault in faults(made, version)] == []


def test_a_job_is_begun_paused_and_resumed(
    server: FakeApiServer, client: KubernetesClient, address: str
) -> None:
    said = []
    for words in (("begin",), ("pause", "ftjob-1"), ("resume", "ftjob-1"), ("wait", "ftjob-1", "running")):
        with kubelet(server, address):
            said.append(answer_of(client, pod("job", *words), seconds=60))
        assert server.all("Pod") == [], "each program leaves nothing"
    assert [answer["status"] for answer in said] == ["running", "paused", "running", "running"]
    assert said[0]["steps"] == list(range(1, len(said[0]["steps"]) + 1))


def test_a_program_that_fails_says_why_and_leaves_nothing(
    server: FakeApiServer, client: KubernetesClient, address: str
) -> None:
    with (
        kubelet(server, address),
        pytest.raises(AssertionError, match="KeyError: 'no-such-command'"),
    ):
        answer_of(client, pod("job", "no-such-command"), seconds=60)
    assert server.all("Pod") == []


@pytest.mark.parametrize("busy", [0, 2])
def test_the_load_counts_what_fails(
    server: FakeApiServer, client: KubernetesClient, address: str, busy: int
) -> None:
    Api.busy = busy
    with kubelet(server, address):
        counted = answer_of(client, pod("load", "2"), seconds=60)
    assert counted["asked"] > 2 * busy
    assert counted["failed"] == busy
    assert ("InternalServerError" in counted["last"]) is bool(busy)


def test_what_a_program_says_is_heard_while_it_runs(
    server: FakeApiServer, client: KubernetesClient, address: str
) -> None:
    with kubelet(server, address), running(client, pod("load", "60")) as said:
        while not said():
            pass
        assert said()["failed"] == 0
    assert server.all("Pod") == []
