"""Files and uploads with the official client, every answer held against the spec."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path

import openai
import pytest

from tunesmith.stores.database import Database, FileRow

Connect = Callable[[str], openai.OpenAI]


def test_a_file_from_a_path(client: openai.OpenAI, tmp_path: Path) -> None:
    path = tmp_path / "examples.jsonl"
    path.write_bytes(b'{"messages": []}\n' * 1000)
    made = client.files.create(file=path, purpose="fine-tune")
    assert made.id.startswith("file-")
    assert (made.object, made.filename, made.purpose) == ("file", "examples.jsonl", "fine-tune")
    assert (made.bytes, made.status, made.expires_at) == (17000, "processed", None)
    assert abs(made.created_at - time.time()) < 5
    assert client.files.retrieve(made.id) == made
    assert client.files.wait_for_processing(made.id) == made
    assert client.files.content(made.id).read() == path.read_bytes()


def test_files_from_bytes_a_tuple_and_an_open_file(client: openai.OpenAI, tmp_path: Path) -> None:
    (tmp_path / "open.txt").write_bytes(b"open")
    with (tmp_path / "open.txt").open("rb") as file:
        made = [
            client.files.create(file=b"bytes", purpose="user_data"),
            client.files.create(file=("tuple.md", b"tuple", "text/markdown"), purpose="assistants"),
            client.files.create(file=file, purpose="vision"),
        ]
    assert [(one.filename, one.bytes) for one in made] == [("upload", 5), ("tuple.md", 5), ("open.txt", 4)]
    assert [client.files.content(one.id).read() for one in made] == [b"bytes", b"tuple", b"open"]


@pytest.mark.parametrize("purpose", ["assistants", "batch", "fine-tune", "vision", "user_data", "evals"])
def test_every_purpose_is_taken(client: openai.OpenAI, purpose: str) -> None:
    made = client.files.create(file=("a", b"x"), purpose=purpose)  # type: ignore[arg-type]
    assert made.purpose == purpose
    assert [file.id for file in client.files.list(purpose=purpose)] == [made.id]


@pytest.mark.parametrize(
    "name", ["naïve 文書.jsonl", 'a "quoted" name', "100%.txt", "semi;colon.txt", "a b.txt"]
)
def test_a_name_comes_back(client: openai.OpenAI, name: str) -> None:
    made = client.files.create(file=(name, b"x"), purpose="user_data")
    # The form itself writes a quote as %22, and nobody can tell it from one that was there.
    assert made.filename == name.replace('"', "%22")
    header = client.files.content(made.id).response.headers["content-disposition"]
    assert header.startswith("attachment; filename")
    assert header.isascii()


def test_an_empty_file_is_a_file(client: openai.OpenAI) -> None:
    made = client.files.create(file=("empty.txt", b""), purpose="user_data")
    assert made.bytes == 0
    assert client.files.content(made.id).read() == b""


def test_a_large_file_comes_back_as_it_was(client: openai.OpenAI) -> None:
    data = os.urandom(2**20) * 12 + b"\r\n--not the boundary\r\n" + os.urandom(12345)
    made = client.files.create(file=("large.bin", data), purpose="user_data")
    assert made.bytes == len(data)
    answer = client.files.content(made.id)
    assert answer.response.headers["content-length"] == str(len(data))
    assert hashlib.sha256(answer.read()).digest() == hashlib.sha256(data).digest()


def test_a_file_expires(client: openai.OpenAI, database: Database) -> None:
    expires = {"anchor": "created_at", "seconds": 3600}
    made = client.files.create(file=("a", b"x"), purpose="evals", expires_after=expires)  # type: ignore[arg-type]
    assert made.expires_at == made.created_at + 3600
    with database.session() as session:
        row = session.get(FileRow, made.id)
        assert row is not None
        row.expires_at = int(time.time())
    for gone in (client.files.retrieve, client.files.content, client.files.delete):
        with pytest.raises(openai.NotFoundError):
            gone(made.id)
    assert client.files.list().data == []


def test_files_are_listed_page_by_page(client: openai.OpenAI) -> None:
    made = [client.files.create(file=(f"{n}.txt", b"x"), purpose="user_data").id for n in range(5)]
    assert [file.id for file in client.files.list(limit=2)] == made[::-1]
    assert [file.id for file in client.files.list(limit=2, order="asc")] == made
    page = client.files.list(limit=2)
    assert page.has_more is True
    assert (page.first_id, page.last_id) == (made[4], made[3])  # type: ignore[attr-defined]
    assert [file.id for file in client.files.list(after=made[1])] == [made[0]]


def test_files_are_deleted_while_they_are_listed(client: openai.OpenAI) -> None:
    for number in range(5):
        client.files.create(file=(f"{number}.txt", b"x"), purpose="user_data")
    deleted = [client.files.delete(file.id) for file in client.files.list(limit=2)]
    assert len(deleted) == 5
    assert all(one.deleted and one.object == "file" for one in deleted)
    assert client.files.list().data == []


def test_another_projects_file_does_not_exist(client: openai.OpenAI, connect: Connect) -> None:
    made = client.files.create(file=("a", b"x"), purpose="user_data")
    stranger = connect("acme")
    assert stranger.files.list().data == []
    for gone in (stranger.files.retrieve, stranger.files.content, stranger.files.delete):
        with pytest.raises(openai.NotFoundError, match="No such File object"):
            gone(made.id)
    assert client.files.retrieve(made.id) == made


def test_what_the_client_is_told_when_it_asks_wrongly(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as purpose:
        client.files.create(file=("a", b"x"), purpose="fine_tune")  # type: ignore[arg-type]
    assert purpose.value.param == "purpose"
    assert "'fine-tune'" in purpose.value.message
    with pytest.raises(openai.BadRequestError) as expiry:
        client.files.create(
            file=("a", b"x"), purpose="batch", expires_after={"anchor": "created_at", "seconds": 10}
        )
    assert expiry.value.param == "expires_after.seconds"
    with pytest.raises(openai.BadRequestError) as cursor:
        client.files.list(after="file-nonsense")
    assert cursor.value.param == "after"
    assert client.files.list().data == []


def test_a_file_in_parts(client: openai.OpenAI, tmp_path: Path) -> None:
    data = os.urandom(300_000)
    path = tmp_path / "large.bin"
    path.write_bytes(data)
    upload = client.uploads.upload_file_chunked(
        file=path,
        mime_type="application/octet-stream",
        purpose="user_data",
        part_size=65536,
        md5=hashlib.md5(data).hexdigest(),
    )
    assert (upload.status, upload.filename, upload.bytes) == ("completed", "large.bin", len(data))
    assert upload.file is not None
    assert client.files.retrieve(upload.file.id) == upload.file
    assert client.files.content(upload.file.id).read() == data


def test_a_file_in_parts_from_memory(client: openai.OpenAI) -> None:
    upload = client.uploads.upload_file_chunked(
        file=b"one two", filename="a.txt", bytes=7, mime_type="text/plain", purpose="assistants"
    )
    assert upload.file is not None
    assert client.files.content(upload.file.id).read() == b"one two"


def test_an_upload_step_by_step(client: openai.OpenAI) -> None:
    upload = client.uploads.create(bytes=8, filename="a.jsonl", mime_type="text/jsonl", purpose="fine-tune")
    assert (upload.status, upload.file, upload.object) == ("pending", None, "upload")
    assert upload.expires_at == upload.created_at + 3600
    second = client.uploads.parts.create(upload_id=upload.id, data=b"two ")
    first = client.uploads.parts.create(upload_id=upload.id, data=b"one ")
    assert (first.object, first.upload_id) == ("upload.part", upload.id)
    with pytest.raises(openai.BadRequestError, match="announced 8"):
        client.uploads.complete(upload.id, part_ids=[first.id])
    with pytest.raises(openai.BadRequestError, match="md5"):
        client.uploads.complete(upload.id, part_ids=[first.id, second.id], md5="beef")
    done = client.uploads.complete(upload.id, part_ids=[first.id, second.id])
    assert done == client.uploads.complete(upload.id, part_ids=[first.id, second.id])
    assert done.file is not None
    assert client.files.content(done.file.id).read() == b"one two "
    with pytest.raises(openai.BadRequestError, match="is completed"):
        client.uploads.cancel(upload.id)


def test_an_upload_that_is_given_up(client: openai.OpenAI, connect: Connect) -> None:
    upload = client.uploads.create(bytes=4, filename="a", mime_type="x/y", purpose="batch")
    part = client.uploads.parts.create(upload_id=upload.id, data=b"one ")
    with pytest.raises(openai.NotFoundError):
        connect("acme").uploads.cancel(upload.id)
    assert client.uploads.cancel(upload.id).status == "cancelled"
    with pytest.raises(openai.BadRequestError, match="is cancelled"):
        client.uploads.complete(upload.id, part_ids=[part.id])
    with pytest.raises(openai.BadRequestError, match="is cancelled"):
        client.uploads.parts.create(upload_id=upload.id, data=b"x")
    with pytest.raises(openai.NotFoundError):
        client.uploads.parts.create(upload_id="upload_nothing", data=b"x")
    assert client.files.list().data == []


def test_an_upload_keeps_when_its_file_expires(client: openai.OpenAI) -> None:
    upload = client.uploads.create(
        bytes=1,
        filename="a",
        mime_type="x/y",
        purpose="user_data",
        expires_after={"anchor": "created_at", "seconds": 7200},
    )
    part = client.uploads.parts.create(upload_id=upload.id, data=b"x")
    done = client.uploads.complete(upload.id, part_ids=[part.id])
    assert done.file is not None
    assert done.file.expires_at == done.file.created_at + 7200


async def test_the_asynchronous_client(client: openai.OpenAI) -> None:
    async with openai.AsyncOpenAI(base_url=client.base_url, api_key=client.api_key, max_retries=0) as patient:
        made = await patient.files.create(file=("a.txt", b"hello"), purpose="user_data")
        assert (await patient.files.content(made.id)).read() == b"hello"
        assert [file.id async for file in patient.files.list()] == [made.id]
