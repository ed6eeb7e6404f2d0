"""The rendered pods, run: each as its own user, with a root that cannot be written, and with its own mounts alone.

    migration, twice -> bootstrap: a key in a Secret -> gateway, controller
    examples and a job through the gateway -> the controller's RayJob -> head, worker, submitter -> trained
    the controller's RayService -> head, worker, Serve config -> vectors through the gateway

Around them are a real Postgres, an API server that behaves, and what the operator does, done by hand.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_server import FakeApiServer, api_server
from certificates import certificate_for
from kuberay_pods import AGENT, DASHBOARD, RayJobPods, RayPods, RayServicePods
from pods import Node, RunningPod, node, why_no_pods
from postgres_server import postgres_programs, running_postgres
from rendering import Objects, find, render_objects

from generate.manifests import CHART
from tunesmith.telemetry.status_server import STATUS_PORT

pytestmark = [
    pytest.mark.flow,
    pytest.mark.skipif(why_no_pods() is not None, reason=f"no pods on this machine: {why_no_pods()}"),
    pytest.mark.skipif(
        postgres_programs() is None, reason="no Postgres on this machine: install `postgresql`"
    ),
]
LINE = '{"messages": [{"role": "user", "content": "Colour?"}, {"role": "assistant", "content": "blue"}]}\n'
RECIPE = """
verb: train
name: lamp
model: tiny-reader
data: {type: file, path: sub/examples.jsonl}
max_steps: 2
sequence_length: 64
packing: false
resources: {num_workers: 2}
"""
USER = 10001


@dataclass
class Release:
    """The control plane of a release, running."""

    node: Node
    server: FakeApiServer
    objects: Objects
    gateway: RunningPod
    controller: RunningPod

    @property
    def http(self) -> httpx.Client:
        """A client with the key that the bootstrap made."""
        key = find_secret(self.server)
        headers = {"Authorization": f"Bearer {key}"}
        return httpx.Client(base_url=f"http://{self.gateway.address}:8000", headers=headers, timeout=30)


def find_secret(server: FakeApiServer) -> str:
    secret = server.find("Secret", "tunesmith-admin-key")
    assert secret is not None
    told = secret.get("stringData", {}).get("key") or base64.b64decode(secret["data"]["key"]).decode()
    return str(told)


def _until(look: Callable[[], Any], *pods: RunningPod, seconds: float = 120) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := look()):
        for pod in pods:
            assert pod.process.poll() is None, f"{pod.name} has ended:\n{pod.log[-4000:]}"
        said = "\n".join(f"{pod.name}:\n{pod.log[-4000:]}" for pod in pods)
        assert time.monotonic() < deadline, said
        time.sleep(0.2)
    return found


def _answers(url: str, **options: Any) -> httpx.Response | None:
    try:
        answer = httpx.get(url, timeout=5, **options)
    except httpx.HTTPError:
        return None
    return answer if answer.is_success else None


@pytest.fixture(scope="module")
def objects() -> Objects:
    """With a cache of weights that nobody may write to: what runs here asks no hub, and does not write there either."""
    offline = ("--set", "modelCache.enabled=true,modelHub.offline=true")
    # vLLM's start takes longer than all the rest together; tests/flows serves with it, and proves versions with it.
    asleep = ("--set-json", 'config.bases=[{"model": "tiny-reader", "min_replicas": 0}]')
    patience = ("--set", "config.jobs.patience_seconds=10")
    return render_objects("--values", str(CHART / "ci" / "cpu-one-node.yaml"), *offline, *asleep, *patience)


@pytest.fixture(scope="module")
def release(objects: Objects, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Release]:
    programs = postgres_programs()
    assert programs is not None
    with node() as machine, running_postgres(programs, machine.gateway) as url:
        certificate = certificate_for(machine.gateway, tmp_path_factory.mktemp("tls"))
        with api_server(machine.gateway, certificate=certificate) as server:
            authority = certificate[0].read_text(encoding="ascii")
            machine.account = {"token": server.token, "ca.crt": authority, "namespace": "tunesmith"}
            machine.secrets["tunesmith-database"] = {
                "url": url.replace("postgresql://", "postgresql+psycopg://")
            }
            for obj in objects:
                if obj["kind"] == "ConfigMap":
                    machine.config_maps[obj["metadata"]["name"]] = obj["data"]
                    server.put(obj)
            _hooks(machine, server, objects)
            api = _api(server)
            gateway = machine.start("gateway", _pod(objects, "gateway"), environment=api)
            controller = machine.start("controller", _pod(objects, "controller"), environment=api)
            _until(lambda: _answers(f"http://{gateway.address}:8000/healthz"), gateway)
            _until(lambda: _answers(f"http://{controller.address}:8001/healthz"), controller)
            yield Release(machine, server, objects, gateway, controller)


def _pod(objects: Objects, part: str, kind: str = "Deployment") -> dict[str, Any]:
    template: dict[str, Any] = find(objects, kind, f"tunesmith-{part}")["spec"]["template"]
    return template


def _api(server: FakeApiServer) -> dict[str, str]:
    """What a kubelet tells every pod of the API server."""
    _, _, address = server.url.rpartition("/")
    host, _, port = address.partition(":")
    return {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}


def _hooks(machine: Node, server: FakeApiServer, objects: Objects) -> None:
    for turn in ("first", "second"):
        migration = machine.start(f"migration-{turn}", _pod(objects, "migration", "Job"))
        assert migration.wait(seconds=120) == 0, migration.log
        bootstrap = machine.start(
            f"bootstrap-{turn}", _pod(objects, "bootstrap", "Job"), environment=_api(server)
        )
        assert bootstrap.wait(seconds=120) == 0, bootstrap.log
        told = "holds the first key" if turn == "first" else "is there already"
        assert told in bootstrap.log


def test_the_control_plane_answers_as_nobody_on_a_root_that_is_read_only(release: Release) -> None:
    assert release.http.get("/v1/models").json()["data"]
    for path in ("/v1/models", "/metrics"):
        assert httpx.get(f"http://{release.gateway.address}:8000{path}").status_code == 401
    told = httpx.get(f"http://{release.gateway.address}:{STATUS_PORT}/metrics").text
    assert "tunesmith_requests_total{" in told
    for pod in (release.gateway, release.controller):
        _is_confined(pod)


def _is_confined(pod: RunningPod) -> None:
    process = pod.inner()
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert set(process.uids()) == set(process.gids()) == {USER}
    assert fields["NoNewPrivs"] == "1"
    assert {int(fields[name], 16) for name in ("CapEff", "CapPrm", "CapBnd", "CapInh", "CapAmb")} == {0}
    with pytest.raises(OSError, match="Read-only file system"):
        Path(f"/proc/{process.pid}/root/opt/x").touch()


@pytest.mark.slow
def test_a_job_is_trained_in_the_pods_of_its_ray_job(release: Release) -> None:
    job = _submit(release)
    made = _until(
        lambda: release.server.find("RayJob", f"{job['id']}-1"), release.gateway, release.controller
    )
    pods = RayJobPods(release.node, made)
    head, worker = _cluster(pods)
    submitter = pods.submitter()
    assert submitter.wait(seconds=400) == 0, submitter.log + head.log + worker.log
    release.server.set_status(
        "RayJob", made["metadata"]["name"], {"jobDeploymentStatus": "Complete", "jobStatus": "SUCCEEDED"}
    )
    events = _until(lambda: _trained(release, job["id"]), release.gateway, release.controller)
    assert [event["data"]["step"] for event in events] == [1, 2]
    folder = release.node.claim("tunesmith-objects") / "projects" / "default" / "jobs" / job["id"]
    (adapter,) = folder.glob("attempt-0001/export/adapter_model.safetensors")
    assert adapter.stat().st_uid == USER
    for pod in (head, worker):
        pod.kill()


def test_what_ray_job_submit_sends_is_trained_in_the_pods_of_its_ray_job(
    release: Release, tmp_path: Path
) -> None:
    """The plain Ray CLI against the release's address: its folder, its command, its log and its exit status."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "examples.jsonl").write_text(LINE * 32)
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    environment = {
        **os.environ,
        "RAY_JOB_HEADERS": json.dumps({"Authorization": f"Bearer {find_secret(release.server)}"}),
    }
    environment.pop("RAY_ADDRESS", None)
    submit = [str(Path(sys.executable).parent / "ray"), "job", "submit", "--working-dir", str(tmp_path)]
    submit += ["--address", f"http://{release.gateway.address}:8000", "--submission-id", "lamp"]
    words = [*submit, "--", "tunesmith", "train", "recipe.yaml"]
    client = subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        made = _until(lambda: _submitted(release), release.gateway, release.controller)
        name = made["metadata"]["name"]
        pods = RayJobPods(release.node, made)
        head, worker = _cluster(pods)
        submitter = pods.submitter()
        _report(release, name, submitter, "RUNNING", stage="Running")
        assert submitter.wait(seconds=400) == 0, submitter.log + head.log + worker.log
        _report(release, name, submitter, "SUCCEEDED", stage="Complete")
        said, _ = client.communicate(timeout=60)
    finally:
        client.kill()
    told = said.decode()
    assert client.returncode == 0, told
    assert "ft:tiny-reader:default:lamp" in told
    assert "Not registered: " in told, "it has succeeded all the same"
    assert "The engine does not answer" in told
    folder = release.node.claim("tunesmith-objects") / "projects" / "default" / "submissions"
    adapters = list(folder.glob("*/home/objects/projects/default/**/adapter_model.safetensors"))
    assert {adapter.stat().st_uid for adapter in adapters} == {USER}
    for pod in (head, worker):
        pod.kill()


