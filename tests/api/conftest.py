"""The gateway over a real socket, and clients that hold every JSON answer against the OpenAPI spec."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from in_thread import CERTIFICATES, serving

from tunesmith.config.home import Home
from tunesmith.gateway.app import build_app
from tunesmith.gateway.upstream import Upstream
from tunesmith.stores.database import Database, ProjectRow, open_home_database
from tunesmith.stores.keys import KeyStore
from tunesmith.stores.objects import ObjectStore

from .openapi import Spec, load_spec, require_spec


@pytest.fixture(scope="session")
def loaded_spec() -> Spec | None:
    return load_spec()


@pytest.fixture
def spec() -> Spec:
    """The spec itself; skips where it is not at hand."""
    return require_spec()


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database, made once; each test gets a copy."""
    home = Home(tmp_path_factory.mktemp("migrated"))
    open_home_database(home).close()
    return home.root / "metadata.sqlite3"


@pytest.fixture
def database(tmp_path: Path, migrated: Path) -> Iterator[Database]:
    """The projects `default` and `acme`."""
    shutil.copy(migrated, tmp_path)
    opened = Database(Home(tmp_path).database_url)
    with opened.session() as session:
        session.add(ProjectRow(id="acme", created_at=1))
    yield opened
    opened.close()


@pytest.fixture
def objects(tmp_path: Path) -> ObjectStore:
    return ObjectStore(f"file://{Home(tmp_path).objects}")


@pytest.fixture
def gateway_url(database: Database, objects: ObjectStore) -> Iterator[str]:
    """A gateway whose data plane is not there."""
    app = build_app(
        database=database,
        objects=objects,
        upstream=Upstream("http://127.0.0.1:9"),
        base="tiny-reader",
        embedder="mini",
        readiness=lambda: None,
    )
    with serving(app) as url:
        yield url


Connect = Callable[[str], openai.OpenAI]


@pytest.fixture
def connect(gateway_url: str, database: Database, loaded_spec: Spec | None) -> Iterator[Connect]:
    """Makes the official client of a project; every JSON answer is held against the spec, if it is at hand."""

    def check(response: Any) -> None:
        if loaded_spec and response.headers.get("content-type", "").startswith("application/json"):
            response.read()
            path = response.request.url.path.removeprefix("/v1")
            loaded_spec.check(response.request.method, path, response.status_code, response.json())

    with contextlib.ExitStack() as stack:

        def make(project: str) -> openai.OpenAI:
            http = openai.DefaultHttpxClient(
                event_hooks={"response": [check]}, trust_env=False, verify=CERTIFICATES
            )
            key = KeyStore(database).create(project, "test")
            client = openai.OpenAI(
                base_url=f"{gateway_url}/v1", api_key=key, http_client=http, max_retries=0, timeout=60
            )
            return stack.enter_context(client)

        yield make


@pytest.fixture
def client(connect: Connect) -> openai.OpenAI:
    """The official client."""
    return connect("default")


@pytest.fixture
def http(gateway_url: str, database: Database, loaded_spec: Spec | None) -> Iterator[httpx.Client]:
    """A plain client with a key; JSON answers of paths that the spec knows are held against it."""

    def check(response: httpx.Response) -> None:
        path = response.request.url.path.removeprefix("/v1")
        if loaded_spec and loaded_spec.knows(path) and "json" in response.headers.get("content-type", ""):
            response.read()
            loaded_spec.check(response.request.method, path, response.status_code, response.json())

    headers = {"Authorization": f"Bearer {KeyStore(database).create('default', 'test')}"}
    hooks = {"response": [check]}
    with httpx.Client(
        base_url=gateway_url,
        headers=headers,
        trust_env=False,
        verify=CERTIFICATES,
        timeout=60,
        event_hooks=hooks,
    ) as opened:
        yield opened
