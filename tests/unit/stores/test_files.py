from __future__ import annotations

import errno
import time
from pathlib import Path

import pytest

from tunesmith.errors import ConfigError, NotFoundError, StorageError
from tunesmith.stores.database import Database, FileRow
from tunesmith.stores.files import FileRecord, FileStore, file_key
from tunesmith.stores.objects import ObjectStore


@pytest.fixture
def files(metadata: Database, objects: ObjectStore) -> FileStore:
    return FileStore(metadata, objects, "default")


def make(files: FileStore, name: str = "a.jsonl", data: bytes = b"hello", **more: object) -> FileRecord:
    return files.create([data], filename=name, purpose="fine-tune", **more)  # type: ignore[arg-type]


def age(database: Database, file_id: str, seconds: int) -> None:
    with database.session() as session:
        row = session.get(FileRow, file_id)
        assert row is not None
        assert row.expires_at is not None
        row.expires_at -= seconds


def on_disk(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "objects").rglob("*") if path.is_file())


def test_a_file_is_kept_with_its_bytes(files: FileStore, objects: ObjectStore) -> None:
    made = files.create([b"one ", b"two"], filename="a.jsonl", purpose="fine-tune")
    assert made.id.startswith("file-")
    assert (made.filename, made.purpose, made.bytes, made.expires_at) == ("a.jsonl", "fine-tune", 7, None)
    assert abs(made.created_at - time.time()) < 5
    assert files.get(made.id) == made
    with files.content(made.id) as pieces:
        assert b"".join(pieces) == b"one two"
    with files.local_path(made.id) as path:
        assert path.read_bytes() == b"one two"
    assert objects.keys("projects/default/files") == [f"projects/default/files/{made.id}"]


def test_a_draft_that_is_discarded_leaves_nothing(files: FileStore, tmp_path: Path) -> None:
    draft = files.draft()
    draft.write(b"half of a file")
    assert files.list().files == []
    draft.discard()
    assert on_disk(tmp_path) == []


def test_a_row_that_cannot_be_written_takes_the_bytes_with_it(
    files: FileStore, metadata: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise StorageError("The database is full.")

    draft = files.draft()
    draft.write(b"x")
    monkeypatch.setattr(metadata, "session", fail)
    with pytest.raises(StorageError):
        draft.finish(filename="a", purpose="batch")
    assert on_disk(tmp_path) == []


def test_bytes_that_cannot_be_written_make_no_row(
    files: FileStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StorageError, match="No space left"):
        make(files)
    assert files.list().files == []
    assert on_disk(tmp_path) == []


def test_files_are_listed_in_the_order_of_their_making(files: FileStore) -> None:
    made = [make(files, f"{number}.jsonl").id for number in range(5)]
    assert [file.id for file in files.list(order="asc").files] == made
    assert [file.id for file in files.list().files] == made[::-1]
    page = files.list(limit=2)
    assert ([file.id for file in page.files], page.has_more) == ([made[4], made[3]], True)
    page = files.list(limit=2, after=made[3])
    assert ([file.id for file in page.files], page.has_more) == ([made[2], made[1]], True)
    page = files.list(limit=2, after=made[1])
    assert ([file.id for file in page.files], page.has_more) == ([made[0]], False)
    assert files.list(after=made[0]).files == []
    assert [file.id for file in files.list(order="asc", after=made[2]).files] == made[3:]


def test_a_list_goes_on_after_a_file_that_was_deleted(files: FileStore) -> None:
    made = [make(files).id for _ in range(4)]
    files.delete(made[2])
    assert [file.id for file in files.list(after=made[2]).files] == [made[1], made[0]]


def test_a_list_after_something_else_is_refused(files: FileStore) -> None:
    with pytest.raises(ConfigError, match="'file-nonsense' is not the id of a file") as error:
        files.list(after="file-nonsense")
    assert error.value.param == "after"


def test_a_list_for_one_purpose(files: FileStore) -> None:
    make(files)
    batch = files.create([b"x"], filename="b", purpose="batch")
    assert [file.id for file in files.list(purpose="batch").files] == [batch.id]
    assert files.list(purpose="nothing").files == []


def test_a_deleted_file_is_gone_with_its_bytes(files: FileStore, tmp_path: Path) -> None:
    made = make(files)
    files.delete(made.id)
    assert on_disk(tmp_path) == []
    for gone in (files.get, files.content, files.local_path, files.delete):
        with pytest.raises(NotFoundError, match=f"No such File object: {made.id}"):
            gone(made.id)


def test_an_expired_file_is_as_good_as_deleted(files: FileStore, metadata: Database) -> None:
    made = make(files, expires_after_seconds=3600)
    assert made.expires_at == made.created_at + 3600
    assert files.get(made.id) == made
    age(metadata, made.id, 3600)
    assert files.list().files == []
    for gone in (files.get, files.content, files.delete):
        with pytest.raises(NotFoundError):
            gone(made.id)


def test_a_batch_goes_after_thirty_days(files: FileStore) -> None:
    made = files.create([b"x"], filename="b", purpose="batch")
    assert made.expires_at == made.created_at + 30 * 24 * 3600


def test_another_projects_file_does_not_exist(
    files: FileStore, metadata: Database, objects: ObjectStore
) -> None:
    made = make(files)
    others = FileStore(metadata, objects, "acme")
    assert others.list().files == []
    for gone in (others.get, others.content, others.delete):
        with pytest.raises(NotFoundError):
            gone(made.id)
    assert files.get(made.id) == made


def test_bytes_that_are_missing_are_told(files: FileStore, objects: ObjectStore) -> None:
    made = make(files)
    objects.delete(file_key("default", made.id))
    with pytest.raises(StorageError, match=f"The bytes of {made.id} are missing"):
        files.content(made.id)
