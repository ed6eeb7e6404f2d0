"""Every alert has its runbook, every runbook its alert, and what they ask for is measured by somebody."""

from __future__ import annotations

import ast
import functools
import json
import re
import tempfile
from importlib.util import find_spec
from pathlib import Path

import pytest
from prometheus_client import Metric
from promql import selectors
from rendering import find, render_objects

from generate.manifests import CHART
from generate.registry import ROOT
from tunesmith.config.home import Home
from tunesmith.gateway.fine_tuning.metrics import JobMetrics
from tunesmith.gateway.metrics import STAGES, Metrics
from tunesmith.gateway.request_record import RequestRecord
from tunesmith.gateway.upstream import Upstream
from tunesmith.kubernetes.names import attempt_name
from tunesmith.kubernetes.ray_service import service_name
from tunesmith.stores.database import open_home_database

RUNBOOKS = {path.stem for path in (ROOT / "docs" / "runbooks").glob("Tunesmith*.md")}
# What others measure, with the labels that they give it: kube-state-metrics, the kubelet, the KubeRay operator.
POD, CONTAINER = {"namespace", "pod", "uid"}, {"namespace", "pod", "uid", "container"}
OTHERS = {
    "kube_deployment_status_replicas_available": {"namespace", "deployment"},
    "kube_job_status_failed": {"namespace", "job_name", "reason"},
    "kube_pod_container_status_last_terminated_reason": CONTAINER | {"reason"},
    "kube_pod_container_status_restarts_total": CONTAINER,
    "kube_pod_container_status_terminated_reason": CONTAINER | {"reason"},
    "kube_pod_status_unschedulable": POD,
    "kubelet_volume_stats_available_bytes": {"namespace", "persistentvolumeclaim"},
    "kubelet_volume_stats_capacity_bytes": {"namespace", "persistentvolumeclaim"},
    "kuberay_job_deployment_status": {"namespace", "name", "deployment_status"},
    "kuberay_service_condition_ready": {"namespace", "name", "condition"},
    "kuberay_service_condition_upgrade_in_progress": {"namespace", "name", "condition"},
}
RAY = ("serve/_private/router.py", "dashboard/modules/reporter/reporter_agent.py")
"""Where the installed Ray names what its pods tell."""
BOARDS = sorted((CHART / "dashboards").glob("*.json"))


def rules() -> list[dict[str, object]]:
    objects = render_objects("--values", str(CHART / "ci" / "highly-available.yaml"))
    (group,) = find(objects, "PrometheusRule", "tunesmith-alerts")["spec"]["groups"]
    return group["rules"]


@functools.cache
def measured() -> dict[str, set[str]]:
    """What can be asked for, with its labels; Prometheus adds those of the pod that it asked."""
    target = {"namespace", "pod", "container", "instance"}
    own = {name: labels | target for name, labels in _of_the_gateway().items()}
    return own | {name: target | {"deployment", "application"} for name in _of_ray()} | OTHERS


def _of_the_gateway() -> dict[str, set[str]]:
    """As /metrics gives them, after an answer that broke off."""
    metrics = Metrics()
    metrics.watch(Upstream("http://127.0.0.1:9").admission)
    record = RequestRecord(project_id="default")
    tally = metrics.tally(record, "tiny-reader")
    tally.admitted()
    tally.chunk()
    tally.chunk()
    tally.answered({"tunesmith": {"timings_ms": dict.fromkeys(STAGES, 1.0)}})
    tally.failed("timeout")
    metrics.request_done(record, route="/v1/x", method="POST", status=200, seconds=1)
    found: dict[str, set[str]] = {}
    for family in (*metrics.registry.collect(), *_of_jobs()):
        found.setdefault(family.name, set())
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def _of_jobs() -> list[Metric]:
    with tempfile.TemporaryDirectory() as folder:
        database = open_home_database(Home(Path(folder)))
        told = list(JobMetrics(database).collect())
        database.close()
    return told


