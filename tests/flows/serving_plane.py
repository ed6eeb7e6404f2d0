"""A data plane of its own for tests: Ray Serve, vLLM on CPU, Milvus Lite and embeddings around a tiny model."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import openai
import psutil
import pytest
from tiny_llama import make_adapter, make_base

from tunesmith.config.home import Home
from tunesmith.config.serve import EngineConfig, ServeConfig
from tunesmith.controller.applications import replica_addresses
from tunesmith.controller.plan import LISTENING_REPLICAS
from tunesmith.controller.ports import free_ports
from tunesmith.engines.embedder import open_embedder
from tunesmith.records import Chunk, Lineage, ModelVersion
from tunesmith.serve.applications import ENGINE, serve_applications
from tunesmith.stores.database import ProjectRow, open_home_database
from tunesmith.stores.milvus import open_vectors
from tunesmith.stores.milvus_lite import EmbeddedMilvus
from tunesmith.stores.registry import Registry
from tunesmith.stores.state_file import PlatformState
from tunesmith.stores.vectors import EmbeddedChunk, StoreRecord, collection_name

QUESTION = [{"role": "user", "content": "How many days of leave do full-time staff get?"}]
TEXTS = (
    "Full-time staff receive 27 days of leave each year.",
    "The canteen opens at half past eleven.",
    "Parking costs three euros a day.",
)
EMBEDDER = "all-MiniLM-L6-v2"
NUM_TOKENS = 12


@dataclass(frozen=True)
class Plane:
    """A running data plane."""

    url: str
    home: Home
    base: Path
    store: StoreRecord
    engine: EngineConfig
    document: dict[str, Any]

    @property
    def model(self) -> str:
        return str(self.base)

    @property
    def client(self) -> openai.OpenAI:
        return openai.OpenAI(base_url=f"{self.url}/engine/v1", api_key="none", max_retries=0, timeout=60)

    def complete(self, model: str, **options: Any) -> str:
        answer = self.client.chat.completions.create(
            model=model, messages=QUESTION, temperature=0, max_tokens=NUM_TOKENS, **options
        )
        return answer.choices[0].message.content

    def ask(self, **changes: Any) -> httpx.Response:
        return httpx.Client(timeout=60).send(self.ask_request(**changes))

    def ask_request(self, **changes: Any) -> httpx.Request:
        store = {
            "id": self.store.id,
            "name": self.store.name,
            "collection": self.store.collection,
            "embedder": self.store.embedder,
            "project_id": self.store.project_id,
        }
        body = {"model": self.model, "messages": QUESTION, "vector_stores": [store], "temperature": 0}
        body |= {"max_tokens": NUM_TOKENS, "retrieval": {"top_k": 2}, **changes}
        return httpx.Request("POST", f"{self.url}/answer/v1/chat/completions", json=body)

    def replicas(self) -> PlatformState:
        """What the controller would publish: where the replicas listen themselves, if they do."""
        from ray.serve.context import _get_global_client

        told = replica_addresses(_get_global_client().get_serve_details()["target_groups"])
        # `up` gives its head the loopback's address; this one has the machine's, where no replica listens.
        there = {route: [_on_loopback(url) for url in urls] for route, urls in told.items()}
        return PlatformState("test", time.time(), (), there)

    def scale(self, replicas: int) -> None:
        """Have the engine run with so many replicas, all of which listen; those that run stay."""
        if self.num_listening() == replicas:
            return
        deploy(self.document, {"num_replicas": replicas})
        wait_until(lambda: self.num_listening() == replicas)

    def scale_between(self, bounds: dict[str, Any]) -> None:
        """Leave the number to Serve's autoscaler.

        Args:
            bounds: `{"autoscaling_config": ...}`.
        """
        deploy(self.document, bounds)

    def num_listening(self) -> int:
        """Replicas of the engine that listen."""
        return len(self.replicas().replicas.get("/engine", ()))

    def register(self, name: str, *, seed: int, rank: int = 4) -> Path:
        """Do what a training run does at its end: files first, then the row that makes the name visible."""
        path = f"projects/acme/models/{name.rsplit(':', 1)[1]}"
        folder = make_adapter(self.base, self.home.objects / path, seed=seed, rank=rank)
        lineage = Lineage(
            base=self.model, data_hash="", config={}, seed=seed, metrics={}, code_version="0", job_id=name
        )
        version = ModelVersion(name, "acme", self.model, "adapter", path, created_at=1, lineage=lineage)
        Registry(open_home_database(self.home), "acme").register(version)
        return folder

    def tokens_generated(self) -> float:
        """Tokens that the engine generated since it started."""
        lines = httpx.get(f"{self.url}/engine/metrics", timeout=10).text.splitlines()
        return sum(
            float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith("vllm:generation_tokens_total")
        )


@contextmanager
def running_plane(folder: Path, engine: EngineConfig) -> Iterator[Plane]:
    """Start everything under a folder, and leave no process behind."""
    home, base = Home(folder / "home"), make_base(folder / "base")
    with open_home_database(home).session() as session:
        session.add(ProjectRow(id="acme", created_at=1))
    milvus = EmbeddedMilvus(home.vectors)
    # Unix sockets lie in Ray's folder: its path must be short.
    ray_folder = tempfile.mkdtemp(prefix="ts-ray-", dir="/tmp")
    port = free_port()
    config = ServeConfig(model=str(base), engine=engine)
    shell = pytest.MonkeyPatch()
    try:
        for name, value in LISTENING_REPLICAS.items():
            shell.setenv(name, value)  # as `up` gives it to its Ray head
        store = _fill_store(home, milvus.uri)
        document = serve_applications(config, home=home, milvus_uri=milvus.uri, http_port=port)
        document["applications"][0]["args"]["replicas"]["routing"] = (
            "prefix"  # as in a cluster of several replicas
        )
        _start(document, ray_folder)
        yield Plane(f"http://127.0.0.1:{port}", home, base, store, engine, document)
    finally:
        import ray

        ray.shutdown()
        shell.undo()
        milvus.close()
        shutil.rmtree(ray_folder, ignore_errors=True)


def _start(document: dict[str, Any], ray_folder: str) -> None:
    from ray import serve

    _start_ray(ray_folder)
    serve.start(http_options=document["http_options"])
    deploy(document, {"num_replicas": 1})
    wait_until(_all_run)


def _start_ray(folder: str) -> None:
    """Start Ray; once more where the machine was too busy for the 30 s that it waits for its node."""
    import ray

    settings = {"num_cpus": 4, "include_dashboard": False, "log_to_driver": False, "_temp_dir": folder}
    try:
        ray.init(address="local", object_store_memory=100 * 2**20, **settings)
    except Exception as error:
        if "timed out during startup" not in str(error):
            raise
        for process in psutil.Process().children(recursive=True):
            if folder in " ".join(process.cmdline()):
                process.kill()
        ray.init(address="local", object_store_memory=100 * 2**20, **settings)


def deploy(document: dict[str, Any], count: dict[str, Any]) -> None:
    """Have Serve run a document with so many engines, as the dashboard does at a PUT; through the dashboard goes the
    platform's own flow test."""
    from ray.serve.context import _get_global_client
    from ray.serve.schema import ServeDeploySchema

    engine, *others = document["applications"]
    # Beside the application's arguments, for a change of those would start each replica anew.
    scaled = {**engine, "deployments": [{"name": ENGINE, **count}]}
    asked = ServeDeploySchema.model_validate({**document, "applications": [scaled, *others]})
    _get_global_client().deploy_apps(asked)


