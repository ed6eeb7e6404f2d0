from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config as AlembicConfig

from tunesmith.errors import ConfigError, NotFoundError
from tunesmith.stores import database as database_module
from tunesmith.stores.database import Database, VectorStoreRow
from tunesmith.stores.documents import DocumentCatalog, document_file_id
from tunesmith.stores.store_files import StoreFiles
from tunesmith.stores.vector_stores import StoreChanges, VectorStores


@pytest.fixture
def stores(metadata: Database) -> VectorStores:
    return VectorStores(metadata, "default")


def test_a_store_is_as_it_was_made(stores: VectorStores) -> None:
    made = stores.create(embedder="e5", name="faq", metadata={"a": "b"}, expires_after_days=2)
    assert stores.get(made.id) == stores.get("faq") == made
    assert (made.status, made.counts.total, made.usage_bytes) == ("completed", 0, 0)
    assert made.expires_at == made.last_active_at + 2 * 86400


def test_pages_go_both_ways_and_on_behind_what_is_gone(stores: VectorStores) -> None:
    made = [stores.create(embedder="e5").id for _ in range(5)]
    first = stores.list(limit=2)
    assert ([one.id for one in first.items], first.has_more) == (made[:2:-1], True)
    stores.delete(made[3])
    behind = stores.list(limit=3, after=made[3])
    assert ([one.id for one in behind.items], behind.has_more) == (made[2::-1], False)
    before = stores.list(limit=1, before=made[0])
    assert ([one.id for one in before.items], before.has_more) == ([made[1]], True)
    with pytest.raises(ConfigError, match="'before': 'x'"):
        stores.list(before="x")


def test_one_name_for_several_names_none(metadata: Database, stores: VectorStores) -> None:
    catalog = DocumentCatalog(metadata, "default")
    of_the_command_line = catalog.find_or_create("faq", embedder="e5")
    assert catalog.find_or_create("faq", embedder="e5").id == of_the_command_line.id
    other = stores.create(embedder="e5", name="faq")
    for look in (catalog.store, stores.get):
        with pytest.raises(NotFoundError, match=f"(?s){of_the_command_line.id}.*{other.id}"):
            look("faq")
    stores.update(other.id, StoreChanges(name="faq 2"))
    assert catalog.store("faq").id == of_the_command_line.id
    assert catalog.find_or_create("faq 2", embedder="e5").id == other.id, "one noun"


def test_a_deleted_store_is_gone_and_its_name_is_free(metadata: Database, stores: VectorStores) -> None:
    catalog = DocumentCatalog(metadata, "default")
    first = catalog.find_or_create("faq", embedder="e5")
    assert stores.delete("faq") == first.id
    for look in (stores.get, catalog.store, stores.delete):
        with pytest.raises(NotFoundError):
            look(first.id)
    assert catalog.find_or_create("faq", embedder="bge").id != first.id


def test_a_use_is_noted_once_a_minute_and_keeps_a_store(metadata: Database, stores: VectorStores) -> None:
    made = stores.create(embedder="e5", expires_after_days=1)

    def rewind(seconds: int) -> int:
        then = int(time.time()) - seconds
        with metadata.session() as session:
            session.get_one(VectorStoreRow, made.id).last_active_at = then
        return then

    then = rewind(30)
    stores.touch([made.store])
    assert stores.get(made.id).last_active_at == then
    rewind(3600)
    stores.touch([made.store])
    assert stores.get(made.id).last_active_at > time.time() - 5
    VectorStores(metadata, "acme").touch([made.store])
    rewind(86_401)
    assert stores.get(made.id).status == "expired"
    with pytest.raises(ConfigError, match="has expired: 1 days"):
        DocumentCatalog(metadata, "default").store(made.id)


def test_projects_do_not_see_each_other(metadata: Database, stores: VectorStores) -> None:
    mine, theirs = stores.create(embedder="e5", name="faq"), VectorStores(metadata, "acme")
    for name in (mine.id, "faq"):
        with pytest.raises(NotFoundError):
            theirs.get(name)
    assert list(theirs.list().items) == []


def test_documents_of_an_older_database_get_the_ids_that_the_api_gave_them(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'old.sqlite3'}"
    config = AlembicConfig()
    config.set_main_option("script_location", str(Path(database_module.__file__).parent / "migrations"))
    config.set_main_option("sqlalchemy.url", url)
    command.upgrade(config, "0009")
    connection = sqlite3.connect(tmp_path / "old.sqlite3")
    connection.execute("insert into vector_stores values ('vs_1', 'default', 'faq', 'chunks_v1_x', 'e5', 1)")
    connection.execute(
        "insert into documents values ('vs_1', 'hr/a.md', 'default', '/d', 'A', 'abc', 'v1', 3, 77)"
    )
    connection.commit()
    connection.close()
    command.upgrade(config, "head")
    opened = Database(url)
    (listed,) = VectorStores(opened, "default").list().items
    assert (listed.name, listed.counts.completed, listed.last_active_at) == ("faq", 1, 1)
    (file,) = StoreFiles(opened, listed.store).list().items
    assert file.file_id == document_file_id(listed.store, "hr/a.md")
    assert (file.created_at, file.status, file.attributes) == (77, "completed", {})
    opened.close()
