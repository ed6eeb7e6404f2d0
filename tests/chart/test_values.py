"""values.yaml and the templates agree both ways, every switch may stand either way, and wrong values are refused."""

from __future__ import annotations

import copy
import itertools
import json
import random
import re
from collections.abc import Iterator
from typing import Any

import pytest
import references
import yaml
from rendering import pod_specs, render_objects

from generate.helm import HELM, run_helm
from generate.manifests import CHART, template
from generate.values import Value, read_values

VALUES = read_values(CHART / "values.yaml")
LEAVES = VALUES.leaves()
SWITCHES = [leaf.name for leaf in LEAVES if isinstance(leaf.default, bool)]
# What a switch needs beside it, so that it may stand either way.
COMPANY = {
    "bootstrap.secret": "tunesmith-admin",
    "gateway.httpRoute.parentRefs[0].name": "public",
    "gateway.ingress.host": "tunesmith.example.com",
    "gateway.ingress.tlsSecret": "tunesmith-tls",
    "ray.faultTolerance.redis": "redis:6379",
}
# In this order, for rows are drawn by it, and both workers of a run must draw the same.
EXCLUSIVE = (
    frozenset({"gateway.ingress.enabled", "gateway.httpRoute.enabled"}),
    frozenset({"queues.enabled", "training.autoscaler.enabled"}),
)


def sources() -> str:
    return "\n".join(
        path.read_text(encoding="utf-8") for path in (CHART / "templates").rglob("*") if path.is_file()
    )


def test_every_value_is_read_by_a_template() -> None:
    text = sources()
    unread = [
        leaf.name
        for leaf in LEAVES
        if not re.search(rf"[.\"]{leaf.path[-1]}\b", text) and leaf.path[:2] != ("image", "digests")
    ]
    assert not unread


def test_every_value_that_a_template_reads_is_declared() -> None:
    declared = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    for path in set(re.findall(r"\.Values\.([A-Za-z.]+)", sources())):
        node = declared
        for key in path.split("."):
            assert key in node, f"templates read .Values.{path}"
            node = node[key] if isinstance(node[key], dict) and node[key] else {"": None}
            if node == {"": None}:
                break


def test_every_value_has_a_sentence() -> None:
    short = [leaf.name for leaf in LEAVES if not leaf.description.endswith(".")]
    assert not short


# Every pair of switches in all four ways, in few renderings: each row of the table sets all of them.


def rows() -> list[dict[str, bool]]:
    """Rows that are good against what is still missing, chosen from random ones: about a dozen."""
    chance = random.Random(7)
    missing = {
        frozenset({(one, a), (other, b)})
        for one, other in itertools.combinations(SWITCHES, 2)
        for a, b in itertools.product((False, True), repeat=2)
        if not (a and b and frozenset({one, other}) in EXCLUSIVE)
    }
    table = []
    while missing:
        seeds = sorted(missing, key=sorted)
        row = max((_random_row(chance, seeds) for _ in range(60)), key=lambda row: len(_pairs(row) & missing))
        missing -= _pairs(row)
        table.append(row)
    return table


def _random_row(chance: random.Random, seeds: list[frozenset[tuple[str, bool]]]) -> dict[str, bool]:
    """A row that holds one of the seeds, and is random otherwise."""
    row = {switch: chance.random() < 0.5 for switch in SWITCHES}
    row |= dict(chance.choice(seeds))
    for pair in EXCLUSIVE:
        if all(row[switch] for switch in pair):
            row[chance.choice(sorted(pair))] = False
    return row


def _pairs(row: dict[str, bool]) -> set[frozenset[tuple[str, bool]]]:
    return {frozenset(pair) for pair in itertools.combinations(row.items(), 2)}


def _arguments(row: dict[str, bool]) -> list[str]:
    words = [f"{name}={str(on).lower()}" for name, on in row.items()]
    if not row["gateway.ingress.plaintext"] or row["gateway.ingress.enabled"]:
        words += [f"{name}={value}" for name, value in COMPANY.items()]
    else:
        words += [f"{name}={value}" for name, value in COMPANY.items() if not name.endswith("tlsSecret")]
    return [word for setting in words for word in ("--set", setting)]


ROWS = rows()


