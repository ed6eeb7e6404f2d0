"""What an upgrade rolls: what a changed value reaches, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import references
import yaml
from rendering import Objects, find, render_objects

from generate.helm import run_helm
from generate.manifests import CHART

DEPLOYMENTS = ("tunesmith-gateway", "tunesmith-controller", "tunesmith-indexer")


def rolled(*arguments: str) -> set[str]:
    """Deployments whose pods an upgrade from the defaults makes anew."""
    before, after = render_objects(), render_objects(*arguments)
    return {name for name in DEPLOYMENTS if _template(before, name) != _template(after, name)}


def _template(objects: Objects, name: str) -> dict[str, Any]:
    return find(objects, "Deployment", name)["spec"]["template"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("config.retrieval.top_k=4", set(DEPLOYMENTS)),
        ("image.tag=0.2.0", set(DEPLOYMENTS)),
        ("serving.workerGroups.cpu.maxReplicas=5", {"tunesmith-controller"}),
        ("training.ttlSecondsAfterFinished=5", {"tunesmith-controller"}),
        ("modelHub.offline=true", {"tunesmith-controller", "tunesmith-indexer"}),
        ("milvus.uri=http://elsewhere:19530", set(DEPLOYMENTS)),
        ("queues.enabled=true", {"tunesmith-controller"}),
        ("serving.upgrade.strategy=Drain", {"tunesmith-controller"}),
        ("training.head.cpus=3", {"tunesmith-controller"}),
        ("gateway.pod.labels.a=b", {"tunesmith-gateway"}),
        ("indexer.pod.resources.limits.memory=8Gi", {"tunesmith-indexer"}),
        ("monitoring.monitors.enabled=true", set()),
        ("tests.enabled=false", set()),
        ("gateway.replicas=5", set()),
        ("indexer.replicas=5", set()),
        ("gateway.service.annotations.a=b", set()),
        ("labels.team=a", set()),
        ("monitoring.rules.enabled=true", set()),
        ("networkPolicy.enabled=false", set()),
    ],
)
def test_a_change_rolls_what_it_reaches(change: str, expected: set[str]) -> None:
    assert rolled("--set", change) == expected


def test_a_newer_chart_alone_rolls_no_ray_pod_and_no_deployment(tmp_path: Path) -> None:
    packed = run_helm("4.1.4", ["package", str(CHART), "--version", "9.9.9", "--destination", str(tmp_path)])
    assert packed.returncode == 0, packed.stderr
    (archive,) = tmp_path.glob("*.tgz")
    arguments = [
        "template",
        "tunesmith",
        str(archive),
        "--namespace",
        "tunesmith",
        "--kube-version",
        "1.36.0",
    ]
    after = tuple(doc for doc in yaml.safe_load_all(run_helm("4.1.4", arguments).stdout) if doc)
    before = render_objects()
    assert all(_template(before, name) == _template(after, name) for name in DEPLOYMENTS)
    assert (
        find(before, "ConfigMap", "tunesmith-pod-templates")["data"]
        == (find(after, "ConfigMap", "tunesmith-pod-templates")["data"])
    )


def test_selectors_and_names_never_follow_a_value_that_may_change() -> None:
    """A Deployment's selector cannot be changed: an upgrade that tries is refused by the server."""
    for change in ("image.tag=v9", "labels.a=b", "annotations.a=b", "pod.labels.a=b"):
        changed = render_objects("--set", change)
        for name in DEPLOYMENTS:
            selector = find(changed, "Deployment", name)["spec"]["selector"]
            assert selector == find(render_objects(), "Deployment", name)["spec"]["selector"]


def test_migration_runs_before_the_first_key_and_both_before_anything_new() -> None:
    hooks = {}
    for obj in render_objects():
        notes = obj["metadata"].get("annotations", {})
        if "pre-upgrade" in notes.get("helm.sh/hook", ""):
            hooks[obj["kind"], obj["metadata"]["name"]] = int(notes["helm.sh/hook-weight"])
    assert hooks["Job", "tunesmith-migration"] < hooks["Role", "tunesmith-bootstrap"]
    assert hooks["Role", "tunesmith-bootstrap"] < hooks["Job", "tunesmith-bootstrap"]


def test_a_hook_of_the_first_install_needs_nothing_that_comes_after_it(objects: Objects) -> None:
    """Helm runs them before it makes anything else: what they name is there, or was made by an earlier hook."""
    weights = {
        (obj["kind"], obj["metadata"]["name"]): int(obj["metadata"]["annotations"]["helm.sh/hook-weight"])
        for obj in objects
        if "pre-install" in obj["metadata"].get("annotations", {}).get("helm.sh/hook", "")
    }
    made = {(obj["kind"], obj["metadata"]["name"]) for obj in objects}
    jobs = [
        obj for obj in objects if (obj["kind"], obj["metadata"]["name"]) in weights and obj["kind"] == "Job"
    ]
    assert jobs
    for job in jobs:
        pod, name = job["spec"]["template"], job["metadata"]["name"]
        wanted = {*references.named(pod), ("ServiceAccount", pod["spec"].get("serviceAccountName"))}
        wanted |= {("PriorityClass", pod["spec"].get("priorityClassName"))}
        if any(kind == "NetworkPolicy" for kind, _ in made):
            assert ("NetworkPolicy", name) in weights, "else an upgrade runs it under the old one"
            wanted |= {("NetworkPolicy", name)}
        late = {thing for thing in wanted & made if weights.get(thing, 1000) >= weights["Job", name]}
        assert not late, name


def test_a_pod_that_ends_is_taken_out_of_service_first() -> None:
    pod = _template(render_objects(), "tunesmith-gateway")["spec"]
    assert pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"] == ["sleep", "5"]
    assert pod["terminationGracePeriodSeconds"] > 300, "a long answer may take five minutes"
