"""What every object store does: a folder, memory behind fsspec, and a bucket on a real S3 server.

The server is the tests' own. `TUNESMITH_TEST_OBJECTS_URL=s3://bucket/prefix` takes another one; address and credentials
come from the environment as s3fs reads them (`AWS_ENDPOINT_URL`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`). What a
test writes there, it deletes again.
"""

from __future__ import annotations

import errno
import hashlib
import os
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from s3_server import running_s3

from tunesmith.errors import ConfigError, DependencyError, NotFoundError, StorageError
from tunesmith.stores import object_streams
from tunesmith.stores.objects import ObjectStore

BUCKET = os.environ.get("TUNESMITH_TEST_OBJECTS_URL")


@pytest.fixture(scope="session")
def bucket() -> Iterator[str]:
    if BUCKET:
        yield BUCKET
        return
    with running_s3() as (url, environment), pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        yield url


@pytest.fixture(params=["file", "memory", "bucket"])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ObjectStore]:
    name = uuid.uuid4().hex
    urls = {"file": f"file://{tmp_path}/objects", "memory": f"memory://{name}"}
    opened = ObjectStore(urls.get(request.param) or f"{request.getfixturevalue('bucket')}/{name}")
    yield opened
    opened.delete_all("a")


def put(objects: ObjectStore, key: str, data: bytes) -> None:
    with objects.writer(key) as writer:
        writer.write(data)


def read(objects: ObjectStore, key: str, start: int = 0, stop: int | None = None) -> bytes:
    with objects.reader(key, start=start, stop=stop) as pieces:
        return b"".join(pieces)


def leftovers(objects: ObjectStore) -> list[Path]:
    """Files of a folder that no key names."""
    root = Path(objects.url.removeprefix("file://"))
    return [path for path in (root / ".drafts").rglob("*") if path.is_file()] if root.is_absolute() else []


def test_bytes_come_back_as_they_were_written(objects: ObjectStore) -> None:
    with objects.writer("a/b/c") as writer:
        writer.write(b"one ")
        writer.write(memoryview(b"two"))
        assert writer.size == 7
    assert read(objects, "a/b/c") == b"one two"
    assert objects.size("a/b/c") == 7
    assert objects.exists("a/b/c")
    assert leftovers(objects) == []


def test_an_empty_object_is_an_object(objects: ObjectStore) -> None:
    put(objects, "a/empty", b"")
    assert objects.exists("a/empty")
    assert objects.size("a/empty") == 0
    assert read(objects, "a/empty") == b""


@pytest.mark.parametrize(
    ("start", "stop", "expected"),
    [
        (0, None, b"0123456789"),
        (3, None, b"3456789"),
        (3, 5, b"34"),
        (8, 99, b"89"),
        (10, None, b""),
        (5, 2, b""),
    ],
)
def test_a_range_is_read(objects: ObjectStore, start: int, stop: int | None, expected: bytes) -> None:
    put(objects, "a/digits", b"0123456789")
    with objects.reader("a/digits", start=start, stop=stop) as pieces:
        assert pieces.size == len(expected)
        assert b"".join(pieces) == expected


def test_an_object_is_read_piece_by_piece(objects: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_streams, "PIECE_BYTES", 4)
    put(objects, "a/digits", b"0123456789")
    with objects.reader("a/digits", start=1) as pieces:
        assert list(pieces) == [b"1234", b"5678", b"9"]


def test_an_object_larger_than_a_part_of_a_multipart_upload(objects: ObjectStore) -> None:
    data = os.urandom(2**20) * 37
    with objects.writer("a/large") as writer:
        for start in range(0, len(data), 2**20):
            writer.write(data[start : start + 2**20])
    assert hashlib.sha256(read(objects, "a/large")).digest() == hashlib.sha256(data).digest()


def test_nothing_is_seen_before_the_end(objects: ObjectStore) -> None:
    with objects.writer("a/slow") as writer:
        writer.write(b"half")
        assert not objects.exists("a/slow")
        assert objects.keys("a") == []
    assert objects.keys("a") == ["a/slow"]


@pytest.mark.parametrize("size", [4, 40 * 2**20])
def test_nothing_is_left_when_the_writing_fails(objects: ObjectStore, size: int) -> None:
    def fail() -> None:
        with objects.writer("a/broken") as writer:
            writer.write(bytes(size))
            raise RuntimeError("the client hung up")

    with pytest.raises(RuntimeError):
        fail()
    assert not objects.exists("a/broken")
    assert objects.keys("a") == []
    assert leftovers(objects) == []


def test_an_old_object_stays_until_the_new_one_is_whole(objects: ObjectStore) -> None:
    put(objects, "a/x", b"old")
    writer = objects.writer("a/x")
    writer.write(b"new")
    assert read(objects, "a/x") == b"old"
    writer.abort()
    assert read(objects, "a/x") == b"old"
    put(objects, "a/x", b"newer")
    assert read(objects, "a/x") == b"newer"


