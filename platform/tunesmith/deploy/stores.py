"""Stores beside a release, each from its own chart, in a namespace of their own: `deploy install --with postgres`.

    password, made once  ->  a Secret beside the store, a Secret beside the release  ->  the store's chart
                         ->  what the release has to know of it, as values

A store is put there once. Whether and when it is upgraded, its own chart's release notes say; this never does.
"""

from __future__ import annotations

import base64
import json
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tunesmith.deploy.helm import Helm, Release
from tunesmith.deploy.prerequisites import PREREQUISITES, taken_back
from tunesmith.errors import ConfigError, ConflictError, UnavailableError
from tunesmith.kubernetes.client import KubernetesClient, Thing
from tunesmith.kubernetes.names import common_labels
from tunesmith.kubernetes.reasons import is_ready, why_pod_waits

REACHING_LABEL = "tunesmith/stores"
"""Label of other namespaces whose pods may reach the stores: `reachable`."""

_VALUES = Path(__file__).parent / "store_values"
_USER = "tunesmith"
_SECONDS_TO_COME_UP = 900
_SECONDS_BETWEEN_LOOKS = 1.0
_POSTGRES_OPERATOR = {"app.kubernetes.io/name": "cloudnative-pg"}


@dataclass(frozen=True, slots=True)
class Store:
    """One of them.

    Attributes:
        name: as it is asked for.
        needs: the prerequisite without which its chart's objects mean nothing, if there is one.
        chart: name of its chart.
        repository: where the chart is.
        version: of the chart; empty: the newest.
        release: name of its release.
        settings: what the release has to know, `path=value`; `{namespace}` is the stores' own.
        kept: its Secrets of a user and password; None where nobody is asked for one.
        pods: labels of pods that an operator makes later, which helm does not wait for; empty: it makes none.
    """

    name: str
    needs: str | None
    chart: str
    repository: str
    version: str
    release: str
    settings: Sequence[str]
    kept: Callable[[str, str], _Secrets] | None = None
    pods: str = ""

    @property
    def values(self) -> Path:
        """The file of its chart's values."""
        return _VALUES / f"{self.name}.yaml"


@dataclass(frozen=True, slots=True)
class _Secrets:
    """The same password, as the store reads it and as the release does."""

    of_store: str
    type: str
    read_by_store: Mapping[str, str]
    of_release: str
    read_by_release: Mapping[str, str]


def _of_postgres(password: str, namespace: str) -> _Secrets:
    url = f"postgresql+psycopg://{_USER}:{password}@postgres-rw.{namespace}.svc:5432/tunesmith"
    return _Secrets(
        of_store="tunesmith-postgres",
        type="kubernetes.io/basic-auth",
        read_by_store={"username": _USER, "password": password},
        of_release="tunesmith-database",
        read_by_release={"url": url},
    )


def _of_objects(password: str, namespace: str) -> _Secrets:  # noqa: ARG001
    rights = [f"{right}:tunesmith" for right in ("Read", "Write", "List", "Tagging")]
    credentials = {"accessKey": _USER, "secretKey": password}
    identities = [{"name": _USER, "credentials": [credentials], "actions": rights}]
    return _Secrets(
        of_store="tunesmith-objects",
        type="Opaque",
        read_by_store={"password": password, "seaweedfs_s3_config": json.dumps({"identities": identities})},
        of_release="tunesmith-objects",
        read_by_release={"AWS_ACCESS_KEY_ID": _USER, "AWS_SECRET_ACCESS_KEY": password},
    )


STORES = (
    Store(
        name="postgres",
        needs="cnpg",
        chart="cluster",
        repository="https://cloudnative-pg.github.io/charts",
        version="",
        release="postgres",
        settings=("database.secret.name=tunesmith-database", "database.secret.key=url"),
        kept=_of_postgres,
        pods="cnpg.io/cluster=postgres,cnpg.io/podRole=instance",
    ),
    Store(
        name="milvus",
        needs=None,
        chart="milvus",
        repository="https://zilliztech.github.io/milvus-helm",
        version="",
        release="milvus",
        settings=("milvus.uri=http://milvus.{namespace}.svc:19530",),
    ),
    Store(
        name="objects",
        needs=None,
        chart="seaweedfs",
        repository="https://seaweedfs.github.io/seaweedfs/helm",
        version="",
        release="seaweedfs",
        settings=(
            "objects.url=s3://tunesmith",
            "objects.endpoint=http://seaweedfs-s3.{namespace}.svc:9000",
            "objects.secret=tunesmith-objects",
        ),
        kept=_of_objects,
    ),
)
"""All that can be put there."""


def choose_stores(words: Sequence[str]) -> tuple[list[Store], list[str]]:
    """Find the stores among what is asked for.

    Args:
        words: `postgres`, or `milvus=5.0.28` for a version of the chart; and words that are no store's.

    Returns:
        The stores; and the other words, with what the stores need.

    Raises:
        ConfigError: a word is neither a store's nor a prerequisite's.
    """
    asked = dict(word.partition("=")[::2] for word in words)
    known = [each.name for each in (*PREREQUISITES, *STORES)]
    for name in asked:
        if name not in known:
            raise ConfigError(f"--with {name}: not one of {', '.join(known)}. Install it with its own chart.")
    stores = [
        replace(store, version=asked[store.name] or store.version) for store in STORES if store.name in asked
    ]
    names = {store.name for store in stores}
    rest = [word for word in words if word.partition("=")[0] not in names]
    # First: a version that was asked for wins.
    return stores, [store.needs for store in stores if store.needs] + rest


