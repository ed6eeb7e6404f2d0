"""A recipe as objects of a cluster: a ConfigMap with the recipe and its data, and a RayJob that runs it.

The same recipe that runs on a laptop; `kubectl apply`, a GitOps tool and `tunesmith train --on kubernetes` take the
same objects. Their name is made of what they say, so that the same command again finds the same run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tunesmith.config.clusters import ClustersConfig
from tunesmith.config.train import TrainConfig
from tunesmith.errors import ConfigError
from tunesmith.jobs.folders import WRITES_PROOF
from tunesmith.kubernetes.names import PROJECT_LABEL, common_labels, label_value, object_name
from tunesmith.kubernetes.ray_job import Run, ray_job
from tunesmith.kubernetes.templates import ClusterTemplates, parse_templates
from tunesmith.records import DEFAULT_PROJECT, RUNS

MOUNT = "/etc/tunesmith/run"
"""Where recipe and data lie in every pod of the run."""
_LARGEST_DATA = 900 * 1024
"""etcd takes objects of a little more than a mebibyte."""
_RETRIES = 3
_TEMPLATES = "-pod-templates"


class _Readable(yaml.SafeDumper):
    """Writes texts of several lines as such, and no anchors."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


def _write_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Readable.add_representer(str, _write_text)


@dataclass(frozen=True, slots=True)
class RecipeRun:
    """The objects of a run.

    Attributes:
        name: of both.
        config_map: recipe and data.
        ray_job: the run.
    """

    name: str
    config_map: Mapping[str, Any]
    ray_job: Mapping[str, Any]

    def manifests(self) -> str:
        """Both, as `kubectl apply` takes them."""
        return yaml.dump_all([dict(self.config_map), dict(self.ray_job)], Dumper=_Readable, sort_keys=False)


def recipe_run(
    config: TrainConfig, templates: ClusterTemplates, *, release: str, namespace: str
) -> RecipeRun:
    """Describe the objects of a recipe.

    Args:
        config: the resolved recipe. A data file of this machine travels with it; any other path is the image's.
        templates: the chart's pod templates.
        release: name of the release whose templates they are.
        namespace: where to run.

    Returns:
        The objects.

    Raises:
        ConfigError: no worker group holds it, its data is too large to travel, or nothing would outlive its pods.
    """
    recipe, data = _packed(config)
    files = {"recipe.yaml": yaml.safe_dump(recipe, sort_keys=False), **data}
    digest = hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()[:8]
    name = object_name(config.name, digest)
    space = _workspace(templates.config, namespace)
    project_id = space.project or DEFAULT_PROJECT
    own = f"projects/{project_id}/{RUNS}/{name}"
    home = f"{_shared_folder(templates)}/{own}"
    run = Run(
        name,
        ["tunesmith", "train", f"{MOUNT}/recipe.yaml", "--home", home],
        config.resources,
        project=project_id,
        objects=own,
        labels={
            "tunesmith/run": object_name(config.name, longest=63),
            PROJECT_LABEL: label_value(project_id),
        },
        # Versions lie in the home too, where the controller looks for them, whatever the pods' own variables say.
        runtime_env={"env_vars": {"TUNESMITH_OBJECTS_URL": f"file://{home}/objects", WRITES_PROOF: "1"}},
        config_map=name,
        mount=MOUNT,
        # Nobody drives this one: the operator itself makes a new cluster, and the run goes on from its checkpoint.
        retries=max(_RETRIES, templates.config.training.backoff_limit),
    )
    config_map = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {**common_labels(release), "tunesmith/run": run.labels["tunesmith/run"]},
        },
        "data": files,
    }
    return RecipeRun(name, config_map, ray_job(run, templates, workspace=space, release=release))


def find_templates(objects: Iterable[Mapping[str, Any]], *, where: str) -> ClusterTemplates:
    """Find the pod templates among a release's objects.

    Args:
        objects: rendered, or read from a cluster.
        where: what to call them in a message.

    Returns:
        The templates.

    Raises:
        ConfigError: they are not there, or wrong.
    """
    for thing in objects:
        if thing.get("kind") == "ConfigMap" and thing["metadata"]["name"].endswith(_TEMPLATES):
            return parse_templates(thing.get("data") or {}, where=where)
    raise ConfigError(
        f"{where} holds no pod templates. Install the release first: `tunesmith deploy install`."
    )


def _packed(config: TrainConfig) -> tuple[dict[str, Any], dict[str, str]]:
    """The recipe with its data files beside it, where they are files of this machine."""
    recipe, files, room = config.model_dump(mode="json"), {}, _LARGEST_DATA
    for field in ("data", "validation"):
        path = Path(str(getattr(getattr(config, field), "path", "")))
        if path.name and path.is_file():
            room -= path.stat().st_size
            files[f"{field}.jsonl"] = _text_of(path, field=f"{field}.path", room=room)
            recipe[field] = {**recipe[field], "path": f"{MOUNT}/{field}.jsonl"}
    return recipe, files


def _text_of(path: Path, *, field: str, room: int) -> str:
    if room < 0:
        size = path.stat().st_size / 2**20
        raise ConfigError(
            f"{field}={path} has {size:.1f} MiB; {_LARGEST_DATA // 1024} KiB travel with a run. Upload it "
            "and make a job (POST /v1/files, POST /v1/fine_tuning/jobs), or name a path that the training pods mount."
        )
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{field}={path} is not UTF-8: {error.reason} at byte {error.start}.") from error


def _workspace(config: ClustersConfig, namespace: str) -> Any:
    known = {space.namespace: space for space in config.workspaces}
    if namespace not in known:
        raise ConfigError(
            f"namespace {namespace} is none of the release's: {', '.join(known)}. Choose one of them with --namespace, "
            "or add it to the chart's values."
        )
    return known[namespace]


def _shared_folder(templates: ClusterTemplates) -> str:
    """A folder that head and workers share, that outlives them, and that the controller sees: the volume of objects."""
    shape = templates.config.training
    pods = [
        templates.pods[file]
        for file in (shape.head.template, *(group.template for group in shape.worker_groups))
    ]
    for variable in ("TUNESMITH_OBJECTS_URL", "TUNESMITH_OBJECTS_FOLDER"):
        folders = {_lasting(pod, variable) for pod in pods}
        if len(folders) == 1 and (folder := folders.pop()):
            return folder
    raise ConfigError(
        "The training pods share no volume that outlives them: a run of its own keeps its checkpoints in a folder. "
        "Give the release one with objects.claim (ReadWriteMany), or submit the run as a job of the platform "
        "(POST /v1/fine_tuning/jobs)."
    )


def _lasting(template: Mapping[str, Any], variable: str) -> str | None:
    """The folder that a variable of a pod names, where it lies on a volume that is no emptyDir."""
    spec = template["spec"]
    container = spec["containers"][0]
    told = {each["name"]: str(each.get("value", "")) for each in container.get("env", ())}.get(variable, "")
    folder = told.removeprefix("file://").rstrip("/")
    if not folder.startswith("/"):
        return None
    mounts = sorted(
        container.get("volumeMounts", ()), key=lambda mount: len(mount["mountPath"]), reverse=True
    )
    holding = next(
        (each for each in mounts if f"{folder}/".startswith(each["mountPath"].rstrip("/") + "/")), None
    )
    volumes = {volume["name"]: volume for volume in spec.get("volumes", ())}
    return folder if holding and "persistentVolumeClaim" in volumes.get(holding["name"], {}) else None
