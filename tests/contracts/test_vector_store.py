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
from typing import Any

import pytest

from tunesmith.config.home import Home
from tunesmith.errors import ConfigError, ConflictError, UnavailableError
from tunesmith.records import Chunk
from tunesmith.stores.attribute_filter import parse_filter
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


PAPERS: dict[str, dict[str, Any]] = {
    "leave.md": {"team": "hr", "year": 2026, "draft": False},
    "travel.md": {"team": "finance", "year": 2025.5, "draft": True},
    "odd.md": {"team": '"hr"\\ ü', "year": "2026", 'a "key" / ~ with. \\signs': 1},
    "bare.md": {},
}
"""Attributes of four documents, of every kind."""


@pytest.fixture(scope="module")
def papers(vectors: VectorStore) -> StoreRecord:
    """A store with one chunk of each document, a few of them flushed, a few not."""
    papers = StoreRecord("vs_papers", "default", "papers", "t_papers", "hashing")
    for number, (document, attributes) in enumerate(PAPERS.items()):
        vectors.upsert(papers, [labelled(document, attributes)])
        if number == 1:
            vectors.flush(papers)
    # Another store, all of whose documents would pass most filters.
    vectors.upsert(
        StoreRecord("vs_other", "default", "other", "t_papers", "hashing"),
        [labelled("other.md", PAPERS["leave.md"])],
    )
    return papers


def labelled(document: str, attributes: dict[str, Any]) -> EmbeddedChunk:
    plain = chunk("heron paper", document=document)
    return EmbeddedChunk(plain.chunk, plain.search_text, plain.vector, attributes)


def passing(vectors: VectorStore, store: StoreRecord, given: Any) -> set[str]:
    hits = vectors.search(
        [store], "heron", vector=along(0), top_k=10, candidates=20, only=parse_filter(given)
    )
    assert all(hit.attributes == PAPERS[hit.chunk.document] for hit in hits)
    return {hit.chunk.document.removesuffix(".md") for hit in hits}


@pytest.mark.parametrize(
    ("kind", "key", "value", "documents"),
    [
        ("eq", "team", "hr", "leave"),
        ("eq", "team", '"hr"\\ ü', "odd"),
        ("ne", "team", "hr", "travel odd bare"),
        ("eq", "year", 2026, "leave"),
        ("eq", "year", 2026.0, "leave"),
        ("eq", "year", "2026", "odd"),
        ("ne", "year", 2026, "travel odd bare"),
        ("gt", "year", 2025, "leave travel"),
        ("gt", "year", 2025.5, "leave"),
        ("gte", "year", 2025.5, "leave travel"),
        ("lt", "year", 2026, "travel"),
        ("lte", "year", 2026, "leave travel"),
        ("gte", "team", "g", "leave"),
        ("eq", "draft", True, "travel"),
        ("eq", "draft", 1, ""),
        ("ne", "draft", True, "leave odd bare"),
        ("in", "team", ["hr", "finance", "nobody"], "leave travel"),
        ("in", "year", [2026, "2026"], "leave odd"),
        ("in", "team", [], ""),
        ("nin", "team", ["hr", "finance"], "odd bare"),
        ("nin", "team", [], "leave travel odd bare"),
        ("eq", 'a "key" / ~ with. \\signs', 1, "odd"),
        ("eq", "team", '"] or scope != "', ""),
        ("eq", "unknown", "x", ""),
        ("ne", "unknown", "x", "leave travel odd bare"),
    ],
)
def test_a_search_finds_only_what_passes_the_filter(
    vectors: VectorStore, papers: StoreRecord, kind: str, key: str, value: Any, documents: str
) -> None:
    given = {"type": kind, "key": key, "value": value}
    assert passing(vectors, papers, given) == set(documents.split())


def test_filters_are_joined_by_and_and_by_or(vectors: VectorStore, papers: StoreRecord) -> None:
    hr, late = {"type": "eq", "key": "team", "value": "hr"}, {"type": "gt", "key": "year", "value": 2025}
    draft = {"type": "eq", "key": "draft", "value": True}
    assert passing(vectors, papers, {"type": "and", "filters": [hr, late]}) == {"leave"}
    assert passing(vectors, papers, {"type": "or", "filters": [hr, draft]}) == {"leave", "travel"}
    either = {"type": "or", "filters": [hr, draft]}
    late_drafts = {"type": "and", "filters": [late, draft, either]}
    assert passing(vectors, papers, late_drafts) == {"travel"}


