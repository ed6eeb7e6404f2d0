"""The client, against a server that is slow, forgetful, strict and unfriendly in turn."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from api_server import FakeApiServer
from crd import HAVE_CRDS

from tunesmith.errors import (
    AuthenticationError,
    ConfigError,
    ConflictError,
    DependencyError,
    NotFoundError,
    PermissionDeniedError,
    UnavailableError,
)
from tunesmith.kubernetes.client import Change, KubernetesClient, create_or_get
from tunesmith.kubernetes.connection import connect


def config_map(name: str, **data: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "tunesmith", "labels": {"app": "a"}},
        "data": data,
    }


def test_objects_come_back(server: FakeApiServer, client: KubernetesClient) -> None:
    assert client.get("ConfigMap", "a") is None
    client.create(config_map("a", x="1"))
    client.apply(config_map("a", y="2"))
    found = client.get("ConfigMap", "a")
    assert found is not None
    assert found["data"] == {"x": "1", "y": "2"}
    assert client.delete("ConfigMap", "a")
    assert not client.delete("ConfigMap", "a")


def test_single_fields_are_changed_all_or_none(server: FakeApiServer, client: KubernetesClient) -> None:
    client.create(config_map("a", x="1", y="1"))
    right, wrong = ({"op": "test", "path": "/data/x", "value": value} for value in "12")
    change = {"op": "add", "path": "/data/y", "value": "2"}
    with pytest.raises(ConfigError, match="refuses patch configmaps/a in tunesmith: the server rejected"):
        client.patch("ConfigMap", "a", [change, wrong])
    assert client.patch("ConfigMap", "a", [right, change])["data"] == {"x": "1", "y": "2"}
    with pytest.raises(NotFoundError):
        client.patch("ConfigMap", "b", [change])


def test_all_pages_are_read(client: KubernetesClient) -> None:
    for number in range(5):
        client.create(config_map(f"a{number}"))
    listed = client.all("ConfigMap", selector="app=a")
    assert [thing["metadata"]["name"] for thing in listed] == ["a0", "a1", "a2", "a3", "a4"]
    assert {thing["kind"] for thing in listed} == {"ConfigMap"}
    assert client.all("ConfigMap", selector="app=b") == []


def test_a_second_creation_conflicts_and_finds_the_first(client: KubernetesClient) -> None:
    first = client.create(config_map("a", x="1"))
    with pytest.raises(ConflictError) as caught:
        client.create(config_map("a"))
    assert caught.value.code == "already_exists"
    assert create_or_get(client, config_map("a")) == first


@pytest.mark.parametrize("status", [429, 500, 503, 504])
def test_a_busy_server_is_asked_again(server: FakeApiServer, client: KubernetesClient, status: int) -> None:
    server.busy = [status, status]
    client.create(config_map("a"))
    assert len(server.requests) == 3


def test_a_busy_server_says_when_to_come_again(
    server: FakeApiServer, client: KubernetesClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    monkeypatch.setattr(client._connection, "_sleep", waited.append)
    server.busy, server.retry_after = [429, 429], 3
    client.create(config_map("a"))
    assert waited == [3.0, 3.0]
    server.busy, server.retry_after = [429], 60
    with pytest.raises(UnavailableError, match="answers 429"):
        client.all("Pod")  # longer than anybody here waits
    assert waited == [3.0, 3.0]


def test_patience_is_had_once(
    server: FakeApiServer, client: KubernetesClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loop over a hundred jobs must not stand still a hundred times as long."""
    clock = [0.0]
    monkeypatch.setattr(
        client._connection, "_sleep", lambda seconds: clock.__setitem__(0, clock[0] + seconds)
    )
    monkeypatch.setattr("tunesmith.kubernetes.connection.time.monotonic", lambda: clock[0])
    server.go_away()
    for waited in (True, False, False):
        began = clock[0]
        with pytest.raises(UnavailableError, match="cannot be reached"):
            client.all("Pod")
        assert (clock[0] - began > 5) is waited
    server.come_back()
    assert client.all("Pod") == []
    server.busy = [503, 503]
    assert client.all("Pod") == [], "and has patience again"


def test_pages_that_the_server_forgot_are_counted_anew(
    server: FakeApiServer, client: KubernetesClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        server.put(config_map(f"a{number}"))
    request = client._connection.request

    def request_and_forget(method: str, path: str, **options: Any) -> bytes:
        answer = request(method, path, **options)
        if len(server.requests) == 1:
            server.put(config_map("a5"))
            server.forget()
        return answer

    monkeypatch.setattr(client._connection, "request", request_and_forget)
    assert [thing["metadata"]["name"] for thing in client.all("ConfigMap")] == [f"a{n}" for n in range(6)]


def test_a_container_that_has_not_started_has_no_log(server: FakeApiServer, client: KubernetesClient) -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "c"}]},
    }
    server.put(pod)
    assert client.log("p", container="c") == b""
    assert client.log("gone", container="c") == b""
    server.logs[("tunesmith", "p")] = "said\n"
    assert client.log("p", container="c") == b"said\n"


def test_a_server_that_stays_busy_is_given_up(server: FakeApiServer, tmp_path: Path) -> None:
    client = KubernetesClient(connect(kubeconfig=str(server.kubeconfig(tmp_path)), patience_seconds=0.5))
    server.busy = [503] * 50
    with pytest.raises(UnavailableError, match="answers 503"):
        client.all("Pod")


