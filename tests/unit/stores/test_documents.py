from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tunesmith.config.home import Home
from tunesmith.errors import ConfigError, NotFoundError
from tunesmith.stores.database import Database, ProjectRow, open_home_database
from tunesmith.stores.documents import DocumentCatalog, DocumentRecord, document_file_id


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = open_home_database(Home(tmp_path))
    yield opened
    opened.close()


@pytest.fixture
def catalog(database: Database) -> DocumentCatalog:
    return DocumentCatalog(database, "default")


def record(path: str, content_hash: str = "abc", num_chunks: int = 3) -> DocumentRecord:
    return DocumentRecord(path, "/docs", "Title", content_hash, "v1", num_chunks)


def test_a_store_is_made_once(catalog: DocumentCatalog) -> None:
    made = catalog.find_or_create("faq", embedder="e5")
    assert made.id.startswith("vs_")
    assert catalog.find_or_create("faq", embedder="e5") == made
    assert catalog.stores() == [made]
    assert catalog.store("faq") == catalog.store(made.id) == made


def test_a_store_keeps_its_embedder(catalog: DocumentCatalog) -> None:
    catalog.find_or_create("faq", embedder="e5")
    with pytest.raises(ConfigError, match=r'embedder="bge".*"faq" was embedded with "e5"'):
        catalog.find_or_create("faq", embedder="bge")


def test_many_at_once_make_one_store(catalog: DocumentCatalog) -> None:
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda _: catalog.find_or_create("faq", embedder="e5"), range(16)))
    assert len(set(made)) == 1
    assert len(catalog.stores()) == 1


def test_an_unknown_store_is_told_with_those_there_are(catalog: DocumentCatalog) -> None:
    with pytest.raises(NotFoundError, match="none yet"):
        catalog.store("faq")
    catalog.find_or_create("handbook", embedder="e5")
    with pytest.raises(NotFoundError, match=r'"faq" does not exist. There are: handbook'):
        catalog.store("faq")


def test_a_document_has_no_hash_until_it_is_finished(catalog: DocumentCatalog) -> None:
    store = catalog.find_or_create("faq", embedder="e5")
    catalog.begin(store, [record("a.md")])
    assert catalog.documents(store)["a.md"] == record("a.md", content_hash="", num_chunks=0)
    catalog.finish(store, [record("a.md")])
    assert catalog.documents(store) == {"a.md": record("a.md")}
    catalog.begin(store, [record("a.md", content_hash="def")])
    assert catalog.documents(store)["a.md"].content_hash == ""


def test_a_forgotten_document_is_gone(catalog: DocumentCatalog) -> None:
    store = catalog.find_or_create("faq", embedder="e5")
    catalog.finish(store, [record("a.md"), record("b.md")])
    catalog.forget(store, ["a.md", "never.md"])
    assert list(catalog.documents(store)) == ["b.md"]


def test_projects_do_not_see_each_other(database: Database) -> None:
    with database.session() as session:
        session.add(ProjectRow(id="acme", created_at=0))
    mine, theirs = DocumentCatalog(database, "default"), DocumentCatalog(database, "acme")
    store = mine.find_or_create("faq", embedder="e5")
    mine.finish(store, [record("a.md")])
    assert theirs.stores() == []
    assert theirs.documents(store) == {}
    theirs.forget(store, ["a.md"])
    assert list(mine.documents(store)) == ["a.md"]
    assert theirs.find_or_create("faq", embedder="bge").id != store.id


def test_a_document_has_one_file_id_wherever_it_is_asked_for(catalog: DocumentCatalog) -> None:
    faq, other = (catalog.find_or_create(name, embedder="e5") for name in ("faq", "other"))
    ids = {document_file_id(store, path) for store in (faq, other) for path in ("a.md", "b.md")}
    assert len(ids) == 4
    assert all(one.startswith("file-") for one in ids)
    again = catalog.store("faq")
    assert document_file_id(again, "a.md") == document_file_id(faq, "a.md")
