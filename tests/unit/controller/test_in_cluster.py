"""The controller of a release, against a fake API server whose operator the test plays."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from api_server import FakeApiServer, api_server
from kuberay_operator import make_clusters
from pod_templates import CPU_GROUP, GPU_GROUP, template_files

from tunesmith.config.in_cluster import ClusterSettings, read_settings
from tunesmith.config.recipe import load_recipe
from tunesmith.config.train import TrainConfig
from tunesmith.controller.awake import Roster
from tunesmith.controller.in_cluster import ClusterController
from tunesmith.controller.ports import free_ports
from tunesmith.controller.services import ServedBases
from tunesmith.errors import ConfigError
from tunesmith.jobs.events import append_event
from tunesmith.jobs.requests import JobRequests, new_job_id
from tunesmith.kubernetes.client import KubernetesClient
from tunesmith.kubernetes.connection import connect
from tunesmith.kubernetes.templates import read_templates
from tunesmith.records import Job, Lineage, ModelVersion
from tunesmith.stores.bases import BaseStates
from tunesmith.stores.database import ProjectRow, open_home_database
from tunesmith.stores.files import FileStore
from tunesmith.stores.objects import ObjectStore
from tunesmith.stores.registry import Registry, whole_models
from tunesmith.stores.state_file import PartState

LINE = b'{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}\n'


class Release:
    """A release on a fake cluster."""

    def __init__(self, folder: Path, server: FakeApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
        self.server, self.folder = server, folder
        (folder / "templates").mkdir()
        self.write_templates()
        self.config(model="tiny-reader")
        for name, value in {
            "TUNESMITH_HOME": folder / "home",
            "TUNESMITH_TEMPLATES": folder / "templates",
            "TUNESMITH_CONFIG": folder / "serve.yaml",
            "TUNESMITH_NAMESPACE": "tunesmith",
            "TUNESMITH_RELEASE": "ts",
            "TUNESMITH_DATABASE_URL": f"sqlite:///{folder}/metadata.sqlite3",
            "TUNESMITH_OBJECTS_URL": f"file://{folder}/objects",
            "TUNESMITH_MILVUS_URI": "http://milvus:19530",
        }.items():
            monkeypatch.setenv(name, str(value))
        open_home_database(self.settings().home)
        self.client = KubernetesClient(connect(kubeconfig=str(server.kubeconfig(folder))))

    def write_templates(self, **changes: Any) -> None:
        for name, text in template_files(**changes).items():
            (self.folder / "templates" / name).write_text(text, encoding="utf-8")

    def config(self, **fields: Any) -> None:
        (self.folder / "serve.yaml").write_text(yaml.safe_dump(fields), encoding="utf-8")

    def settings(self) -> ClusterSettings:
        return read_settings()

    def bases(self) -> ServedBases:
        settings = self.settings()
        return ServedBases(self.client, settings, templates=lambda: read_templates(settings.templates))

    def services(self) -> list[str]:
        return sorted(
            thing["metadata"]["annotations"]["tunesmith/base-name"] for thing in self.server.all("RayService")
        )


@pytest.fixture
def release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Release]:
    with api_server() as server:
        yield Release(tmp_path, server, monkeypatch)


def test_one_service_a_base_and_none_that_is_not_wanted(release: Release) -> None:
    release.config(bases=[{"model": "tiny-reader"}, {"model": "Qwen/Qwen3-0.6B", "worker_group": "h100"}])
    release.bases().tick()
    assert release.services() == ["Qwen/Qwen3-0.6B", "tiny-reader"]
    release.config(bases=[{"model": "Qwen/Qwen3-0.6B"}])
    release.bases().tick()
    assert release.services() == ["Qwen/Qwen3-0.6B"]


def test_a_base_of_several_pods_keeps_all_but_one_through_a_drain(release: Release) -> None:
    base = {"model": "Qwen/Qwen3-0.6B", "worker_group": "h100", "min_replicas": 3, "max_replicas": 3}
    release.config(bases=[{**base, "tensor_parallel_size": 8}])
    bases = release.bases()
    bases.tick()
    (service,) = release.server.all("RayService")

    def kept() -> dict[str, int]:
        found = release.server.all("PodDisruptionBudget")
        owners = {owner["uid"] for budget in found for owner in budget["metadata"]["ownerReferences"]}
        assert owners == {service["metadata"]["uid"]}
        return {
            budget["spec"]["selector"]["matchLabels"]["ray.io/group"]: budget["spec"]["minAvailable"]
            for budget in found
        }

    assert kept() == {"h100": 2, "cpu": 0}
    release.config(bases=[{**base, "min_replicas": 1, "tensor_parallel_size": 8}])
    release.bases().tick()
    assert kept() == {"h100": 0, "cpu": 0}, "an only pod must not hold up a drain"


def test_what_another_release_made_stays(release: Release) -> None:
    release.bases().tick()
    other = release.server.all("RayService")[0]
    other = {
        **other,
        "metadata": {**other["metadata"], "name": "other", "labels": {**other["metadata"]["labels"]}},
    }
    other["metadata"]["labels"]["app.kubernetes.io/instance"] = "another"
    release.server.put(other)
    release.config(bases=[{"model": "Qwen/Qwen3-0.6B"}])
    release.bases().tick()
    assert release.server.find("RayService", "other")


def test_nothing_is_written_where_nothing_changed(release: Release) -> None:
    bases = release.bases()
    bases.tick()
    release.server.requests.clear()
    for _ in range(3):
        bases.tick()
    assert {method for method, _ in release.server.requests} == {"GET"}


def test_a_changed_knob_is_applied_in_place(release: Release) -> None:
    release.bases().tick()
    before = release.server.all("RayService")[0]
    release.config(model="tiny-reader", engine={"max_num_seqs": 7})
    release.bases().tick()
    (after,) = release.server.all("RayService")
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert after["spec"]["rayClusterConfig"] == before["spec"]["rayClusterConfig"]
    assert "max_num_seqs: 7" in after["spec"]["serveConfigV2"]


def test_what_somebody_changed_is_changed_back(release: Release) -> None:
    bases = release.bases()
    bases.tick()
    (service,) = release.server.all("RayService")
    release.server.put({**service, "spec": {**service["spec"], "serveConfigV2": "applications: []"}})
    bases.tick()
    assert "tunesmith.serve.engine" in release.server.all("RayService")[0]["spec"]["serveConfigV2"]


def test_a_drain_holds_no_second_set_of_pods(release: Release) -> None:
    release.write_templates(serving={"upgradeStrategy": {"type": "None"}})
    bases = release.bases()
    bases.tick()
    first = release.server.all("RayService")[0]["metadata"]["uid"]
    release.write_templates(serving={"upgradeStrategy": {"type": "None"}}, rayVersion="2.61.0")
    (state,) = bases.tick()
    assert (state.condition, release.server.all("RayService")) == ("restarting", [])
    bases.tick()
    (service,) = release.server.all("RayService")
    assert service["metadata"]["uid"] != first
    assert service["spec"]["rayClusterConfig"]["rayVersion"] == "2.61.0"


def test_other_bounds_drain_nothing(release: Release) -> None:
    strategy = {"upgradeStrategy": {"type": "None"}}
    release.write_templates(serving=strategy)
    bases = release.bases()
    bases.tick()
    first = release.server.all("RayService")[0]["metadata"]["uid"]
    release.write_templates(
        serving={**strategy, "workerGroups": [CPU_GROUP, {**GPU_GROUP, "maxReplicas": 9}]}
    )
    bases.tick()
    (service,) = release.server.all("RayService")
    assert service["metadata"]["uid"] == first
    assert service["spec"]["rayClusterConfig"]["workerGroupSpecs"][0]["maxReplicas"] == 9


def sizes(cluster: dict[str, Any]) -> dict[str, tuple[int, int, int]]:
    """Replicas, fewest and most of each worker group."""
    return {
        group["groupName"]: (group["replicas"], group["minReplicas"], group["maxReplicas"])
        for group in cluster["spec"]["workerGroupSpecs"]
    }


@pytest.mark.parametrize(("autoscaling", "replicas"), [(True, 0), (False, 2)])
def test_a_running_cluster_takes_other_bounds(release: Release, autoscaling: bool, replicas: int) -> None:
    """And its replicas, where no autoscaler of Ray writes them; the group's place in the cluster is its own."""
    release.write_templates(serving={"autoscaling": autoscaling})
    bases = release.bases()
    bases.tick()
    (cluster,) = make_clusters(release.server)
    assert sizes(cluster) == {"h100": (0, 0, 2), "cpu": (1, 1, 4)}
    cluster["spec"]["workerGroupSpecs"].reverse()
    release.server.put(cluster)
    bounds = {**GPU_GROUP, "replicas": 2, "minReplicas": 2, "maxReplicas": 9}
    release.write_templates(serving={"autoscaling": autoscaling, "workerGroups": [CPU_GROUP, bounds]})
    bases.tick()
    (after,) = make_clusters(release.server)
    assert after["metadata"]["name"] == cluster["metadata"]["name"]
    assert sizes(after) == {"cpu": sizes(cluster)["cpu"], "h100": (replicas, 2, 9)}
    release.server.requests.clear()
    bases.tick()
    assert {method for method, _ in release.server.requests} == {"GET"}