def test_the_switches_are_those_of_the_values() -> None:
    assert len(SWITCHES) >= 20
    pairs = {frozenset(pair) for row in ROWS for pair in itertools.combinations(row.items(), 2)}
    assert len(pairs) == 4 * len(SWITCHES) * (len(SWITCHES) - 1) // 2 - len(EXCLUSIVE)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: "".join("01"[on] for on in row.values()))
def test_every_pair_of_switches_renders_soundly(row: dict[str, bool]) -> None:
    assert references.faults(render_objects(*_arguments(row))) == []


@pytest.mark.parametrize("switch", SWITCHES)
def test_a_switch_that_is_off_makes_what_it_names_go(switch: str) -> None:
    """Each switch changes what is rendered: none is dead."""
    base = dict.fromkeys(SWITCHES, False) | {"networkPolicy.enabled": True}
    needs = {
        "gateway.ingress.plaintext": ["gateway.ingress.tlsSecret=", "gateway.ingress.enabled=true"],
        "gateway.service.plaintext": ["gateway.service.type=LoadBalancer"],
        "indexer.disruptionBudget.enabled": ["indexer.enabled=true", "indexer.replicas=2"],
        "modelCache.keep": ["modelCache.enabled=true"],
        "training.autoscaler.enabled": [],
    }
    extra = [word for setting in needs.get(switch, []) for word in ("--set", setting)]
    if switch.endswith(".plaintext"):
        with pytest.raises(RuntimeError, match="API keys would travel in clear"):
            template(*_arguments({**base, switch: False}), *extra)
        assert render_objects(*_arguments({**base, switch: True}), *extra)
        return
    on, off = (render_objects(*_arguments({**base, switch: state}), *extra) for state in (True, False))
    assert on != off


# Wrong values.


def wrong_values() -> Iterator[tuple[str, Any]]:
    """A value of the wrong kind for every leaf, and near misses where the schema knows more than a kind."""
    for leaf in LEAVES:
        for wrong in _wrong(leaf):
            yield leaf.name, wrong


def _wrong(leaf: Value) -> Iterator[Any]:
    default, schema = leaf.default, leaf.schema
    if isinstance(default, bool):
        yield from ("yes", 1)
    elif isinstance(default, (int, float)):
        yield from ("many", -5 if "minimum" in schema or "exclusiveMinimum" in schema else [1])
        if isinstance(default, int) and schema.get("type") != "number":
            yield 1.5
    elif isinstance(default, str):
        yield from (["a"], {"a": "b"})
        if {"enum", "pattern"} & set(schema) or "$ref" in schema:
            yield "Not/ one*of them "
    elif isinstance(default, list):
        yield from ("one", {"a": 1})
        yield [17]
    elif isinstance(default, dict):
        yield from ("one", 17)
    elif default is None:
        yield from ("long", 0)


WRONG = list(wrong_values())
UNKNOWN = [(name, 1) for name in sorted({".".join([*value.path[:-1], "noSuchKey"]) for value in LEAVES})]


def batches(wrong: list[tuple[str, Any]]) -> list[list[tuple[str, Any]]]:
    """Wrong values that can stand in one file: helm tells all of them at once. One value of each path a file."""
    table: list[list[tuple[str, Any]]] = []
    for name, value in wrong:
        batch = next((batch for batch in table if name not in dict(batch)), None)
        if batch is None:
            table.append(batch := [])
        batch.append((name, value))
    return table


SLIPS = {
    "annotations": {"a b": "c"},
    "fullnameOverride": "Bad_Name",
    "gateway.httpRoute.hostnames": ["a b"],
    "gateway.ingress.className": "a b",
    "gateway.ingress.host": "https://tunesmith.example.com",
    "gateway.pod.resources.limits.cpu": "two",
    "gateway.pod.resources.limits.memory": "2 GB",
    "image.pullSecrets": ["Bad_Secret"],
    "image.registry": "https://registry.example.com",
    "image.repository": "team/tunesmith:1.0",
    "image.tag": "v1 2",
    "labels.team": "a b",
    "modelCache.size": "100GB",
    "milvus.uri": "tcp://milvus:19530",
    "nameOverride": "x y",
    "networkPolicy.clients": [{"ipBlock": {"cidr": "10.0.0.0"}}],
    "networkPolicy.dns": [],
    "networkPolicy.stores": [{"ports": [{"port": 70000}]}],
    "objects.url": "s3:/bucket",
    "pod.tolerations": [{"operator": "Exist"}],
    "podSecurityContext.runAsUser": 0,
    "ray.version": "2.51.0",
    "securityContext.privileged": True,
    "serving.workerGroups.cpu.cpus": "four",
    "training.workerGroups.cpu.accelerator.resource": "gpu",
}
"""What a hand writes that slips, or knows another chart: each at its path."""