def install_stores(
    client: KubernetesClient,
    helm: Helm,
    wanted: Sequence[Store],
    *,
    release: str,
    say: Callable[[str], None],
) -> list[str]:
    """Put there what is not there, and nothing else.

    Args:
        client: the cluster, and the release's namespace.
        helm: installs.
        wanted: which.
        release: name of the release.
        say: told of each.

    Returns:
        What the release has to know of them, `path=value` each.

    Raises:
        ConfigError: one does not come up, or the release has a Secret of that name already; what was begun of it is
            taken back.
        PlatformError: the cluster cannot be asked.
    """
    if not wanted:
        return []
    namespace = f"{client.namespace}-stores"
    _prepare_namespaces(client, namespace, release)
    for store in wanted:
        _install(client, helm, store, namespace, release, say)
    settings = [setting.format(namespace=namespace) for store in wanted for setting in store.settings]
    say("Keep these beside your values, or say --with again at each upgrade:")
    for setting in settings:
        say(f"  --set {setting}")
    return settings


def _prepare_namespaces(client: KubernetesClient, namespace: str, release: str) -> None:
    """Have both namespaces, and nobody reach a store but these two, those that say so, and Postgres' operator."""
    for name in (client.namespace, namespace):
        if client.get("Namespace", name) is None:
            client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    ours = [client.namespace, namespace]
    in_ours = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": ours}
    peers = [
        {"namespaceSelector": {"matchExpressions": [in_ours]}},
        {"namespaceSelector": {"matchLabels": {REACHING_LABEL: "reachable"}}},
        # Whoever has installed it, wherever it is.
        {"namespaceSelector": {}, "podSelector": {"matchLabels": _POSTGRES_OPERATOR}},
    ]
    client.apply(
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {
                "name": "tunesmith-stores",
                "namespace": namespace,
                "labels": common_labels(release),
            },
            "spec": {
                "podSelector": {},
                "policyTypes": ["Ingress"],
                "ingress": [{"from": peers}],
            },
        }
    )


def _install(
    client: KubernetesClient,
    helm: Helm,
    store: Store,
    namespace: str,
    release: str,
    say: Callable[[str], None],
) -> None:
    context = None if client.context == "in-cluster" else client.context
    if store.kept:
        _keep_secrets(client, store, store.kept, namespace, release)
    if helm.is_deployed(Release(store.release, namespace, context=context)):
        say(f"{store.name}: it is there, in {namespace}")
    else:
        say(f"{store.name}: {store.chart} {store.version or 'newest'} into {namespace}")
        _put(helm, store, namespace, context)
    if store.pods:  # also of one that is there: whoever put it there may not have waited to the end
        _wait_for_pods(client, store, namespace, say)


def _put(helm: Helm, store: Store, namespace: str, context: str | None) -> None:
    words = [store.release, store.chart, "--namespace", namespace, "--repo", store.repository]
    words += ["--values", str(store.values), "--timeout", f"{_SECONDS_TO_COME_UP}s"]
    words += ["--version", store.version] if store.version else []
    try:
        helm.put(words, context=context)
    except ConfigError as error:
        raise taken_back(store.name, store.repository, error) from error


def _wait_for_pods(
    client: KubernetesClient, store: Store, namespace: str, say: Callable[[str], None]
) -> None:
    """Wait for what an operator makes of the chart's objects, of which helm knows nothing."""
    deadline, told = time.monotonic() + _SECONDS_TO_COME_UP, ""
    while True:
        pods = client.all("Pod", selector=store.pods, namespace=namespace)
        if any(is_ready(pod) for pod in pods):
            return
        waits = next((reason for pod in pods if (reason := why_pod_waits(pod))), "starts")
        if waits != told:
            say(f"{store.name}: {waits}")
        told = waits
        if time.monotonic() > deadline:
            raise UnavailableError(
                f"--with {store.name}: not ready after {_SECONDS_TO_COME_UP} s, last seen: {waits}. It is left there: "
                f"kubectl -n {namespace} get pods; the same command goes on."
            )
        time.sleep(_SECONDS_BETWEEN_LOOKS)


def _keep_secrets(
    client: KubernetesClient,
    store: Store,
    secrets_of: Callable[[str, str], _Secrets],
    namespace: str,
    release: str,
) -> None:
    """Make the password, unless an earlier try has; a Secret that says something else is somebody's."""
    names = secrets_of("", namespace)
    known = client.get("Secret", names.of_store, namespace=namespace)
    password = _read(known, "password") or secrets.token_urlsafe(24)
    made = secrets_of(password, namespace)
    theirs = client.get("Secret", made.of_release)
    if theirs is not None and any(_read(theirs, key) != value for key, value in made.read_by_release.items()):
        raise ConflictError(
            f"--with {store.name}: the Secret {made.of_release} in {client.namespace} names another store. Leave out "
            f"--with {store.name} to go on with that one, or delete the Secret.",
        )
    labels = common_labels(release)
    if known is None:
        client.create(_secret(made.of_store, namespace, made.type, made.read_by_store, labels))
    if theirs is None:
        client.create(_secret(made.of_release, client.namespace, "Opaque", made.read_by_release, labels))


def _secret(
    name: str, namespace: str, type_: str, told: Mapping[str, str], labels: Mapping[str, str]
) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace, "labels": dict(labels)},
        "type": type_,
        "data": {key: base64.b64encode(value.encode()).decode() for key, value in told.items()},
    }


def _read(secret: Thing | None, key: str) -> str:
    return base64.b64decode(((secret or {}).get("data") or {}).get(key, "")).decode()
