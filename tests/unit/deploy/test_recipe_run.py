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
from pod_templates import template_files
from typer.testing import CliRunner

from tunesmith.cli.main import app
from tunesmith.config.recipe import load_recipe
from tunesmith.config.train import TrainConfig
from tunesmith.deploy.recipe_run import find_templates, recipe_run
from tunesmith.deploy.submit import follow_run, submit_run
from tunesmith.errors import ConfigError, NotFoundError, PlatformError, TrainingError
from tunesmith.kubernetes.client import KubernetesClient
from tunesmith.kubernetes.templates import ClusterTemplates, parse_templates

LINE = '{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}\n'
STATE = "/var/lib/objects"


def shared_files(**variables: str) -> dict[str, str]:
    """Templates whose training pods share a volume."""
    variables = variables or {"TUNESMITH_OBJECTS_URL": f"file://{STATE}"}
    files = template_files()
    for name in [name for name in files if name.startswith("train-")]:
        pod = yaml.safe_load(files[name])
        pod["spec"]["volumes"] = [{"name": "state", "persistentVolumeClaim": {"claimName": "state"}}]
        container = pod["spec"]["containers"][0]
        container["volumeMounts"] = [{"name": "state", "mountPath": STATE}]
        container["env"] += [{"name": name, "value": value} for name, value in variables.items()]
        files[name] = yaml.safe_dump(pod)
    return files


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
    home = f"--home {STATE}/runs/{run.name}"
    assert job["spec"]["entrypoint"] == f"tunesmith train /etc/tunesmith/run/recipe.yaml {home}"
    assert job["spec"]["backoffLimit"] == 3
    if HAVE_CRDS:
        assert validate(job) == []
        assert operator_faults(job) == []


def test_beside_a_bucket_a_run_lies_on_the_volume_of_runs(config: TrainConfig) -> None:
    files = shared_files(TUNESMITH_OBJECTS_URL="s3://bucket", TUNESMITH_OBJECTS_FOLDER=STATE)
    run = recipe_run(config, parse_templates(files, where="t"), release="t", namespace="tunesmith")
    assert f"--home {STATE}/runs/{run.name}" in run.ray_job["spec"]["entrypoint"]


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