def test_wrong_values_are_many() -> None:
    assert len(WRONG) + len(UNKNOWN) >= 400


@pytest.mark.parametrize("name", SLIPS)
def test_a_slip_of_the_hand_is_refused_where_it_is(name: str, tmp_path: Any) -> None:
    values: dict[str, Any] = {}
    _put(values, name.split("."), SLIPS[name])
    (tmp_path / "wrong.yaml").write_text(json.dumps(values), encoding="utf-8")
    done = run_helm("4.1.4", ["template", "t", str(CHART), "--values", str(tmp_path / "wrong.yaml")])
    assert done.returncode != 0
    path, key = name.replace(".", "/"), name.rpartition(".")[2]
    # Of a key that may not be there helm names the key alone.
    keys = [key, *(SLIPS[name] if isinstance(SLIPS[name], dict) else ())]
    assert f"at '/{path}" in done.stderr or any(f"'{word}'" in done.stderr for word in keys), done.stderr


NULLED = [
    "gateway.replicas",
    "gateway.ingress",
    "image.tag",
    "indexer",
    "networkPolicy.enabled",
    "serving.upgrade",
]


@pytest.mark.parametrize("name", NULLED)
def test_a_value_that_is_taken_away_is_missed_by_name(name: str) -> None:
    """A null, or `helm upgrade --reuse-values` over a chart that had it not yet: no nil pointer, no zero replicas."""
    done = run_helm("4.1.4", ["template", "t", str(CHART), "--set", f"{name}=null"])
    assert done.returncode != 0
    assert f"missing property '{name.rpartition('.')[2]}'" in done.stderr, done.stderr


def test_a_variable_of_ones_own_takes_the_place_of_the_charts() -> None:
    """Twice the same name is refused by a server-side apply, which Helm 4 makes."""
    own = ["pod.env[0].name=HOME", "pod.env[0].value=/elsewhere", "pod.env[1].name=OWN", "pod.env[1].value=x"]
    for pod in pod_specs(render_objects(*(word for setting in own for word in ("--set", setting)))).values():
        told = [(each["name"], each.get("value")) for each in pod["spec"]["containers"][0]["env"]]
        assert told.count(("HOME", "/elsewhere")) == 1
        assert ("OWN", "x") in told
        assert len({name for name, _ in told}) == len(told)


@pytest.mark.parametrize("version", HELM)
@pytest.mark.parametrize("batch", batches(WRONG), ids=lambda batch: f"{len(batch)} values")
def test_a_wrong_value_is_refused_by_name(batch: list[tuple[str, Any]], version: str, tmp_path: Any) -> None:
    values: dict[str, Any] = {}
    for name, value in batch:
        _put(values, name.split("."), value)
    (tmp_path / "wrong.yaml").write_text(json.dumps(values), encoding="utf-8")
    done = run_helm(version, ["template", "t", str(CHART), "--values", str(tmp_path / "wrong.yaml")])
    assert done.returncode != 0
    # Helm 4 names a value '/gateway/replicas', helm 3 gateway.replicas.
    unsaid = [
        name for name, _ in batch if not re.search(rf"'/{name.replace('.', '/')}\b|- {name}\b", done.stderr)
    ]
    assert not unsaid, done.stderr


@pytest.mark.parametrize("batch", batches(UNKNOWN), ids=lambda batch: f"{len(batch)} keys")
def test_an_unknown_key_is_refused_by_name(batch: list[tuple[str, Any]], tmp_path: Any) -> None:
    values: dict[str, Any] = {}
    for name, value in batch:
        _put(values, name.split("."), value)
    (tmp_path / "wrong.yaml").write_text(json.dumps(values), encoding="utf-8")
    done = run_helm("4.1.4", ["template", "t", str(CHART), "--values", str(tmp_path / "wrong.yaml")])
    assert done.returncode != 0
    for name, _ in batch:
        *parents, key = name.split(".")
        where = f"at '/{'/'.join(parents)}'" if parents else "at ''"
        assert f"{where}: additional properties '{key}' not allowed" in done.stderr, done.stderr


