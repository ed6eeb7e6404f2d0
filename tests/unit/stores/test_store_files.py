from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tunesmith.errors import ConfigError, NotFoundError
from tunesmith.ingest.queue import DocumentQueue
from tunesmith.stores.database import Database, DocumentRow, VectorStoreRow
from tunesmith.stores.documents import DocumentCatalog, DocumentRecord
from tunesmith.stores.files import FileStore
from tunesmith.stores.objects import ObjectStore
from tunesmith.stores.store_files import Attachment, StoreFiles
from tunesmith.stores.vector_stores import VectorStores


@pytest.fixture
def files(metadata: Database, objects: ObjectStore) -> FileStore:
    return FileStore(metadata, objects, "default")


@pytest.fixture
def held(metadata: Database) -> StoreFiles:
    """The files of a new store."""
    return StoreFiles(metadata, VectorStores(metadata, "default").create(embedder="e5").store)


def upload(files: FileStore, name: str = "a.md") -> str:
    return files.create([b"text"], filename=name, purpose="assistants").id


def queue(metadata: Database, owner: str = "one", hold_seconds: float = 15) -> DocumentQueue:
    return DocumentQueue(metadata, owner=owner, hold_seconds=hold_seconds)


def test_an_attached_file_waits_with_all_that_was_said_of_it(files: FileStore, held: StoreFiles) -> None:
    static = {"type": "static", "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 0}}
    file_id = upload(files, "hand/book.md")
    file = held.attach(Attachment(file_id, {"team": "hr", "n": 1, "b": True}, static))
    assert held.get(file_id) == file
    assert (file.file_id, file.filename, file.path) == (file_id, "hand/book.md", f"{file_id}/hand/book.md")
    assert (file.status, file.attributes, file.strategy) == (
        "in_progress",
        {"team": "hr", "n": 1, "b": True},
        static,
    )


def test_one_process_takes_each_document(metadata: Database, files: FileStore, held: StoreFiles) -> None:
    held.attach_batch([Attachment(upload(files)) for _ in range(20)])

    def work(number: int) -> list[str]:
        mine = queue(metadata, f"worker {number}")
        return [task.file_id for _ in range(40) if (task := mine.take())]

    with ThreadPoolExecutor(4) as threads:
        taken = [file_id for some in threads.map(work, range(4)) for file_id in some]
    assert len(taken) == len(set(taken)) == 20


def test_a_hold_runs_out_and_is_lost_then(metadata: Database, files: FileStore, held: StoreFiles) -> None:
    held.attach(Attachment(upload(files)))
    dead, next_one = queue(metadata, "dead", hold_seconds=-1), queue(metadata, "next")
    lost = dead.take()
    assert lost is not None
    task = next_one.take()
    assert task is not None
    assert (task.path, task.tries) == (lost.path, 2)
    assert not dead.renew(lost)
    dead.settle(lost, status="failed", error=("server_error", "a zombie's word"))
    assert held.get(task.file_id).status == "in_progress"
    next_one.settle(task, status="completed")
    assert held.get(task.file_id).status == "completed"
    assert next_one.take() is None


def test_a_deletion_wins_over_a_reading(metadata: Database, files: FileStore, held: StoreFiles) -> None:
    file_id = upload(files)
    held.attach(Attachment(file_id))
    one = queue(metadata)
    task = one.take()
    assert task is not None
    held.detach(file_id)
    assert not one.renew(task)
    one.settle(task, status="completed")
    again = one.take()
    assert again is not None
    assert again.status == "deleting"
    one.settle(again, status="deleted")
    with pytest.raises(NotFoundError):
        held.get(file_id)
    assert held.attach(Attachment(file_id)).status == "in_progress", "and can be attached anew"


def test_a_list_goes_on_behind_what_was_deleted(
    metadata: Database, files: FileStore, held: StoreFiles
) -> None:
    ids = [upload(files) for _ in range(5)]
    held.attach_batch([Attachment(id) for id in ids])
    seen: list[str] = []
    page = held.list(limit=2)
    while page.items:
        for file in page.items:
            seen.append(file.file_id)
            held.detach(file.file_id)
        one = queue(metadata)
        while task := one.take():
            one.settle(task, status="deleted" if task.status == "deleting" else "completed")
        page = held.list(limit=2, after=seen[-1])
    assert seen == ids[::-1]
    with pytest.raises(ConfigError, match="'after': 'file-none'"):
        held.list(after="file-none")
    with metadata.session() as session:
        session.query(DocumentRow).update({"ingested_at": 1})
    queue(metadata).bury()
    with metadata.session() as session:
        assert session.query(DocumentRow).count() == 0


def test_a_batch_is_all_or_none_and_counts_each_file_once(files: FileStore, held: StoreFiles) -> None:
    file_id = upload(files)
    with pytest.raises(NotFoundError, match="file-none"):
        held.attach_batch([Attachment(file_id), Attachment("file-none")])
    assert list(held.list().items) == []
    batch = held.attach_batch([Attachment(file_id), Attachment(file_id, {"last": "word"})])
    assert (batch.status, batch.counts.total) == ("in_progress", 1)
    assert held.get(file_id).attributes == {"last": "word"}
    with pytest.raises(NotFoundError, match="No file batch"):
        held.batch("vsfb_none")


def test_the_same_file_attached_by_many_at_once_is_one(files: FileStore, held: StoreFiles) -> None:
    file_id = upload(files)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: held.attach(Attachment(file_id, {"n": number})), range(16)))
    assert [file.file_id for file in held.list().items] == [file_id]


def test_an_ended_store_is_emptied_once_nobody_writes_to_it(
    metadata: Database, files: FileStore, held: StoreFiles
) -> None:
    held.attach(Attachment(upload(files)))
    one = queue(metadata)
    task = one.take()
    assert task is not None
    VectorStores(metadata, "default").delete(task.store.id)
    assert not one.renew(task)
    assert one.stores_to_empty() == []
    one.settle(task, status="completed")
    (store,) = one.stores_to_empty()
    assert store.scope == task.store.scope
    one.emptied(store)
    with metadata.session() as session:
        assert session.get(VectorStoreRow, store.id) is None
    assert one.stores_to_empty() == []


def test_another_project_s_file_is_not_there(
    metadata: Database, objects: ObjectStore, held: StoreFiles
) -> None:
    theirs = upload(FileStore(metadata, objects, "acme"))
    with pytest.raises(NotFoundError, match=theirs):
        held.attach(Attachment(theirs))


def test_a_document_of_a_folder_keeps_its_attributes(metadata: Database, held: StoreFiles) -> None:
    catalog, record = DocumentCatalog(metadata, "default"), DocumentRecord("a.md", "/d", "A", "x", "v1", 1)
    store = catalog.find_or_create("docs", embedder="e5")
    catalog.finish(store, [record])
    docs = StoreFiles(metadata, store)
    (file,) = docs.list().items
    docs.set_attributes(file.file_id, {"team": "hr"})
    catalog.begin(store, [record])
    catalog.finish(store, [record])
    assert docs.get(file.file_id).attributes == {"team": "hr"}
    assert catalog.documents(store)["a.md"].attributes == {"team": "hr"}
    docs.detach(file.file_id)
    assert catalog.documents(store) == {}
    assert catalog.store("docs").hidden == ("a.md",)
    catalog.begin(store, [record])
    catalog.finish(store, [record])
    assert (docs.get(file.file_id).status, docs.get(file.file_id).attributes) == ("completed", {})
    assert catalog.store("docs").hidden == ()
