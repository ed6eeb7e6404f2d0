"""The gateway over real sockets, with a small HTTP server where Ray Serve would be."""

from __future__ import annotations

import asyncio
import json
import shutil
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import openai
import pytest
from in_thread import CERTIFICATES, serving
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from tunesmith.config.home import Home
from tunesmith.gateway.app import build_app
from tunesmith.gateway.ray_api.dashboard import RayDashboard
from tunesmith.gateway.upstream import Upstream
from tunesmith.records import Lineage, ModelVersion
from tunesmith.stores.database import Database, VectorStoreRow, open_home_database
from tunesmith.stores.keys import KeyStore
from tunesmith.stores.objects import ObjectStore
from tunesmith.stores.registry import Registry
from tunesmith.stores.state_file import PartState, PlatformState

SPECIFICATION = Path(__file__).parents[4] / "shared" / "data" / "openapi-openai" / "openapi.json"
VLLM_NULLS: dict[str, Any] = {"service_tier": None, "system_fingerprint": None, "kv_transfer_params": None}
"""What vLLM says of nothing, and the OpenAI schema does not."""


@dataclass
class Plane:
    """What stands in for Ray Serve: remembers requests, answers as told."""

    requests: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    """Of the last chat request."""
    refusal: tuple[int, Any] | None = None
    pieces: int = 3
    pause_seconds: float = 0.0
    broken_after: int | None = None
    deaths: int = 0
    """Answers that are lost before anything of them was said."""
    in_stream: dict[str, Any] | None = None
    cut_at: int = 0
    """Where `in_stream` is cut into two pieces."""
    chunks: list[dict[str, Any]] | None = None
    """What a stream brings, in place of words, an end and the usage."""
    completion: dict[str, Any] = field(default_factory=dict)
    """Laid over the answer in one piece."""
    cancelled: threading.Event = field(default_factory=threading.Event)

    async def chat(self, request: Request) -> Response:
        body, self.headers = await request.json(), dict(request.headers)
        self.requests.append((request.url.path, body))
        if self.deaths:
            self.deaths -= 1
            raise RuntimeError("the replica died")
        if self.refusal:
            status, refused = self.refusal
            return JSONResponse(refused, status) if isinstance(refused, dict) else Response(refused, status)
        if body.get("stream"):
            return StreamingResponse(self._events(body), media_type="text/event-stream")
        try:
            await asyncio.sleep(self.pause_seconds)
            if self.pause_seconds and await request.is_disconnected():
                self.cancelled.set()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return JSONResponse(self._answer(body, request.url.path))

    def _answer(self, body: dict[str, Any], path: str) -> dict[str, Any]:
        choice = {"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}
        answer = {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": body["model"],
            "choices": [choice],
            "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7},
        }
        return answer | (
            self.completion or ({"tunesmith": {"abstained": False}} if path.startswith("/answer") else {})
        )

    async def _events(self, body: dict[str, Any]) -> Any:
        try:
            if self.chunks is not None:
                for chunk in self.chunks:
                    yield self._chunk(body, **chunk)
                    await asyncio.sleep(self.pause_seconds)
                yield "data: [DONE]\n\n"
                return
            for number in range(self.pieces):
                if self.broken_after == number:
                    raise RuntimeError("the engine died")
                yield self._chunk(
                    body, [{"index": 0, "delta": {"content": f"{number} "}, "finish_reason": None}]
                )
                await asyncio.sleep(self.pause_seconds)
            if self.in_stream:
                told = f"data: {json.dumps({'error': self.in_stream})}\n\n"
                if self.cut_at:
                    yield told[: self.cut_at]
                    await asyncio.sleep(self.pause_seconds)
                yield told[self.cut_at :]
            end = {"index": 0, "delta": {"content": ""}, "finish_reason": "stop"}
            yield self._chunk(body, [end], tunesmith={"abstained": True})
            usage = {"prompt_tokens": 5, "completion_tokens": self.pieces, "total_tokens": 5 + self.pieces}
            yield self._chunk(body, [], usage=usage)
            yield "data: [DONE]\n\n"
        except asyncio.CancelledError:
            self.cancelled.set()
            raise

    def _chunk(self, body: dict[str, Any], choices: list[Any], **more: Any) -> str:
        head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": body["model"]}
        return f"data: {json.dumps({**head, 'choices': choices, **more})}\n\n"

    async def complete(self, request: Request) -> Response:
        body = await request.json()
        self.requests.append((request.url.path, body))
        if self.refusal:
            return JSONResponse(self.refusal[1], self.refusal[0])
        if body.get("stream"):
            return StreamingResponse(self._text_events(body), media_type="text/event-stream")
        answer = self._text(body, [self._text_choice("hello", "length")])
        answer["usage"] |= {"prompt_tokens_details": None}
        return JSONResponse(answer | VLLM_NULLS)

    async def _text_events(self, body: dict[str, Any]) -> Any:
        if self.in_stream:
            yield f"data: {json.dumps({'error': self.in_stream})}\n\ndata: [DONE]\n\n"
            return
        for number in range(self.pieces):
            choice = self._text_choice(f"{number} ", "stop" if number == self.pieces - 1 else None)
            chunk = {name: value for name, value in self._text(body, [choice]).items() if name != "usage"}
            yield f"data: {json.dumps(chunk)}\n\n"
        yield f"data: {json.dumps(self._text(body, []))}\n\n"
        yield "data: [DONE]\n\n"

    def _text_choice(self, text: str, finish_reason: str | None) -> dict[str, Any]:
        choice = {"index": 0, "text": text, "logprobs": None, "finish_reason": finish_reason}
        return choice | {"stop_reason": None}

    def _text(self, body: dict[str, Any], choices: list[Any]) -> dict[str, Any]:
        usage = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
        head = {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": body["model"]}
        return {**head, "choices": choices, "usage": usage}

    async def embed(self, request: Request) -> Response:
        body = await request.json()
        self.requests.append((request.url.path, body))
        texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
        data = [
            {"object": "embedding", "index": i, "embedding": [3.0, 4.0, 12.0]} for i, _ in enumerate(texts)
        ]
        usage = {"prompt_tokens": len(texts), "total_tokens": len(texts)}
        return JSONResponse({"object": "list", "data": data, "model": body["model"], "usage": usage})


@pytest.fixture
def plane() -> Plane:
    return Plane()


@pytest.fixture
def plane_url(plane: Plane) -> Iterator[str]:
    routes = [
        Route("/{application}/v1/chat/completions", plane.chat, methods=["POST"]),
        Route("/engine/v1/completions", plane.complete, methods=["POST"]),
        Route("/embed/v1/embeddings", plane.embed, methods=["POST"]),
    ]
    with serving(Starlette(routes=routes)) as url:
        yield url


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database, made once; each test gets a copy."""
    home = Home(tmp_path_factory.mktemp("migrated"))
    open_home_database(home).close()
    return home.root / "metadata.sqlite3"


@pytest.fixture
def database(tmp_path: Path, migrated: Path) -> Iterator[Database]:
    shutil.copy(migrated, tmp_path)
    opened = Database(Home(tmp_path).database_url)
    yield opened
    opened.close()


@pytest.fixture
def objects(tmp_path: Path) -> ObjectStore:
    return ObjectStore(f"file://{Home(tmp_path).objects}")


@pytest.fixture
def key(database: Database) -> str:
    return KeyStore(database).create("default", "test")


@dataclass
class Readiness:
    """What the controller is supposed to have said."""

    state: PlatformState | None = field(
        default_factory=lambda: PlatformState("i", time.time(), (PartState("ray", "ready"),))
    )

    def __call__(self) -> PlatformState | None:
        return self.state


@pytest.fixture
def readiness() -> Readiness:
    return Readiness()


@pytest.fixture
def gateway_url(
    database: Database, objects: ObjectStore, plane_url: str, readiness: Readiness
) -> Iterator[str]:
    app = build_app(
        database=database,
        objects=objects,
        upstream=Upstream(plane_url),
        base="tiny-reader",
        embedder="mini",
        readiness=readiness,
    )
    with serving(app) as url:
        yield url


@pytest.fixture
async def asgi(
    database: Database, objects: ObjectStore, readiness: Readiness, key: str
) -> AsyncIterator[httpx.AsyncClient]:
    """A client with a key of a gateway without sockets and without a data plane: for what needs neither."""
    app = build_app(
        database=database,
        objects=objects,
        upstream=Upstream("http://127.0.0.1:9"),
        base="tiny-reader",
        embedder="mini",
        readiness=readiness,
    )
    headers = {"Authorization": f"Bearer {key}"}
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway", headers=headers) as client:
        yield client


@pytest.fixture
def http(gateway_url: str, key: str) -> Iterator[httpx.Client]:
    """A client with a key."""
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.Client(
        base_url=gateway_url, headers=headers, trust_env=False, verify=CERTIFICATES, timeout=20
    ) as client:
        yield client


@pytest.fixture
def client(gateway_url: str, key: str) -> Iterator[openai.OpenAI]:
    """The official client."""
    http = openai.DefaultHttpxClient(verify=CERTIFICATES)
    with openai.OpenAI(
        base_url=f"{gateway_url}/v1", api_key=key, http_client=http, max_retries=0, timeout=20
    ) as client:
        yield client


@pytest.fixture(scope="session")
def conforms() -> Callable[[str, Any], None]:
    """Checks a body against a schema of the OpenAI specification, by its name."""
    if not SPECIFICATION.exists():
        pytest.skip("shared data absent")
    root = _with_null(json.loads(SPECIFICATION.read_text(encoding="utf-8")))
    checkers: dict[str, jsonschema.Draft202012Validator] = {}

    def check(name: str, body: Any) -> None:
        if name not in checkers:
            schema = {"$ref": f"#/components/schemas/{name}", "components": root["components"]}
            checkers[name] = jsonschema.Draft202012Validator(schema)
        faults = [jsonschema.exceptions.best_match([fault]) for fault in checkers[name].iter_errors(body)]
        assert not faults, [f"{fault.json_path}: {fault.message[:300]}" for fault in faults]

    return check


def _with_null(schema: Any) -> Any:
    """Say `nullable`, a word of OpenAPI 3.0 that stands in some schemas, in the words of 3.1."""
    if isinstance(schema, list):
        return [_with_null(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {name: _with_null(part) for name, part in schema.items() if name != "nullable"}
    return {"anyOf": [plain, {"type": "null"}]} if schema.get("nullable") is True else plain


@pytest.fixture
def register(database: Database) -> Any:
    """Registers a version of the given name; its files are nobody's business here."""

    def do(
        name: str, *, base: str = "tiny-reader", project: str = "default", kind: Any = "adapter"
    ) -> ModelVersion:
        lineage = Lineage(base, "0" * 64, {}, 1, {}, "0.1.0", f"ftjob-{name}")
        version = ModelVersion(name, project, base, kind, f"models/{name}", 1700000000, lineage)
        return Registry(database, project).register(version)

    return do


@pytest.fixture
def store(database: Database) -> VectorStoreRow:
    row = VectorStoreRow(
        id="vs_1", project_id="default", name="handbook", collection="c1", embedder="mini", created_at=1
    )
    with database.session() as session:
        session.add(row)
    return row


@pytest.fixture
def whole_app(database: Database, objects: ObjectStore, readiness: Readiness) -> Any:
    """The gateway with every route that it can have, and nothing behind it."""
    return build_app(
        database=database,
        objects=objects,
        upstream=Upstream("http://127.0.0.1:9"),
        base="tiny-reader",
        embedder="mini",
        readiness=readiness,
        ray=RayDashboard("http://127.0.0.1:9", "token"),
    )


@pytest.fixture
def routes(whole_app: Any) -> list[BaseRoute]:
    """All routes of the whole gateway."""
    inner = whole_app
    while not hasattr(inner, "routes"):
        inner = inner._app  # middleware around the app
    return list(inner.routes)


@pytest.fixture
async def anyone(whole_app: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the whole gateway, without a key and without sockets."""
    transport = httpx.ASGITransport(app=whole_app)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        yield client
