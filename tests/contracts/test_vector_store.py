"""What every vector store does: on Milvus Lite in this process and on its server."""

from __future__ import annotations

import hashlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tunesmith.config.home import Home
from tunesmith.errors import ConfigError, ConflictError, UnavailableError
from tunesmith.records import Chunk
from tunesmith.stores.milvus import MilvusStore, open_vectors
from tunesmith.stores.milvus_lite import EmbeddedMilvus
from tunesmith.stores.vectors import EmbeddedChunk, StoreRecord, VectorStore

DIMENSIONS = 8
StoreMaker = Callable[..., StoreRecord]


class Server:
    """`milvus-lite server` on a folder and a port of its own, as `tunesmith up` starts it."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.uri = f"http://127.0.0.1:{self.port}"
        self._folder = folder
        self.start()

    def start(self) -> None:
        command = [
            str(Path(sys.executable).with_name("milvus-lite")),
            "server",
            "--data-dir",
            str(self._folder),
        ]
        self._process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(self.port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.1)
        raise AssertionError("milvus-lite server did not start")

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        self._process.send_signal(number)
        self._process.wait(30)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    started = Server(tmp_path_factory.mktemp("server"))
    yield started
    started.stop()


@pytest.fixture(scope="module", params=["embedded", "server"])
def vectors(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[VectorStore]:
    if request.param == "server":
        opened = open_vectors(Home(Path("/nowhere")), request.getfixturevalue("server").uri)
    else:
        opened = open_vectors(Home(tmp_path_factory.mktemp("embedded")))
    yield opened
    opened.close()


@pytest.fixture
def store(request: pytest.FixtureRequest) -> StoreMaker:
    collection = "t_" + hashlib.sha256(request.node.name.encode()).hexdigest()[:12]

    def make(
        name: str = "documents", *, project: str = "default", collection: str = collection
    ) -> StoreRecord:
        return StoreRecord(f"vs_{name}", project, name, collection, "hashing")

    return make


def chunk(
    text: str, *, axis: int = 0, document: str = "a.md", position: int = 0, dimensions: int = DIMENSIONS
) -> EmbeddedChunk:
    identity = hashlib.sha256(f"{document}{position}{text}".encode()).hexdigest()
    vector = [1.0 if index == axis else 0.0 for index in range(dimensions)]
    return EmbeddedChunk(Chunk(identity, document, "Title", position, 5, 5 + len(text), text), text, vector)


def along(axis: int) -> list[float]:
    return [1.0 if index == axis else 0.0 for index in range(DIMENSIONS)]


def search(
    vectors: VectorStore, stores: list[StoreRecord], question: str, axis: int, top_k: int = 5
) -> list[tuple[str, float, str]]:
    hits = vectors.search(stores, question, vector=along(axis), top_k=top_k, candidates=20)
    return [(hit.chunk.text, hit.score, hit.store) for hit in hits]


def test_a_hit_is_the_chunk_that_was_written(vectors: VectorStore, store: StoreMaker) -> None:
    written = chunk(
        "Urlaub: 27 Tage – “großzügig”\nsagt 部長.", document="leute/urlaub 'neu' \"alt\" \\ ü.md", position=3
    )
    vectors.upsert(store(), [written])
    (hit,) = vectors.search([store()], "Urlaub", vector=along(0), top_k=3, candidates=10)
    assert hit.chunk == written.chunk
    assert hit.store == "documents"


def test_meaning_alone_and_words_alone_find_a_chunk(vectors: VectorStore, store: StoreMaker) -> None:
    texts = ["the loom hums", "a heron stands", "rain on slate", "bread and salt"]
    vectors.upsert(store(), [chunk(text, axis=axis, position=axis) for axis, text in enumerate(texts)])
    assert search(vectors, [store()], "zzz", axis=2)[0][0] == "rain on slate"
    words = [text for text, _, _ in search(vectors, [store()], "heron", axis=7)]
    assert "a heron stands" in words[:2]


def test_larger_scores_are_better_and_come_first(vectors: VectorStore, store: StoreMaker) -> None:
    vectors.upsert(
        store(),
        [
            chunk("heron heron", axis=1, position=0),
            chunk("heron", axis=2, position=1),
            chunk("x", axis=3, position=2),
        ],
    )
    vectors.flush(store())
    found = search(vectors, [store()], "heron", axis=1)
    scores = [score for _, score, _ in found]
    assert found[0][0] == "heron heron", "best by meaning and by words"
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > scores[-1] > 0


def test_writing_again_changes_nothing(vectors: VectorStore, store: StoreMaker) -> None:
    for _ in range(2):
        vectors.upsert(store(), [chunk("one", position=0), chunk("two", position=1)])
    assert vectors.count(store()) == 2
    vectors.flush(store())
    vectors.upsert(store(), [chunk("one", position=0)])
    assert vectors.count(store()) == 2


def test_a_deleted_chunk_is_not_found(vectors: VectorStore, store: StoreMaker) -> None:
    kept, gone = chunk("kept heron", position=0), chunk("gone heron", position=1)
    vectors.upsert(store(), [kept, gone])
    vectors.flush(store())
    vectors.delete(store(), [gone.chunk.id, "0" * 64])
    assert [text for text, _, _ in search(vectors, [store()], "heron", axis=0)] == ["kept heron"]
    assert vectors.count(store()) == 1


def test_stores_and_projects_are_apart(vectors: VectorStore, store: StoreMaker) -> None:
    mine, other, theirs = store("mine"), store("other"), store("mine", project="acme")
    for owner, text in ((mine, "mine heron"), (other, "other heron"), (theirs, "their heron")):
        vectors.upsert(owner, [chunk(text, document=f"{owner.scope}.md")])
    assert [text for text, _, _ in search(vectors, [mine], "heron", axis=0)] == ["mine heron"]
    assert [text for text, _, _ in search(vectors, [theirs], "heron", axis=0)] == ["their heron"]
    both = {(text, name) for text, _, name in search(vectors, [mine, other], "heron", axis=0)}
    assert both == {("mine heron", "mine"), ("other heron", "other")}


def test_chunks_are_listed_by_document(vectors: VectorStore, store: StoreMaker) -> None:
    odd = 'it\'s "odd" \\ — ü.md'
    chunks = [chunk("a", document=odd), chunk("b", document=odd, position=1), chunk("c", document="c.md")]
    vectors.upsert(store(), chunks)
    assert vectors.chunk_ids(store(), [odd]) == {chunks[0].chunk.id, chunks[1].chunk.id}
    assert vectors.chunk_ids(store(), []) == set()
    assert vectors.chunk_counts(store()) == {odd: 2, "c.md": 1}


def test_more_chunks_than_one_call_takes(vectors: VectorStore, store: StoreMaker) -> None:
    vectors.upsert(
        store(), [chunk(f"word{number}", position=number, axis=number % 8) for number in range(2300)]
    )
    assert vectors.count(store()) == 2300
    assert vectors.chunk_counts(store()) == {"a.md": 2300}
    assert len(vectors.chunk_ids(store(), ["a.md"])) == 2300
    found = search(vectors, [store()], "word1234", axis=1234 % 8)
    assert "word1234" in [text for text, _, _ in found]


def test_a_question_of_common_words_finds_by_meaning(vectors: VectorStore, store: StoreMaker) -> None:
    vectors.upsert(store(), [chunk("north", axis=0), chunk("south", axis=1, position=1)])
    assert search(vectors, [store()], "What is the", axis=1)[0][0] == "south"


def test_an_empty_store_holds_and_finds_nothing(vectors: VectorStore, store: StoreMaker) -> None:
    assert search(vectors, [store()], "heron", axis=0) == []
    assert vectors.count(store()) == 0
    assert vectors.chunk_counts(store()) == {}
    vectors.delete(store(), ["0" * 64])
    vectors.flush(store())


def test_vectors_of_another_length_are_refused(vectors: VectorStore, store: StoreMaker) -> None:
    vectors.upsert(store(), [chunk("eight")])
    with pytest.raises(ConfigError, match=r"holds 8-dimensional vectors, .* 16-dimensional"):
        vectors.upsert(store(), [chunk("sixteen", dimensions=16)])
    with pytest.raises(ConfigError, match="4-dimensional"):
        vectors.search([store()], "x", vector=[0.5] * 4, top_k=1, candidates=1)
    assert vectors.count(store()) == 1


def test_stores_of_several_embedders_are_refused(vectors: VectorStore, store: StoreMaker) -> None:
    with pytest.raises(ConfigError, match="one embedder"):
        search(vectors, [store("a"), store("b", collection="another")], "x", axis=0)


def test_a_killed_server_comes_back_with_everything(server: Server, store: StoreMaker) -> None:
    vectors = MilvusStore(server.uri)
    vectors.upsert(store(), [chunk("unflushed heron")])
    server.stop(signal.SIGKILL)
    server.start()
    assert [text for text, _, _ in search(vectors, [store()], "heron", axis=0)] == ["unflushed heron"]
    assert vectors.count(store()) == 1
    vectors.close()


def test_embedded_and_server_take_turns_on_one_folder(tmp_path: Path, store: StoreMaker) -> None:
    home = Home(tmp_path)
    for turn in range(3):
        if turn == 1:
            server = Server(home.vectors)
            vectors = open_vectors(home, server.uri)
        else:
            vectors = open_vectors(home)
        assert vectors.count(store()) == turn
        vectors.upsert(store(), [chunk(f"turn {turn}", position=turn)])
        vectors.close()
        if turn == 1:
            server.stop()


def test_an_address_where_nothing_listens_is_unavailable() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{probe.getsockname()[1]}"
        started = time.monotonic()
        with pytest.raises(UnavailableError, match=uri):
            MilvusStore(uri)
    assert time.monotonic() - started < 30


def test_a_folder_held_by_another_process_is_a_conflict(tmp_path: Path) -> None:
    held = EmbeddedMilvus(tmp_path / "vectors")
    try:
        with pytest.raises(ConflictError, match=r"in use by another process.*tunesmith up"):
            EmbeddedMilvus(tmp_path / "vectors", wait_seconds=0.3)
    finally:
        held.close()
    EmbeddedMilvus(tmp_path / "vectors", wait_seconds=0.3).close()
