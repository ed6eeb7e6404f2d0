"""Ray's own client against the gateway and the controller of a release, whose operator the test plays."""

from __future__ import annotations

import base64
import shutil
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from api_server import FakeApiServer, api_server
from foreign_home import ProofEngine, leave_version
from in_thread import serving
from pod_templates import template_files
from ray.job_submission import JobSubmissionClient

from tunesmith.config.home import Home
from tunesmith.config.serve import JobsConfig
from tunesmith.controller import submission_files
from tunesmith.controller.arrivals import Arrivals
from tunesmith.controller.proving import ProvingEngines
from tunesmith.controller.submission_files import SubmissionFiles
from tunesmith.controller.submissions import SubmissionController
from tunesmith.errors import StorageError
from tunesmith.gateway.app import build_app
from tunesmith.gateway.upstream import Upstream
from tunesmith.jobs.quota import used_gpu_hours
from tunesmith.jobs.submissions import SubmissionStore
from tunesmith.kubernetes.client import KubernetesClient
from tunesmith.kubernetes.connection import connect
from tunesmith.kubernetes.templates import parse_templates
from tunesmith.stores.audit import AuditLog
from tunesmith.stores.bases import BaseStates
from tunesmith.stores.database import Database, ProjectRow
from tunesmith.stores.keys import KeyStore
from tunesmith.stores.limits import Limits, LimitStore, of_project
from tunesmith.stores.objects import ObjectStore
from tunesmith.stores.registry import Registry
from tunesmith.stores.state_file import PlatformState


class Release:
    """A gateway, a controller and a cluster without an operator."""

    def __init__(self, folder: Path, server: FakeApiServer, database: Database, gateway: str) -> None:
        self.server, self.database, self.gateway = server, database, gateway
        self.home = Home(folder / "home")
        self.volume = self.home.objects
        self.submissions = SubmissionStore(database)
        self.changes: dict[str, Any] = {}
        self.store = ObjectStore(f"file://{folder}/objects")
        self._engines = ProvingEngines(
            ["tiny-reader"],
            states=BaseStates(database),
            address=lambda _: self.engine,
            always=["tiny-reader"],
        )
        self.engine = "http://127.0.0.1:9"
        self._client = KubernetesClient(
            connect(kubeconfig=str(server.kubeconfig(folder)), patience_seconds=1)
        )
        self.controller = self.new_controller("one")

    def new_controller(self, owner: str, **changes: Any) -> SubmissionController:
        return SubmissionController(
            self._client,
            self.submissions,
            SubmissionFiles(self.submissions, self.store, self.volume),
            Arrivals(self.database, self.home, engines=self._engines),
            templates=lambda: parse_templates(template_files(**self.changes), where="test"),
            release="ts",
            owner=owner,
            **{"patience_seconds": 60.0, "keep_seconds": 60.0, **changes},
        )

    def client(self, project: str = "default") -> JobSubmissionClient:
        key = KeyStore(self.database).create(project, "chief", role="administer", of_organisation=True)
        return JobSubmissionClient(self.gateway, headers={"Authorization": f"Bearer {key}"})

    def job(self) -> dict[str, Any]:
        (job,) = self.server.all("RayJob")
        return job

    def says(self, printed: str = "", **status: str) -> None:
        """Play the operator: a submitter's pod that has printed something, and a status."""
        name = self.job()["metadata"]["name"]
        self.server.put(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {
                    "name": f"{name}-s",
                    "namespace": "tunesmith",
                    "labels": {"batch.kubernetes.io/job-name": name},
                },
                "spec": {"containers": [{"name": "ray-job-submitter"}]},
            }
        )
        self.server.logs["tunesmith", f"{name}-s"] = printed
        self.server.set_status("RayJob", name, status)
        self.controller.tick()


