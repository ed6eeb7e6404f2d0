"""The hand-written examples are valid, and fit the chart."""

from __future__ import annotations

from typing import Any

import pytest
import references
import yaml
from kubernetes_schema import VERSIONS, faults
from rendering import find, render_objects

from generate.manifests import CHART
from generate.registry import ROOT

EXAMPLES = ROOT / "manifests" / "examples"


def load(path: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((EXAMPLES / path).read_text(encoding="utf-8")))


@pytest.mark.parametrize("version", [VERSIONS[0], VERSIONS[-1]])
def test_the_stores_of_the_try_out_are_valid(version: str) -> None:
    assert [fault for obj in load("kind/stores.yaml") for fault in faults(obj, version)] == []


def test_the_release_of_the_try_out_finds_its_stores() -> None:
    objects = render_objects(
        "--values",
        str(CHART / "ci" / "cpu-one-node.yaml"),
        "--values",
        str(EXAMPLES / "kind" / "values.yaml"),
    )
    assert references.faults(objects) == []
    stores = {(obj["kind"], obj["metadata"]["name"]): obj for obj in load("kind/stores.yaml")}
    container = find(objects, "Deployment", "tunesmith-gateway")["spec"]["template"]["spec"]["containers"][0]
    milvus = next(entry["value"] for entry in container["env"] if entry["name"] == "TUNESMITH_MILVUS_URI")
    assert milvus == "http://milvus.tunesmith.svc:19530"
    (port,) = stores["Service", "milvus"]["spec"]["ports"]
    assert port["port"] == 19530
    assert ("PersistentVolumeClaim", "tunesmith-objects") in stores


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
