"""/v1/organization: projects, service accounts, keys, limits, usage and the audit log, each as OpenAI shows it."""

from __future__ import annotations

import time

import pytest

from tunesmith.stores.keys import KeyStore
from tunesmith.stores.limits import Limits, LimitStore
from tunesmith.stores.usage import HOUR, UsageStore, Used, UsedBy

ORGANISATION = "/v1/organization"


def bearer(key):
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture
def chief(database):
    return KeyStore(database).create("default", "chief", role="administer", of_organisation=True)


@pytest.fixture
def call(anyone, chief, conforms):
    """Asks as the organisation's administrator, and holds the answer against the specification."""

    async def do(method, path, schema, status=200, *, key=chief, **more):
        answer = await anyone.request(method, ORGANISATION + path, headers=bearer(key), **more)
        assert answer.status_code == status, answer.text
        conforms(schema, answer.json())
        return answer.json()

    return do


async def test_a_project_from_its_making_to_its_end(call, anyone, database):
    project = await call("POST", "/projects", "Project", json={"name": "Support"})
    path = f"/projects/{project['id']}"
    assert (await call("GET", path, "Project")) == project
    assert (await call("POST", path, "Project", json={"name": "Help"}))["name"] == "Help"
    first = await call("GET", "/projects?limit=1", "ProjectListResponse")
    assert first["has_more"]
    rest = await call("GET", f"/projects?after={first['last_id']}", "ProjectListResponse")
    assert [p["name"] for p in rest["data"]] == ["Help"]

    key = KeyStore(database).create(project["id"], "laptop")
    assert (await call("POST", f"{path}/archive", "Project"))["status"] == "archived"
    assert (await anyone.get("/v1/models", headers=bearer(key))).status_code == 401
    assert project["id"] not in str(await call("GET", "/projects", "ProjectListResponse"))
    listed = await call("GET", "/projects?include_archived=true", "ProjectListResponse")
    assert project["id"] in str(listed)
    await call("POST", "/projects/default/archive", "ErrorResponse", 409)
    await call("GET", "/projects/proj_nobody", "ErrorResponse", 404)
    await call("POST", "/projects", "ErrorResponse", 400, json={"name": ""})


async def test_a_service_account_and_its_keys(call, anyone):
    accounts = "/projects/default/service_accounts"
    made = await call("POST", accounts, "ProjectServiceAccountCreateResponse", json={"name": "bot"})
    secret = made["api_key"]["value"]
    assert (await anyone.get("/v1/models", headers=bearer(secret))).status_code == 200
    lesser = await call(
        "POST",
        f"{accounts}/{made['id']}/api_keys",
        "ServiceAccountApiKeyBody",
        json={"name": "reader", "scopes": ["read"], "expires_in_seconds": 60},
    )
    chat = await anyone.post("/v1/chat/completions", headers=bearer(lesser["value"]), json={})
    assert chat.status_code == 403

    keys = await call("GET", "/projects/default/api_keys", "ProjectApiKeyListResponse")
    assert {key["name"] for key in keys["data"]} == {"bot", "reader"}
    assert secret not in str(keys)
    one = f"/projects/default/api_keys/{lesser['id']}"
    assert (await call("GET", one, "ProjectApiKey"))["access"] == "read"
    assert (await call("DELETE", one, "ProjectApiKeyDeleteResponse"))["deleted"]
    await call("GET", one, "ErrorResponse", 404)

    listed = await call("GET", accounts, "ProjectServiceAccountListResponse")
    assert [account["id"] for account in listed["data"]] == [made["id"]]
    await call("GET", f"{accounts}/{made['id']}", "ProjectServiceAccount")
    await call("DELETE", f"{accounts}/{made['id']}", "ProjectServiceAccountDeleteResponse")
    await call("GET", f"{accounts}/{made['id']}", "ErrorResponse", 404)


async def test_the_organisations_own_keys_are_out_of_a_projects_reach(call, chief, database):
    made = await call(
        "POST",
        "/admin_api_keys",
        "AdminApiKeyCreateResponse",
        json={"name": "second", "expires_in_seconds": 60},
    )
    listed = await call("GET", "/admin_api_keys", "ApiKeyList")
    assert [key["name"] for key in listed["data"]] == ["chief", "second"]
    plain = KeyStore(database).create("default", "plain", role="administer")
    path = f"/projects/default/api_keys/{made['id']}"
    await call("DELETE", path, "ErrorResponse", 404, key=plain)
    await call("GET", path, "ErrorResponse", 404, key=plain)
    await call("POST", "/admin_api_keys", "ErrorResponse", 403, key=plain, json={"name": "mine"})
    own = KeyStore(database).verify(chief).id
    await call("DELETE", f"/admin_api_keys/{own}", "ErrorResponse", 403)
    await call("GET", f"/admin_api_keys/{made['id']}", "AdminApiKey")
    await call("DELETE", f"/admin_api_keys/{own}", "ErrorResponse", 403)
    deleted = await call("GET", "/admin_api_keys", "ApiKeyList")
    assert len(deleted["data"]) == 2