@pytest.fixture
def release(tmp_path: Path, database: Database) -> Iterator[Release]:
    app = build_app(
        database=database,
        objects=ObjectStore(f"file://{tmp_path}/objects"),
        upstream=Upstream("http://127.0.0.1:9"),
        base="tiny-reader",
        embedder="mini",
        readiness=lambda: PlatformState("ts", 0, ()),
        jobs=JobsConfig(max_workers=4, max_active_per_project=3),
        submissions=SubmissionStore(database),
    )
    with api_server() as server, serving(app) as gateway:
        yield Release(tmp_path, server, database, gateway)


@pytest.fixture
def program(tmp_path: Path) -> Path:
    folder = tmp_path / "program"
    (folder / "package").mkdir(parents=True)
    (folder / "package" / "job.py").write_text("print('hello')")
    return folder


RUNNING = {"jobDeploymentStatus": "Running", "jobStatus": "RUNNING"}
SUCCEEDED = {"jobDeploymentStatus": "Complete", "jobStatus": "SUCCEEDED", "message": "Job finished."}


async def test_what_rays_client_sends_becomes_a_ray_job_and_is_followed_to_its_end(
    release: Release, program: Path
) -> None:
    client = release.client()
    entrypoint = """awk '{print "$1"}' < "a b" && python -m package.job"""
    job_id = client.submit_job(
        entrypoint=entrypoint,
        runtime_env={"working_dir": str(program), "env_vars": {"COLOUR": "blue"}, "excludes": ["*.csv"]},
        metadata={"num_workers": "3"},
    )
    assert client.get_job_status(job_id) == "PENDING"
    release.controller.tick()
    release.controller.tick()
    job = release.job()
    spec, runtime_env = job["spec"], yaml.safe_load(job["spec"]["runtimeEnvYAML"])
    assert spec["entrypoint"] == "python -m tunesmith.jobs.submitted"
    assert spec["backoffLimit"] == 0
    told = runtime_env["env_vars"]
    assert base64.b64decode(told["TUNESMITH_ENTRYPOINT"]).decode() == entrypoint
    assert told["COLOUR"] == "blue"
    assert "excludes" not in runtime_env
    package = Path(runtime_env["working_dir"].removeprefix("file://"))
    for place in (package, Path(told["TUNESMITH_HOME"])):
        assert place.is_relative_to(release.volume / "projects" / "default" / "submissions")
    assert sorted(zipfile.ZipFile(package).namelist()) == [".tunesmith-package", "package/job.py"], (
        "Ray would unpack a lone folder as if it were the whole"
    )
    (group,) = [group for group in spec["rayClusterSpec"]["workerGroupSpecs"] if group["replicas"]]
    (mount,) = group["template"]["spec"]["containers"][0]["volumeMounts"]
    assert mount["subPath"] == str(package.parent.parent.relative_to(release.volume)), "its own folder alone"
    assert Path(told["TUNESMITH_HOME"]).is_dir(), "or a kubelet makes it, for root"
    assert release.store.exists(f"submissions/packages/default/{package.name}")

    release.says("first\nhal", **RUNNING)
    info = client.get_job_info(job_id)
    assert (info.status, info.metadata["num_workers"], info.end_time) == ("RUNNING", "3", None)
    assert client.get_job_logs(job_id) == "first\n", "whole lines alone, while more may come"
    lines = client.tail_job_logs(job_id)
    assert await anext(lines) == "first\n"
    release.says("first\nhalf a line\nlast", **SUCCEEDED)
    assert "".join([line async for line in lines]) == "half a line\nlast"
    info = client.get_job_info(job_id)
    assert (info.status, info.message) == ("SUCCEEDED", "Job finished.")
    assert info.end_time >= info.start_time
    assert client.get_job_logs(job_id) == "first\nhalf a line\nlast"
    assert not package.exists()