def _put(values: dict[str, Any], path: list[str], value: Any) -> None:
    for key in path[:-1]:
        values = values.setdefault(key, {})
    values[path[-1]] = copy.deepcopy(value)


CONTRADICTIONS = {
    "gateway.service.type=LoadBalancer opens a port without TLS": ["gateway.service.type=LoadBalancer"],
    "gateway.autoscaling.enabled needs gateway.pod.resources.requests.cpu": [
        "gateway.autoscaling.enabled=true", "gateway.pod.resources.requests.cpu=null",
    ],
    "gateway.drainSeconds=400 takes all of gateway.pod.terminationGracePeriodSeconds=330": ["gateway.drainSeconds=400"],
    "config.load.drain_seconds=600 is more than the 315": ["config.load.drain_seconds=600"],
    "gateway.pod.resources.requests.memory=8Gi is above its limit 1Gi": ["gateway.pod.resources.requests.memory=8Gi"],
    "tests.pod.resources.requests.cpu=1500m is above its limit 1": ["tests.pod.resources.requests.cpu=1500m"],
    "serving.head.pod.volumes holds the name tmp, which is a volume of the chart's own": [
        "serving.head.pod.volumes[0].name=tmp", "serving.head.pod.volumes[0].emptyDir.medium=Memory",
    ],
    "priorityClasses.training=100000 is not below priorityClasses.serving=100000": [
        "priorityClasses.create=true", "priorityClasses.training=100000",
    ],
    "gateway.ingress.enabled and gateway.httpRoute.enabled are both true": [
        "gateway.ingress.enabled=true", "gateway.httpRoute.enabled=true",
    ],
    "gateway.ingress.host is empty. Set the host name": ["gateway.ingress.enabled=true"],
    "API keys would travel in clear": ["gateway.ingress.enabled=true", "gateway.ingress.host=a.example.com"],
    "gateway.httpRoute.parentRefs is empty. Name a Gateway": ["gateway.httpRoute.enabled=true"],
    "minReplicas=20 is above gateway.autoscaling.maxReplicas=10": [
        "gateway.autoscaling.enabled=true", "gateway.autoscaling.minReplicas=20",
    ],
    "maxUnavailable=2 lets all 2 pods go at once": ["gateway.disruptionBudget.maxUnavailable=2"],
    "controller.disruptionBudget.maxUnavailable=5 lets all 2": ["controller.disruptionBudget.maxUnavailable=5"],
    "indexer.disruptionBudget.maxUnavailable=2 lets all 2": [
        "indexer.replicas=2", "indexer.disruptionBudget.maxUnavailable=2",
    ],
    "serving.workerGroups is empty": ["serving.workerGroups.cpu=null"],
    "training.workerGroups is empty": ["training.workerGroups.cpu=null"],
    "training.workerGroups all have GPUs, which take no work without": [
        "training.workerGroups.cpu.flavour=cuda", "training.workerGroups.cpu.accelerator.count=1",
    ],
    "config.jobs.gpus_per_worker=2 is more than any pod of training.workerGroups holds": [
        "config.jobs.gpus_per_worker=2", "training.workerGroups.gpu.flavour=cuda",
        "training.workerGroups.gpu.accelerator.count=1",
    ],
    "serving.workerGroups.cpu.minReplicas=9 is above its maxReplicas=2": ["serving.workerGroups.cpu.minReplicas=9"],
    "training.workerGroups.gpu.accelerator.count=1 with flavour=cpu, whose image holds no CUDA": [
        "training.workerGroups.gpu.accelerator.count=1",
    ],
    "accelerator.type=H100 with accelerator.count=0": ["serving.workerGroups.cpu.accelerator.type=H100"],
    "config.retrieval_replicas=3 is more than the 2 pods of serving.workerGroups": ["config.retrieval_replicas=3"],
    "sharedMemoryGib=64 leaves nothing of memoryGib=16": ["serving.workerGroups.cpu.sharedMemoryGib=64"],
    "Incremental needs serving.upgrade.gatewayClassName": ["serving.upgrade.strategy=Incremental"],
    "Incremental needs serving.upgrade.gatewayUrl: traffic moves at the Gateway alone": [
        "serving.upgrade.strategy=Incremental", "serving.upgrade.gatewayClassName=x",
    ],
    "Incremental needs serving.autoscaler.enabled=true": [
        "serving.upgrade.strategy=Incremental", "serving.upgrade.gatewayClassName=x",
        "serving.autoscaler.enabled=false",
    ],
    "training.autoscaler.enabled with queues.enabled: Kueue admits whole clusters": [
        "queues.enabled=true", "training.autoscaler.enabled=true",
    ],
    "names no memory for the flavor default, and worker groups ask for it": [
        "queues.enabled=true", "queues.quota.default.memory=null",
    ],
    "names no amd.com/gpu for the flavor default": [
        "queues.enabled=true", "training.workerGroups.gpu.flavour=cuda",
        "training.workerGroups.gpu.accelerator.count=1", "training.workerGroups.gpu.accelerator.resource=amd.com/gpu",
    ],
    "training.workerGroups.head is called as the head is": ["training.workerGroups.head.cpus=2"],
    "ray.faultTolerance.redis is empty": ["ray.faultTolerance.enabled=true"],
    "tenants holds the namespace tunesmith, which is the release's already": [
        "tenants[0].namespace=tunesmith", "tenants[0].project=p",
    ],
    "tenants holds the namespace a, which is another tenant's already": [
        "tenants[0].namespace=a", "tenants[0].project=p", "tenants[1].namespace=a", "tenants[1].project=q",
    ],
    "modelCache.enabled with tenants needs modelCache.existingClaim": [
        "modelCache.enabled=true", "tenants[0].namespace=a", "tenants[0].project=p",
    ],
    "names the flavor h100, which queues.flavors lacks. It has default": [
        "queues.enabled=true", "queues.quota.h100.cpu=1",
    ],
    "Name the same resources for each": [
        "queues.enabled=true", "queues.flavors.b.x=y", "queues.quota.b.cpu=1",
    ],
    "config.milvus_uri is set here by milvus.uri": ["config.milvus_uri=http://x"],
    "config.port is that of a laptop": ["config.port=1"],
    "objects.endpoint is for stores that speak S3": ["objects.endpoint=http://x", "objects.url=gs://a"],
    "tests.enabled needs a key, and bootstrap.enabled is false": ["bootstrap.enabled=false"],
}  # fmt: skip


