"""Objects of kinds that others define (Kueue, Gateway API, Prometheus operator) are taken by their API servers."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
import yaml
from crd import validate
from definitions import as_defined
from kubernetes_schema import is_builtin
from rendering import Objects, find, render_objects

from generate.helm import run_helm
from generate.manifests import CHART, KUBERNETES

ROUTE = (
    "gateway.httpRoute.enabled=true",
    "gateway.httpRoute.parentRefs[0].name=public",
    "gateway.httpRoute.parentRefs[0].sectionName=https",
    "gateway.httpRoute.hostnames[0]=tunesmith.example.com",
)
EVERYTHING = (
    *ROUTE,
    "queues.enabled=true",
    "priorityClasses.create=true",
    "monitoring.monitors.enabled=true",
    "monitoring.rules.enabled=true",
    "ray.faultTolerance.enabled=false",
)
KINDS = {
    "HTTPRoute",
    "PodMonitor",
    "PrometheusRule",
    "ClusterQueue",
    "LocalQueue",
    "ResourceFlavor",
    "WorkloadPriorityClass",
}


def everything() -> Objects:
    return render_objects(*(word for setting in EVERYTHING for word in ("--set", setting)))


def custom(objects: Objects) -> Objects:
    return tuple(obj for obj in objects if not is_builtin(obj))


def refusals(objects: Objects) -> dict[str, list[str]]:
    said = {f"{obj['kind']}/{obj['metadata']['name']}": validate(as_defined(obj)) for obj in custom(objects)}
    return {name: faults for name, faults in said.items() if faults}


def test_every_scenarios_objects_are_taken(objects: Objects) -> None:
    assert refusals(objects) == {}


def test_every_kind_is_taken() -> None:
    objects = everything()
    assert {obj["kind"] for obj in custom(objects)} == KINDS
    assert refusals(objects) == {}


def test_a_route_cuts_no_answer_off_unless_it_is_told_to() -> None:
    """Without a word of it Envoy's default of 15 seconds holds, in the midst of a stream too."""
    assert _route_timeouts(everything()) == [{"request": "0s"}]
    words = [word for setting in ROUTE for word in ("--set", setting)]
    told = {"request": "1h", "backendRequest": "10m0s"}
    objects = render_objects(*words, "--set-json", f"gateway.httpRoute.timeouts={json.dumps(told)}")
    assert _route_timeouts(objects) == [told]
    assert refusals(objects) == {}
    assert _route_timeouts(render_objects(*words, "--set", "gateway.httpRoute.timeouts.request=null")) == [
        None
    ]


def _route_timeouts(objects: Objects) -> list[Any]:
    route = find(objects, "HTTPRoute", "tunesmith-gateway")
    return [rule.get("timeouts") for rule in route["spec"]["rules"]]


def test_an_older_kueue_gets_objects_of_its_own_version() -> None:
    settings = ["--set", "queues.enabled=true", "--set", "priorityClasses.create=true"]
    known = ["--api-versions", "kueue.x-k8s.io/v1beta1", "--kube-version", KUBERNETES]
    done = run_helm("4.1.4", ["template", "tunesmith", str(CHART), *known, *settings])
    objects = tuple(doc for doc in yaml.safe_load_all(done.stdout) if doc)
    queues = custom(objects)
    assert {obj["apiVersion"] for obj in queues} == {"kueue.x-k8s.io/v1beta1"}
    assert find(objects, "ClusterQueue", "tunesmith-default")["spec"]["cohort"] == "tunesmith"
    assert [validate(obj) for obj in queues] == [[]] * len(queues)


@pytest.mark.parametrize(
    ("kind", "name", "path", "value", "said"),
    [
        ("HTTPRoute", "tunesmith-gateway", "spec.parentRefs", [{"nam": "x"}], "'name' is a required"),
        ("HTTPRoute", "tunesmith-gateway", "spec.hostnames", ["not a host"], "does not match"),
        ("HTTPRoute", "tunesmith-gateway", "spec.rules.0.backendRefs.0.port", 0, "less than the minimum"),
        ("HTTPRoute", "tunesmith-gateway", "spec.rules.0.backendRefs.0.port", None, "Must have port"),
        ("HTTPRoute", "tunesmith-gateway", "spec.rules.0.timeouts.request", "soon", "does not match"),
        ("HTTPRoute", "tunesmith-gateway", "spec.rule", [], "unknown field"),
        ("PodMonitor", "tunesmith-gateway", "spec.podMetricsEndpoints.0.interval", "often", "does not match"),
        ("PodMonitor", "tunesmith-gateway", "spec.selector", None, "'selector' is a required"),
        ("PodMonitor", "tunesmith-serving", "spec.podMetricsEndpoints.0.scheme", "ftp", "is not one of"),
        ("PrometheusRule", "tunesmith-alerts", "spec.groups.0.rules.0.for", "soon", "does not match"),
        ("PrometheusRule", "tunesmith-alerts", "spec.groups.0.rules.0.expr", None, "'expr' is a required"),
        ("ClusterQueue", "tunesmith-tunesmith", "spec.queueingStrategy", "FIFO", "is not one of"),
        ("ClusterQueue", "tunesmith-tunesmith", "spec.cohort", "x", "unknown field"),
        (
            "ClusterQueue",
            "tunesmith-tunesmith",
            "spec.resourceGroups.0.coveredResources",
            ["cpu"],
            "same number of resources",
        ),
        ("WorkloadPriorityClass", "tunesmith-training", "value", "high", "is not of type 'integer'"),
    ],
)
def test_what_a_server_refuses_is_refused_here(
    kind: str, name: str, path: str, value: Any, said: str
) -> None:
    wrong = copy.deepcopy(find(everything(), kind, name))
    *parents, leaf = path.split(".")
    target: Any = wrong
    for key in parents:
        target = target[int(key)] if key.isdigit() else target[key]
    target[leaf] = value
    faults = validate(as_defined(wrong))
    assert any(said in fault for fault in faults), faults