def test_to_abort_after_the_commit_changes_nothing(objects: ObjectStore) -> None:
    writer = objects.writer("a/x")
    writer.write(b"kept")
    writer.commit()
    writer.abort()
    assert read(objects, "a/x") == b"kept"


def test_what_does_not_exist_is_told(objects: ObjectStore) -> None:
    put(objects, "a/b/c", b"x")
    for key in ("a/nothing", "a/b", "a/b/c/d"):
        assert not objects.exists(key)
        with pytest.raises(NotFoundError, match=f'"{key}" does not exist'):
            objects.reader(key)
        with pytest.raises(NotFoundError):
            objects.size(key)
        with pytest.raises(NotFoundError), objects.local_path(key):
            pass


def test_to_delete_twice_is_to_delete_once(objects: ObjectStore) -> None:
    put(objects, "a/x", b"x")
    objects.delete("a/x")
    objects.delete("a/x")
    assert not objects.exists("a/x")


def test_keys_and_deletion_under_a_prefix(objects: ObjectStore) -> None:
    for key in ("a/p/2", "a/p/1", "a/p/deep/3", "a/pp/4"):
        put(objects, key, b"x")
    assert objects.keys("a/p") == ["a/p/1", "a/p/2", "a/p/deep/3"]
    assert objects.keys("a/nothing") == []
    objects.delete_all("a/p")
    objects.delete_all("a/nothing")
    assert objects.keys("a") == ["a/pp/4"]


def test_parts_are_joined_in_the_order_asked_for(objects: ObjectStore) -> None:
    for key, data in (("a/1", b"one "), ("a/2", b"two "), ("a/3", b"")):
        put(objects, key, data)
    digest = hashlib.md5(b"two one ").hexdigest()
    assert objects.join(["a/2", "a/3", "a/1"], "a/whole", md5=digest.upper()) == 8
    assert read(objects, "a/whole") == b"two one "
    assert objects.keys("a") == ["a/1", "a/2", "a/3", "a/whole"]


def test_a_join_that_fails_leaves_nothing(objects: ObjectStore) -> None:
    put(objects, "a/1", b"one")
    with pytest.raises(ConfigError, match="md5=beef, but the bytes that came have"):
        objects.join(["a/1"], "a/whole", md5="beef")
    with pytest.raises(NotFoundError):
        objects.join(["a/1", "a/2"], "a/whole")
    assert objects.keys("a") == ["a/1"]
    assert leftovers(objects) == []


def test_a_path_of_this_machine_is_lent(objects: ObjectStore) -> None:
    put(objects, "a/x.jsonl", b"hello")
    with objects.local_path("a/x.jsonl") as path:
        assert path.read_bytes() == b"hello"
    assert path.exists() == objects.url.startswith("file://")


def test_many_write_and_read_at_once(objects: ObjectStore) -> None:
    def one(number: int) -> bytes:
        put(objects, f"a/{number}", bytes([number]) * 1000)
        return read(objects, f"a/{number % 4}") if number >= 4 else b""

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(one, range(4)))
        assert [set(data) for data in threads.map(one, range(4, 24))] == [{n % 4} for n in range(4, 24)]


def test_one_object_is_read_by_many(objects: ObjectStore) -> None:
    data = os.urandom(3 * object_streams.PIECE_BYTES // 2)
    put(objects, "a/x", data)
    with ThreadPoolExecutor(8) as threads:
        assert all(got == data for got in threads.map(lambda _: read(objects, "a/x"), range(16)))


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    objects = ObjectStore(f"file://{tmp_path}")

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StorageError, match=r"No space left on device\. Free some disk space"):
        put(objects, "a/x", b"x")
    assert objects.keys("a") == []
    assert leftovers(objects) == []


def test_a_folder_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="cannot be written: Not a directory"):
        put(ObjectStore(f"file://{tmp_path}/file"), "a/x", b"x")


def test_drafts_of_killed_writers_are_swept(tmp_path: Path) -> None:
    objects = ObjectStore(f"file://{tmp_path}")
    writer = objects.writer("a/x")
    writer.write(b"killed here")
    (draft,) = leftovers(objects)
    assert objects.sweep_drafts() == 0
    two_days_ago = time.time() - 2 * 24 * 3600
    os.utime(draft, (two_days_ago, two_days_ago))
    assert objects.sweep_drafts() == 1
    assert leftovers(objects) == []
    writer.abort()


def test_a_url_that_nothing_opens_is_told() -> None:
    with pytest.raises(ConfigError, match="/data is not a URL"):
        ObjectStore("/data")
    with pytest.raises(ConfigError, match="nonsense://x cannot be opened"):
        ObjectStore("nonsense://x")


def test_a_missing_package_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "gcsfs", None)
    with pytest.raises(DependencyError, match="gcsfs"):
        ObjectStore("gs://bucket")
