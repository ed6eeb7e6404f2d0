from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from kubernetes import client, config

from tunesmith.config.home import Home
from tunesmith.deploy.bootstrap import ClusterSecrets, bootstrap
from tunesmith.errors import ConfigError, UnavailableError
from tunesmith.stores.database import Database, open_home_database
from tunesmith.stores.keys import KeyStore

NAME = "tunesmith-admin-key"


class Memory:
    """Secrets of a namespace; `answer` is what the server says to a creation."""

    def __init__(self, answer: bool | Exception = True) -> None:
        self.secrets: dict[str, str] = {}
        self.answer = answer

    def exists(self, name: str) -> bool:
        return name in self.secrets

    def create(self, name: str, key: str) -> bool:
        if isinstance(self.answer, Exception):
            raise self.answer
        if self.answer:
            self.secrets[name] = key
        return self.answer


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = Home(tmp_path_factory.mktemp("migrated"))
    open_home_database(home).close()
    return home.root / "metadata.sqlite3"


@pytest.fixture
def environment(tmp_path: Path, migrated: Path) -> dict[str, str]:
    shutil.copy(migrated, tmp_path)
    url = Home(tmp_path).database_url
    return {"TUNESMITH_ADMIN_SECRET_NAME": NAME, "TUNESMITH_DATABASE_URL": url}


def keys(environment: dict[str, str]) -> KeyStore:
    return KeyStore(Database(environment["TUNESMITH_DATABASE_URL"]))


def test_the_key_in_the_secret_opens_the_platform(environment: dict[str, str]) -> None:
    secrets = Memory()
    assert "holds the first key" in bootstrap(environment, secrets)
    first = keys(environment).verify(secrets.secrets[NAME])
    assert (first.project_id, first.role, first.of_organisation) == ("default", "administer", True)


def test_a_second_run_changes_nothing(environment: dict[str, str]) -> None:
    secrets = Memory()
    bootstrap(environment, secrets)
    first = dict(secrets.secrets)
    assert "left as it is" in bootstrap(environment, secrets)
    assert secrets.secrets == first
    assert len(keys(environment).all("default")) == 1


def test_a_secret_of_another_database_is_told_before_anybody_is_locked_out(
    environment: dict[str, str],
) -> None:
    secrets = Memory()
    secrets.secrets[NAME] = "sk-ts-of-another-database"
    with pytest.raises(ConfigError, match=f"has never had a key.*kubectl -n NAMESPACE delete secret {NAME}"):
        bootstrap(environment, secrets)
    assert keys(environment).all("default") == []


def test_the_key_is_never_told(environment: dict[str, str]) -> None:
    secrets = Memory()
    told = bootstrap(environment, secrets)
    assert secrets.secrets[NAME] not in told


@pytest.mark.parametrize("answer", [False, UnavailableError("403 Forbidden")])
def test_a_key_that_nobody_holds_is_revoked(environment: dict[str, str], answer: bool | Exception) -> None:
    try:
        bootstrap(environment, Memory(answer))
    except UnavailableError:
        assert isinstance(answer, UnavailableError)
    assert [key.revoked for key in keys(environment).all("default")] == [True]


def test_a_missing_variable_is_named() -> None:
    with pytest.raises(ConfigError, match="TUNESMITH_ADMIN_SECRET_NAME is not set"):
        bootstrap({}, Memory())


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A server that answers each call with `status`."""
    server = SimpleNamespace(status=200, sent=None)

    def answer(*arguments: Any, **_: Any) -> None:
        server.sent = arguments
        if server.status >= 400:
            raise client.ApiException(status=server.status, reason="because")

    api = SimpleNamespace(read_namespaced_secret=answer, create_namespaced_secret=answer)
    monkeypatch.setattr(client, "CoreV1Api", lambda: api)
    monkeypatch.setattr(config, "load_incluster_config", lambda: None)
    return server


@pytest.mark.parametrize(("status", "there"), [(200, True), (404, False)])
def test_the_server_knows_whether_the_secret_is_there(
    cluster: SimpleNamespace, status: int, there: bool
) -> None:
    cluster.status = status
    assert ClusterSecrets("ns").exists(NAME) is there
    assert cluster.sent == (NAME, "ns")


@pytest.mark.parametrize(("status", "made"), [(201, True), (409, False)])
def test_another_run_may_be_faster(cluster: SimpleNamespace, status: int, made: bool) -> None:
    cluster.status = status
    assert ClusterSecrets("ns").create(NAME, "sk-ts-1") is made
    assert cluster.sent[1]["stringData"] == {"key": "sk-ts-1"}


def test_a_refusal_says_what_and_where(cluster: SimpleNamespace) -> None:
    cluster.status = 403
    with pytest.raises(
        UnavailableError, match="refused to create the Secret tunesmith-admin-key in ns: 403 because"
    ):
        ClusterSecrets("ns").create(NAME, "sk-ts-1")


def test_outside_a_pod_it_says_what_to_do_instead() -> None:
    with pytest.raises(ConfigError, match="tunesmith keys create NAME"):
        ClusterSecrets("ns")