def _submitted(release: Release) -> dict[str, Any] | None:
    found = [job for job in release.server.all("RayJob") if job["metadata"]["name"].startswith("submitted-")]
    return found[0] if found else None


def _report(release: Release, name: str, submitter: RunningPod, said: str, *, stage: str) -> None:
    """What the operator writes into the RayJob's status, and the kubelet serves of the submitter's log."""
    labels = {"batch.kubernetes.io/job-name": name}
    metadata = {"name": f"{name}-s", "namespace": "tunesmith", "labels": labels}
    release.server.put(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": metadata,
            "spec": {"containers": [{"name": "ray-job-submitter"}]},
        }
    )
    release.server.logs["tunesmith", f"{name}-s"] = submitter.log
    release.server.set_status("RayJob", name, {"jobDeploymentStatus": stage, "jobStatus": said})


@pytest.mark.slow
def test_vectors_come_from_the_pods_of_a_ray_service(release: Release) -> None:
    (made,) = _until(lambda: release.server.all("RayService"), release.gateway, release.controller)
    pods = RayServicePods(release.node, made)
    head, worker = _cluster(pods)
    assert pods.configure(head, "wrong").status_code in (401, 403)
    accepted = pods.configure(head, pods.token)
    assert accepted.status_code == 200, accepted.text
    pods.open(worker)
    asked = {"model": "all-MiniLM-L6-v2", "input": ["Parental leave is sixteen weeks."]}
    answer = _until(lambda: _posted(release, "/v1/embeddings", asked), head, worker, seconds=240)
    (vector,) = answer["data"]
    assert len(vector["embedding"]) == 384
    # What the operator asks of a worker before its Service leads there.
    assert httpx.get(f"http://{worker.address}:8000/-/healthz").text == "success"


