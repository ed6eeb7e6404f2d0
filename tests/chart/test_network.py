"""Who may talk to whom: a matrix, read off the policies of a release with two tenants."""

from __future__ import annotations

import itertools

import pytest
from policies import Pod, allowed, connects, reaches
from ray_objects import pods_of, ray_objects
from rendering import Objects, pod_specs, render_objects

from generate.manifests import CHART

GATEWAY, STATUS, METRICS, RAY, DASHBOARD, GCS, DNS = 8000, 8001, 8080, 10001, 8265, 6379, 53
STRANGER = Pod("elsewhere", {"app": "stranger"})
OPERATOR = Pod("kuberay", {"app.kubernetes.io/name": "kuberay-operator"})
PROMETHEUS = Pod("monitoring", {"app.kubernetes.io/name": "prometheus"})
CLUSTER_DNS = Pod("kube-system", {"k8s-app": "kube-dns"})


@pytest.fixture(scope="module")
def objects() -> Objects:
    return render_objects("--values", str(CHART / "ci" / "several-tenants.yaml"))


@pytest.fixture(scope="module")
def pods(objects: Objects) -> dict[str, Pod]:
    """Every kind of pod, with the labels that it really bears: the Ray pods as the controller fills them."""
    found = {}
    for pod in pod_specs(objects).values():
        labels = pod["metadata"]["labels"]
        if labels["app.kubernetes.io/component"] not in ("serving", "training"):
            found[labels["app.kubernetes.io/component"]] = Pod("tunesmith", labels)
    for thing in ray_objects(objects):
        plane = "serving" if thing["kind"] == "RayService" else "training"
        namespace = thing["metadata"]["namespace"]
        for pod in pods_of(thing):
            name = plane if namespace == "tunesmith" else f"{plane} of {namespace}"
            found[name] = Pod(namespace, pod["metadata"]["labels"])
    return found


ALLOWED = {
    ("controller", "gateway", GATEWAY),
    ("controller", "serving", GATEWAY),
    ("gateway", "serving", GATEWAY),
    ("indexer", "serving", GATEWAY),
    ("test", "gateway", GATEWAY),
}
PARTS = [
    "bootstrap", "controller", "gateway", "indexer", "migration", "serving", "test", "training",
    "training of team-legal", "training of team-support",
]  # fmt: skip


def test_all_parts_are_looked_at(pods: dict[str, Pod]) -> None:
    assert sorted(pods) == PARTS


@pytest.mark.parametrize("port", [GATEWAY, STATUS, METRICS, RAY, DASHBOARD, GCS])
def test_only_named_flows_pass_between_parts(pods: dict[str, Pod], objects: Objects, port: int) -> None:
    for source, target in itertools.product(PARTS, PARTS):
        within = source == target and source.startswith(("serving", "training"))
        expected = within or (source, target, port) in ALLOWED
        assert allowed(pods[source], pods[target], port, objects) == expected, (source, target, port)


def test_a_stranger_reaches_the_gateway_alone(pods: dict[str, Pod], objects: Objects) -> None:
    for part, port in itertools.product(PARTS, [GATEWAY, STATUS, METRICS, RAY, DASHBOARD, GCS]):
        expected = (part, port) == ("gateway", GATEWAY)
        assert allowed(STRANGER, pods[part], port, objects) == expected, (part, port)


def test_named_clients_alone_reach_the_gateway(pods: dict[str, Pod]) -> None:
    objects = render_objects("--values", str(CHART / "ci" / "everything-external.yaml"))
    assert not allowed(STRANGER, pods["gateway"], GATEWAY, objects)
    assert allowed(Pod("ingress-nginx", {}), pods["gateway"], GATEWAY, objects)
    assert allowed(pods["controller"], pods["gateway"], GATEWAY, objects)


@pytest.mark.parametrize("port", [DASHBOARD, GATEWAY, 52365])
def test_the_operator_reaches_ray_and_nothing_else(pods: dict[str, Pod], objects: Objects, port: int) -> None:
    for part in PARTS:
        serves = part.startswith("serving")
        expected = serves or (part.startswith("training") and port != GATEWAY)
        expected |= (part, port) == ("gateway", GATEWAY)
        assert allowed(OPERATOR, pods[part], port, objects) == expected, part


