"""A namespace of its own on a real cluster, which goes whatever happens.

    KUBECONFIG=... TUNESMITH_TEST_CLUSTER=1 TUNESMITH_TEST_VALUES=values.yaml pytest tests/cluster -m cluster

The values name image, database, object store and Milvus; the shell commands in TUNESMITH_TEST_PREPARE, one a line, put
what these need into the namespace, whose name is in NAMESPACE. Without TUNESMITH_TEST_CLUSTER nothing is touched: a
kubeconfig that merely lies there is nobody's consent.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tunesmith.deploy.destroy import remove
from tunesmith.deploy.helm import Helm, Release
from tunesmith.kubernetes.client import KubernetesClient
from tunesmith.kubernetes.connection import connect


@pytest.fixture(scope="session")
def client() -> Iterator[KubernetesClient]:
    if not os.environ.get("TUNESMITH_TEST_CLUSTER"):
        pytest.skip("TUNESMITH_TEST_CLUSTER is not set")
    namespace = f"tunesmith-test-{secrets.token_hex(4)}"
    found = KubernetesClient(connect(namespace=namespace))
    # A runner that is told to end ends the session in order, and so takes everything away.
    before = signal.signal(signal.SIGTERM, lambda *_: pytest.exit("told to end"))
    found.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    print(
        f"if this is killed: tunesmith deploy destroy -n {namespace} --yes; kubectl delete namespace {namespace}"
    )
    try:
        yield found
    finally:
        found.delete("Namespace", namespace)
        signal.signal(signal.SIGTERM, before)


@pytest.fixture(scope="session")
def release(client: KubernetesClient) -> Iterator[Release]:
    values = [Path(path) for path in os.environ.get("TUNESMITH_TEST_VALUES", "").split(":") if path]
    for command in os.environ.get("TUNESMITH_TEST_PREPARE", "").splitlines():
        subprocess.run(command, shell=True, check=True, env={**os.environ, "NAMESPACE": client.namespace})
    wanted = Release("tunesmith", client.namespace, values=values, context=_context(client))
    try:
        yield wanted
    finally:
        remove(client, Helm.find(), wanted, say=print)


def _context(client: KubernetesClient) -> str | None:
    return None if client.context == "in-cluster" else client.context
