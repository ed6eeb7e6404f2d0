"""A fake API server for each test, and a client of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from api_server import FakeApiServer, api_server

from tunesmith.kubernetes.client import KubernetesClient
from tunesmith.kubernetes.connection import connect


@pytest.fixture
def server() -> Iterator[FakeApiServer]:
    with api_server() as running:
        yield running


@pytest.fixture
def client(server: FakeApiServer, tmp_path: Path) -> KubernetesClient:
    return KubernetesClient(connect(kubeconfig=str(server.kubeconfig(tmp_path)), patience_seconds=15))
