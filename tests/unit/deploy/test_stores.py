"""Stores beside a release: put there once, with a password that two Secrets share."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from api_server import FakeApiServer
from typer.testing import CliRunner

from tunesmith.cli.main import app
from tunesmith.deploy import stores
from tunesmith.deploy.stores import STORES
from tunesmith.errors import ConfigError, ConflictError, UnavailableError
from tunesmith.kubernetes.client import KubernetesClient

ALL = [word for store in STORES for word in ("--with", store.name)]


@pytest.fixture
def cluster(good_cluster: FakeApiServer, helm_log: Path, client: KubernetesClient) -> FakeApiServer:
    """One that knows CloudNativePG's kinds."""
    good_cluster.groups = {"postgresql.cnpg.io/v1"}
    good_cluster.put(_database_pod("True"))
    return good_cluster


def _database_pod(ready: str) -> dict[str, Any]:
    """What the operator makes of a Cluster."""
    labels = {"cnpg.io/cluster": "postgres", "cnpg.io/podRole": "instance"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "postgres-1", "namespace": "tunesmith-stores", "labels": labels},
        "spec": {"containers": [{"name": "postgres"}]},
        "status": {"conditions": [{"type": "Ready", "status": ready}]},
    }


def _install(*words: str) -> str:
    done = CliRunner().invoke(app, ["deploy", "install", *words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def _upgrades(log: Path) -> list[str]:
    return [line for line in log.read_text(encoding="utf-8").splitlines() if line.startswith("upgrade")]


def _secret(cluster: FakeApiServer, name: str, namespace: str) -> dict[str, str]:
    thing = cluster.find("Secret", name, namespace)
    assert thing is not None
    return {key: base64.b64decode(value).decode() for key, value in thing["data"].items()}


def test_stores_go_in_before_the_release_which_is_told_of_them(
    cluster: FakeApiServer, helm_log: Path
) -> None:
    output = _install(*ALL, "--set", "milvus.uri=http://elsewhere:19530")
    assert "cnpg: the cluster has it" in output
    postgres, milvus, objects, release = _upgrades(helm_log)
    assert postgres.startswith(
        "upgrade --install postgres cluster --namespace tunesmith-stores --repo https://cloud"
    )
    assert milvus.startswith(
        "upgrade --install milvus milvus --namespace tunesmith-stores --repo https://zilliz"
    )
    assert objects.startswith(
        "upgrade --install seaweedfs seaweedfs --namespace tunesmith-stores --repo https://sea"
    )
    assert "--set objects.endpoint=http://seaweedfs-s3.tunesmith-stores.svc:9000" in release
    assert release.index("milvus.uri=http://milvus.tunesmith") < release.index(
        "milvus.uri=http://elsewhere"
    ), "what a user says wins"
    assert "  --set database.secret.name=tunesmith-database" in output


def test_store_and_release_know_the_same_password_and_nobody_else_comes_in(cluster: FakeApiServer) -> None:
    _install(*ALL)
    owner = _secret(cluster, "tunesmith-postgres", "tunesmith-stores")
    url = _secret(cluster, "tunesmith-database", "tunesmith")["url"]
    assert url == (
        f"postgresql+psycopg://tunesmith:{owner['password']}@postgres-rw.tunesmith-stores.svc:5432/tunesmith"
    )
    assert len(owner["password"]) >= 32
    kept = _secret(cluster, "tunesmith-objects", "tunesmith-stores")
    (identity,) = json.loads(kept["seaweedfs_s3_config"])["identities"]
    (credentials,) = identity["credentials"]
    assert _secret(cluster, "tunesmith-objects", "tunesmith") == {
        "AWS_ACCESS_KEY_ID": credentials["accessKey"],
        "AWS_SECRET_ACCESS_KEY": credentials["secretKey"],
    }
    policy = cluster.find("NetworkPolicy", "tunesmith-stores", "tunesmith-stores")
    assert policy is not None
    (rule,) = policy["spec"]["ingress"]
    ours, labelled, operator = rule["from"]
    assert labelled == {"namespaceSelector": {"matchLabels": {"tunesmith/stores": "reachable"}}}
    (expression,) = ours["namespaceSelector"]["matchExpressions"]
    assert expression["values"] == ["tunesmith", "tunesmith-stores"]
    assert operator["podSelector"]["matchLabels"] == {"app.kubernetes.io/name": "cloudnative-pg"}


def test_a_store_that_is_there_is_left_as_it_is(
    cluster: FakeApiServer, helm_log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _install(*ALL)
    before = _secret(cluster, "tunesmith-database", "tunesmith")
    cluster.remove("Secret", "tunesmith-database", "tunesmith")
    monkeypatch.setenv("HELM_STATUS", "deployed")
    assert "milvus: it is there, in tunesmith-stores" in _install(*ALL)
    assert len(_upgrades(helm_log)) == 4 + 1
    assert _secret(cluster, "tunesmith-database", "tunesmith") == before, (
        "its namespace had gone; the store had not"
    )


@pytest.mark.parametrize("status", ["failed", "pending-install"])
def test_a_store_that_a_killed_helm_has_left_is_not_taken_for_one(
    cluster: FakeApiServer, helm_log: Path, monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    monkeypatch.setenv("HELM_STATUS", status)
    _install("--with", "milvus")
    assert _upgrades(helm_log)[0].startswith("upgrade --install milvus milvus ")


def test_a_database_that_its_operator_does_not_bring_up_begins_no_release(
    cluster: FakeApiServer, helm_log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "_SECONDS_TO_COME_UP", 0)
    cluster.put(_database_pod("False"))
    with pytest.raises(UnavailableError, match="--with postgres: not ready after 0 s, last seen: starts"):
        _install("--with", "postgres")
    assert len(_upgrades(helm_log)) == 1
    monkeypatch.setenv("HELM_STATUS", "deployed")
    with pytest.raises(UnavailableError, match="not ready after 0 s"):
        _install("--with", "postgres")
    assert len(_upgrades(helm_log)) == 1, "helm calls it deployed, and nothing answers yet"


def test_a_version_of_the_operator_that_was_asked_for_wins(
    cluster: FakeApiServer, helm_log: Path, charts_bring_kinds: None
) -> None:
    cluster.groups = set()
    _install("--with", "cnpg=0.26.0", "--with", "postgres")
    assert "--version 0.26.0" in _upgrades(helm_log)[0]


def test_a_store_that_fails_is_tried_again_with_the_same_password(
    cluster: FakeApiServer, helm_log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HELM_FAILS", "context deadline exceeded")
    with pytest.raises(ConfigError, match=r"--with postgres: .*deadline.*install it from a mirror"):
        _install("--with", "postgres")
    password = _secret(cluster, "tunesmith-postgres", "tunesmith-stores")
    monkeypatch.setenv("HELM_FAILS", "")
    _install("--with", "postgres")
    assert _secret(cluster, "tunesmith-postgres", "tunesmith-stores") == password


def test_a_secret_of_another_store_is_not_overwritten(cluster: FakeApiServer, helm_log: Path) -> None:
    data = {"url": base64.b64encode(b"postgresql://elsewhere/tunesmith").decode()}
    metadata = {"name": "tunesmith-database", "namespace": "tunesmith"}
    cluster.put({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data})
    with pytest.raises(ConflictError, match="the Secret tunesmith-database in tunesmith names another store"):
        _install("--with", "postgres")
    assert _upgrades(helm_log) == []
    assert cluster.find("Secret", "tunesmith-postgres", "tunesmith-stores") is None


def test_a_version_pins_the_chart_of_a_store(cluster: FakeApiServer, helm_log: Path) -> None:
    _install("--with", "milvus=5.0.28")
    assert "--version 5.0.28" in _upgrades(helm_log)[0]


@pytest.mark.parametrize("store", STORES, ids=lambda store: store.name)
def test_values_hold_no_password_and_stores_none_on_a_node(store) -> None:
    values = yaml.safe_load(store.values.read_text(encoding="utf-8"))
    assert "password" not in yaml.safe_dump(values).lower()
    assert "hostPath" not in yaml.safe_dump(values)
