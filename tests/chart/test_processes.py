"""What the pods start finds what the chart tells it: settings as the program reads them, and the hook, really run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ray_objects import templates
from rendering import Objects, find, pod_specs, render_objects

from tunesmith.config.home import Home
from tunesmith.config.in_cluster import read_settings, runs_in_cluster
from tunesmith.kubernetes.templates import read_templates
from tunesmith.telemetry.status_server import STATUS_PORT

SECRETS = {"TUNESMITH_DATABASE_URL": "postgresql+psycopg://u:p@db/tunesmith", "TUNESMITH_MILVUS_TOKEN": "u:p"}


def mounted(objects: Objects, deployment: str, root: Path) -> dict[str, str]:
    """The environment of a rendered container, its ConfigMaps laid out below `root` as the kubelet lays them out."""
    spec = find(objects, "Deployment", deployment)["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    maps = {
        volume["name"]: volume["configMap"]["name"] for volume in spec["volumes"] if "configMap" in volume
    }
    folders = {}
    for mount in container["volumeMounts"]:
        if mount["name"] in maps:
            folder = root / mount["mountPath"].lstrip("/")
            folder.mkdir(parents=True)
            folders[mount["mountPath"]] = str(folder)
            for name, text in find(objects, "ConfigMap", maps[mount["name"]])["data"].items():
                (folder / name).write_text(text, encoding="utf-8")
    told = {variable["name"]: _value(variable) for variable in container["env"]}
    return {name: _below(value, folders) for name, value in told.items()}


def _value(variable: dict[str, Any]) -> str:
    source = variable.get("valueFrom", {})
    return "tunesmith" if "fieldRef" in source else variable.get("value", SECRETS.get(variable["name"], ""))


def _below(value: str, folders: dict[str, str]) -> str:
    for mount, folder in folders.items():
        if value.startswith(mount):
            return folder + value.removeprefix(mount)
    return value


@pytest.mark.parametrize("deployment", ["tunesmith-gateway", "tunesmith-controller", "tunesmith-indexer"])
def test_gateway_controller_and_indexer_read_what_the_chart_tells(
    objects: Objects, deployment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in mounted(objects, deployment, tmp_path).items():
        monkeypatch.setenv(name, value)
    assert runs_in_cluster()
    settings = read_settings()
    assert (settings.namespace, settings.release) == ("tunesmith", "tunesmith")
    assert settings.milvus_uri.startswith("http")
    assert settings.home.database_url == SECRETS["TUNESMITH_DATABASE_URL"]
    assert settings.home.objects_url == os.environ["TUNESMITH_OBJECTS_URL"]
    assert read_templates(settings.templates).config == templates(objects).config


@pytest.mark.parametrize(
    ("setting", "seconds"), [("gateway.drainSeconds=5", 315), ("config.load.drain_seconds=90", 90)]
)
def test_an_answer_under_way_has_all_of_the_pods_grace(
    setting: str, seconds: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gateway cut off what took longer than a minute, and its pod had five."""
    for name, value in mounted(render_objects("--set", setting), "tunesmith-gateway", tmp_path).items():
        monkeypatch.setenv(name, value)
    assert read_settings().config.load.drain_seconds == seconds


def test_what_runs_write_lies_on_one_volume_for_all_who_read_it(objects: Objects) -> None:
    """Controller, engines and training, head and workers: else no attempt finds its order and no engine a version."""
    places = {}
    for where, pod in pod_specs(objects).items():
        if where == "Deployment/tunesmith-controller" or (
            where.startswith("ray/") and "submitter" not in where
        ):
            (container,) = pod["spec"]["containers"]
            told = {variable["name"]: variable.get("value", "") for variable in container["env"]}
            with pytest.MonkeyPatch.context() as patch:
                for name in ("TUNESMITH_HOME", "TUNESMITH_OBJECTS_URL", "TUNESMITH_OBJECTS_FOLDER"):
                    patch.setenv(name, told.get(name, ""))
                folder = str(Home(Path(told["TUNESMITH_HOME"])).objects)
            mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
            volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
            claim = volumes[mounts[folder]].get("persistentVolumeClaim", {}).get("claimName")
            places[where] = (folder, claim)
    assert len(places) >= 5
    assert len(set(places.values())) == 1, places
    assert all(claim == "tunesmith-objects" for _, claim in places.values())


