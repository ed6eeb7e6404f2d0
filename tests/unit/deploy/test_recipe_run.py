"""A recipe as objects: the same ones for kubectl, for GitOps and for `train --on kubernetes`."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from api_server import FakeApiServer
from crd import HAVE_CRDS, operator_faults, validate
from pod_templates import STATE, shared_files, template_files
from typer.testing import CliRunner

from tunesmith.cli.main import app
from tunesmith.config.recipe import load_recipe
from tunesmith.config.train import TrainConfig
from tunesmith.deploy.recipe_run import find_templates, recipe_run
from tunesmith.deploy.submit import follow_run, submit_run
from tunesmith.errors import ConfigError, NotFoundError, PlatformError, TrainingError, UnavailableError
from tunesmith.kubernetes.client import KubernetesClient
from tunesmith.kubernetes.connection import connect
from tunesmith.kubernetes.templates import ClusterTemplates, parse_templates

LINE = '{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}\n'


def shared() -> ClusterTemplates:
    return parse_templates(shared_files(), where="test")


@pytest.fixture
def config(tmp_path: Path) -> TrainConfig:
    (tmp_path / "train.jsonl").write_text(LINE, encoding="utf-8")
    return load_recipe(
        "api/supervised", TrainConfig, ["name=my-run", f"data.path={tmp_path / 'train.jsonl'}"]
    )


@pytest.fixture
def release(server: FakeApiServer) -> FakeApiServer:
    metadata = {"name": "tunesmith-pod-templates", "namespace": "tunesmith"}
    server.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": shared_files()})
    return server


def test_recipe_and_data_travel_with_the_run(config: TrainConfig) -> None:
    run = recipe_run(config, shared(), release="tunesmith", namespace="tunesmith")
    config_map, job = yaml.safe_load_all(run.manifests())
    assert config_map["data"]["data.jsonl"] == LINE
    recipe = TrainConfig.model_validate(yaml.safe_load(config_map["data"]["recipe.yaml"]))
    assert recipe == config.model_copy(
        update={"data": config.data.model_copy(update={"path": "/etc/tunesmith/run/data.jsonl"})}
    )
    home = f"{STATE}/projects/default/runs/{run.name}"
    assert job["spec"]["entrypoint"] == f"tunesmith train /etc/tunesmith/run/recipe.yaml --home {home}"
    told = yaml.safe_load(job["spec"]["runtimeEnvYAML"])["env_vars"]
    assert told == {"TUNESMITH_OBJECTS_URL": f"file://{home}/objects", "TUNESMITH_WRITES_PROOF": "1"}
    group, *_ = job["spec"]["rayClusterSpec"]["workerGroupSpecs"]
    mounts = group["template"]["spec"]["containers"][0]["volumeMounts"]
    own = [mount["subPath"] for mount in mounts if "subPath" in mount]
    assert own == [f"projects/default/runs/{run.name}"], "its own folder alone"
    assert job["spec"]["backoffLimit"] == 3
    if HAVE_CRDS:
        assert validate(job) == []
        assert operator_faults(job) == []


def test_beside_a_bucket_a_run_lies_on_the_volume_of_runs(config: TrainConfig) -> None:
    files = shared_files(TUNESMITH_OBJECTS_URL="s3://bucket", TUNESMITH_OBJECTS_FOLDER=STATE)
    run = recipe_run(config, parse_templates(files, where="t"), release="t", namespace="tunesmith")
    assert f"--home {STATE}/projects/default/runs/{run.name}" in run.ray_job["spec"]["entrypoint"]


def test_the_same_recipe_is_the_same_run(config: TrainConfig) -> None:
    names = [recipe_run(config, shared(), release="t", namespace="tunesmith").name for _ in range(2)]
    other = recipe_run(
        config.model_copy(update={"seed": 3}), shared(), release="t", namespace="tunesmith"
    ).name
    assert names[0] == names[1] != other


def test_what_cannot_travel_or_last_is_refused(config: TrainConfig, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="share no volume that outlives them"):
        recipe_run(config, parse_templates(template_files(), where="t"), release="t", namespace="tunesmith")
    with pytest.raises(ConfigError, match=r"none of the release's: tunesmith"):
        recipe_run(config, shared(), release="t", namespace="elsewhere")
    (tmp_path / "train.jsonl").write_text(LINE * 12000, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"has 1\.0 MiB; 900 KiB travel"):
        recipe_run(config, shared(), release="t", namespace="tunesmith")
    with pytest.raises(ConfigError, match="holds no pod templates"):
        find_templates([], where="the chart")


def test_a_run_is_made_once(release: FakeApiServer, client: KubernetesClient, config: TrainConfig) -> None:
    assert submit_run(client, config, release="tunesmith") == submit_run(client, config, release="tunesmith")
    assert len(release.all("RayJob")) == 1


def test_recipe_and_data_go_with_their_run(
    release: FakeApiServer, client: KubernetesClient, config: TrainConfig
) -> None:
    name = submit_run(client, config, release="tunesmith")
    job, config_map = release.find("RayJob", name), release.find("ConfigMap", name)
    assert job is not None
    assert config_map is not None
    (owner,) = config_map["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"]) == ("RayJob", job["metadata"]["uid"])


def test_an_answer_that_is_lost_takes_nothing_from_the_run(
    release: FakeApiServer, client: KubernetesClient, config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = client.create

    def create_and_lose(thing: Any) -> Any:
        create(thing)
        raise UnavailableError("cut")

    monkeypatch.setattr(client, "create", create_and_lose)
    with pytest.raises(UnavailableError, match="cut"):
        submit_run(client, config, release="tunesmith")
    monkeypatch.undo()
    (job,) = release.all("RayJob")
    name = job["metadata"]["name"]
    assert release.find("ConfigMap", name), "its pods mount it"
    assert submit_run(client, config, release="tunesmith") == name


def test_nothing_half_made_is_left(
    release: FakeApiServer, client: KubernetesClient, config: TrainConfig
) -> None:
    release.forbidden = {("create", "rayjobs")}
    with pytest.raises(PlatformError, match="Forbidden"):
        submit_run(client, config, release="tunesmith")
    assert [thing["metadata"]["name"] for thing in release.all("ConfigMap")] == ["tunesmith-pod-templates"]


def _play(server: FakeApiServer, name: str, steps: list[dict[str, Any]]) -> threading.Thread:
    def play() -> None:
        for status in steps:
            time.sleep(0.3)
            server.set_status("RayJob", name, status)

    thread = threading.Thread(target=play)
    thread.start()
    return thread


def test_a_run_is_followed_to_its_end(
    release: FakeApiServer, client: KubernetesClient, config: TrainConfig
) -> None:
    name = submit_run(client, config, release="tunesmith")
    metadata = {"name": "submitter", "labels": {"batch.kubernetes.io/job-name": name}}
    release.put(
        {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [{"name": "s"}]}}
    )
    release.logs[("tunesmith", "submitter")] = "step 1\nstep 2\n"
    end = {"jobDeploymentStatus": "Complete", "jobStatus": "SUCCEEDED"}
    operator = _play(release, name, [{"jobDeploymentStatus": "Running"}, end])
    release.logs[("tunesmith", "another-submitter")] = "again\n"
    release.put(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {**metadata, "name": "another-submitter"},
            "spec": {"containers": [{"name": "s"}]},
        }
    )
    said: list[str] = []
    follow_run(client, name, say=said.append, pause_seconds=0.1)
    operator.join()
    assert said == [f"{name}: new", "again", "step 1", "step 2", f"{name}: running", f"{name}: complete"]


def test_a_run_is_followed_across_a_server_that_goes_away(
    release: FakeApiServer, tmp_path: Path, config: TrainConfig
) -> None:
    client = KubernetesClient(connect(kubeconfig=str(release.kubeconfig(tmp_path)), patience_seconds=0.3))
    name = submit_run(client, config, release="tunesmith")
    release.set_status("RayJob", name, {"jobDeploymentStatus": "Running"})
    said: list[str] = []

    def watch(line: str) -> None:
        said.append(line)
        if line == f"{name}: running" and len(said) == 1:
            release.go_away()
        if "goes on unseen" in line:
            release.set_status("RayJob", name, {"jobDeploymentStatus": "Complete", "jobStatus": "SUCCEEDED"})
            release.come_back()

    follow_run(client, name, say=watch, pause_seconds=0.1)
    assert [line.partition(": ")[2].split(":")[0] for line in said] == [
        "running",
        "goes on unseen",
        "complete",
    ]


def test_a_submitter_that_has_not_started_has_said_nothing(
    release: FakeApiServer, client: KubernetesClient, config: TrainConfig
) -> None:
    name = submit_run(client, config, release="tunesmith")
    labels = {"batch.kubernetes.io/job-name": name}
    pod: dict[str, Any] = {"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"name": "s"}]}}
    release.put({**pod, "metadata": {"name": "submitter", "labels": labels}})
    _play(release, name, [{"jobDeploymentStatus": "Complete", "jobStatus": "SUCCEEDED"}]).join()
    said: list[str] = []
    follow_run(client, name, say=said.append, pause_seconds=0.1)
    assert said == [f"{name}: complete"]


def test_a_failed_run_says_why(release: FakeApiServer, client: KubernetesClient, config: TrainConfig) -> None:
    name = submit_run(client, config, release="tunesmith")
    end = {"jobDeploymentStatus": "Failed", "jobStatus": "FAILED", "message": "it\ndiverged"}
    _play(release, name, [end]).join()
    with pytest.raises(TrainingError, match="failed: it diverged"):
        follow_run(client, name, say=lambda line: None, pause_seconds=0.1)
    release.remove("RayJob", name)
    with pytest.raises(NotFoundError, match="was deleted"):
        follow_run(client, name, say=lambda line: None, pause_seconds=0.1)


def test_the_command(release: FakeApiServer, client: KubernetesClient, tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text(LINE, encoding="utf-8")
    words = ["train", "api/supervised", "--on", "kubernetes", "--set", "name=a", "--set"]

    def end() -> None:
        deadline = time.monotonic() + 30
        while not release.all("RayJob") and time.monotonic() < deadline:
            time.sleep(0.05)
        name = release.all("RayJob")[0]["metadata"]["name"]
        release.set_status("RayJob", name, {"jobDeploymentStatus": "Complete", "jobStatus": "SUCCEEDED"})

    operator = threading.Thread(target=end)
    operator.start()
    result = CliRunner().invoke(app, [*words, f"data.path={tmp_path / 'train.jsonl'}"])
    operator.join()
    assert result.exit_code == 0, result.output
    assert "complete" in result.output
    wrong = CliRunner().invoke(app, ["train", "api/supervised", "--on", "mars"])
    assert isinstance(wrong.exception, ConfigError)