def test_a_cluster_that_is_to_go_keeps_its_bounds(release: Release) -> None:
    bases = release.bases()
    bases.tick()
    (cluster,) = make_clusters(release.server)
    groups = [CPU_GROUP, {**GPU_GROUP, "maxReplicas": 9}]
    release.write_templates(serving={"workerGroups": groups}, rayVersion="2.61.0")
    bases.tick()
    assert release.server.find("RayCluster", cluster["metadata"]["name"]) == cluster
    (other,) = make_clusters(release.server)
    assert other["metadata"]["name"] != cluster["metadata"]["name"]
    assert sizes(other)["h100"] == (0, 0, 9)


def test_bounds_that_may_not_be_changed_stop_nothing(
    release: Release, caplog: pytest.LogCaptureFixture
) -> None:
    bases = release.bases()
    bases.tick()
    make_clusters(release.server)
    release.server.forbidden.add(("patch", "rayclusters"))
    release.write_templates(serving={"workerGroups": [CPU_GROUP, {**GPU_GROUP, "maxReplicas": 9}]})
    (state,) = bases.tick()
    assert state.condition == "starting"
    assert "keeps the bounds of its groups: Forbidden: patch rayclusters/" in caplog.text


@pytest.mark.parametrize(
    ("status", "condition", "message"),
    [
        ({}, "starting", "its cluster is starting"),
        ({"conditions": [{"type": "Ready", "status": "True"}]}, "ready", ""),
        (
            {
                "conditions": [{"type": "Ready", "status": "False"}],
                "pendingServiceStatus": {
                    "applicationStatuses": {
                        "engine": {"status": "DEPLOY_FAILED", "message": "no such model"},
                        "embed": {"status": "RUNNING"},
                    }
                },
            },
            "failed",
            "no such model",
        ),
    ],
)
def test_its_status_is_told(release: Release, status: dict[str, Any], condition: str, message: str) -> None:
    bases = release.bases()
    bases.tick()
    (service,) = release.server.all("RayService")
    release.server.set_status("RayService", service["metadata"]["name"], status)
    assert bases.tick() == [PartState("tiny-reader", condition, message)]  # type: ignore[arg-type]


