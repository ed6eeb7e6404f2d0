"""Every alert has its runbook, every runbook its alert, and what they ask for is measured by somebody."""

from __future__ import annotations

import json
import re

import pytest
from rendering import find, render_objects

from generate.manifests import CHART
from generate.registry import ROOT
from tunesmith.gateway.metrics import Metrics

RUNBOOKS = {path.stem for path in (ROOT / "docs" / "runbooks").glob("Tunesmith*.md")}
# What others measure: kube-state-metrics, the kubelet, the KubeRay operator, Ray.
OTHERS = {
    "kube_deployment_status_replicas_available",
    "kube_job_status_failed",
    "kube_pod_container_status_last_terminated_reason",
    "kube_pod_container_status_restarts_total",
    "kube_pod_status_unschedulable",
    "kubelet_volume_stats_available_bytes",
    "kubelet_volume_stats_capacity_bytes",
    "kuberay_cluster_info",
    "kuberay_job_deployment_status",
    "kuberay_service_condition_ready",
    "kuberay_service_condition_upgrade_in_progress",
    "ray_node_gpus_utilization",
    "ray_node_mem_used",
    "ray_serve_deployment_queued_queries",
    "ray_vllm_num_requests_waiting",
}


def rules() -> list[dict[str, object]]:
    objects = render_objects("--values", str(CHART / "ci" / "highly-available.yaml"))
    (group,) = find(objects, "PrometheusRule", "tunesmith-alerts")["spec"]["groups"]
    return group["rules"]


def measured() -> set[str]:
    """Names as /metrics gives them, also of what nothing was counted of yet."""
    return {
        f"{metric.name}{suffix}"
        for metric in Metrics().registry.collect()
        for suffix in ("", "_total", "_bucket", "_count", "_sum")
    }


def metrics_in(expression: str) -> set[str]:
    return set(re.findall(r"\b((?:tunesmith|kube|kubelet|kuberay|ray)_[a-z_]+)\b", expression))


def test_alerts_and_runbooks_are_the_same() -> None:
    assert {rule["alert"] for rule in rules()} == RUNBOOKS
    assert len(RUNBOOKS) >= 10


def test_the_index_names_every_runbook() -> None:
    index = (ROOT / "docs" / "runbooks" / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"\((Tunesmith\w+)\.md\)", index)) == RUNBOOKS


def test_every_alert_says_how_bad_it_is_in_a_sentence() -> None:
    for rule in rules():
        assert rule["labels"]["severity"] in ("critical", "warning"), rule  # type: ignore[index]
        assert rule["annotations"]["summary"].endswith("."), rule  # type: ignore[index]
        assert re.fullmatch(r"\d+m", str(rule["for"]))


def test_every_alert_asks_for_this_release_alone() -> None:
    for rule in rules():
        for selector in re.findall(r"\{[^{}]*\}", str(rule["expr"])):
            assert 'namespace="tunesmith"' in selector or 'namespace=~"tunesmith"' in selector, rule["expr"]


def test_alerts_and_dashboards_ask_for_metrics_that_exist() -> None:
    clusters = (CHART / "dashboards" / "clusters.json").read_text(encoding="utf-8")
    asked = metrics_in(clusters) | {name for rule in rules() for name in metrics_in(str(rule["expr"]))}
    own = {name for name in asked if name.startswith("tunesmith_")}
    assert own
    assert own <= measured()
    assert asked - own <= OTHERS


def test_a_published_runbook_is_linked() -> None:
    where = "https://docs.example.com/runbooks/"
    objects = render_objects(
        "--set", "monitoring.rules.enabled=true", "--set", f"monitoring.rules.runbooks={where}"
    )
    (group,) = find(objects, "PrometheusRule", "tunesmith-alerts")["spec"]["groups"]
    urls = {rule["annotations"]["runbook_url"] for rule in group["rules"]}
    assert urls == {f"{where}{name}.md" for name in RUNBOOKS}


@pytest.mark.parametrize("path", sorted((CHART / "dashboards").glob("*.json")), ids=lambda path: path.stem)
def test_a_dashboard_is_what_its_file_holds(path: object) -> None:
    objects = render_objects("--set", "monitoring.dashboards.enabled=true")
    name = f"tunesmith-dashboard-{path.stem}"  # type: ignore[attr-defined]
    (text,) = find(objects, "ConfigMap", name)["data"].values()
    board = json.loads(text)
    assert board["panels"]
    assert {panel["datasource"]["uid"] for panel in board["panels"] if "datasource" in panel} == {
        "${datasource}"
    }