async def test_a_projects_administrator_rules_it_and_no_other_and_not_its_limits(call, database):
    plain = KeyStore(database).create("default", "plain", role="administer")
    made = await call(
        "POST",
        "/projects/default/service_accounts",
        "ProjectServiceAccountCreateResponse",
        key=plain,
        json={"name": "bot", "role": "owner"},
    )
    assert made["api_key"]
    other = (await call("POST", "/projects", "Project", json={"name": "Other"}))["id"]
    for project in (other, "proj_nobody"):
        path = f"/projects/{project}/service_accounts"
        error = await call("POST", path, "ErrorResponse", 404, key=plain, json={"name": "spy"})
        assert error["error"]["code"] == "project_not_found"
    limit = "/projects/default/rate_limits/rl-project"
    await call("POST", limit, "ErrorResponse", 403, key=plain, json={"max_requests_per_1_minute": 9})


async def test_limits_are_read_and_changed_one_by_one(call, database):
    path = "/projects/default/rate_limits"
    shown = await call("GET", path, "ProjectRateLimitListResponse")
    assert shown["data"][0]["max_requests_per_1_minute"] == 2**31 - 1
    await call("POST", f"{path}/rl-project", "ProjectRateLimit", json={"max_requests_per_1_minute": 9})
    await call("POST", f"{path}/rl-project", "ProjectRateLimit", json={"gpu_hours_per_month": 2.5})
    assert LimitStore(database).project("default") == Limits(9, None, 2.5)
    await call(
        "POST", f"{path}/rl-project", "ProjectRateLimit", json={"max_requests_per_1_minute": 2**31 - 1}
    )
    assert LimitStore(database).project("default") == Limits(None, None, 2.5)
    await call("POST", f"{path}/rl-gpt-4", "ErrorResponse", 404, json={})


async def test_usage_comes_in_lines_and_pages(call, database):
    hour = int(time.time()) // HOUR * HOUR
    by = UsedBy("default", "key_1", "user-owner", "tiny-reader", "completions", hour)
    UsageStore(database).add({by: Used(3, 20, 10)})
    path = f"/usage/completions?start_time={hour - HOUR}&bucket_width=1h&group_by[]=model&limit=1"
    empty = await call("GET", path, "UsageResponse")
    assert empty["data"][0]["results"] == []
    page = await call("GET", f"{path}&page={empty['next_page']}", "UsageResponse")
    (result,) = page["data"][0]["results"]
    assert (result["num_model_requests"], result["input_tokens"], result["output_tokens"]) == (3, 20, 10)
    assert (result["model"], result["project_id"]) == ("tiny-reader", None)
    embeddings = await call("GET", f"/usage/embeddings?start_time={hour}", "UsageResponse")
    assert embeddings["data"][0]["results"] == []
    for wrong in ("", "start_time=x", f"start_time={hour}&bucket_width=1m", f"start_time={hour}&group_by=x"):
        await call("GET", f"/usage/completions?{wrong}", "ErrorResponse", 400)


async def test_the_audit_log_tells_who_did_what_by_which_request(call, database, chief):
    project = (await call("POST", "/projects", "Project", json={"name": "Support"}))["id"]
    log = await call("GET", "/audit_logs?event_types[]=project.created", "ListAuditLogsResponse")
    (event,) = log["data"]
    assert event["project.created"] == {"id": project, "data": {"name": "Support"}}
    assert event["actor"]["api_key"]["id"] == KeyStore(database).verify(chief).id
    assert event["request_id"].startswith("req_")
    first = await call("GET", "/audit_logs?limit=1", "ListAuditLogsResponse")
    assert first["has_more"]
    assert event["id"] == first["data"][0]["id"]
    rest = await call("GET", f"/audit_logs?after={first['last_id']}", "ListAuditLogsResponse")
    assert event["id"] not in [line["id"] for line in rest["data"]]
