"""Our own OpenAPI document, held against the gateway by schemathesis: with a key, all checks, no operation left out.

`SCHEMATHESIS_EXAMPLES=100` says how many examples each operation gets; a few are enough to see that
nothing has gone stale. `SCHEMATHESIS_PATHS='^/v1/uploads'` takes the operations whose path fits, alone.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from in_thread import serving
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tunesmith.gateway.app import build_app
from tunesmith.gateway.upstream import Upstream
from tunesmith.stores.database import Database
from tunesmith.stores.keys import KeyStore
from tunesmith.stores.objects import ObjectStore
from tunesmith.stores.state_file import PartState, PlatformState

from ..unit.gateway.conftest import Plane

EXAMPLES = int(os.environ.get("SCHEMATHESIS_EXAMPLES", "2"))
PATHS = os.environ.get("SCHEMATHESIS_PATHS")
CONFIG = Path(__file__).parent / "schemathesis.toml"
HOOKS = Path(__file__).parent / "schemathesis_hooks.py"
FILES = {
    "fine-tune": '{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}',
    "batch": '{"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "tiny-reader"}}',
    "assistants": "A file that can be attached to a vector store.",
}
"""What is there to be named, by purpose."""


async def _search(_request: Request) -> JSONResponse:
    hit = {"document": "files/a.md", "score": 0.5, "attributes": {"year": 2026}, "text": "a"}
    return JSONResponse({"hits": [hit]})


async def _read(_request: Request) -> JSONResponse:
    return JSONResponse({"texts": ["a", "b"]})


@pytest.fixture
def url(database: Database, objects: ObjectStore) -> Iterator[str]:
    """A gateway before a plane that answers everything."""
    plane = Plane()
    routes = [
        Route("/engine/v1/chat/completions", plane.chat, methods=["POST"]),
        Route("/answer/v1/chat/completions", plane.chat, methods=["POST"]),
        Route("/engine/v1/completions", plane.complete, methods=["POST"]),
        Route("/embed/v1/embeddings", plane.embed, methods=["POST"]),
        Route("/answer/v1/search", _search, methods=["POST"]),
        Route("/answer/v1/document", _read, methods=["POST"]),
    ]
    with serving(Starlette(routes=routes)) as behind:
        app = build_app(
            database=database,
            objects=objects,
            upstream=Upstream(behind),
            base="tiny-reader",
            embedder="mini",
            readiness=lambda: PlatformState("i", time.time(), (PartState("ray", "ready"),)),
        )
        with serving(app) as front:
            yield front


@pytest.mark.timeout(3600 if EXAMPLES > 10 else 600)
def test_the_document_is_true(url: str, database: Database, tmp_path: Path) -> None:
    chief = KeyStore(database).create("default", "test", role="administer", of_organisation=True)
    key = f"Authorization: Bearer {chief}"
    document = httpx.get(f"{url}/v1/openapi.json", headers=dict([key.split(": ", 1)]), trust_env=False)
    assert document.status_code == 200, document.text
    (tmp_path / "openapi.json").write_text(document.text, encoding="utf-8")
    config = CONFIG.read_text(encoding="utf-8")
    for purpose, text in FILES.items():
        form = {"data": {"purpose": purpose}, "files": {"file": ("a.jsonl", text.encode())}}
        sent = httpx.post(f"{url}/v1/files", headers=dict([key.split(": ", 1)]), trust_env=False, **form)
        config = config.replace(f"{{{purpose}}}", sent.json()["id"])
    (tmp_path / "schemathesis.toml").write_text(config, encoding="utf-8")
    command = [
        str(Path(sys.executable).parent / "schemathesis"),
        f"--config-file={tmp_path / 'schemathesis.toml'}",
        "run",
        str(tmp_path / "openapi.json"),
        f"--url={url}",
        f"--header={key}",
        f"--max-examples={EXAMPLES}",
        "--seed=1",
        "--workers=1",
        *([f"--include-path-regex={PATHS}"] if PATHS else []),
    ]
    environment = os.environ | {"SCHEMATHESIS_HOOKS": str(HOOKS)}
    ran = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False)
    assert ran.returncode == 0, f"{ran.stdout[-60_000:]}\n{ran.stderr[-5_000:]}"