def test_gpu_hours_are_those_of_its_workers_and_have_a_quota(release: Release) -> None:
    client, limits = release.client(), LimitStore(release.database)
    limits.set(of_project("default"), "default", Limits(gpu_hours_per_month=1))
    client.submit_job(entrypoint="sleep 1000", metadata={"num_workers": "4"})
    release.controller.tick()
    release.says("", **RUNNING)
    began = used_gpu_hours(release.database, "default")
    later = used_gpu_hours(release.database, "default", now=time.time() + 3600)
    assert 0 <= began < 0.1
    assert later == pytest.approx(4, abs=0.1)
    limits.set(of_project("default"), "default", Limits(gpu_hours_per_month=0))
    with pytest.raises(RuntimeError, match="of its 0 GPU hours of this month"):
        client.submit_job(entrypoint="true")


def _told(release: Release, job_id: str, *, of: str) -> Path:
    """The home that its program was told."""
    runtime_env = yaml.safe_load(release.job()["spec"]["runtimeEnvYAML"])
    return Path(runtime_env["env_vars"][of])


def test_what_it_trained_is_registered_before_it_has_succeeded(release: Release) -> None:
    client = release.client()
    job_id = client.submit_job(entrypoint="tunesmith train recipe.yaml")
    release.controller.tick()
    release.says("step 1", **RUNNING)
    left = leave_version(_told(release, job_id, of="TUNESMITH_HOME"))
    release.says("step 1\nstep 2", **SUCCEEDED)
    assert client.get_job_status(job_id) == "RUNNING", "its engine is away"
    held = used_gpu_hours(release.database, "default")
    assert used_gpu_hours(release.database, "default", now=time.time() + 3600) == held, (
        "its workers have gone"
    )
    with serving(ProofEngine().app()) as release.engine:
        _until(lambda: release.controller.tick() or client.get_job_status(job_id) == "SUCCEEDED")
    assert client.get_job_logs(job_id) == f"step 1\nstep 2\nRegistered: {left.name}\n"
    assert client.get_job_info(job_id).message == f"Job finished. Registered: {left.name}"
    assert Registry(release.database, "default").version(left.name).lineage.job_id.startswith(f"{job_id}/")


def test_a_program_has_succeeded_though_what_it_trained_cannot_be_registered(release: Release) -> None:
    client = release.client()
    job_id = client.submit_job(entrypoint="tunesmith train recipe.yaml")
    release.controller = release.new_controller("one", patience_seconds=1.0)
    release.controller.tick()
    release.says("", **RUNNING)
    leave_version(_told(release, job_id, of="TUNESMITH_HOME"))
    release.says("done\n", **SUCCEEDED)
    _until(lambda: release.controller.tick() or client.get_job_status(job_id) == "SUCCEEDED")
    assert "done\nNot registered: " in client.get_job_logs(job_id)
    assert "The engine does not answer" in client.get_job_info(job_id).message
    assert Registry(release.database, "default").versions() == []


