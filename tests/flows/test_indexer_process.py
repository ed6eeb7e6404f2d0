"""The indexer as a process of its own, beside a real Milvus Lite server: killed, nothing is lost or doubled.

The embedder behind HTTP is a light one, so that no engine is started.
"""

from __future__ import annotations

import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tunesmith.config.home import Home
from tunesmith.config.serve import ServeConfig
from tunesmith.engines.fakes import HashingEmbedder
from tunesmith.stores.database import open_home_database
from tunesmith.stores.files import FileStore
from tunesmith.stores.milvus import MilvusStore
from tunesmith.stores.objects import ObjectStore
from tunesmith.stores.platform_file import RunningPlatform, write_running
from tunesmith.stores.store_files import Attachment, StoreFiles
from tunesmith.stores.vector_stores import VectorStores

pytestmark = pytest.mark.flow

EMBEDDER = "all-MiniLM-L6-v2"
KILLS, SEED, PARTS = 2, 11, 150


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def serve_url() -> Iterator[str]:
    """Embeddings over HTTP, a little slow."""
    embedder = HashingEmbedder(dimensions=384)

    async def embed(request: Request) -> JSONResponse:
        texts = (await request.json())["input"]
        time.sleep(0.2)
        data = [{"index": place, "embedding": vector} for place, vector in enumerate(embedder.embed(texts))]
        return JSONResponse({"object": "list", "data": data})

    app = Starlette(routes=[Route("/embed/v1/embeddings", embed, methods=["POST"])])
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical"))
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join(10)
    listener.close()


@pytest.fixture
def milvus_uri(tmp_path: Path) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    program = str(Path(sys.executable).with_name("milvus-lite"))
    process = subprocess.Popen(
        [
            program,
            "server",
            "--data-dir",
            str(tmp_path / "vectors"),
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _until(lambda: _connects(port))
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait(30)


@pytest.fixture
def running_home(home: Home, serve_url: str, milvus_uri: str) -> Home:
    """A home whose record says where everything is, as `up` writes it."""
    home.run.mkdir(parents=True)
    record = RunningPlatform(
        instance="test",
        home=home.root,
        base_url="http://127.0.0.1:9/v1",
        api_key_file=home.admin_key_file,
        model="tiny-reader",
        ray_address="127.0.0.1:9",
        ray_dashboard="http://127.0.0.1:9",
        ray_token_file=home.run / "ray.token",
        ray_temp_dir=home.run / "ray",
        serve_url=serve_url,
        milvus_uri=milvus_uri,
        config=ServeConfig().model_dump(mode="json"),
        ports={},
    )
    write_running(record)
    return home


@pytest.fixture
def start(running_home: Home) -> Iterator[Callable[[], Worker]]:
    """Starts indexers; those that still run at the end are ended."""
    started: list[Worker] = []

    def do() -> Worker:
        started.append(Worker(running_home))
        return started[-1]

    yield do
    for worker in started:
        if worker.process.poll() is None:
            worker.end(signal.SIGKILL)


class Worker:
    """`python -m tunesmith.ingest`, as the controller starts it."""

    def __init__(self, home: Home) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "tunesmith.ingest", "--home", str(home.root)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(60)


def test_a_file_is_indexed_once_however_often_its_indexer_is_killed(
    running_home: Home, milvus_uri: str, start: Callable[[], Worker]
) -> None:
    chance = random.Random(SEED)
    database, objects = open_home_database(running_home), ObjectStore(running_home.objects_url)
    store = VectorStores(database, "default").create(embedder=EMBEDDER).store
    files, held = StoreFiles(database, store), MilvusStore(milvus_uri)
    text = "\n\n".join(f"# Part {number}\n\nSentence number {number} stands here." for number in range(PARTS))
    attached = [
        files.attach(Attachment(_upload(database, objects, f"{text}\n\nFile {number}."), {"number": number}))
        for number in range(KILLS)
    ]
    for _ in range(KILLS):
        worker, before = start(), held.count(store)
        _until(lambda before=before: held.count(store) > before or not _pending(files))
        time.sleep(chance.uniform(0, 0.5))
        assert worker.end(signal.SIGKILL) == -signal.SIGKILL
    worker = start()
    _until(lambda: not _pending(files), seconds=180)
    assert {file.status for file in files.list().items} == {"completed"}
    for number, file in enumerate(attached):
        chunks = held.chunks(store, file.path)
        assert [chunk.position for chunk in chunks] == list(range(len(chunks))), "each chunk once"
        assert len(chunks) == PARTS
        assert f"File {number}." in chunks[-1].text
    assert held.count(store) == KILLS * PARTS
    VectorStores(database, "default").delete(store.id)
    _until(lambda: held.count(store) == 0)
    assert running_home.indexer_beat.stat().st_mtime > time.time() - 10
    assert worker.end(signal.SIGTERM) == 0
    held.close()
    database.close()


def _upload(database: Any, objects: ObjectStore, text: str) -> str:
    files = FileStore(database, objects, "default")
    return files.create([text.encode()], filename="parts.md", purpose="assistants").id


def _pending(files: StoreFiles) -> bool:
    return bool(files.list(status="in_progress").items)


def _connects(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def _until(holds: Any, *, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)