def test_the_filter_acts_before_the_best_are_taken(vectors: VectorStore, store: StoreMaker) -> None:
    crowd = [chunk("heron heron", document=f"{number}.md", position=number) for number in range(60)]
    rare = EmbeddedChunk(chunk("stork", axis=5, document="rare.md").chunk, "stork", along(5), {"kind": "x"})
    vectors.upsert(store(), [*crowd, rare])
    hits = vectors.search(
        [store()],
        "heron",
        vector=along(0),
        top_k=2,
        candidates=5,
        only=parse_filter({"type": "eq", "key": "kind", "value": "x"}),
    )
    assert [hit.chunk.document for hit in hits] == ["rare.md"]


def test_attributes_change_and_nothing_else_does(vectors: VectorStore, store: StoreMaker) -> None:
    written = [chunk(f"heron {number}", axis=number, position=number) for number in range(3)]
    vectors.upsert(store(), [*written, chunk("heron", document="b.md")])
    vectors.flush(store())
    vectors.set_attributes(store(), "a.md", {"team": "hr"})
    vectors.set_attributes(store(), "a.md", {"year": 2026})
    vectors.set_attributes(store(), "unknown.md", {"year": 2026})
    only = parse_filter({"type": "eq", "key": "year", "value": 2026})
    hits = vectors.search([store()], "heron 2", vector=along(2), top_k=9, candidates=9, only=only)
    assert {hit.chunk.id for hit in hits} == {one.chunk.id for one in written}
    assert (hits[0].chunk, hits[0].attributes) == (written[2].chunk, {"year": 2026})
    words = vectors.search([store()], "2", vector=along(7), top_k=1, candidates=9, only=only)
    assert words[0].chunk == written[2].chunk, "words are still found"
    assert vectors.count(store()) == 4


def test_a_dropped_store_is_empty_and_others_are_not(vectors: VectorStore, store: StoreMaker) -> None:
    gone, kept = store("gone"), store("gone", project="acme")
    for one in (gone, kept):
        vectors.upsert(one, [chunk("heron", document=f"{one.scope}.md")])
    vectors.drop(gone)
    assert (vectors.count(gone), vectors.count(kept)) == (0, 1)
    assert search(vectors, [gone], "heron", axis=0) == []


def test_hidden_documents_are_not_found_though_they_are_there(
    vectors: VectorStore, store: StoreMaker
) -> None:
    plain, other = store("plain"), store("other")
    for one in (plain, other):
        vectors.upsert(
            one,
            [chunk(f"heron {one.id}", document="it's.md"), chunk(f"stork {one.id}", document="b.md")],
        )
    hiding = StoreRecord(plain.id, "default", "plain", plain.collection, "hashing", hidden=("it's.md",))
    found = {text for text, _, _ in search(vectors, [hiding, other], "heron", axis=0)}
    assert found == {"stork vs_plain", "heron vs_other", "stork vs_other"}
    assert vectors.count(hiding) == 2


def test_a_document_is_read_back_in_order(vectors: VectorStore, store: StoreMaker) -> None:
    written = [chunk(f"part {number}", position=number) for number in range(12)]
    vectors.upsert(store(), [*reversed(written), chunk("other", document="b.md")])
    assert vectors.chunks(store(), "a.md") == [one.chunk for one in written]
    assert vectors.chunks(store(), "none.md") == []


def test_scores_lie_between_0_and_1(vectors: VectorStore, store: StoreMaker) -> None:
    vectors.upsert(store(), [chunk("heron", axis=0), chunk("stork", axis=1, position=1)])
    found = {text: score for text, score, _ in search(vectors, [store()], "heron", axis=0)}
    assert found["heron"] == pytest.approx(1.0)
    assert 0 < found["stork"] < 1


def test_an_empty_store_holds_and_finds_nothing(vectors: VectorStore, store: StoreMaker) -> None:
    assert search(vectors, [store()], "heron", axis=0) == []
    assert vectors.count(store()) == 0
    assert vectors.chunk_counts(store()) == {}
    vectors.delete(store(), ["0" * 64])
    vectors.drop(store())
    vectors.set_attributes(store(), "a.md", {"team": "hr"})
    assert vectors.chunks(store(), "a.md") == []
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