def _on_loopback(url: str) -> str:
    return f"http://127.0.0.1:{url.rsplit(':', 1)[1]}"


def _all_run() -> bool:
    from ray import serve

    states = {name: app.status for name, app in serve.status().applications.items()}
    assert "DEPLOY_FAILED" not in states.values(), serve.status()
    return len(states) == 3 and set(states.values()) == {"RUNNING"}


def wait_until(done: Callable[[], bool], *, seconds: float = 400) -> None:
    """Ask twice a second until something is so."""
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, f"not so in {seconds} s"
        time.sleep(0.5)


def free_port() -> int:
    """A port for a data plane."""
    return free_ports(["serve"])["serve"]


def _fill_store(home: Home, uri: str) -> StoreRecord:
    embedder = open_embedder(EMBEDDER)
    store = StoreRecord("vs_1", "acme", "handbook", collection_name(EMBEDDER), EMBEDDER)
    chunks = [
        EmbeddedChunk(Chunk(f"c{i}", f"{i}.md", "Handbook", 0, 0, len(text), text), text, vector)
        for i, (text, vector) in enumerate(zip(TEXTS, embedder.embed(TEXTS), strict=True))
    ]
    vectors = open_vectors(home, uri)
    vectors.upsert(store, chunks)
    vectors.flush(store)
    vectors.close()
    return store