def _posted(release: Release, path: str, body: dict[str, Any]) -> Any:
    answer = release.http.post(path, json=body)
    return answer.json() if answer.is_success else None


def _cluster(pods: RayPods) -> tuple[RunningPod, RunningPod]:
    """Head and worker, once the operator would call them ready."""
    head = pods.head()
    _until(lambda: _healthy(head, DASHBOARD, "gcs_healthz"), head, seconds=240)
    worker = pods.worker()
    for pod in (head, worker):
        _until(lambda pod=pod: _healthy(pod, AGENT, "local_raylet_healthz"), pod, seconds=240)
        _is_confined(pod)
    _asks_for_its_token(pods, head)
    return head, worker


def _submit(release: Release) -> dict[str, Any]:
    files = {"file": ("examples.jsonl", (LINE * 32).encode())}
    file = release.http.post("/v1/files", files=files, data={"purpose": "fine-tune"}).json()
    knobs = {"max_steps": 2, "sequence_length": 64, "packing": False}
    answer = release.http.post(
        "/v1/fine_tuning/jobs",
        json={"model": "tiny-reader", "training_file": file["id"], "tunesmith": {"set": knobs}},
    )
    assert answer.status_code == 200, answer.text
    job: dict[str, Any] = answer.json()
    return job


def _healthy(pod: RunningPod, port: int, path: str) -> bool:
    """The operator's probes: without a token, and the word `success`."""
    answer = _answers(f"http://{pod.address}:{port}/api/{path}")
    return answer is not None and "success" in answer.text


def _asks_for_its_token(pods: RayPods, head: RunningPod) -> None:
    jobs = f"http://{head.address}:{DASHBOARD}/api/jobs/"
    assert httpx.get(jobs).status_code == 401
    assert httpx.get(jobs, headers={"Authorization": "Bearer wrong"}).status_code in (401, 403)
    assert httpx.get(jobs, headers={"Authorization": f"Bearer {pods.token}"}).json() == []


def _trained(release: Release, job: str) -> list[dict[str, Any]]:
    """The steps, once the controller has seen the attempt's end."""
    found = release.http.get(f"/v1/fine_tuning/jobs/{job}/events", params={"limit": 100}).json()["data"]
    steps = [event for event in found if event["type"] == "metrics"][::-1]
    return steps if len(steps) >= 2 else []
