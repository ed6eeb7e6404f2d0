from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tunesmith.errors import ConfigError, NotFoundError, PlatformError, StorageError
from tunesmith.stores.database import Database, UploadRow
from tunesmith.stores.files import FileStore
from tunesmith.stores.objects import ObjectStore
from tunesmith.stores.uploads import UploadRecord, UploadStore


@pytest.fixture
def uploads(metadata: Database, objects: ObjectStore) -> UploadStore:
    return UploadStore(metadata, objects, "default")


@pytest.fixture
def files(metadata: Database, objects: ObjectStore) -> FileStore:
    return FileStore(metadata, objects, "default")


def begin(uploads: UploadStore, size: int = 8) -> UploadRecord:
    return uploads.create(filename="a.jsonl", purpose="fine-tune", bytes=size, mime_type="text/jsonl")


def content(files: FileStore, upload: UploadRecord) -> bytes:
    assert upload.file is not None
    with files.content(upload.file.id) as pieces:
        return b"".join(pieces)


def on_disk(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "objects").rglob("*") if path.is_file())


def test_parts_become_a_file_in_the_order_asked_for(
    uploads: UploadStore, files: FileStore, tmp_path: Path
) -> None:
    upload = begin(uploads)
    assert (upload.status, upload.file, upload.expires_at) == ("pending", None, upload.created_at + 3600)
    second, first = uploads.add(upload.id, [b"two "]), uploads.add(upload.id, [b"on", b"e "])
    assert (first.upload_id, first.bytes) == (upload.id, 4)
    done = uploads.complete(upload.id, [first.id, second.id], md5=hashlib.md5(b"one two ").hexdigest())
    assert done.status == "completed"
    assert done.file is not None
    assert (done.file.filename, done.file.purpose, done.file.bytes) == ("a.jsonl", "fine-tune", 8)
    assert content(files, done) == b"one two "
    assert on_disk(tmp_path) == [done.file.id]


def test_an_empty_file_needs_no_part(uploads: UploadStore, files: FileStore) -> None:
    assert content(files, uploads.complete(begin(uploads, 0).id, [])) == b""


def test_a_part_that_is_not_named_is_forgotten(
    uploads: UploadStore, files: FileStore, tmp_path: Path
) -> None:
    upload = begin(uploads)
    parts = [uploads.add(upload.id, [data]) for data in (b"lost", b"one ", b"two ")]
    done = uploads.complete(upload.id, [part.id for part in parts[1:]])
    assert content(files, done) == b"one two "
    assert len(on_disk(tmp_path)) == 1


def test_to_complete_again_is_to_be_told_again(uploads: UploadStore, files: FileStore) -> None:
    upload = begin(uploads)
    parts = [uploads.add(upload.id, [data]).id for data in (b"one ", b"two ", b"more")]
    done = uploads.complete(upload.id, parts[:2])
    assert uploads.complete(upload.id, parts[:2]) == done
    assert len(files.list().files) == 1
    with pytest.raises(ConfigError, match="is completed") as error:
        uploads.complete(upload.id, parts[1:])
    assert error.value.code == "upload_completed"


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ([0], "the parts hold 4 bytes, but the upload announced 8"),
        ([0, 1, 2], "the parts hold 12 bytes"),
        ([0, 0], "stands in it twice"),
        ([], "the parts hold 0 bytes"),
    ],
)
def test_a_whole_that_is_not_what_was_announced_is_refused(
    uploads: UploadStore, chosen: list[int], said: str
) -> None:
    upload = begin(uploads)
    parts = [uploads.add(upload.id, [data]).id for data in (b"one ", b"two ", b"more")]
    with pytest.raises(ConfigError, match=said) as error:
        uploads.complete(upload.id, [parts[number] for number in chosen])
    assert error.value.param == "part_ids"
    assert uploads.complete(upload.id, parts[:2]).status == "completed"


def test_a_part_of_another_upload_is_refused(uploads: UploadStore) -> None:
    upload, other = begin(uploads, 4), begin(uploads, 4)
    part = uploads.add(other.id, [b"one "])
    with pytest.raises(ConfigError, match=f"'{part.id}' is no part of this upload"):
        uploads.complete(upload.id, [part.id])


def test_a_wrong_checksum_leaves_the_upload_pending(uploads: UploadStore, files: FileStore) -> None:
    upload = begin(uploads, 4)
    part = uploads.add(upload.id, [b"one "])
    with pytest.raises(ConfigError, match="md5=beef") as error:
        uploads.complete(upload.id, [part.id], md5="beef")
    assert error.value.param == "md5"
    assert files.list().files == []
    assert content(files, uploads.complete(upload.id, [part.id])) == b"one "