def test_a_whole_model_has_a_service_from_the_first_request_until_its_name_is_gone(release: Release) -> None:
    settings, name = release.settings(), "ft:tiny-reader:default:house:0a1b2c"
    database = open_home_database(settings.home)
    states, registry = BaseStates(database), Registry(database, "default")
    lineage = Lineage("tiny-reader", "0" * 64, {}, 1, {}, "0.1.0", "ftjob-1")
    registry.register(ModelVersion(name, "default", "tiny-reader", "full", "models/1", 1, lineage))
    bases = ServedBases(
        release.client,
        settings,
        templates=lambda: read_templates(settings.templates),
        versions=lambda: whole_models(database),
        roster=Roster(states),
    )
    bases.tick()
    assert release.services() == ["tiny-reader"]
    assert states.ask(name).state == "wanted"
    bases.tick()
    assert release.services() == [name, "tiny-reader"]
    (service,) = [each for each in release.server.all("RayService") if "ft" in each["metadata"]["name"]]
    (engine, *_) = yaml.safe_load(service["spec"]["serveConfigV2"])["applications"]
    assert engine["args"]["source"] == str(settings.home.objects / "models/1")
    assert (engine["name"], engine["args"]["version"]) == ("engine", "models/1")
    assert states.ask(name).state == "starting"
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    release.server.set_status("RayService", service["metadata"]["name"], ready)
    bases.tick()
    assert states.ask(name).state == "ready"
    registry.delete(name)
    bases.tick()
    assert release.services() == ["tiny-reader"]
    database.close()


def test_missing_settings_are_told_together(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TUNESMITH_TEMPLATES", "TUNESMITH_CONFIG", "TUNESMITH_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError, match=r"(?s)TUNESMITH_CONFIG.*TUNESMITH_DATABASE_URL"):
        read_settings()