def _until(is_so: Callable[[], bool], *, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_why_it_waits_is_its_message(release: Release) -> None:
    client = release.client()
    job_id = client.submit_job(entrypoint="true")
    release.controller.tick()
    release.says(jobDeploymentStatus="ValidationFailed", message="jobId is taken")
    info = client.get_job_info(job_id)
    assert (info.status, info.message) == ("FAILED", "KubeRay gave it up: jobId is taken")


@pytest.mark.parametrize(("waits", "wanted"), [(True, 0), (False, 0)])
def test_a_stop_takes_the_ray_job_away(release: Release, waits: bool, wanted: int) -> None:
    client = release.client()
    job_id = client.submit_job(entrypoint="sleep 1000")
    if not waits:
        release.controller.tick()
        release.says("so far\n", **RUNNING)
    assert client.stop_job(job_id)
    release.controller.tick()
    release.controller.tick()
    assert client.get_job_status(job_id) == "STOPPED"
    assert len(release.server.all("RayJob")) == wanted
    assert client.get_job_logs(job_id) == ("" if waits else "so far\n")
    assert not client.stop_job(job_id), "there is nothing left to stop"


def test_a_stop_while_the_ray_job_is_made_is_not_lost(
    release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = release.client()
    job_id = client.submit_job(entrypoint="sleep 1000")
    described = SubmissionController._described

    def stopped_meanwhile(controller: SubmissionController, submission: Any) -> Any:
        assert client.stop_job(job_id)
        return described(controller, submission)

    with monkeypatch.context() as patch:
        patch.setattr(SubmissionController, "_described", stopped_meanwhile)
        release.controller.tick()
    assert len(release.server.all("RayJob")) == 1
    release.controller.tick()
    release.controller.tick()
    assert release.server.all("RayJob") == []
    assert client.get_job_status(job_id) == "STOPPED"


def test_what_has_ended_can_be_deleted_and_its_name_taken_again(release: Release, program: Path) -> None:
    client = release.client()
    job_id = client.submit_job(
        entrypoint="true", submission_id="nightly", runtime_env={"working_dir": str(program)}
    )
    with pytest.raises(RuntimeError, match="exists"):
        client.submit_job(entrypoint="true", submission_id="nightly")
    release.controller.tick()
    with pytest.raises(RuntimeError, match="Stop it first"):
        client.delete_job(job_id)
    release.says("done\n", **SUCCEEDED)
    assert client.delete_job(job_id)
    assert client.list_jobs() == []
    release.controller.tick()
    release.controller.tick()
    assert release.server.all("RayJob") == []
    assert [path.name for path in release.volume.glob("projects/default/submissions/*")] == []
    assert client.submit_job(entrypoint="true", submission_id="nightly") == job_id


def test_a_ray_job_that_somebody_deleted_has_failed(release: Release) -> None:
    client = release.client()
    job_id = client.submit_job(entrypoint="true")
    release.controller.tick()
    release.says("so far\n", **RUNNING)
    release.server.remove("RayJob", release.job()["metadata"]["name"])
    release.controller.tick()
    assert client.get_job_info(job_id).message == "Its RayJob was deleted by somebody else."
    assert client.get_job_logs(job_id) == "so far\n"


def test_a_log_that_the_kubelet_has_turned_over_goes_on_where_it_stood(release: Release) -> None:
    client = release.client()
    job_id = client.submit_job(entrypoint="true")
    release.controller.tick()
    lines = [f"line {number} of many\n" for number in range(1000)]
    release.says("".join(lines[:600]), **RUNNING)
    release.says("".join(lines[300:]), **RUNNING)
    assert client.get_job_logs(job_id) == "".join(lines)
    release.says("after a gap\n", **RUNNING)
    assert client.get_job_logs(job_id) == "".join(lines) + "\n[...]\nafter a gap\n"


def test_it_has_ended_once_its_submitter_has_printed_all(release: Release) -> None:
    """Ray says its end before the submitter's pod has; the stage says that it has too."""
    client = release.client()
    job_id = client.submit_job(entrypoint="true")
    release.controller.tick()
    release.says("Traceback\n", jobDeploymentStatus="Running", jobStatus="FAILED")
    assert client.get_job_status(job_id) == "RUNNING"
    release.says("Traceback\nValueError\n", jobDeploymentStatus="Failed", jobStatus="FAILED")
    assert client.get_job_status(job_id) == "FAILED"
    assert client.get_job_logs(job_id) == "Traceback\nValueError\n"


@pytest.mark.parametrize(("patience", "ends"), [(60.0, False), (0.0, True)])
def test_the_end_waits_for_its_log_for_a_while(
    release: Release, monkeypatch: pytest.MonkeyPatch, patience: float, ends: bool
) -> None:
    client = release.client()
    job_id = client.submit_job(entrypoint="true")
    release.controller = release.new_controller("one", patience_seconds=patience)
    release.controller.tick()

    def full(*_: object) -> None:
        raise StorageError("The object store is full.")

    with monkeypatch.context() as patch:
        patch.setattr(SubmissionFiles, "keep_log", full)
        release.says("all of it\n", **SUCCEEDED)
    assert client.get_job_status(job_id) == ("SUCCEEDED" if ends else "PENDING")
    if not ends:
        release.controller.tick()
        assert client.get_job_logs(job_id) == "all of it\n"


def test_what_a_queue_takes_back_is_not_begun_again(release: Release) -> None:
    client = release.client()
    job_id = client.submit_job(entrypoint="true")
    release.controller.tick()
    release.says("so far\n", **RUNNING)
    release.says("so far\n", jobDeploymentStatus="Suspended", jobStatus="")
    info = client.get_job_info(job_id)
    assert info.status == "FAILED"
    assert "taken away" in info.message
    assert release.server.all("RayJob") == []


def test_another_place_in_the_settings_moves_no_submission(release: Release) -> None:
    client = release.client()
    job_id = client.submit_job(entrypoint="true")
    release.controller.tick()
    release.changes = {"workspaces": [{"namespace": "acme", "project": "acme", "queue": None}]}
    release.says("so far\n", **RUNNING)
    assert client.get_job_status(job_id) == "RUNNING"
    assert client.stop_job(job_id)
    release.controller.tick()
    release.controller.tick()
    assert (client.get_job_status(job_id), release.server.all("RayJob")) == ("STOPPED", [])


def test_of_two_controllers_one_looks(release: Release) -> None:
    client = release.client()
    job_id = client.submit_job(entrypoint="true")
    submission = release.submissions.hold(job_id, owner="another", seconds=0.5)
    assert submission is not None
    release.controller.tick()
    assert release.server.all("RayJob") == [], "it is held"
    time.sleep(0.6)
    release.controller.tick()
    assert release.submissions.hold(job_id, owner="another", seconds=1) is None
    assert len(release.server.all("RayJob")) == 1


def test_a_stop_that_comes_after_the_end_changes_nothing_of_it(release: Release) -> None:
    client = release.client()
    job_id = client.submit_job(entrypoint="true")
    release.controller.tick()
    client.stop_job(job_id)
    release.says("done\n", **SUCCEEDED)
    assert client.get_job_status(job_id) == "SUCCEEDED"


def test_a_cluster_that_refuses_for_now_is_asked_again(release: Release) -> None:
    client = release.client()
    job_id = client.submit_job(entrypoint="true")
    release.server.go_away()
    release.controller.tick()
    info = client.get_job_info(job_id)
    assert (info.status, info.message != "Waits for the controller.") == ("PENDING", True)
    release.server.come_back()
    release.controller.tick()
    assert len(release.server.all("RayJob")) == 1


def test_its_pods_hold_no_credentials_of_the_release(release: Release) -> None:
    files = template_files()
    for name in ("train-head.yaml", "train-worker-cpu.yaml"):
        pod = yaml.safe_load(files[name])
        container = pod["spec"]["containers"][0]
        container["envFrom"] = [{"secretRef": {"name": "tunesmith-objects"}}]
        token = {"secretKeyRef": {"name": "hub", "key": "token"}}
        container["env"].append({"name": "HF_TOKEN", "valueFrom": token})
        files[name] = yaml.safe_dump(pod)
    release.controller._templates = lambda: parse_templates(files, where="test")
    release.client().submit_job(entrypoint="env")
    release.controller.tick()
    cluster = release.job()["spec"]["rayClusterSpec"]
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        (container,) = group["template"]["spec"]["containers"]
        assert "secret" not in str(container).lower()
        assert container["env"]


@pytest.mark.parametrize("where", ["submissions", "packages"])
def test_a_link_that_a_program_left_leads_nowhere(release: Release, program: Path, where: str) -> None:
    """Programs of a project may write all of its folder on the volume."""
    client = release.client()
    job_id = client.submit_job(entrypoint="true", runtime_env={"working_dir": str(program)})
    release.controller.tick()
    others = release.volume / "projects" / "others"
    (others / "packages").mkdir(parents=True)
    (others / "packages" / "kept").write_text("theirs")
    (folder,) = release.volume.glob("projects/default/submissions/*")
    link, target = (folder, others) if where == "submissions" else (folder / "packages", others / "packages")
    shutil.rmtree(link)
    link.symlink_to(target)
    release.says("done\n", **SUCCEEDED)
    client.delete_job(job_id)
    release.controller.tick()
    release.controller.tick()
    assert (others / "packages" / "kept").read_text() == "theirs"


def test_packages_go_once_nobody_names_them(release: Release, program: Path) -> None:
    client = release.client()
    first, second = (
        client.submit_job(entrypoint="true", submission_id=name, runtime_env={"working_dir": str(program)})
        for name in ("first", "second")
    )
    (package,) = release.store.keys("submissions/packages")
    for job_id in (first, second):
        client.stop_job(job_id)
    release.controller.tick()
    client.delete_job(first)
    release.controller.tick()
    assert release.store.exists(package), "the second still names it"
    release.controller.tidy()
    assert release.store.exists(package), "it has just ended"
    tidier = release.new_controller("one", keep_seconds=-1.0)
    tidier.tidy()
    assert not release.store.exists(package)
    assert client.get_job_status(second) == "STOPPED"


def test_a_package_of_too_many_files_is_refused_before_they_are_read(
    release: Release, monkeypatch: pytest.MonkeyPatch, program: Path
) -> None:
    monkeypatch.setattr(submission_files, "MOST_FILES", 0)
    client = release.client()
    job_id = client.submit_job(entrypoint="true", runtime_env={"working_dir": str(program)})
    release.controller.tick()
    assert "holds more than 0 files" in client.get_job_info(job_id).message


def test_a_torn_package_is_not_taken_for_an_empty_one(release: Release, program: Path) -> None:
    client = release.client()
    job_id = client.submit_job(entrypoint="true", runtime_env={"working_dir": str(program)})
    (key,) = release.store.keys("submissions/packages")
    with release.store.reader(key) as pieces:
        whole = b"".join(pieces)
    with release.store.writer(key) as torn:
        torn.write(b"\0" * (len(whole) - 60) + whole[-60:])
    release.controller.tick()
    assert "is no zip file" in client.get_job_info(job_id).message


def test_a_project_has_so_many_at_a_time(release: Release) -> None:
    client = release.client()
    for _ in range(3):
        client.submit_job(entrypoint="true")
    with pytest.raises(RuntimeError, match="3 submissions of this project have not ended"):
        client.submit_job(entrypoint="true")


def test_a_wheel_has_its_own_name(release: Release) -> None:
    headers = release.client()._headers
    for name, status in (("job-1.0-py3-none-any.whl", 200), ("..whl", 400), ("a/b.whl", 404)):
        answer = httpx.put(f"{release.gateway}/api/packages/gcs/{name}", content=b"PK", headers=headers)
        assert answer.status_code == status, name


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"metadata": {"num_workers": "5"}}, "more than the 4 that one job may have"),
        ({"metadata": {"num_workers": "many"}}, "num_workers"),
        ({"metadata": {"gpus_per_worker": "-1"}}, "gpus_per_worker"),
        ({"entrypoint_memory": 10}, "entrypoint_memory: a submission to a release cannot say that"),
        ({"runtime_env": {"working_dir": "gcs://_ray_pkg_00ff00ff.zip"}}, "is not there. Submit again"),
        ({"runtime_env": {"working_dir": "gcs://../../etc.zip"}}, "is no package"),
        ({"runtime_env": {"env_vars": {"A": "${PATH}:/b"}}}, "holds a dollar or a backtick"),
        ({"submission_id": "a/b"}, "other characters than"),
        ({"entrypoint": ""}, "entrypoint"),
        ({"runtime_env": {"env_vars": ["A=b"]}}, "env_vars"),
        ({"runtime_env": {"py_modules": 5}}, "py_modules"),
        ({"entrypoint_resources": {"$(touch x)": 1}}, "holds a dollar or a backtick"),
        ({"entrypoint": "x" * 90_000}, "more than 100000 characters"),
        ({"metadata": {"a": "b" * 20_000}}, "metadata has more than"),
    ],
)
def test_what_cannot_be_run_is_refused_in_a_sentence(
    release: Release, body: dict[str, Any], said: str
) -> None:
    headers = release.client()._headers
    answer = httpx.post(f"{release.gateway}/api/jobs/", json={"entrypoint": "true", **body}, headers=headers)
    assert answer.status_code in (400, 404)
    assert said in answer.json()["error"]["message"]
    release.controller.tick()
    assert release.server.all("RayJob") == []


