from __future__ import annotations

import time
from pathlib import Path

import pytest

from tunesmith.stores.database import Database, FileRow, UploadPartRow, UploadRow
from tunesmith.stores.expiry import PurgeReport, purge_expired, sweep_orphans
from tunesmith.stores.files import FileStore, file_key
from tunesmith.stores.objects import ObjectStore
from tunesmith.stores.ordered_ids import new_id
from tunesmith.stores.uploads import UploadStore


def on_disk(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "objects").rglob("*") if path.is_file())


def test_expired_files_of_all_projects_go_with_their_bytes(
    metadata: Database, objects: ObjectStore, tmp_path: Path
) -> None:
    kept: list[str] = []
    gone: list[str] = []
    for project in ("default", "acme"):
        files = FileStore(metadata, objects, project)
        for seconds, ids in ((None, kept), (7200, kept), (3600, gone)):
            made = files.create([b"x"], filename="a", purpose="fine-tune", expires_after_seconds=seconds)
            ids.append(made.id)
    with metadata.session() as session:
        for id in gone:
            row = session.get(FileRow, id)
            assert row is not None
            row.expires_at = row.created_at - 1
    assert purge_expired(metadata, objects) == PurgeReport(files=2, uploads=0, vector_stores=0)
    assert purge_expired(metadata, objects) == PurgeReport(files=0, uploads=0, vector_stores=0)
    assert on_disk(tmp_path) == sorted(kept)
    with metadata.session() as session:
        assert all(session.get(FileRow, id) is None for id in gone)


def test_expired_uploads_go_with_their_parts_but_not_with_their_file(
    metadata: Database, objects: ObjectStore, tmp_path: Path
) -> None:
    uploads = UploadStore(metadata, objects, "default")

    def begin() -> tuple[str, str]:
        upload = uploads.create(filename="a", purpose="fine-tune", bytes=1, mime_type="x")
        return upload.id, uploads.add(upload.id, [b"x"]).id

    pending, completed, young = begin(), begin(), begin()
    done = uploads.complete(completed[0], [completed[1]])
    assert done.file is not None
    with metadata.session() as session:
        for id, seconds in ((pending[0], 7201), (completed[0], 7201), (young[0], 3601)):
            row = session.get(UploadRow, id)
            assert row is not None
            row.expires_at -= seconds
    assert purge_expired(metadata, objects) == PurgeReport(files=0, uploads=2, vector_stores=0)
    assert on_disk(tmp_path) == sorted([done.file.id, young[1]])
    with metadata.session() as session:
        assert session.get(UploadRow, young[0]) is not None
        assert [part.id for part in session.query(UploadPartRow)] == [young[1]]


def test_bytes_without_a_row_go_when_they_are_old(
    metadata: Database, objects: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files, uploads = FileStore(metadata, objects, "default"), UploadStore(metadata, objects, "default")

    def orphan(key: str) -> str:
        with objects.writer(key) as writer:
            writer.write(b"x")
        return key.split("/")[-1]

    young = orphan(file_key("acme", new_id("file-")))
    two_days_ago = time.time_ns() - 2 * 24 * 3600 * 10**9
    with monkeypatch.context() as patched:
        patched.setattr("tunesmith.stores.ordered_ids.time.time_ns", lambda: two_days_ago)
        old = files.create([b"x"], filename="a", purpose="fine-tune").id
        part = uploads.add(
            uploads.create(filename="a", purpose="batch", bytes=1, mime_type="x").id, [b"x"]
        ).id
        orphan(file_key("default", new_id("file-")))
        orphan(f"projects/acme/uploads/{new_id('upload_')}/{new_id('part_')}")
    strange = orphan("projects/default/files/not-one-of-ours")
    job = orphan("projects/default/jobs/ftjob-1/recipe.yaml")
    assert sweep_orphans(metadata, objects) == 2
    assert on_disk(tmp_path) == sorted([young, old, part, strange, job])