def test_the_controller_calls_the_gateway_by_its_service() -> None:
    objects = render_objects("--set", "gateway.service.port=8080")
    (container,) = find(objects, "Deployment", "tunesmith-controller")["spec"]["template"]["spec"][
        "containers"
    ]
    told = {variable["name"]: variable.get("value") for variable in container["env"]}
    service = find(objects, "Service", "tunesmith-gateway")
    port = service["spec"]["ports"][0]["port"]
    assert told["TUNESMITH_GATEWAY_URL"] == f"http://{service['metadata']['name']}.tunesmith.svc:{port}"


@pytest.mark.parametrize("part", ["gateway", "controller", "indexer"])
def test_prometheus_asks_where_the_process_tells(part: str) -> None:
    objects = render_objects("--set", "monitoring.monitors.enabled=true")
    (endpoint,) = find(objects, "PodMonitor", f"tunesmith-{part}")["spec"]["podMetricsEndpoints"]
    (container,) = find(objects, "Deployment", f"tunesmith-{part}")["spec"]["template"]["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert (ports[endpoint["port"]], endpoint["path"]) == (STATUS_PORT, "/metrics")


@pytest.mark.parametrize("deployment", ["tunesmith-controller", "tunesmith-indexer"])
def test_probes_ask_where_the_process_answers(deployment: str) -> None:
    (container,) = find(render_objects(), "Deployment", deployment)["spec"]["template"]["spec"]["containers"]
    assert [(port["name"], port["containerPort"]) for port in container["ports"]] == [("http", STATUS_PORT)]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"] == {"path": "/healthz", "port": "http"}


def test_the_indexer_keeps_an_embedders_tokenizer_in_the_model_cache() -> None:
    pods = pod_specs(render_objects("--set", "modelCache.enabled=true"))
    indexer, serving = (
        pods[name]["spec"] for name in ("Deployment/tunesmith-indexer", "ray/worker-cpu.yaml")
    )
    homes = [
        {variable["name"]: variable.get("value") for variable in spec["containers"][0]["env"]}["HF_HOME"]
        for spec in (indexer, serving)
    ]
    assert homes[0] == homes[1]
    assert "model-cache" in {volume["name"] for volume in indexer["volumes"]}
    assert indexer["containers"][0]["image"].endswith("-cpu")


def test_without_an_indexer_nothing_of_it_is_left() -> None:
    objects = render_objects(
        "--set", "indexer.enabled=false", "--set", "indexer.replicas=3",
        "--set", "monitoring.monitors.enabled=true", "--set", "monitoring.rules.enabled=true",
    )  # fmt: skip
    own = [obj["kind"] for obj in objects if obj["metadata"]["name"] == "tunesmith-indexer"]
    assert own == []


def test_the_migration_hook_runs_twice_with_the_rendered_command(tmp_path: Path) -> None:
    spec = find(render_objects(), "Job", "tunesmith-migration")["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    told = {variable["name"]: variable.get("value", "") for variable in container["env"]}
    environment = told | {
        "HOME": str(tmp_path),
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path.endswith("platform")),
        "TUNESMITH_DATABASE_URL": f"sqlite:///{tmp_path / 'metadata.sqlite3'}",
    }
    command = [sys.executable, *container["command"][1:]]
    for _ in range(2):
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, cwd=tmp_path
        )
        assert done.returncode == 0, done.stderr
        assert "is at the newest schema" in done.stdout