def test_a_cancelled_upload_leaves_no_bytes(uploads: UploadStore, tmp_path: Path) -> None:
    upload = begin(uploads)
    part = uploads.add(upload.id, [b"one "])
    late = uploads.part(upload.id)
    late.write(b"two ")
    cancelled = uploads.cancel(upload.id)
    assert (cancelled.status, cancelled.file) == ("cancelled", None)
    assert uploads.cancel(upload.id) == cancelled
    for refused in (
        late.finish,
        lambda: uploads.add(upload.id, [b"x"]),
        lambda: uploads.complete(upload.id, [part.id]),
    ):
        with pytest.raises(ConfigError, match="is cancelled"):
            refused()
    late.discard()
    assert on_disk(tmp_path) == []


def test_a_completed_upload_takes_no_part_and_no_cancel(uploads: UploadStore) -> None:
    upload = begin(uploads, 0)
    uploads.complete(upload.id, [])
    with pytest.raises(ConfigError, match="is completed"):
        uploads.add(upload.id, [b"x"])
    with pytest.raises(ConfigError, match="is completed"):
        uploads.cancel(upload.id)


def test_an_expired_upload_is_as_good_as_never_made(uploads: UploadStore, metadata: Database) -> None:
    upload = begin(uploads)
    late = uploads.part(upload.id)
    with metadata.session() as session:
        row = session.get(UploadRow, upload.id)
        assert row is not None
        row.expires_at -= 3600
    for refused in (
        lambda: uploads.add(upload.id, [b"x"]),
        lambda: uploads.complete(upload.id, []),
        lambda: uploads.cancel(upload.id),
    ):
        with pytest.raises(NotFoundError, match="has expired"):
            refused()
    late.discard()


def test_an_upload_whose_hour_ends_while_it_is_joined_is_completed(
    uploads: UploadStore,
    files: FileStore,
    objects: ObjectStore,
    metadata: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    upload = begin(uploads, 4)
    part = uploads.add(upload.id, [b"one "])
    join = objects.join

    def join_slowly(parts: Sequence[str], key: str, *, md5: str | None) -> int:
        with metadata.session() as session:
            row = session.get(UploadRow, upload.id)
            assert row is not None
            row.expires_at -= 3600
        return join(parts, key, md5=md5)

    monkeypatch.setattr(objects, "join", join_slowly)
    assert content(files, uploads.complete(upload.id, [part.id])) == b"one "


def test_another_projects_upload_does_not_exist(
    uploads: UploadStore, metadata: Database, objects: ObjectStore
) -> None:
    upload = begin(uploads)
    others = UploadStore(metadata, objects, "acme")
    for refused in (
        lambda: others.add(upload.id, [b"x"]),
        lambda: others.complete(upload.id, []),
        lambda: others.cancel(upload.id),
    ):
        with pytest.raises(NotFoundError, match="does not exist"):
            refused()


def test_parts_come_side_by_side(uploads: UploadStore, files: FileStore) -> None:
    upload = begin(uploads, 64)
    with ThreadPoolExecutor(8) as threads:
        parts = list(threads.map(lambda number: uploads.add(upload.id, [bytes([number]) * 4]), range(16)))
    done = uploads.complete(upload.id, [part.id for part in parts])
    assert content(files, done) == b"".join(bytes([number]) * 4 for number in range(16))


def test_many_complete_and_one_file_comes_of_it(
    uploads: UploadStore, files: FileStore, tmp_path: Path
) -> None:
    upload = begin(uploads)
    parts = [uploads.add(upload.id, [data]).id for data in (b"one ", b"two ")]
    with ThreadPoolExecutor(8) as threads:
        done = list(threads.map(lambda _: uploads.complete(upload.id, parts), range(8)))
    assert len({upload.file.id for upload in done if upload.file}) == 1
    assert len(files.list().files) == len(on_disk(tmp_path)) == 1


def test_complete_and_cancel_at_once_agree(uploads: UploadStore, files: FileStore, tmp_path: Path) -> None:
    def told(work: object) -> str:
        try:
            return work().status  # type: ignore[operator, no-any-return]
        except PlatformError as error:
            return f"refused: {error.code}"

    for _ in range(5):
        upload = begin(uploads, 4)
        part = uploads.add(upload.id, [b"one "])
        with ThreadPoolExecutor(2) as threads:
            completed = threads.submit(told, lambda u=upload, p=part: uploads.complete(u.id, [p.id]))
            cancelled = threads.submit(told, lambda u=upload: uploads.cancel(u.id))
        assert (completed.result(), cancelled.result()) in [
            ("completed", "refused: upload_completed"),
            ("refused: upload_cancelled", "cancelled"),
        ]
    assert len(files.list().files) == len(on_disk(tmp_path))


def test_bytes_of_a_part_that_are_missing_are_told(
    uploads: UploadStore, files: FileStore, objects: ObjectStore
) -> None:
    upload = begin(uploads, 4)
    part = uploads.add(upload.id, [b"one "])
    objects.delete_all("projects/default/uploads")
    with pytest.raises(StorageError, match="bytes of a part"):
        uploads.complete(upload.id, [part.id])
    assert files.list().files == []