def test_who_only_bears_the_operators_label_is_a_stranger_where_its_namespace_is_named(
    pods: dict[str, Pod], objects: Objects
) -> None:
    impostor = Pod("elsewhere", OPERATOR.labels)
    for part, port in itertools.product(PARTS, [DASHBOARD, GATEWAY, 52365]):
        expected = (part, port) == ("gateway", GATEWAY)
        assert allowed(impostor, pods[part], port, objects) == expected, part
    assert allowed(impostor, pods["serving"], GATEWAY, render_objects()), (
        "docs/deploy.md says so of the defaults"
    )


def test_who_may_call_the_api_sees_no_metrics(pods: dict[str, Pod], objects: Objects) -> None:
    """Projects, models and their use stood open on the API's port to every pod that may call it."""
    for caller in (STRANGER, OPERATOR, pods["test"], pods["training"]):
        assert not allowed(caller, pods["gateway"], STATUS, objects)


def test_a_gateway_of_an_upgrade_reaches_serving_and_is_reached_where_there_is_one(
    pods: dict[str, Pod],
) -> None:
    istio = Pod("tunesmith", {"gateway.networking.k8s.io/gateway-name": "tunesmith-qwen-gateway"})
    for scenario, expected in (("highly-available", True), ("several-tenants", False)):
        objects = render_objects("--values", str(CHART / "ci" / f"{scenario}.yaml"))
        assert allowed(istio, pods["serving"], GATEWAY, objects) is expected
        assert not allowed(istio, pods["serving"], DASHBOARD, objects)
        for part in ("gateway", "controller", "indexer"):
            assert allowed(pods[part], istio, 80, objects) is expected
        assert not allowed(pods["training"], istio, 80, objects)


def test_prometheus_reaches_metrics(pods: dict[str, Pod], objects: Objects) -> None:
    for part in ("gateway", "controller", "indexer"):
        assert allowed(PROMETHEUS, pods[part], STATUS, objects)
    assert allowed(PROMETHEUS, pods["serving"], METRICS, objects)
    assert allowed(PROMETHEUS, pods["training of team-legal"], METRICS, objects)


@pytest.mark.parametrize("peers", ["operator", "monitoring"])
def test_naming_nobody_lets_nobody_in(pods: dict[str, Pod], peers: str) -> None:
    """To Kubernetes a rule without peers lets everybody in: the dashboard stood open where no operator was named."""
    values = ["--values", str(CHART / "ci" / "several-tenants.yaml")]
    objects = render_objects(*values, "--set-json", f"networkPolicy.{peers}=[]")
    for part, port in itertools.product(PARTS, [GATEWAY, STATUS, METRICS, RAY, DASHBOARD, GCS, 52365]):
        expected = (part, port) == ("gateway", GATEWAY)
        assert allowed(STRANGER, pods[part], port, objects) == expected, (part, port)


def test_every_pod_resolves_names(pods: dict[str, Pod], objects: Objects) -> None:
    openshift = Pod("openshift-dns", {"dns.operator.openshift.io/daemonset-dns": "default"})
    for pod in pods.values():
        assert allowed(pod, CLUSTER_DNS, DNS, objects)
        assert allowed(pod, openshift, 5353, objects), "policies see the port of the pod, not the Service's"
        assert connects(pod, "169.254.20.10", DNS, objects), "a NodeLocal DNSCache is no pod of the network"
        assert not connects(pod, "169.254.169.254", DNS, objects)


def test_only_who_needs_the_stores_reaches_them(pods: dict[str, Pod], objects: Objects) -> None:
    for part, pod in pods.items():
        assert reaches(pod, "10.1.2.3", 5432, objects) == (part != "test"), part
        assert not reaches(pod, "10.1.2.3", 22, objects), part


def test_only_who_needs_the_kubernetes_api_reaches_its_port(pods: dict[str, Pod], objects: Objects) -> None:
    # Port 443 is the stores' as well; 6443 is the API server's alone.
    asks = {part for part, pod in pods.items() if reaches(pod, "10.0.0.1", 6443, objects)}
    assert asks == {"controller", "bootstrap", "serving"}  # serving: its autoscaler; training has none here
