"""The indexer on a real Milvus Lite: what dies, what is away, what is wanted otherwise meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from tunesmith.config.home import Home
from tunesmith.config.ingest import ChunkConfig
from tunesmith.engines.fakes import HashingEmbedder
from tunesmith.errors import UnavailableError
from tunesmith.ingest.index import Index
from tunesmith.ingest.indexer import Indexer, chunks_as_asked
from tunesmith.ingest.queue import DocumentQueue
from tunesmith.stores.database import Database, DocumentRow, ProjectRow
from tunesmith.stores.files import FileStore
from tunesmith.stores.objects import ObjectStore
from tunesmith.stores.store_files import Attachment, StoreFile, StoreFiles
from tunesmith.stores.vector_stores import VectorStores
from tunesmith.stores.vectors import StoreRecord, VectorStore

TEXT = "\n\n".join(f"# Part {number}\n\nSentence number {number} stands here." for number in range(150))
HOLD_SECONDS = 0.3


class Killed(BaseException):
    """Stands for kill -9: nothing after it runs, and no handler of errors sees it."""


@dataclass
class Meddling:
    """A vector store that something happens to before its n-th change."""

    vectors: VectorStore
    at: int
    happens: Callable[[], None]
    changes: int = 0

    def __getattr__(self, name: str) -> Any:
        done = getattr(self.vectors, name)
        if name not in ("upsert", "delete", "set_attributes", "drop"):
            return done

        def change(*arguments: Any) -> Any:
            self.changes += 1
            if self.changes == self.at:
                self.happens()
            return done(*arguments)

        return change


class Bench:
    """A store of its own, files for it, and indexers."""

    def __init__(self, home: Home, index: Index, project: str = "default") -> None:
        self.database = Database(home.database_url)
        self.objects = ObjectStore(f"file://{home.objects}")
        self.vectors = index.vectors
        self.project = project
        self.store: StoreRecord = VectorStores(self.database, project).create(embedder="hashing").store
        self.files = StoreFiles(self.database, self.store)
        self.embedder = HashingEmbedder()

    def upload(self, text: str = TEXT, name: str = "parts.md") -> str:
        files = FileStore(self.database, self.objects, self.project)
        return files.create([text.encode()], filename=name, purpose="assistants").id

    def attach(self, text: str = TEXT, **more: Any) -> StoreFile:
        return self.files.attach(Attachment(self.upload(text), **more))

    def indexer(self, vectors: Any = None, owner: str = "one") -> Indexer:
        return Indexer(
            self.database,
            self.objects,
            queue=DocumentQueue(self.database, owner=owner, hold_seconds=HOLD_SECONDS),
            vectors=lambda: vectors or self.vectors,
            embedder=lambda _: self.embedder,
            chunk=ChunkConfig(),
        )

    def finish(self, indexer: Indexer | None = None) -> None:
        """Work until everything of this bench is settled."""
        worker, deadline = indexer or self.indexer(owner="finisher"), time.monotonic() + 30
        while self.pending():
            assert time.monotonic() < deadline, "it never settles"
            if not worker.step():
                time.sleep(0.05)

    def pending(self) -> int:
        with self.database.session() as session:
            return session.query(DocumentRow).filter_by(store_id=self.store.id, pending=True).count()

    def row(self, file: StoreFile) -> DocumentRow:
        with self.database.session() as session:
            return session.get_one(DocumentRow, (self.store.id, file.path))

    @property
    def held(self) -> int:
        return self.vectors.count(self.store)


@pytest.fixture
def bench(home: Home, open_home: Index):
    bench = Bench(home, open_home)
    yield bench
    VectorStores(bench.database, bench.project).delete(bench.store.id)
    while bench.indexer(owner="sweeper").step():
        pass
    bench.database.close()


@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_killed_indexer_s_file_is_finished_without_a_doubled_chunk(bench: Bench, at: int) -> None:
    def kill() -> None:
        raise Killed

    file = bench.attach()
    with pytest.raises(Killed):
        bench.indexer(Meddling(bench.vectors, at, kill), owner="killed").step()
    assert bench.files.get(file.file_id).status == "in_progress"
    assert bench.held == (at - 1) * 64
    assert not bench.indexer(owner="too early").step(), "the killed one's hold has not run out"
    bench.finish()
    done = bench.files.get(file.file_id)
    assert (done.status, bench.held, bench.row(file).num_chunks) == ("completed", 150, 150)
    assert [chunk.position for chunk in bench.vectors.chunks(bench.store, file.path)] == list(range(150))


def test_a_killed_deletion_goes_on(bench: Bench) -> None:
    def kill() -> None:
        raise Killed

    file = bench.attach()
    bench.finish()
    bench.files.detach(file.file_id)
    with pytest.raises(Killed):
        bench.indexer(Meddling(bench.vectors, 1, kill), owner="killed").step()
    assert bench.held == 150
    bench.finish()
    assert (bench.held, bench.row(file).status) == (0, "deleted")


@pytest.mark.parametrize("wanted", ["deleted", "file deleted", "store deleted"])
def test_a_file_that_is_deleted_while_it_is_written_leaves_nothing(bench: Bench, wanted: str) -> None:
    def delete() -> None:
        match wanted:
            case "deleted":
                bench.files.detach(file.file_id)
            case "file deleted":
                FileStore(bench.database, bench.objects, "default").delete(file.file_id)
            case _:
                VectorStores(bench.database, "default").delete(bench.store.id)

    file = bench.attach()
    kept = bench.store
    bench.indexer(Meddling(bench.vectors, 2, delete)).step()
    time.sleep(HOLD_SECONDS * 1.5)
    sweeper = bench.indexer(owner="sweeper")
    while sweeper.step():
        pass
    assert bench.vectors.count(kept) == 0
    if wanted == "store deleted":
        bench.store = VectorStores(bench.database, "default").create(embedder="hashing").store


def test_a_cancelled_file_leaves_no_chunk(bench: Bench) -> None:
    batch = bench.files.attach_batch([Attachment(bench.upload())])
    bench.indexer(Meddling(bench.vectors, 2, lambda: bench.files.cancel_batch(batch.id) and None)).step()
    bench.finish()
    assert (bench.held, bench.files.batch(batch.id).status) == (0, "cancelled")
    assert bench.files.batch(batch.id).counts.cancelled == 1


def test_attributes_that_change_while_a_file_is_written_win(bench: Bench) -> None:
    file = bench.attach(attributes={"year": 2025})
    bench.indexer(
        Meddling(bench.vectors, 2, lambda: bench.files.set_attributes(file.file_id, {"year": 2026}) and None)
    ).step()
    bench.finish()
    (vector,) = bench.embedder.embed(["Sentence number 7"])
    hits = bench.vectors.search([bench.store], "Sentence", vector=vector, top_k=50, candidates=150)
    assert {hit.attributes["year"] for hit in hits} == {2026}
    assert bench.files.get(file.file_id).status == "completed"


def test_a_file_that_is_attached_again_is_not_embedded_again(bench: Bench) -> None:
    file = bench.attach()
    bench.finish()
    embedded = bench.embedder.texts_embedded
    bench.files.attach(Attachment(file.file_id, attributes={"team": "hr"}))
    bench.finish()
    assert bench.embedder.texts_embedded == embedded
    static = {"type": "static", "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 0}}
    bench.files.attach(Attachment(file.file_id, strategy=static))
    bench.finish()
    assert bench.embedder.texts_embedded > embedded
    assert bench.held == bench.row(file).num_chunks


def test_what_is_away_is_waited_for_and_is_no_try(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tunesmith.ingest.indexer._REST_SECONDS", 0.0)
    file = bench.attach()

    def away(_texts: Sequence[str]) -> list[list[float]]:
        raise UnavailableError("The embedder does not answer.")

    with monkeypatch.context() as patched:
        patched.setattr(bench.embedder, "embed", away)
        indexer = bench.indexer()
        for _ in range(5):
            assert indexer.step()
        assert (bench.files.get(file.file_id).status, bench.row(file).tries) == ("in_progress", 0)
    bench.finish()
    assert bench.files.get(file.file_id).status == "completed"


def test_a_file_that_its_reader_always_dies_of_is_given_up(bench: Bench) -> None:
    def kill() -> None:
        raise Killed

    file = bench.attach()
    for number in range(5):
        with pytest.raises(Killed):
            bench.indexer(Meddling(bench.vectors, 2, kill), owner=f"killed {number}").step()
        time.sleep(HOLD_SECONDS * 1.2)
    bench.finish()
    failed = bench.files.get(file.file_id)
    assert failed.error is not None
    assert (failed.status, failed.error[0]) == ("failed", "server_error")
    assert "died 5 times" in failed.error[1]
    assert bench.held == 0
    again = bench.files.attach(Attachment(file.file_id))
    bench.finish()
    assert bench.files.get(again.file_id).status == "completed"


def test_a_parser_that_fails_fails_the_file_alone(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("tunesmith.ingest.indexer.parse_document", broken)
    file = bench.attach()
    bench.finish()
    failed = bench.files.get(file.file_id)
    assert failed.error is not None
    assert failed.error[0] == "server_error"
    assert "secret" not in failed.error[1]


def test_several_indexers_share_the_work(bench: Bench) -> None:
    attached = [bench.attach(f"File {number}. Sentence one. Sentence two.") for number in range(12)]
    workers = [bench.indexer(owner=f"worker {number}") for number in range(3)]
    threads = [threading.Thread(target=bench.finish, args=(worker,)) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {bench.files.get(file.file_id).status for file in attached} == {"completed"}
    assert bench.embedder.texts_embedded == bench.held == sum(bench.row(file).num_chunks for file in attached)


def test_it_lives_while_it_looks_or_writes(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("tunesmith.ingest.indexer.time", SimpleNamespace(monotonic=lambda: now[0]))
    lived = []

    def an_hour_later() -> None:
        lived.append(indexer.lives())
        now[0] += 3600
        lived.append(indexer.lives())

    indexer = bench.indexer(Meddling(bench.vectors, 2, an_hour_later))
    bench.attach()
    indexer.step()
    assert lived == [True, False]
    assert indexer.lives(), "the third batch is progress"
    now[0] += 3600
    assert not indexer.lives()


def test_projects_take_turns(bench: Bench, home: Home, open_home: Index) -> None:
    with bench.database.session() as session:
        session.merge(ProjectRow(id="acme", created_at=0))
    other = Bench(home, open_home, project="acme")
    for number in range(3):
        bench.attach(f"Mine {number}.")
    theirs = other.attach("Theirs.")
    indexer = bench.indexer()
    indexer.step()
    indexer.step()
    assert other.files.get(theirs.file_id).status == "completed"
    bench.finish()
    VectorStores(other.database, "acme").delete(other.store.id)
    other.database.close()


@pytest.mark.parametrize(
    ("size", "overlap", "length", "shared"), [(100, 0, 100, 0), (800, 400, 254, 127), (300, 100, 254, 84)]
)
def test_a_strategy_is_cut_to_what_the_embedder_reads(
    size: int, overlap: int, length: int, shared: int
) -> None:
    static = {"max_chunk_size_tokens": size, "chunk_overlap_tokens": overlap}
    config = chunks_as_asked({"type": "static", "static": static}, default=ChunkConfig(), max_tokens=254)
    assert config == ChunkConfig(chunk_tokens=length, chunk_overlap=shared)
    assert chunks_as_asked(None, default=ChunkConfig(), max_tokens=254) == ChunkConfig()