def test_what_no_worker_group_holds_fails_with_the_reason(release: Release) -> None:
    client = release.client()
    job_id = client.submit_job(
        entrypoint="true", metadata={"num_workers": "4", "gpus_per_worker": "8", "cpus_per_worker": "64"}
    )
    release.controller.tick()
    info = client.get_job_info(job_id)
    assert info.status == "FAILED"
    assert "No worker group can hold 4 workers" in info.message


def test_a_package_that_is_no_zip_fails_in_a_sentence(release: Release) -> None:
    client = release.client()
    name = "_ray_pkg_00ff00ff00ff.zip"
    put = httpx.put(f"{release.gateway}/api/packages/gcs/{name}", content=b"no zip", headers=client._headers)
    assert put.status_code == 200
    job_id = client.submit_job(entrypoint="true", runtime_env={"working_dir": f"gcs://{name}"})
    release.controller.tick()
    assert f"{name} is no zip file" in client.get_job_info(job_id).message


async def test_another_projects_submissions_are_invisible(release: Release) -> None:
    with release.database.session() as session:
        session.add(ProjectRow(id="acme", created_at=1))
    job_id = release.client().submit_job(entrypoint="true")
    theirs = release.client("acme")
    assert theirs.list_jobs() == []
    for call in (theirs.get_job_info, theirs.get_job_logs, theirs.stop_job, theirs.delete_job):
        with pytest.raises(RuntimeError, match="does not exist"):
            call(job_id)
    with pytest.raises(Exception, match="404"):
        _ = [lines async for lines in theirs.tail_job_logs(job_id)]


