"""The hand-written examples are valid, and fit the chart."""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import Any

import pytest
import references
import yaml
from kubernetes_schema import VERSIONS, faults
from ray_objects import OWN_FOLDER, RELEASE, ray_objects, templates
from rendering import Objects, find, render_objects

from generate.manifests import CHART
from generate.registry import ROOT
from tunesmith.config.train import ResourcesConfig
from tunesmith.kubernetes.ray_job import Run, ray_job
from tunesmith.kubernetes.usage import quantity

EXAMPLES = ROOT / "manifests" / "examples"
TRY_OUT = (
    "--values",
    str(CHART / "ci" / "cpu-one-node.yaml"),
    "--values",
    str(EXAMPLES / "kind" / "values.yaml"),
)
GIB = 2**30


def load(path: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((EXAMPLES / path).read_text(encoding="utf-8")))


@pytest.mark.parametrize("version", [VERSIONS[0], VERSIONS[-1]])
def test_the_stores_of_the_try_out_are_valid(version: str) -> None:
    assert [fault for obj in load("kind/stores.yaml") for fault in faults(obj, version)] == []


def test_the_release_of_the_try_out_finds_its_stores() -> None:
    objects = render_objects(*TRY_OUT)
    assert references.faults(objects) == []
    stores = {(obj["kind"], obj["metadata"]["name"]): obj for obj in load("kind/stores.yaml")}
    container = find(objects, "Deployment", "tunesmith-gateway")["spec"]["template"]["spec"]["containers"][0]
    milvus = next(entry["value"] for entry in container["env"] if entry["name"] == "TUNESMITH_MILVUS_URI")
    assert milvus == "http://milvus.tunesmith.svc:19530"
    (port,) = stores["Service", "milvus"]["spec"]["ports"]
    assert port["port"] == 19530
    assert ("PersistentVolumeClaim", "tunesmith-objects") in stores


SYSTEM = {"cpu": 1.1, "memory": GIB, "ephemeral-storage": 15e9}
"""What the cluster's own pods and the operator ask for, and the disk that images and volumes take: cores and bytes."""


def test_the_try_out_with_one_job_fits_into_what_it_asks_for() -> None:
    """24 GiB were asked for, and the workers of the first job waited for a place."""
    readme = (EXAMPLES / "kind" / "README.md").read_text(encoding="utf-8")
    wanted = re.search(r"(\d+) processors, (\d+) GiB of memory, (\d+) GB of disk", readme)
    assert wanted
    cpus, memory, disk = (int(figure) for figure in wanted.groups())
    flags = f"--cpus {cpus} --memory {memory}g"
    assert flags in readme
    assert flags in (EXAMPLES / "kind" / "cluster.yaml").read_text(encoding="utf-8")
    asked = requests_of(*load("kind/stores.yaml"), *render_objects(*TRY_OUT))
    asked.update(requests_of_ray(render_objects(*TRY_OUT)))
    held = {"cpu": cpus, "memory": memory * GIB, "ephemeral-storage": disk * 1e9}
    over = {name: asked[name] + SYSTEM[name] - held[name] for name in held}
    assert {name: much for name, much in over.items() if much > 0} == {}


def test_a_release_on_one_node_asks_for_what_its_values_say() -> None:
    scenario = CHART / "ci" / "cpu-one-node.yaml"
    figures = re.search(r"(\d+) processors\n# and (\d+) GiB", scenario.read_text(encoding="utf-8"))
    assert figures
    objects = render_objects("--values", str(scenario))
    asked = requests_of(*objects) + requests_of_ray(objects)
    assert [math.ceil(asked["cpu"]), math.ceil(asked["memory"] / GIB)] == [
        int(each) for each in figures.groups()
    ]


def requests_of(*objects: dict[str, Any]) -> Counter[str]:
    """What the pods of workloads, hooks and tests ask for, all at once."""
    asked: Counter[str] = Counter()
    for obj in objects:
        if obj["kind"] in ("Deployment", "StatefulSet", "Job", "Pod"):
            pod = obj if obj["kind"] == "Pod" else obj["spec"]["template"]
            asked.update(_requests(pod, obj["spec"].get("replicas", 1)))
    return asked


def requests_of_ray(objects: Objects) -> Counter[str]:
    """What one base and one job with the workers of a recipe ask for."""
    made, asked = templates(objects), Counter[str]()
    run = Run("ftjob-1", ["tunesmith", "train"], ResourcesConfig(), "default", OWN_FOLDER)
    job = ray_job(run, made, workspace=made.config.workspaces[0], release=RELEASE)
    service = next(thing for thing in ray_objects(objects) if thing["kind"] == "RayService")
    for spec in (job["spec"], service["spec"]):
        cluster = spec.get("rayClusterSpec") or spec["rayClusterConfig"]
        asked.update(_requests(cluster["headGroupSpec"]["template"], 1))
        for group in cluster["workerGroupSpecs"]:
            asked.update(_requests(group["template"], group["replicas"] * group["numOfHosts"]))
    asked.update(_requests(job["spec"]["submitterPodTemplate"], 1))
    return asked


def _requests(pod: dict[str, Any], times: int) -> Counter[str]:
    asked: Counter[str] = Counter()
    for container in pod["spec"]["containers"]:
        for name, amount in container["resources"]["requests"].items():
            asked[name] += quantity(str(amount)) * times
    return asked


def test_the_stores_fit_the_restricted_level() -> None:
    for obj in load("kind/stores.yaml"):
        if obj["kind"] == "StatefulSet":
            pod = obj["spec"]["template"]["spec"]
            assert pod["securityContext"]["runAsNonRoot"] is True
            assert pod["containers"][0]["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_gitops_examples_name_the_chart_and_values_that_exist() -> None:
    (application,) = load("argo-cd/application.yaml")
    source = application["spec"]["source"]
    assert (ROOT / source["path"] / "Chart.yaml").exists()
    assert all((ROOT / source["path"] / file).exists() for file in source["helm"]["valueFiles"])
    release = load("flux/release.yaml")[1]["spec"]["chart"]["spec"]
    assert (ROOT / release["chart"] / "Chart.yaml").exists()
    assert all((ROOT / file).exists() for file in release["valuesFiles"])


def test_the_gateways_replicas_are_the_autoscalers_where_argo_is_told_so() -> None:
    (application,) = load("argo-cd/application.yaml")
    (ignored,) = application["spec"]["ignoreDifferences"]
    objects = render_objects("--values", str(CHART / application["spec"]["source"]["helm"]["valueFiles"][0]))
    assert "replicas" not in find(objects, "Deployment", ignored["name"])["spec"]
