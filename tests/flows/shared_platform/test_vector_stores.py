"""Vector stores on the real platform, with the official client: from an upload to a citation, and through kill -9."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable

import openai
import psutil
import pytest
from live_platform import LivePlatform

from tunesmith.stores.database import open_home_database
from tunesmith.stores.documents import DocumentCatalog
from tunesmith.stores.milvus import open_vectors

pytestmark = pytest.mark.flow

BASE = "tiny-reader"
QUESTION = "How many days of leave do full-time staff at Wexcombe receive?"
LEAVE = (
    "# Leave at Wexcombe\n\nFull-time staff at Wexcombe receive 29 days of leave each year. "
    "Requests go to the team lead.\n\nThe canteen at Wexcombe opens at 12:15.\n"
)
OLD_LEAVE = LEAVE.replace("29 days", "12 days")
HR, NEW = {"type": "eq", "key": "team", "value": "hr"}, {"type": "gte", "key": "year", "value": 2026}


def until(holds: Callable[[], bool], *, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.25)


def test_from_an_upload_to_a_citation_and_to_nothing(platform: LivePlatform) -> None:
    client = platform.client
    store = client.vector_stores.create(name="wexcombe files", metadata={"purpose": "test"})
    files = [
        client.files.create(file=(name, text.encode()), purpose="assistants").id
        for name, text in (("leave.md", LEAVE), ("leave.md", OLD_LEAVE))
    ]
    new, old = files
    for file_id, year in ((new, 2026), (old, 2019)):
        file = client.vector_stores.files.create_and_poll(
            file_id, vector_store_id=store.id, attributes={"team": "hr", "year": year}
        )
        assert (file.status, file.last_error) == ("completed", None)
    assert client.vector_stores.retrieve(store.id).file_counts.completed == 2

    only_new = {"type": "and", "filters": [HR, NEW]}
    hits = client.vector_stores.search(store.id, query=QUESTION, filters=only_new).data
    assert {(hit.file_id, hit.filename) for hit in hits} == {(new, "leave.md")}
    assert any("29 days" in hit.content[0].text for hit in hits)
    assert len(client.vector_stores.search(store.id, query=QUESTION).data) > len(hits)

    search = {
        "type": "file_search",
        "vector_store_ids": [store.id],
        "filters": only_new,
        "max_num_results": 2,
    }
    response = client.responses.create(
        model=BASE,
        input=QUESTION,
        temperature=0,
        tools=[search],  # type: ignore[list-item]
        include=["file_search_call.results"],
    )
    assert "29 days" in response.output_text
    found, message = response.output
    assert {(one.file_id, one.filename) for one in found.results} == {(new, "leave.md")}
    assert {one.attributes["year"] for one in found.results} == {2026}
    assert all(0 < one.score <= 1 for one in found.results)
    annotations = message.content[0].annotations
    assert {(one.type, one.file_id, one.filename) for one in annotations} == {
        ("file_citation", new, "leave.md")
    }

    asked = platform.command("ask", QUESTION, "--store", store.id, "--json")
    both = {f"{new}/leave.md", f"{old}/leave.md"}
    assert {citation["document"] for citation in json.loads(asked.stdout)["citations"]} <= both
    listed = platform.command("search", "days of leave", "--store", "wexcombe files", "--json")
    assert {hit["document"] for hit in json.loads(listed.stdout)["hits"]} == both

    client.files.delete(new)
    assert client.vector_stores.search(store.id, query=QUESTION, filters=only_new).data == []
    database = open_home_database(platform.home)
    record = DocumentCatalog(database, "default").store(store.id)
    database.close()
    vectors = open_vectors(platform.home)
    until(lambda: set(vectors.chunk_counts(record)) == {f"{old}/leave.md"})
    client.vector_stores.delete(store.id)
    with pytest.raises(openai.NotFoundError):
        client.vector_stores.search(store.id, query=QUESTION)
    until(lambda: vectors.count(record) == 0)
    vectors.close()
    client.files.delete(old)


def test_a_killed_indexer_and_a_killed_controller_lose_nothing(platform: LivePlatform) -> None:
    client = platform.client
    store = client.vector_stores.create()
    text = "\n\n".join(f"# Part {number}\n\nSentence number {number} stands here." for number in range(400))
    file_id = client.files.create(file=("parts.md", text.encode()), purpose="assistants").id
    small = client.files.create(file=("small.txt", b"The heron nests by the weir."), purpose="assistants").id
    batch = client.vector_stores.file_batches.create(store.id, file_ids=[file_id, small])
    database = open_home_database(platform.home)
    record = DocumentCatalog(database, "default").store(store.id)
    database.close()
    vectors = open_vectors(platform.home)
    until(lambda: vectors.count(record) > 0)
    for part in ("indexer", "controller"):
        os.kill(platform.record.pids[part].pid, signal.SIGKILL)
    # Nobody starts the controller of one machine again but `up`; it takes the living parts over.
    limit = f"ready_timeout_seconds={platform.record.config['ready_timeout_seconds']}"
    platform.command("up", "--port", "0", "--set", limit)
    batch = client.vector_stores.file_batches.poll(batch.id, vector_store_id=store.id)
    assert (batch.status, batch.file_counts.completed) == ("completed", 2)
    file = client.vector_stores.files.retrieve(file_id, vector_store_id=store.id)
    assert file.status == "completed"
    counts = vectors.chunk_counts(record)
    places = [chunk.position for chunk in vectors.chunks(record, f"{file_id}/parts.md")]
    assert places == list(range(counts[f"{file_id}/parts.md"])), "each chunk once"
    assert counts[f"{file_id}/parts.md"] == 400
    vectors.close()
    client.vector_stores.delete(store.id)
    assert psutil.pid_exists(platform.record.pids["indexer"].pid)