def test_a_project_without_a_namespace_hears_so(release: Release) -> None:
    release.changes = {"workspaces": [{"namespace": "acme", "project": "acme", "queue": None}]}
    client = release.client()
    job_id = client.submit_job(entrypoint="true")
    release.controller.tick()
    assert "has no namespace to run in" in client.get_job_info(job_id).message


def test_none_but_administrators_of_the_organisation_submit(release: Release) -> None:
    body = {"entrypoint": "true"}
    url = f"{release.gateway}/api/jobs/"
    assert httpx.post(url, json=body).status_code == 401
    key = KeyStore(release.database).create("default", "member", role="administer")
    headers = {"Authorization": f"Bearer {key}"}
    assert httpx.post(url, json=body, headers=headers).status_code == 403
    assert release.submissions.of_project("default") == []


def test_what_was_done_is_noted(release: Release) -> None:
    client = release.client()
    job_id = client.submit_job(entrypoint="echo secret-word")
    client.stop_job(job_id)
    release.controller.tick()
    client.delete_job(job_id)
    events = [event for event in AuditLog(release.database).list()[::-1] if event.type.startswith("ray.")]
    assert [(event.type, event.resource_id) for event in events] == [
        (f"ray.job.{what}", job_id) for what in ("submitted", "stopped", "deleted")
    ]
    assert "secret-word" not in str(events)


def test_the_answers_are_as_rays_client_reads_them_and_the_version_is_its_own(release: Release) -> None:
    from ray.dashboard.modules.version import CURRENT_VERSION

    assert release.client().get_version() == CURRENT_VERSION