def _of_ray() -> set[str]:
    """Every text of the modules that make Ray's metrics: their names are among them."""
    folder = Path(find_spec("ray").submodule_search_locations[0])  # type: ignore[union-attr, index]
    trees = [ast.parse((folder / file).read_text(encoding="utf-8")) for file in RAY]
    return {
        f"ray_{node.value}"
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def asked() -> dict[str, str]:
    """Every expression, by where it stands."""
    found = {str(rule["alert"]): str(rule["expr"]) for rule in rules()}
    for path in BOARDS:
        for panel in json.loads(path.read_text(encoding="utf-8"))["panels"]:
            for index, target in enumerate(panel.get("targets", [])):
                found[f"{path.stem}: {panel['title']} {index}"] = target["expr"]
    return found


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
        for selector in selectors(str(rule["expr"])):
            assert any(label == "namespace" and value == "tunesmith" for label, _, value in selector.matchers)


@pytest.mark.parametrize("where", asked())
def test_an_expression_is_promql_and_asks_for_what_is_measured(where: str) -> None:
    found = selectors(asked()[where])
    assert found
    for selector in found:
        assert selector.name in measured(), selector
        unknown = {label for label, _, _ in selector.matchers} - measured()[selector.name]
        assert not unknown, selector


def test_an_expression_that_prometheus_would_refuse_is_refused() -> None:
    for wrong, said in (
        ("sum(up", "unclosed left parenthesis"),
        ("rate(up)", "expected type matrix"),
        ("histogram_quantile(up)", "expected 2 argument"),
        ("sum by le (up)", "invalid promql"),
    ):
        with pytest.raises(ValueError, match=said):
            selectors(wrong)


@pytest.mark.parametrize("alert", ["TunesmithPodPending", "TunesmithOutOfMemory"])
def test_an_alert_on_pods_sees_those_of_an_attempt_and_of_a_base(alert: str) -> None:
    """They asked for pods called as the release, and an attempt's are called as its job."""
    (rule,) = [rule for rule in rules() if rule["alert"] == alert]
    job = f"{attempt_name('ftjob-0123456789abcdef01234567', 1)}-x2v9c-cpu-worker-8z4kq"
    base = f"{service_name('tunesmith', 'Qwen/Qwen3-235B-A22B-Instruct-2507')}-x2v9c-worker-8z4kq"
    for pod in (job, base[-50:]):  # KubeRay cuts long names at the front
        labels = {"namespace": "tunesmith", "pod": pod, "container": "ray-worker", "reason": "OOMKilled"}
        assert all(selector.takes(labels) for selector in selectors(str(rule["expr"])))


@pytest.mark.parametrize("alert", ["TunesmithServiceNotReady", "TunesmithUpgradeStuck"])
@pytest.mark.parametrize("base", ["tiny-reader", "Qwen/Qwen3-235B-A22B-Instruct-2507"])
def test_an_alert_on_services_sees_those_that_the_controller_makes(alert: str, base: str) -> None:
    (rule,) = [rule for rule in rules() if rule["alert"] == alert]
    labels = {"namespace": "tunesmith", "name": service_name("tunesmith", base)}
    (selector,) = selectors(str(rule["expr"]))
    assert selector.takes(labels | {"condition": "true"}) or selector.takes(labels | {"condition": "false"})


def test_failed_attempts_are_counted_from_the_first_one_on() -> None:
    """Prometheus sees no increase in a series that begins at 1."""
    (rule,) = [rule for rule in rules() if rule["alert"] == "TunesmithJobsFail"]
    (selector,) = selectors(str(rule["expr"]))
    told = [sample for family in _of_jobs() for sample in family.samples]
    outcomes = {
        sample.labels["outcome"]: sample.value
        for sample in told
        if sample.name == selector.name and selector.takes({"namespace": "tunesmith", **sample.labels})
    }
    assert outcomes == {"failed": 0, "lost": 0}


def test_a_published_runbook_is_linked() -> None:
    where = "https://docs.example.com/runbooks/"
    objects = render_objects(
        "--set", "monitoring.rules.enabled=true", "--set", f"monitoring.rules.runbooks={where}"
    )
    (group,) = find(objects, "PrometheusRule", "tunesmith-alerts")["spec"]["groups"]
    urls = {rule["annotations"]["runbook_url"] for rule in group["rules"]}
    assert urls == {f"{where}{name}.md" for name in RUNBOOKS}


@pytest.mark.parametrize("path", BOARDS, ids=lambda path: path.stem)
def test_a_dashboard_is_what_its_file_holds(path: object) -> None:
    objects = render_objects("--set", "monitoring.dashboards.enabled=true")
    name = f"tunesmith-dashboard-{path.stem}"  # type: ignore[attr-defined]
    (text,) = find(objects, "ConfigMap", name)["data"].values()
    board = json.loads(text)
    assert board["panels"]
    assert {panel["datasource"]["uid"] for panel in board["panels"] if "datasource" in panel} == {
        "${datasource}"
    }
