"""Every scenario renders, lints and validates: helm 3 and 4, Kubernetes 1.30 to 1.36, references included."""

from __future__ import annotations

from pathlib import Path

import pytest
import references
import yaml
from kubernetes_schema import VERSIONS, faults, is_builtin
from rendering import Objects, pod_templates, render_objects

from generate.helm import HELM, find_helm, run_helm
from generate.manifests import CHART, SCENARIOS
from tunesmith.deploy.helm import Helm, Release

BEYOND_KUBERNETES = {
    "HTTPRoute",
    "PodMonitor",
    "PrometheusRule",
    "ResourceFlavor",
    "ClusterQueue",
    "LocalQueue",
    "WorkloadPriorityClass",
}


def test_scenarios_are_those_that_were_promised() -> None:
    promised = (
        "cpu-one-node everything-external gpu-one-node highly-available mixed-gpu-pools several-tenants"
    )
    assert [path.stem for path in SCENARIOS] == promised.split()


@pytest.mark.parametrize("version", HELM)
def test_chart_lints_strictly(version: str) -> None:
    done = run_helm(version, ["lint", "--strict", str(CHART)])
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[WARNING]" not in done.stdout


def test_both_helms_render_the_same(scenario: Path) -> None:
    newest, oldest = (render_objects("--values", str(scenario), version=version) for version in HELM)
    assert newest == oldest


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_valid_for_every_version(objects: Objects, version: str) -> None:
    templates = [
        {
            "apiVersion": "v1",
            "kind": "PodTemplate",
            "metadata": {"name": name.removesuffix(".yaml")},
            "template": pod,
        }
        for name, pod in pod_templates(objects).items()
    ]
    found = {
        f"{obj['kind']}/{obj['metadata']['name']}": wrong
        for obj in (*objects, *templates)
        if (wrong := faults(obj, version))
    }
    assert not found


def test_kinds_that_kubernetes_does_not_know_are_few(objects: Objects) -> None:
    assert {obj["kind"] for obj in objects if not is_builtin(obj)} <= BEYOND_KUBERNETES


def test_references_hold(objects: Objects) -> None:
    assert references.faults(objects) == []


@pytest.mark.parametrize("version", HELM)
def test_what_is_rendered_for_kubectl_tests_nothing_by_itself(version: str) -> None:
    """Applied without Helm, the pod of `helm test` would begin at once, with the administrator's key."""
    rendered = Helm(find_helm(version)).render(Release("tunesmith", "tunesmith", CHART))
    kinds = {document["kind"] for document in yaml.safe_load_all(rendered) if document}
    assert "Pod" not in kinds
    assert {"Deployment", "Job", "NetworkPolicy"} <= kinds


def test_an_old_kubernetes_is_refused() -> None:
    done = run_helm("4.1.4", ["template", "t", str(CHART), "--kube-version", "1.29.0"])
    assert done.returncode != 0
    assert "kubeVersion: >=1.30.0-0" in done.stderr


def test_no_template_names_a_namespace_of_its_own() -> None:
    objects = render_objects()
    assert {obj["metadata"].get("namespace", "tunesmith") for obj in objects} == {"tunesmith"}