@pytest.mark.parametrize("said", CONTRADICTIONS)
def test_values_that_contradict_each_other_are_refused_with_a_sentence(said: str) -> None:
    with pytest.raises(RuntimeError) as caught:
        template(*(word for setting in CONTRADICTIONS[said] for word in ("--set", setting)))
    assert said in str(caught.value)
    assert "map[" not in str(caught.value)


def test_an_incremental_upgrade_without_the_gateways_pods_is_refused() -> None:
    words = ["serving.upgrade.strategy=Incremental", "serving.upgrade.gatewayClassName=x"]
    words.append("serving.upgrade.gatewayUrl=http://{service}-gateway")
    settings = [word for setting in words for word in ("--set", setting)]
    with pytest.raises(RuntimeError, match=r"networkPolicy\.servingGateway is empty"):
        template(*settings, "--set-json", "networkPolicy.servingGateway=[]")


def test_all_contradictions_are_told_at_once() -> None:
    settings = [
        word
        for words in list(CONTRADICTIONS.values())[:8]
        for setting in words
        for word in ("--set", setting)
    ]
    with pytest.raises(RuntimeError) as caught:
        template(*settings)
    assert str(caught.value).count("\n- ") >= 6


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("monitoring.rules.enabled=true", "Install the Prometheus operator first"),
        ("monitoring.monitors.enabled=true", "Install the Prometheus operator first"),
        ("queues.enabled=true", "Install Kueue first"),
    ],
)
def test_what_the_cluster_does_not_know_is_refused_with_the_way_out(setting: str, said: str) -> None:
    done = run_helm("4.1.4", ["template", "t", str(CHART), "--set", setting])
    assert done.returncode != 0
    assert said in done.stderr
    assert "--api-versions" in done.stderr