def test_an_expired_token_is_told(server: FakeApiServer, tmp_path: Path) -> None:
    client = KubernetesClient(connect(kubeconfig=str(server.kubeconfig(tmp_path, token="old"))))
    with pytest.raises(AuthenticationError, match="Sign in again"):
        client.all("Pod")


def test_what_is_forbidden_is_told(server: FakeApiServer, client: KubernetesClient) -> None:
    server.forbidden = {("create", "configmaps")}
    with pytest.raises(PermissionDeniedError, match=r"create configmaps/a in tunesmith.*doctor --cluster"):
        client.create(config_map("a"))
    assert not client.may("create", "ConfigMap")
    assert client.may("get", "ConfigMap")


def test_a_kind_that_nobody_serves_is_told(server: FakeApiServer, client: KubernetesClient) -> None:
    server.missing_kinds = {"RayJob"}
    with pytest.raises(DependencyError, match="Install what serves it") as caught:
        client.all("RayJob")
    assert caught.value.code == "no_such_kind"


def test_an_unknown_namespace_is_told(client: KubernetesClient) -> None:
    thing = config_map("a")
    thing["metadata"]["namespace"] = "nowhere"
    with pytest.raises(DependencyError, match="create configmaps/a in nowhere: the namespace does not exist"):
        client.create(thing)


@pytest.mark.skipif(not HAVE_CRDS, reason="KubeRay's CRDs do not lie beside the checkout")
def test_an_invalid_object_is_told(client: KubernetesClient) -> None:
    job = {
        "apiVersion": "ray.io/v1",
        "kind": "RayJob",
        "metadata": {"name": "a", "namespace": "tunesmith"},
        "spec": {"entryPoint": "x"},
    }
    with pytest.raises(ConfigError, match="entryPoint: unknown field"):
        client.create(job)


def test_an_unreachable_server_is_told(server: FakeApiServer, tmp_path: Path) -> None:
    server.url = "http://127.0.0.1:9"
    client = KubernetesClient(connect(kubeconfig=str(server.kubeconfig(tmp_path)), patience_seconds=0.2))
    with pytest.raises(UnavailableError, match=r"127.0.0.1:9 of context fake cannot be reached.*VPN"):
        client.version()


def test_a_wrong_context_is_told(server: FakeApiServer, tmp_path: Path) -> None:
    path = str(server.kubeconfig(tmp_path))
    with pytest.raises(ConfigError, match=r'"prod" is not in the kubeconfig\. Known: fake'):
        connect(kubeconfig=path, context="prod")
    with pytest.raises(ConfigError, match="Set KUBECONFIG"):
        connect(kubeconfig=str(tmp_path / "none"))


def test_the_version(client: KubernetesClient) -> None:
    assert client.version() == (1, 33)


class Follower:
    """Follows ConfigMaps in a thread."""

    def __init__(self, client: KubernetesClient) -> None:
        self.seen: list[Change] = []
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._follow, args=(client,), daemon=True)
        self._thread.start()

    def _follow(self, client: KubernetesClient) -> None:
        for change in client.watch("ConfigMap", stopped=self._done.is_set):
            self.seen.append(change)

    def names(self) -> list[tuple[str, str]]:
        return [(change.type, change.thing["metadata"]["name"]) for change in self.seen]

    def until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < deadline, self.names()
            time.sleep(0.02)

    def stop(self) -> None:
        self._done.set()


def test_a_watch_tells_what_is_there_and_what_comes(server: FakeApiServer, client: KubernetesClient) -> None:
    server.put(config_map("a"))
    follower = Follower(client)
    follower.until(lambda: ("seen", "a") in follower.names())
    server.put(config_map("b"))
    server.remove("ConfigMap", "a")
    follower.until(lambda: follower.names() == [("seen", "a"), ("seen", "b"), ("gone", "a")])
    follower.stop()


def test_a_watch_goes_on_across_breaks(server: FakeApiServer, client: KubernetesClient) -> None:
    server.cut_watches = True
    follower = Follower(client)
    for number in range(5):
        server.put(config_map(f"a{number}"))
    follower.until(lambda: len(follower.names()) >= 5)
    assert follower.names() == [("seen", f"a{number}") for number in range(5)]
    follower.stop()


def test_a_watch_that_was_forgotten_lists_anew_and_tells_what_is_missing(
    server: FakeApiServer, client: KubernetesClient
) -> None:
    server.put(config_map("stays"))
    server.put(config_map("goes"))
    server.cut_watches = True
    follower = Follower(client)
    follower.until(lambda: len(follower.names()) == 2)
    server.remove("ConfigMap", "goes")
    server.forget()
    server.put(config_map("comes"))
    follower.until(lambda: {("gone", "goes"), ("seen", "comes")} <= set(follower.names()))
    follower.stop()


def test_a_watch_outlives_a_server_that_is_away_for_a_while(server: FakeApiServer, tmp_path: Path) -> None:
    client = KubernetesClient(connect(kubeconfig=str(server.kubeconfig(tmp_path)), patience_seconds=0.2))
    server.put(config_map("stays"))
    server.put(config_map("goes"))
    follower = Follower(client)
    follower.until(lambda: len(follower.names()) == 2)
    server.go_away()
    server.remove("ConfigMap", "goes")
    server.put(config_map("comes"))
    time.sleep(1)
    server.come_back()
    follower.until(lambda: {("gone", "goes"), ("seen", "comes")} <= set(follower.names()))
    follower.stop()