def _submit(release: Release) -> Job:
    settings = release.settings()
    database, objects = open_home_database(settings.home), ObjectStore(settings.home.objects_url)
    with database.session() as session:
        session.merge(ProjectRow(id="default", created_at=0))
    file = FileStore(database, objects, "default").create([LINE], filename="a.jsonl", purpose="fine-tune")
    job_id = new_job_id()
    config = load_recipe("api/supervised", TrainConfig, [f"name={job_id}", f"data.path={file.id}"])
    request = {"model": "tiny-reader", "training_file": file.id}
    return JobRequests(database, "default").submit(
        job_id, request=request, config=config.model_dump(mode="json")
    )


def _until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_job_becomes_ray_jobs_until_it_is_trained(release: Release) -> None:
    """Lost once, told why it waits, then failed by its own last word; the controller goes, the attempt stays."""
    port = free_ports(["status"])["status"]
    controller, stop = ClusterController(release.settings(), release.client, port=port), threading.Event()
    running = threading.Thread(target=controller.run, args=(stop,))
    running.start()
    try:
        job = _submit(release)
        jobs = JobRequests(open_home_database(release.settings().home), "default")
        _until(lambda: release.server.find("RayJob", f"{job.id}-1"))
        release.server.set_status(
            "RayJob", f"{job.id}-1", {"jobDeploymentStatus": "ValidationFailed", "message": "no such field"}
        )
        _until(lambda: release.server.find("RayJob", f"{job.id}-2"))
        assert release.server.find("RayJob", f"{job.id}-1") is None
        health = httpx.get(f"http://127.0.0.1:{port}/healthz").json()
        assert (health["status"], health["parts"][0]["name"]) == ("ok", "tiny-reader")
        folder = release.folder / "objects" / "projects" / "default" / "jobs" / job.id / "attempt-0002"
        assert (folder / "order.json").exists()
        append_event(
            folder / "events.jsonl",
            "ended",
            outcome="failed",
            message="Diverged.",
            code="x",
            param=None,
            again=False,
        )
        release.server.set_status(
            "RayJob", f"{job.id}-2", {"jobDeploymentStatus": "Failed", "jobStatus": "FAILED"}
        )
        _until(lambda: jobs.job(job.id).state == "failed")
        assert release.services() == ["tiny-reader"]
        other = _submit(release)
        _until(lambda: release.server.find("RayJob", f"{other.id}-1"))
    finally:
        stop.set()
        running.join(timeout=30)
    assert release.server.find("RayJob", f"{other.id}-1")
    assert release.services() == ["tiny-reader"]


def test_jobs_and_bases_outlive_an_api_server_that_goes_away(release: Release) -> None:
    """Nothing is lost by it, begun twice or failed; what was wanted meanwhile is made when it is back."""
    client = KubernetesClient(
        connect(kubeconfig=str(release.server.kubeconfig(release.folder)), patience_seconds=1)
    )
    port, stop = free_ports(["status"])["status"], threading.Event()
    controller = ClusterController(release.settings(), client, port=port)
    running = threading.Thread(target=controller.run, args=(stop,))
    running.start()
    try:
        first = _submit(release)
        _until(lambda: release.server.find("RayJob", f"{first.id}-1"))
        release.server.set_status("RayJob", f"{first.id}-1", {"jobDeploymentStatus": "Running"})
        release.server.go_away()
        other = _submit(release)
        time.sleep(5)
        assert httpx.get(f"http://127.0.0.1:{port}/healthz").json()["status"] == "ok"
        release.server.come_back()
        jobs = JobRequests(open_home_database(release.settings().home), "default")
        assert {jobs.job(job.id).state for job in (first, other)} <= {"validating_files", "queued", "running"}
        end = {"jobDeploymentStatus": "Failed", "jobStatus": "FAILED"}
        folder = release.folder / "objects" / "projects" / "default" / "jobs" / first.id / "attempt-0001"
        last = {"outcome": "failed", "message": "Diverged.", "code": "x", "param": None, "again": False}
        append_event(folder / "events.jsonl", "ended", **last)
        release.server.set_status("RayJob", f"{first.id}-1", end)
        _until(lambda: jobs.job(first.id).state == "failed")
        _until(lambda: release.server.find("RayJob", f"{other.id}-1"))
        assert release.server.find("RayJob", f"{first.id}-2") is None
        _until(lambda: release.services() == ["tiny-reader"])
    finally:
        stop.set()
        running.join(timeout=30)
