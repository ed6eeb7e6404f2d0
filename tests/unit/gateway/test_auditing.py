"""What requests do to resources stands in the audit log; secrets stand nowhere."""

from __future__ import annotations

import json
import logging

import pytest

from tunesmith.stores.audit import AuditLog
from tunesmith.stores.keys import KeyStore

LINE = json.dumps(
    {"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]}
).encode()


@pytest.fixture
def chief(database):
    return KeyStore(database).create("default", "chief", role="administer", of_organisation=True)


async def test_what_is_made_ended_and_deleted_is_noted_with_who_and_by_which_request(
    asgi, database, key, register
):
    version = register("ft:tiny-reader:default:x:abcdef")
    file = await asgi.post("/v1/files", files={"file": ("a.jsonl", LINE)}, data={"purpose": "fine-tune"})
    file_id = file.json()["id"]
    job = await asgi.post("/v1/fine_tuning/jobs", json={"model": "tiny-reader", "training_file": file_id})
    path = f"/v1/fine_tuning/jobs/{job.json()['id']}"
    for verb in ("pause", "resume", "cancel"):
        await asgi.post(f"{path}/{verb}")
    for model in ("tiny-reader", version.name):
        await asgi.post("/v1/aliases", json={"name": "support", "model": model})
    await asgi.post("/v1/aliases/support/rollback")
    await asgi.delete("/v1/aliases/support")
    await asgi.delete(f"/v1/models/{version.name}")
    asked = await asgi.post("/v1/files", files={"file": ("b.jsonl", LINE)}, data={"purpose": "batch"})
    body = {"endpoint": "/v1/embeddings", "completion_window": "24h", "input_file_id": asked.json()["id"]}
    batch = await asgi.post("/v1/batches", json=body)
    await asgi.post(f"/v1/batches/{batch.json()['id']}/cancel")
    gone = await asgi.delete(f"/v1/files/{file_id}")
    await asgi.delete(f"/v1/files/{file_id}")

    events = [e for e in AuditLog(database).list(limit=100)[::-1] if e.type != "api_key.created"]
    assert [event.type for event in events] == [
        "fine_tuning.job.created",
        "fine_tuning.job.paused",
        "fine_tuning.job.resumed",
        "fine_tuning.job.cancelled",
        "alias.updated",
        "alias.updated",
        "alias.rolled_back",
        "alias.deleted",
        "model.deleted",
        "batch.created",
        "batch.cancelled",
        "file.deleted",
    ]
    assert events[-1].resource_id == file_id
    assert events[-1].actor.request_id == gone.headers["x-request-id"]
    assert {event.actor.key_id for event in events} == {KeyStore(database).verify(key).id}
    assert {event.project_id for event in events} == {"default"}


async def test_the_clients_request_id_comes_back_if_it_is_one(asgi):
    async def sent(request_id):
        answer = await asgi.get("/v1/models", headers={"x-request-id": request_id})
        return answer.headers["x-request-id"]

    assert await sent("order-4711.retry_2") == "order-4711.retry_2"
    a_key = "sk-ts-0123456789abcdef"
    for wrong in ("", "short", "x" * 200, "a b c d e f g", "log\\ninjection", 'quote"quote"', a_key):
        assert (await sent(wrong)).startswith("req_")


async def test_keys_are_in_no_log_no_error_no_answer_and_no_table(
    anyone, database, tmp_path, caplog, chief, key
):
    caplog.set_level(logging.DEBUG)
    organisation = "/v1/organization"
    headers = {"Authorization": f"Bearer {chief}"}
    made = await anyone.post(f"{organisation}/admin_api_keys", headers=headers, json={"name": "second"})
    account = await anyone.post(
        f"{organisation}/projects/default/service_accounts", headers=headers, json={"name": "bot"}
    )
    secrets = [chief, key, made.json()["value"], account.json()["api_key"]["value"]]
    told = []
    for secret in secrets:
        told += [
            await anyone.get(path, headers={"Authorization": f"Bearer {secret}"})
            for path in (
                "/v1/models",
                "/v1/nothing",
                "/v1/files?limit=x",
                "/v1/aliases/none",
                f"{organisation}/admin_api_keys",
                f"{organisation}/audit_logs",
                f"{organisation}/projects/default/api_keys",
                "/metrics",
            )
        ]
        told += [
            await anyone.request(method, path, **{"headers": {"Authorization": f"Bearer {secret}"}, **more})
            for method, path, more in _in_wrong_places(secret)
        ]
        told.append(await anyone.get("/v1/models", headers={"Authorization": f"Bearer {secret}x"}))
        told.append(await anyone.get("/v1/models", headers={"Authorization": f"Basic {secret}"}))
        told.append(
            await anyone.post(
                "/v1/chat/completions", headers={"Authorization": f"Bearer {secret}"}, content=b"{"
            )
        )
    answers = "".join(answer.text + str(answer.headers) for answer in told)
    # But for what the test's own client logs.
    said = [record for record in caplog.records if record.name != "httpx"]
    logged = "".join(f"{record.getMessage()}{record.__dict__}" for record in said)
    assert len(caplog.records) > 20
    assert {answer.status_code for answer in told} >= {200, 400, 401, 403, 404}
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("metadata.sqlite3*"))
    assert b"api_key.created" in stored
    for secret in secrets:
        random_part = secret.removeprefix("sk-ts-")
        assert random_part not in answers
        assert random_part not in logged
        assert random_part.encode() not in stored


def _in_wrong_places(secret):
    """What people do with a key by mistake: method, path, and what goes with them."""
    bearer = {"Authorization": f"Bearer {secret}"}
    messages = [{"role": "user", "content": "x"}]
    return [
        ("GET", "/v1/models", {"headers": {"Authorization": secret}}),
        ("GET", "/v1/models", {"params": {"api_key": secret}}),
        ("GET", "/v1/models", {"headers": bearer | {"x-request-id": secret}}),
        ("GET", "/v1/models", {"headers": bearer | {"OpenAI-Project": secret}}),
        ("GET", "/v1/models", {"headers": bearer | {"OpenAI-Organization": secret}}),
        ("GET", f"/v1/models/{secret}", {}),
        ("GET", f"/{secret}", {}),
        ("GET", "/v1/files", {"params": {"after": secret}}),
        ("POST", "/v1/chat/completions", {"json": {"model": secret, "messages": messages}}),
        ("POST", "/v1/chat/completions", {"json": {"model": "tiny-reader", "messages": messages, secret: 1}}),
        ("POST", "/v1/responses", {"json": {"model": "tiny-reader", "input": "x", secret: 1}}),
        ("POST", "/v1/fine_tuning/jobs", {"json": {"model": secret, "training_file": secret}}),
        ("POST", "/v1/fine_tuning/jobs", {"json": {"model": "tiny-reader", "training_file": secret}}),
        ("DELETE", f"/v1/files/{secret}", {}),
    ]
