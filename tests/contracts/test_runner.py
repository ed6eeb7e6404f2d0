"""What every runner does: processes of this machine, a Ray cluster through its Jobs API, RayJobs on Kubernetes.

Kubernetes is a fake API server whose operator the test plays; `tests/cluster` runs the same attempts on a real one.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import httpx
import psutil
import pytest
from api_server import FakeApiServer, api_server
from pod_templates import templates

from tunesmith.controller.ports import free_ports
from tunesmith.errors import AuthenticationError, PlatformError, UnavailableError
from tunesmith.jobs.runners.kubernetes import KubernetesRunner
from tunesmith.jobs.runners.process import ProcessRunner
from tunesmith.jobs.runners.protocol import Runner
from tunesmith.jobs.runners.ray_cluster import RayClusterRunner
from tunesmith.kubernetes.client import KubernetesClient
from tunesmith.kubernetes.connection import connect
from tunesmith.records import Job

CONFIG = {"name": "a", "data": {"type": "file", "path": "a.jsonl"}}
# Stands in for `tunesmith train --attempt FOLDER`: it ends when its folder holds a file `end`.
DRIVER = textwrap.dedent(
    """
    import pathlib, sys, time
    folder = pathlib.Path(sys.argv[sys.argv.index("--attempt") + 1])
    print("driver of", folder.name, flush=True)
    while not (folder / "end").exists():
        time.sleep(0.05)
    """
)


class Place(Protocol):
    """A runner, and how things end where it runs."""

    runner: Runner

    def ends_by_itself(self, folder: Path, handle: Mapping[str, Any]) -> None:
        """Have the driver end."""

    def is_lost(self, handle: Mapping[str, Any]) -> None:
        """Have the attempt vanish, as a machine vanishes."""


class Processes:
    """Processes of this machine."""

    def __init__(self, folder: Path) -> None:
        self.driver = folder / "driver.py"
        self.driver.write_text(DRIVER, encoding="utf-8")
        self.children: list[subprocess.Popen[bytes]] = []
        self.runner: Runner = ProcessRunner(folder, start=self.start)

    def start(self, command: Sequence[str], environment: Mapping[str, str], _log: Path) -> int:
        words = [sys.executable, str(self.driver), *command[command.index("train") :]]
        child = subprocess.Popen(words, env={**os.environ, **environment}, start_new_session=True)
        self.children.append(child)
        return child.pid

    def ends_by_itself(self, folder: Path, handle: Mapping[str, Any]) -> None:
        (folder / "end").touch()

    def is_lost(self, handle: Mapping[str, Any]) -> None:
        psutil.Process(handle["pid"]).kill()

    def close(self) -> None:
        for child in self.children:
            child.kill()
            child.wait()


class Ray:
    """A real Ray head with token authentication."""

    def __init__(self, folder: Path, address: str, token: str) -> None:
        driver = folder / "driver.py"
        driver.write_text(DRIVER, encoding="utf-8")
        self.address, self.token = address, token
        self.runner: Runner = RayClusterRunner(address, token=token, program=(sys.executable, str(driver)))

    def ends_by_itself(self, folder: Path, handle: Mapping[str, Any]) -> None:
        (folder / "end").touch()

    def is_lost(self, handle: Mapping[str, Any]) -> None:
        (driver,) = [
            process
            for process in psutil.process_iter(["cmdline"])
            if handle["log"].removesuffix("/driver.log") in (process.info["cmdline"] or ())
            and "driver.py" in " ".join(process.info["cmdline"])
            and Path(process.info["cmdline"][0]).name.startswith("python")
        ]
        driver.kill()


class Kubernetes:
    """A fake API server; `play` is the operator."""

    def __init__(self, server: FakeApiServer, folder: Path) -> None:
        self.server = server
        client = KubernetesClient(connect(kubeconfig=str(server.kubeconfig(folder)), patience_seconds=2))
        self.runner: Runner = KubernetesRunner(client, templates=templates, release="ts", objects=folder)

    def play(self, handle: Mapping[str, Any], **status: str) -> None:
        self.server.set_status("RayJob", handle["name"], status)

    def ends_by_itself(self, folder: Path, handle: Mapping[str, Any]) -> None:
        self.play(handle, jobStatus="SUCCEEDED", jobDeploymentStatus="Complete")

    def is_lost(self, handle: Mapping[str, Any]) -> None:
        self.server.remove("RayJob", handle["name"])


@pytest.fixture(scope="module")
def ray_head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    ports = free_ports(
        ("gcs", "dashboard", "agent", "agent_grpc", "env_agent", "metrics", "dashboard_metrics")
    )
    token = secrets.token_urlsafe(24)
    # A short path: Ray's sockets lie below it.
    temporary = f"/tmp/ts-{secrets.token_hex(3)}"
    head = subprocess.Popen(
        [
            str(Path(sys.executable).parent / "ray"),
            *("start", "--head", "--block", "--disable-usage-stats", "--include-log-monitor=false"),
            *(
                "--node-ip-address=127.0.0.1",
                "--num-cpus=1",
                "--object-store-memory=100000000",
                "--no-monitor",
            ),
            f"--port={ports['gcs']}",
            *(
                "--dashboard-host=127.0.0.1",
                f"--dashboard-port={ports['dashboard']}",
                f"--temp-dir={temporary}",
            ),
            f"--dashboard-agent-listen-port={ports['agent']}",
            f"--dashboard-agent-grpc-port={ports['agent_grpc']}",
        ],
        env={
            **os.environ,
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": token,
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    address = f"http://127.0.0.1:{ports['dashboard']}"
    _until(lambda: _answers(f"{address}/api/jobs/", token), 120)
    # The dashboard hands jobs to an agent, which comes up later.
    _until(lambda: _answers(f"http://127.0.0.1:{ports['agent']}/api/healthz", token), 120)
    yield address, token
    family = [*psutil.Process(head.pid).children(recursive=True), psutil.Process(head.pid)]
    head.terminate()
    _, left = psutil.wait_procs(family, timeout=20)
    for process in left:
        process.kill()
    subprocess.run(["rm", "-rf", temporary], check=True)


@pytest.fixture(params=["process", pytest.param("ray", marks=pytest.mark.flow), "kubernetes"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    if request.param == "process":
        processes = Processes(tmp_path)
        yield processes
        processes.close()
    elif request.param == "ray":
        yield Ray(tmp_path, *request.getfixturevalue("ray_head"))
    else:
        with api_server() as server:
            yield Kubernetes(server, tmp_path)


@pytest.fixture
def job() -> Job:
    return Job(f"ftjob-{secrets.token_hex(12)}", "default", "a", "running", 1, "", CONFIG, 0)


def _folder(tmp_path: Path, job: Job) -> Path:
    folder = tmp_path / job.id / f"attempt-{job.fence:04d}"
    folder.mkdir(parents=True)
    return folder


def _later(job: Job) -> Job:
    return Job(job.id, job.project_id, job.name, job.state, job.fence + 1, "", CONFIG, 0)


def _answers(address: str, token: str) -> bool:
    try:
        headers = {"Authorization": f"Bearer {token}"}
        return httpx.get(address, headers=headers, timeout=5).is_success
    except httpx.HTTPError:
        return False


def _until(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _start(runner: Runner, job: Job, folder: Path) -> Mapping[str, Any]:
    """As the controller does: a place that takes nothing yet is asked again."""
    for _ in range(20):
        try:
            return runner.start(job, folder)
        except UnavailableError:
            time.sleep(1)
    raise AssertionError("it does not start")


def _stop(runner: Runner, handle: Mapping[str, Any]) -> None:
    """As the controller does: a stop that is not done yet is called again."""
    for _ in range(5):
        try:
            return runner.stop(handle)
        except UnavailableError:
            time.sleep(0.5)
    raise AssertionError("it does not end")


def test_it_lives_until_it_is_stopped(place: Place, job: Job, tmp_path: Path) -> None:
    handle = _start(place.runner, job, _folder(tmp_path, job))
    handle = json.loads(json.dumps(handle))
    assert place.runner.is_alive(handle)
    _stop(place.runner, handle)
    assert not place.runner.is_alive(handle)
    _stop(place.runner, handle)


def test_a_second_start_finds_the_first(place: Place, job: Job, tmp_path: Path) -> None:
    folder = _folder(tmp_path, job)
    first = _start(place.runner, job, folder)
    assert _start(place.runner, job, folder) == first
    _stop(place.runner, first)
    assert not place.runner.is_alive(first)


def test_what_was_started_is_found_without_its_handle(place: Place, job: Job, tmp_path: Path) -> None:
    folder = _folder(tmp_path, job)
    assert place.runner.find(job, folder) is None
    handle = _start(place.runner, job, folder)
    assert place.runner.find(job, folder) == handle
    assert place.runner.find(_later(job), _folder(tmp_path, _later(job))) is None
    _stop(place.runner, handle)


def test_it_ends_by_itself(place: Place, job: Job, tmp_path: Path) -> None:
    folder = _folder(tmp_path, job)
    handle = _start(place.runner, job, folder)
    place.ends_by_itself(folder, handle)
    _until(lambda: not place.runner.is_alive(handle))
    assert place.runner.reason(handle) is None
    _stop(place.runner, handle)


def test_what_vanished_is_dead(place: Place, job: Job, tmp_path: Path) -> None:
    handle = _start(place.runner, job, _folder(tmp_path, job))
    if isinstance(place, Ray):
        _until(lambda: place.runner.reason(handle) is None)  # its driver is there
        time.sleep(1)
    place.is_lost(handle)
    _until(lambda: not place.runner.is_alive(handle))
    _stop(place.runner, handle)


def test_attempts_of_one_job_are_told_apart(place: Place, job: Job, tmp_path: Path) -> None:
    first = _start(place.runner, job, _folder(tmp_path, job))
    second = _start(place.runner, _later(job), _folder(tmp_path, _later(job)))
    assert first != second
    _stop(place.runner, first)
    assert place.runner.is_alive(second)
    _stop(place.runner, second)


@pytest.mark.flow
def test_the_log_of_a_ray_driver_is_kept(ray_head: tuple[str, str], job: Job, tmp_path: Path) -> None:
    place, folder = Ray(tmp_path, *ray_head), _folder(tmp_path, job)
    handle = _start(place.runner, job, folder)
    place.ends_by_itself(folder, handle)
    _until(lambda: not place.runner.is_alive(handle))
    _stop(place.runner, handle)
    assert "driver of attempt-0001" in (folder / "driver.log").read_text(encoding="utf-8")


@pytest.mark.flow
def test_a_wrong_ray_token_is_told(ray_head: tuple[str, str], job: Job, tmp_path: Path) -> None:
    runner = RayClusterRunner(ray_head[0], token="wrong")
    with pytest.raises(AuthenticationError, match="does not accept the token"):
        runner.start(job, _folder(tmp_path, job))


def test_an_absent_ray_cluster_is_told(job: Job, tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match=r"127\.0\.0\.1:9 does not answer"):
        RayClusterRunner("http://127.0.0.1:9").start(job, _folder(tmp_path, job))


@pytest.fixture
def kubernetes(tmp_path: Path) -> Iterator[Kubernetes]:
    with api_server() as server:
        yield Kubernetes(server, tmp_path)


def test_the_log_of_a_ray_job_is_kept(kubernetes: Kubernetes, job: Job, tmp_path: Path) -> None:
    folder = _folder(tmp_path, job)
    handle = kubernetes.runner.start(job, folder)
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "submitter", "labels": {"batch.kubernetes.io/job-name": handle["name"]}},
        "spec": {"containers": [{"name": "ray-job-submitter"}]},
    }
    kubernetes.server.put(pod)
    kubernetes.server.logs[("tunesmith", "submitter")] = "step 1\n"
    kubernetes.ends_by_itself(folder, handle)
    kubernetes.runner.stop(handle)
    assert (folder / "driver.log").read_text(encoding="utf-8") == "step 1\n"
    assert kubernetes.server.find("RayJob", handle["name"])  # its head stays for a while, with Ray's own logs


def test_a_ray_job_that_somebody_stopped_leaves_nothing(
    kubernetes: Kubernetes, job: Job, tmp_path: Path
) -> None:
    handle = kubernetes.runner.start(job, _folder(tmp_path, job))
    kubernetes.play(handle, jobStatus="STOPPED", jobDeploymentStatus="Complete")
    assert not kubernetes.runner.is_alive(handle)
    kubernetes.runner.stop(handle)  # no deletion rule is for it
    assert kubernetes.server.find("RayJob", handle["name"]) is None


def test_an_attempt_is_dead_only_when_its_pods_are_gone(
    kubernetes: Kubernetes, job: Job, tmp_path: Path
) -> None:
    handle = kubernetes.runner.start(job, _folder(tmp_path, job))
    held = kubernetes.server.find("RayJob", handle["name"])
    assert held is not None
    held["metadata"]["finalizers"] = ["foregroundDeletion"]
    with pytest.raises(UnavailableError, match="pods are not gone yet"):
        kubernetes.runner.stop(handle)
    assert kubernetes.runner.is_alive(handle)
    kubernetes.server.remove("RayJob", handle["name"])
    assert not kubernetes.runner.is_alive(handle)


def test_another_ray_job_of_the_same_name_is_not_the_attempt(
    kubernetes: Kubernetes, job: Job, tmp_path: Path
) -> None:
    handle = kubernetes.runner.start(job, _folder(tmp_path, job))
    assert not kubernetes.runner.is_alive({**handle, "uid": "another"})


def test_an_attempt_is_told_its_place_in_the_object_store(
    kubernetes: Kubernetes, job: Job, tmp_path: Path
) -> None:
    kubernetes.runner.start(job, _folder(tmp_path, job))
    (made,) = kubernetes.server.all("RayJob")
    assert made["spec"]["entrypoint"] == f"tunesmith train --attempt {job.id}/attempt-0001"
    assert made["metadata"]["labels"]["tunesmith/job"] == job.id
    head = made["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]["containers"][0]
    # What lies beside the folder of its project is not mounted.
    own = {"mountPath": "/objects/projects/default", "subPath": "projects/default"}
    assert head["volumeMounts"] == [{"name": "objects", **own}]


def test_nothing_is_made_where_the_cluster_refuses(kubernetes: Kubernetes, job: Job, tmp_path: Path) -> None:
    folder = _folder(tmp_path, job)
    for missing, forbidden in (({"RayJob"}, set()), (set(), {("create", "rayjobs")})):
        kubernetes.server.missing_kinds, kubernetes.server.forbidden = missing, forbidden
        with pytest.raises(PlatformError):
            kubernetes.runner.start(job, folder)
    assert kubernetes.server.all("RayJob") == []
