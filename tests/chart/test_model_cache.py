"""The model cache as pods see it: the hub's own client fills it through the mount; nobody reads what others wrote."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from model_hub import COMMIT, model_hub
from pods import Node, RunningPod, node, why_no_pods
from ray_objects import RELEASE, pods_of, ray_objects, templates
from rendering import Objects, render_objects

from tunesmith.config.train import ResourcesConfig
from tunesmith.kubernetes.ray_job import Run, ray_job

pytestmark = pytest.mark.skipif(why_no_pods() is not None, reason=f"no pods on this machine: {why_no_pods()}")
REPOSITORY = "acme/base"
FILES = {"config.json": b'{"model_type": "llama"}', "model.safetensors": b"weights"}
FETCH = (
    "from huggingface_hub import snapshot_download; from pathlib import Path;"
    f"folder = Path(snapshot_download('{REPOSITORY}'));"
    "print(*sorted(f'{path.name}={path.read_text()}' for path in folder.iterdir()))"
)
HELD = " ".join(f"{name}={text.decode()}" for name, text in sorted(FILES.items()))


def test_weights_are_fetched_once_for_what_is_served_and_once_for_each_project() -> None:
    with _machine() as machine:
        with model_hub(machine.gateway, REPOSITORY, FILES) as hub:
            objects = _rendered(f"modelHub.endpoint={hub.url}")
            for turn in ("first", "second"):
                assert HELD in _run(machine, f"serving-{turn}", _serving(objects), FETCH)
            assert sorted(hub.fetched) == sorted(FILES), "the second pod downloaded again"
            assert HELD in _run(machine, "job", _training(objects, "support"), FETCH)
            assert len(hub.fetched) == 2 * len(FILES), "the project read the cache of what is served"
        kept = machine.claim("tunesmith-model-cache")
        cached = f"hub/models--acme--base/snapshots/{COMMIT}/model.safetensors"
        for folder in ("serving", "training/projects/support"):
            link = kept / folder / cached
            assert link.is_symlink()
            assert kept / folder in link.resolve().parents, "a link that leads out of its mount"
            assert link.stat().st_uid == 10001
        hunted = f"import os; print(os.listdir('{_mount(_training(objects, 'legal'))}'))"
        assert "[]" in _run(machine, "other", _training(objects, "legal"), hunted)


def test_a_cache_filled_by_hand_is_read_without_a_hub_and_written_by_nobody() -> None:
    with _machine() as machine:
        snapshot = machine.claim("tunesmith-model-cache") / "hub" / "models--acme--base"
        for name, text in FILES.items():
            blob = snapshot / "blobs" / name
            link = snapshot / "snapshots" / COMMIT / name
            for path in (blob, link):
                path.parent.mkdir(parents=True, exist_ok=True)
            blob.write_bytes(text)
            link.symlink_to(f"../../blobs/{name}")
        (snapshot / "refs").mkdir()
        (snapshot / "refs" / "main").write_text(COMMIT, encoding="ascii")
        objects = _rendered("modelHub.offline=true")
        for part, pod in (("serving", _serving(objects)), ("job", _training(objects, "support"))):
            assert HELD in _run(machine, part, pod, FETCH)
            spoiled = machine.start(
                f"{part}-spoils", pod, command=["python", "-c", f"open('{_mount(pod)}/x', 'w')"]
            )
            assert spoiled.wait(seconds=60) != 0
            assert "Read-only file system" in spoiled.log


@contextmanager
def _machine() -> Iterator[Node]:
    with node() as machine:
        machine.secrets["tunesmith-database"] = {"url": "postgresql://nobody-asks"}
        yield machine


def _rendered(setting: str) -> Objects:
    return render_objects("--set", "modelCache.enabled=true", "--set", setting)


def _serving(objects: Objects) -> dict[str, Any]:
    service = next(thing for thing in ray_objects(objects) if thing["kind"] == "RayService")
    return pods_of(service)[-1]


def _training(objects: Objects, project: str) -> dict[str, Any]:
    made = templates(objects)
    run = Run("a", ["b"], ResourcesConfig(num_workers=1), project, f"projects/{project}/jobs/1")
    return pods_of(ray_job(run, made, workspace=made.config.workspaces[0], release=RELEASE))[1]


def _mount(pod: dict[str, Any]) -> str:
    mounts = pod["spec"]["containers"][0]["volumeMounts"]
    return next(str(mount["mountPath"]) for mount in mounts if mount["name"] == "model-cache")


def _run(machine: Node, name: str, pod: dict[str, Any], program: str) -> str:
    started: RunningPod = machine.start(name, pod, command=["python", "-c", program])
    assert started.wait(seconds=60) == 0, started.log
    return started.log
