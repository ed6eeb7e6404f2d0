"""Vector stores with the official client, every answer held against the spec: the real gateway, the real search
application and the real indexer on Milvus Lite; only the embedder is a light one, and no model answers."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import openai
import pytest
from in_thread import serving
from starlette.applications import Starlette
from starlette.routing import Mount

from tunesmith.config.home import Home
from tunesmith.config.ingest import ChunkConfig
from tunesmith.config.serve import RetrievalConfig
from tunesmith.engines.fakes import HashingEmbedder
from tunesmith.gateway.app import build_app
from tunesmith.gateway.upstream import Upstream
from tunesmith.ingest.indexer import Indexer
from tunesmith.ingest.queue import DocumentQueue
from tunesmith.serve.answer_app import answer_app
from tunesmith.serve.searching import Searcher
from tunesmith.stores.database import Database, DocumentRow, VectorStoreRow
from tunesmith.stores.documents import DocumentCatalog, DocumentRecord
from tunesmith.stores.expiry import purge_expired
from tunesmith.stores.keys import KeyStore
from tunesmith.stores.milvus import open_vectors
from tunesmith.stores.objects import ObjectStore
from tunesmith.stores.vectors import VectorStore

Connect = Callable[[str], openai.OpenAI]
EMBEDDER = "mini"
LEAVE = "# Leave\n\nStaff at Wexcombe receive 29 days of leave. Ask the team lead.\n"
TRAVEL = "# Travel\n\nTrains are booked in second class. Keep the receipt.\n"
CANTEEN = "# Canteen\n\nThe canteen opens at noon. Soup costs two euros.\n"


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VectorStore]:
    opened = open_vectors(Home(tmp_path_factory.mktemp("vectors")))
    yield opened
    opened.close()


@pytest.fixture
def indexer(database: Database, objects: ObjectStore, vectors: VectorStore) -> Indexer:
    """An indexer that nobody runs yet."""
    embedder = HashingEmbedder(name=EMBEDDER)
    return Indexer(
        database,
        objects,
        queue=DocumentQueue(database, owner="test"),
        vectors=lambda: vectors,
        embedder=lambda _: embedder,
        chunk=ChunkConfig(),
        max_file_mib=1,
    )


@pytest.fixture
def working(indexer: Indexer) -> Iterator[None]:
    """The indexer at work."""
    stop = threading.Event()
    thread = threading.Thread(target=indexer.run, args=(stop,))
    thread.start()
    yield
    stop.set()
    thread.join()


@pytest.fixture
def gateway_url(database: Database, objects: ObjectStore, vectors: VectorStore) -> Iterator[str]:
    searcher = Searcher(embedder=HashingEmbedder(name=EMBEDDER), vectors=vectors, retrieval=RetrievalConfig())
    plane = Starlette(routes=[Mount("/answer", answer_app(None, searcher))])  # type: ignore[arg-type]
    with serving(plane) as plane_url:
        app = build_app(
            database=database,
            objects=objects,
            upstream=Upstream(plane_url),
            base="tiny-reader",
            embedder=EMBEDDER,
            readiness=lambda: None,
        )
        with serving(app) as url:
            yield url


def upload(client: openai.OpenAI, name: str = "leave.md", text: str | bytes = LEAVE) -> str:
    data = text.encode() if isinstance(text, str) else text
    return client.files.create(file=(name, data), purpose="assistants").id


def found(client: openai.OpenAI, store: str, query: str, **more: Any) -> list[str]:
    return [hit.filename for hit in client.vector_stores.search(store, query=query, **more)]


def finish(indexer: Indexer) -> None:
    while indexer.step():
        pass


def test_a_store_is_made_shown_changed_and_deleted(client: openai.OpenAI) -> None:
    made = client.vector_stores.create(
        name="handbook",
        description="What staff should know",
        metadata={"team": "hr"},
        expires_after={"anchor": "last_active_at", "days": 7},
    )
    assert made.id.startswith("vs_")
    assert (made.object, made.name, made.status, made.usage_bytes) == (
        "vector_store",
        "handbook",
        "completed",
        0,
    )
    assert made.to_dict()["description"] == "What staff should know"
    assert (made.metadata, made.file_counts.total) == ({"team": "hr"}, 0)
    assert made.expires_at == made.last_active_at + 7 * 86400
    assert client.vector_stores.retrieve(made.id) == made
    assert client.vector_stores.retrieve("handbook") == made, (
        "its name does as well, while it is the only one"
    )

    changed = client.vector_stores.update(made.id, name="staff", metadata={"a": "b"}, expires_after=None)
    assert (changed.name, changed.metadata, changed.expires_at) == ("staff", {"a": "b"}, None)
    assert client.vector_stores.update(made.id, metadata=None).metadata == {}
    assert client.vector_stores.retrieve(made.id).name == "staff"

    gone = client.vector_stores.delete(made.id)
    assert (gone.id, gone.object, gone.deleted) == (made.id, "vector_store.deleted", True)
    for ask in (client.vector_stores.retrieve, client.vector_stores.delete):
        with pytest.raises(openai.NotFoundError, match="No vector store found"):
            ask(made.id)
    assert list(client.vector_stores.list()) == []


def test_stores_are_listed_in_pages_in_both_directions(client: openai.OpenAI) -> None:
    made = [client.vector_stores.create(name=f"store {number}").id for number in range(5)]
    assert [store.id for store in client.vector_stores.list(limit=2)] == made[::-1]
    assert [store.id for store in client.vector_stores.list(limit=2, order="asc")] == made
    page = client.vector_stores.list(limit=2, order="asc", before=made[3])
    assert [store.id for store in page.data] == made[1:3]
    assert page.has_more is True
    for store in client.vector_stores.list(limit=2):
        client.vector_stores.delete(store.id)
    assert list(client.vector_stores.list()) == []
    with pytest.raises(openai.BadRequestError, match="'after': 'nothing'"):
        client.vector_stores.list(after="nothing")


def test_two_stores_of_one_name_are_told_apart_by_id(client: openai.OpenAI) -> None:
    first, second = (client.vector_stores.create(name="twin").id for _ in range(2))
    assert client.vector_stores.retrieve(first).name == client.vector_stores.retrieve(second).name == "twin"
    with pytest.raises(openai.NotFoundError, match=f"{first}, {second}"):
        client.vector_stores.retrieve("twin")
    assert client.vector_stores.create().name == ""


@pytest.mark.usefixtures("working")
def test_a_file_is_attached_found_read_back_and_taken_out(client: openai.OpenAI) -> None:
    store = client.vector_stores.create(name="handbook")
    file_id = upload(client)
    file = client.vector_stores.files.create_and_poll(
        file_id, vector_store_id=store.id, attributes={"team": "hr", "year": 2026, "draft": False}
    )
    assert (file.id, file.status, file.last_error) == (file_id, "completed", None)
    assert (file.object, file.vector_store_id) == ("vector_store.file", store.id)
    assert file.attributes == {"team": "hr", "year": 2026, "draft": False}
    assert file.usage_bytes > len(LEAVE)
    whole = client.vector_stores.retrieve(store.id)
    assert (whole.status, whole.usage_bytes, whole.file_counts.completed) == (
        "completed",
        file.usage_bytes,
        1,
    )

    (hit, *_) = client.vector_stores.search(store.id, query="days of leave at Wexcombe")
    assert (hit.file_id, hit.filename, hit.attributes) == (file_id, "leave.md", file.attributes)
    assert 0 < hit.score <= 1
    assert hit.content[0].text in LEAVE

    content = client.vector_stores.files.content(file_id, vector_store_id=store.id)
    assert "".join(part.text or "" for part in content).split() == LEAVE.split()

    gone = client.vector_stores.files.delete(file_id, vector_store_id=store.id)
    assert (gone.id, gone.object, gone.deleted) == (file_id, "vector_store.file.deleted", True)
    assert found(client, store.id, "leave") == [], "at once, whether its chunks are gone or not"
    assert list(client.vector_stores.files.list(store.id)) == []
    with pytest.raises(openai.NotFoundError):
        client.vector_stores.files.retrieve(file_id, vector_store_id=store.id)
    assert client.files.retrieve(file_id).id == file_id, "the file itself stays"


@pytest.mark.usefixtures("working")
def test_files_are_uploaded_and_polled_together(client: openai.OpenAI) -> None:
    store = client.vector_stores.create()
    papers = [("leave.md", LEAVE.encode()), ("travel.md", TRAVEL.encode()), ("canteen.md", CANTEEN.encode())]
    batch = client.vector_stores.file_batches.upload_and_poll(store.id, files=papers)
    assert (batch.status, batch.object) == ("completed", "vector_store.files_batch")
    assert (batch.file_counts.completed, batch.file_counts.total) == (3, 3)
    listed = list(client.vector_stores.file_batches.list_files(batch.id, vector_store_id=store.id, limit=2))
    assert len({file.id for file in listed}) == 3
    assert found(client, store.id, "Which class are trains booked in?")[0] == "travel.md"
    assert found(client, store.id, query="trains", max_num_results=1) == ["travel.md"]
    several = client.vector_stores.search(store.id, query=["second class trains", "soup euros"])
    assert {"travel.md", "canteen.md"} <= {hit.filename for hit in several.data[:2]}
    uploaded = client.vector_stores.files.upload_and_poll(
        vector_store_id=store.id, file=("x.txt", b"Rooks nest.")
    )
    assert uploaded.status == "completed"


@pytest.mark.usefixtures("working")
def test_a_batch_gives_each_file_its_own_attributes_and_filters_go_by_them(client: openai.OpenAI) -> None:
    store = client.vector_stores.create()
    files = [
        {"file_id": upload(client, "a.md", LEAVE), "attributes": {"team": "hr", "year": 2025}},
        {"file_id": upload(client, "b.md", LEAVE), "attributes": {"team": "hr", "year": 2026}},
        {"file_id": upload(client, "c.md", LEAVE)},
    ]
    batch = client.vector_stores.file_batches.create(store.id, files=files)  # type: ignore[arg-type]
    batch = client.vector_stores.file_batches.poll(batch.id, vector_store_id=store.id)
    assert batch.file_counts.completed == 3
    hr = {"type": "eq", "key": "team", "value": "hr"}
    new = {"type": "gte", "key": "year", "value": 2026}
    assert set(found(client, store.id, "leave", filters=hr)) == {"a.md", "b.md"}
    assert set(found(client, store.id, "leave", filters={"type": "and", "filters": [hr, new]})) == {"b.md"}
    other = {"type": "nin", "key": "year", "value": [2025, 2026]}
    assert set(found(client, store.id, "leave", filters=other)) == {"c.md"}

    changed = client.vector_stores.files.update(
        files[2]["file_id"], vector_store_id=store.id, attributes={"team": "hr"}
    )
    assert (changed.status, changed.attributes) == ("completed", {"team": "hr"})
    deadline = time.monotonic() + 10
    while "c.md" not in found(client, store.id, "leave", filters=hr):
        assert time.monotonic() < deadline
    assert (
        client.vector_stores.files.update(
            files[2]["file_id"], vector_store_id=store.id, attributes=None
        ).attributes
        == {}
    )


@pytest.mark.parametrize(
    ("name", "data", "code", "said"),
    [
        ("picture.png", b"\x89PNG", "unsupported_file", r"format \.png"),
        ("broken.pdf", b"%PDF-1.4 nothing", "invalid_file", "damaged"),
        ("empty.md", b"  \n", "invalid_file", "empty"),
        ("old.doc", b"x", "unsupported_file", r"Save it as \.docx"),
        ("large.txt", b"word " * 300_000, "invalid_file", "more than the 1 allowed"),
    ],
)
@pytest.mark.usefixtures("working")
def test_a_file_that_cannot_be_read_says_why(
    client: openai.OpenAI, name: str, data: bytes, code: str, said: str
) -> None:
    store = client.vector_stores.create()
    file = client.vector_stores.files.create_and_poll(upload(client, name, data), vector_store_id=store.id)
    assert file.status == "failed"
    assert file.last_error is not None
    assert file.last_error.code == code
    assert re.search(said, file.last_error.message)
    counts = client.vector_stores.retrieve(store.id).file_counts
    assert (counts.failed, counts.completed, counts.total) == (1, 0, 1)
    assert [one.id for one in client.vector_stores.files.list(store.id, filter="failed")] == [file.id]
    assert list(client.vector_stores.files.list(store.id, filter="completed")) == []


@pytest.mark.usefixtures("working")
def test_chunks_are_as_long_as_asked_for(client: openai.OpenAI) -> None:
    text = " ".join(f"Sentence number {number} stands here quietly." for number in range(100))
    file_id = upload(client, "long.txt", text)
    pieces = {}
    for name, strategy in {
        "auto": {"type": "auto"},
        "long": {"type": "static", "static": {"max_chunk_size_tokens": 200, "chunk_overlap_tokens": 0}},
        "shared": {"type": "static", "static": {"max_chunk_size_tokens": 200, "chunk_overlap_tokens": 100}},
    }.items():
        store = client.vector_stores.create(file_ids=[file_id], chunking_strategy=strategy)  # type: ignore[arg-type]
        file = client.vector_stores.files.poll(file_id, vector_store_id=store.id)
        shown = file.chunking_strategy.model_dump() if file.chunking_strategy else None
        assert shown == ({"type": "other"} if name == "auto" else strategy)
        content = client.vector_stores.files.content(file_id, vector_store_id=store.id)
        assert " ".join(part.text or "" for part in content).split() == text.split(), (
            "read back without overlap"
        )
        pieces[name] = len(content.data)
    assert pieces["auto"] > pieces["shared"] > pieces["long"] > 1


def test_a_deleted_file_leaves_its_stores(
    client: openai.OpenAI, indexer: Indexer, vectors: VectorStore, database: Database
) -> None:
    file_id = upload(client)
    stores = [client.vector_stores.create(file_ids=[file_id]).id for _ in range(2)]
    assert client.vector_stores.retrieve(stores[0]).status == "in_progress"
    finish(indexer)
    assert found(client, stores[0], "leave")
    client.files.delete(file_id)
    assert [found(client, store, "leave") for store in stores] == [[], []], "before any chunk is gone"
    catalog = DocumentCatalog(database, "default")
    assert vectors.count(catalog.store(stores[1])) > 0
    finish(indexer)
    assert [vectors.count(catalog.store(store)) for store in stores] == [0, 0]
    assert client.vector_stores.retrieve(stores[0]).file_counts.total == 0
    assert client.vector_stores.retrieve(stores[0]).usage_bytes == 0


def test_a_deleted_store_leaves_no_chunk_and_no_row(
    client: openai.OpenAI, indexer: Indexer, vectors: VectorStore, database: Database
) -> None:
    files = [upload(client), upload(client, "travel.md", TRAVEL)]
    store_id = client.vector_stores.create(file_ids=files[:1]).id
    finish(indexer)
    store = DocumentCatalog(database, "default").store(store_id)
    client.vector_stores.file_batches.create(store_id, file_ids=files)
    client.vector_stores.delete(store_id)
    assert vectors.count(store) > 0
    finish(indexer)
    assert vectors.count(store) == 0
    with database.session() as session:
        assert session.get(VectorStoreRow, store_id) is None
        assert session.query(DocumentRow).filter_by(store_id=store_id).count() == 0


def test_a_cancelled_batch_leaves_the_rest_undone(
    client: openai.OpenAI, indexer: Indexer, vectors: VectorStore, database: Database
) -> None:
    store_id = client.vector_stores.create().id
    files = [upload(client, f"{number}.md") for number in range(3)]
    batch = client.vector_stores.file_batches.create(store_id, file_ids=files)
    assert batch.status == "in_progress"
    assert indexer.step()
    cancelled = client.vector_stores.file_batches.cancel(batch.id, vector_store_id=store_id)
    assert (cancelled.status, cancelled.file_counts.completed, cancelled.file_counts.cancelled) == (
        "cancelled",
        1,
        2,
    )
    finish(indexer)
    assert client.vector_stores.file_batches.cancel(batch.id, vector_store_id=store_id) == cancelled
    assert len(list(client.vector_stores.files.list(store_id, filter="cancelled"))) == 2
    held = vectors.chunk_counts(DocumentCatalog(database, "default").store(store_id))
    assert len(held) == 1
    # What was cancelled can be attached anew.
    again = client.vector_stores.file_batches.create(store_id, file_ids=files[1:])
    finish(indexer)
    batch = client.vector_stores.file_batches.retrieve(again.id, vector_store_id=store_id)
    assert (batch.status, batch.file_counts.completed) == ("completed", 2)


def test_an_unused_store_expires(
    client: openai.OpenAI, indexer: Indexer, vectors: VectorStore, database: Database, objects: ObjectStore
) -> None:
    days = {"anchor": "last_active_at", "days": 1}
    store_id = client.vector_stores.create(file_ids=[upload(client)], expires_after=days).id  # type: ignore[arg-type]
    finish(indexer)
    store = DocumentCatalog(database, "default").store(store_id)
    with database.session() as session:
        session.get_one(VectorStoreRow, store_id).last_active_at = int(time.time()) - 86_000
    assert found(client, store_id, "leave"), "searched, and so in use"
    assert purge_expired(database, objects).vector_stores == 0
    with database.session() as session:
        session.get_one(VectorStoreRow, store_id).last_active_at = int(time.time()) - 86_500
    shown = client.vector_stores.retrieve(store_id)
    assert (shown.status, shown.file_counts.total, shown.usage_bytes) == ("expired", 0, 0)
    with pytest.raises(openai.BadRequestError, match="has expired"):
        client.vector_stores.search(store_id, query="leave")
    with pytest.raises(openai.BadRequestError, match="has expired"):
        client.vector_stores.files.create(store_id, file_id=upload(client))
    assert purge_expired(database, objects).vector_stores == 1
    assert purge_expired(database, objects).vector_stores == 0
    finish(indexer)
    assert vectors.count(store) == 0
    assert client.vector_stores.retrieve(store_id).status == "expired"


def test_what_the_command_line_ingested_is_a_store_like_any_other(
    client: openai.OpenAI, database: Database, indexer: Indexer
) -> None:
    catalog = DocumentCatalog(database, "default")
    store = catalog.find_or_create("documents", embedder=EMBEDDER)
    catalog.finish(store, [DocumentRecord("hr/leave.md", "/docs", "Leave", "abc", "v1", 3, usage_bytes=500)])
    (listed,) = client.vector_stores.list()
    assert (listed.id, listed.name, listed.usage_bytes) == (store.id, "documents", 500)
    assert client.vector_stores.retrieve("documents") == listed
    (file,) = client.vector_stores.files.list("documents")
    assert (file.status, file.vector_store_id, file.usage_bytes) == ("completed", store.id, 500)
    assert client.vector_stores.files.retrieve(file.id, vector_store_id=store.id) == file
    client.vector_stores.files.create(store.id, file_id=upload(client))
    finish(indexer)
    assert found(client, "documents", "leave")[0] == "leave.md"
    assert client.vector_stores.retrieve(store.id).file_counts.completed == 2
    client.vector_stores.delete("documents")
    again = catalog.find_or_create("documents", embedder=EMBEDDER)
    assert again.id != store.id, "its name is free at once"


def test_another_project_sees_nothing(connect: Connect, indexer: Indexer) -> None:
    mine, theirs = connect("default"), connect("acme")
    file_id = upload(mine)
    store_id = mine.vector_stores.create(name="mine", file_ids=[file_id]).id
    batch_id = mine.vector_stores.file_batches.create(store_id, file_ids=[file_id]).id
    finish(indexer)
    own = theirs.vector_stores.create().id
    stores, files, batches = (
        theirs.vector_stores,
        theirs.vector_stores.files,
        theirs.vector_stores.file_batches,
    )
    for ask in (
        lambda: stores.retrieve(store_id),
        lambda: stores.retrieve("mine"),
        lambda: stores.update(store_id, name="theirs"),
        lambda: stores.delete(store_id),
        lambda: stores.search(store_id, query="leave"),
        lambda: stores.create(file_ids=[file_id]),
        lambda: files.list(store_id),
        lambda: files.create(store_id, file_id=file_id),
        lambda: files.create(own, file_id=file_id),
        lambda: files.retrieve(file_id, vector_store_id=store_id),
        lambda: files.retrieve(file_id, vector_store_id=own),
        lambda: files.update(file_id, vector_store_id=store_id, attributes={}),
        lambda: files.content(file_id, vector_store_id=store_id),
        lambda: files.delete(file_id, vector_store_id=store_id),
        lambda: batches.create(own, file_ids=[file_id]),
        lambda: batches.retrieve(batch_id, vector_store_id=store_id),
        lambda: batches.retrieve(batch_id, vector_store_id=own),
        lambda: batches.cancel(batch_id, vector_store_id=own),
        lambda: batches.list_files(batch_id, vector_store_id=own),
    ):
        with pytest.raises(openai.NotFoundError):
            ask()
    assert [store.id for store in stores.list()] == [own]
    assert set(found(mine, store_id, "leave")) == {"leave.md"}
    with pytest.raises(openai.BadRequestError):
        stores.list(after="vs_nothing")


def test_a_missing_file_makes_no_store_and_no_batch(client: openai.OpenAI, indexer: Indexer) -> None:
    with pytest.raises(openai.NotFoundError, match="No such File object: file-none"):
        client.vector_stores.create(file_ids=["file-none"])
    store_id = client.vector_stores.create().id
    with pytest.raises(openai.NotFoundError, match="file-none"):
        client.vector_stores.file_batches.create(store_id, file_ids=[upload(client), "file-none"])
    assert list(client.vector_stores.files.list(store_id)) == []
    assert [store.id for store in client.vector_stores.list()] == [store_id]


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("", {"name": 1}, "name"),
    ("", {"unknown": 1}, "unknown"),
    ("", {"file_ids": ["file-1"] * 501}, "file_ids"),
    ("", {"metadata": {"a": 1}}, "metadata"),
    ("", {"metadata": {str(n): "x" for n in range(17)}}, "metadata"),
    ("", {"expires_after": {"anchor": "created_at", "days": 1}}, "expires_after"),
    ("", {"expires_after": {"anchor": "last_active_at", "days": 366}}, "expires_after"),
    ("/{id}/files", {}, "file_id"),
    ("/{id}/files", {"file_id": "f", "attributes": {"a": [1]}}, "attributes"),
    ("/{id}/files", {"file_id": "f", "attributes": {"a": None}}, "attributes"),
    ("/{id}/files", {"file_id": "f", "attributes": {"a": "x" * 513}}, "attributes"),
    ("/{id}/files", {"file_id": "f", "attributes": {"x" * 65: 1}}, "attributes"),
    ("/{id}/files", {"file_id": "f", "chunking_strategy": {"type": "other"}}, "chunking_strategy"),
    (
        "/{id}/files",
        {
            "file_id": "f",
            "chunking_strategy": {
                "type": "static",
                "static": {"max_chunk_size_tokens": 200, "chunk_overlap_tokens": 101},
            },
        },
        "chunking_strategy",
    ),
    ("/{id}/file_batches", {}, ""),
    ("/{id}/file_batches", {"file_ids": ["a"], "files": [{"file_id": "a"}]}, ""),
    ("/{id}/file_batches", {"file_ids": []}, "file_ids"),
    ("/{id}/search", {}, "query"),
    ("/{id}/search", {"query": "  "}, "query"),
    ("/{id}/search", {"query": []}, "query"),
    ("/{id}/search", {"query": "x", "max_num_results": 51}, "max_num_results"),
    ("/{id}/search", {"query": "x", "ranking_options": {"score_threshold": 1.1}}, "ranking_options"),
    ("/{id}/search", {"query": "x", "filters": {"type": "like", "key": "a", "value": 1}}, "filters"),
    ("/{id}/search", {"query": "x", "filters": {"type": "and", "filters": [{"type": "eq"}]}}, "filters"),
]


def test_what_is_wrong_is_told_with_its_field(client: openai.OpenAI, http: httpx.Client) -> None:
    store_id = client.vector_stores.create().id
    for path, body, param in WRONG:
        answer = http.post(f"/v1/vector_stores{path.format(id=store_id)}", json=body)
        assert answer.status_code == 400, (path, body, answer.text)
        fault = answer.json()["error"]
        assert (fault["param"] or "").startswith(param), fault
        assert fault["code"] in ("invalid_value", "unknown_parameter", "missing_required_parameter")


def test_a_threshold_leaves_out_what_fits_worse(client: openai.OpenAI, indexer: Indexer) -> None:
    files = [upload(client, "leave.md", LEAVE), upload(client, "travel.md", TRAVEL)]
    store_id = client.vector_stores.create(file_ids=files).id
    finish(indexer)
    query = "Staff at Wexcombe receive 29 days of leave"
    scores = [hit.score for hit in client.vector_stores.search(store_id, query=query)]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] == pytest.approx(1.0)
    best = client.vector_stores.search(
        store_id, query=query, ranking_options={"ranker": "auto", "score_threshold": 0.99}
    )
    assert [hit.filename for hit in best] == ["leave.md"]


def test_a_search_without_its_application_is_told_to_come_again(
    database: Database, objects: ObjectStore
) -> None:
    app = build_app(
        database=database,
        objects=objects,
        upstream=Upstream("http://127.0.0.1:9"),
        base="tiny-reader",
        embedder=EMBEDDER,
        readiness=lambda: None,
    )
    with serving(app) as url:
        headers = {"Authorization": f"Bearer {KeyStore(database).create('default', 'test')}"}
        with httpx.Client(base_url=f"{url}/v1", headers=headers, trust_env=False) as http:
            store_id = http.post("/vector_stores", json={}).json()["id"]
            answer = http.post(f"/vector_stores/{store_id}/search", json={"query": "x"})
    assert answer.status_code == 503
    assert "Retry-After" in answer.headers


def test_stores_without_a_name_are_found_by_their_ids_alone(
    client: openai.OpenAI, http: httpx.Client
) -> None:
    for name in (None, None, "twin", "twin"):
        client.vector_stores.create(**({"name": name} if name else {}))
    bound = {name: _bind(http, name) for name in ("", "twin")}
    assert bound == {"": (404, "vector_stores"), "twin": (404, "vector_stores")}


def _bind(http: httpx.Client, store: str) -> tuple[int, str]:
    alias = {"name": "nameless", "model": "tiny-reader", "vector_stores": [store]}
    answer = http.post("/v1/aliases", json=alias)
    return answer.status_code, answer.json()["error"]["param"]
