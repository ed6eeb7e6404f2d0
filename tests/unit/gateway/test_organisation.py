"""/v1/organization: projects, service accounts, keys, limits, usage and the audit log, each as OpenAI shows it."""

from __future__ import annotations

import asyncio
import time

import pytest

from tunesmith.config.serve import PricesConfig
from tunesmith.gateway.organisation.costs import CostFields, cost_page
from tunesmith.stores.database import AttemptRow, JobRow
from tunesmith.stores.keys import KeyStore
from tunesmith.stores.limits import Limits, LimitStore
from tunesmith.stores.projects import Projects
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


async def test_an_organisation_reads_the_reports_of_its_own_projects_alone(call, database):
    hour = int(time.time()) // HOUR * HOUR
    mine = (await call("POST", "/projects", "Project", json={"name": "Support"}))["id"]
    theirs = Projects(database, "org-theirs").create("Theirs").id
    for project in (mine, theirs):
        by = UsedBy(project, "key_1", "user-owner", "tiny-reader", "completions", hour)
        UsageStore(database).add({by: Used(3, 20, 10)})
    for report in (
        f"/usage/completions?start_time={hour}&bucket_width=1h&group_by[]=project_id",
        f"/costs?start_time={hour}&group_by[]=project_id",
    ):
        schema = "UsageResponse"
        for asked, seen in (
            ("", {mine}),
            (f"&project_ids[]={theirs}&project_ids[]={mine}", {mine}),
            (f"&project_ids[]={theirs}", set()),
        ):
            page = await call("GET", report + asked, schema)
            assert {result["project_id"] for bucket in page["data"] for result in bucket["results"]} == seen


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


async def test_a_user_from_coming_to_leaving(call, anyone):
    user = await call("POST", "/users", "User", json={"name": "Ada", "email": "ada@example.org"})
    assert (user["role"], user["is_default"]) == ("reader", False)
    path = f"/users/{user['id']}"
    assert await call("GET", path, "User") == user
    assert await call("GET", "/users/ada@example.org", "User") == user
    listed = await call(
        "GET", "/users?emails[]=ada@example.org&emails[]=nobody@example.org", "UserListResponse"
    )
    assert listed["data"] == [user]
    assert [u["id"] for u in (await call("GET", "/users", "UserListResponse"))["data"]] == [
        "user-owner",
        user["id"],
    ]
    assert (await call("POST", path, "User", json={"role": "owner"}))["role"] == "owner"
    assert (await call("POST", path, "User", json={"role": "reader"}))["role"] == "reader"
    assert (await call("DELETE", path, "UserDeleteResponse"))["deleted"]
    await call("GET", path, "ErrorResponse", 404)
    await call("DELETE", path, "ErrorResponse", 404)
    # The address is free again.
    await call("POST", "/users", "User", json={"name": "Ada", "email": "ada@example.org"})
    await call("POST", "/users", "ErrorResponse", 409, json={"name": "Twin", "email": "ada@example.org"})
    for wrong in ({}, {"name": ""}, {"name": "x", "email": "no address"}, {"name": "x", "role": "member"}):
        await call("POST", "/users", "ErrorResponse", 400, json=wrong)


async def test_whose_home_it_is_stays_its_owner(call):
    await call("POST", "/users", "User", json={"name": "Second", "role": "owner"})
    await call("DELETE", "/users/user-owner", "ErrorResponse", 409)
    await call("POST", "/users/user-owner", "ErrorResponse", 409, json={"role": "reader"})


async def test_a_service_account_is_no_user(call):
    made = await call(
        "POST",
        "/projects/default/service_accounts",
        "ProjectServiceAccountCreateResponse",
        json={"name": "bot"},
    )
    members = "/projects/default/users"
    for path in (f"/users/{made['id']}", f"{members}/{made['id']}"):
        await call("GET", path, "ErrorResponse", 404)
        await call("DELETE", path, "ErrorResponse", 404)
        await call("POST", path, "ErrorResponse", 404, json={"role": "owner"})
    await call("POST", members, "ErrorResponse", 404, json={"user_id": made["id"], "role": "owner"})


async def test_a_user_does_in_a_project_what_their_role_there_allows(call, anyone, chief):
    user = await call("POST", "/users", "User", json={"name": "Ada", "email": "ada@example.org"})
    members = "/projects/default/users"
    keys = f"{members}/{user['id']}/api_keys"
    await call("POST", keys, "ErrorResponse", 404, json={"name": "laptop"})
    joined = await call("POST", members, "ProjectUser", json={"email": "ada@example.org", "role": "read"})
    assert (joined["id"], joined["role"], joined["access"]) == (user["id"], "member", "read")
    assert (await call("GET", members, "ProjectUserListResponse"))["data"] == [joined]

    async def may(method, path, **more):
        answer = await anyone.request(method, f"/v1{path}", headers=bearer(secret), **more)
        return answer.status_code not in (401, 403)

    made = {"name": "laptop", "scopes": ["train"], "expires_in_seconds": 3600}
    secret = (await anyone.post(ORGANISATION + keys, headers=bearer(chief), json=made)).json()["value"]
    alias = {"name": "a", "model": "tiny-reader"}
    assert await may("GET", "/models")
    assert not await may("POST", "/aliases", json=alias)
    one = f"{members}/{user['id']}"
    assert (await call("POST", one, "ProjectUser", json={"role": "owner"}))["role"] == "owner"
    assert await call("GET", one, "ProjectUser") | {"role": "member", "access": "read"} == joined
    await asyncio.sleep(2.1)  # so long a gateway remembers what a key may do
    assert await may("POST", "/aliases", json=alias)
    # The key's own role is less than its owner's.
    assert not await may("GET", "/organization/projects/default/users")
    assert not await may("GET", "/organization/users")
    assert (await call("DELETE", one, "ProjectUserDeleteResponse"))["deleted"]
    await call("GET", one, "ErrorResponse", 404)
    await asyncio.sleep(2.1)
    assert not await may("GET", "/models")
    for wrong in (
        {},
        {"role": "owner"},
        {"user_id": user["id"]},
        {"user_id": "x", "email": "y", "role": "owner"},
    ):
        await call("POST", members, "ErrorResponse", 400, json=wrong)
    await call("POST", members, "ErrorResponse", 404, json={"user_id": "user-nobody", "role": "member"})
    await call(
        "POST", "/projects/nobody/users", "ErrorResponse", 404, json={"user_id": user["id"], "role": "member"}
    )


async def test_a_projects_administrator_rules_over_its_users_and_learns_of_no_others(call, database):
    plain = KeyStore(database).create("default", "plain", role="administer")
    member, other = [
        (await call("POST", "/users", "User", json={"name": name, "email": f"{name}@example.org"}))["id"]
        for name in ("member", "other")
    ]
    members = "/projects/default/users"
    await call("POST", members, "ProjectUser", json={"user_id": member, "role": "member"})
    listed = await call("GET", members, "ProjectUserListResponse", key=plain)
    assert [user["id"] for user in listed["data"]] == [member]
    await call("POST", f"{members}/{member}", "ProjectUser", key=plain, json={"role": "owner"})
    refused = [
        await call("POST", f"{members}/{user}", "ErrorResponse", 404, key=plain, json={"role": "owner"})
        for user in (other, "user-nobody")
    ]
    assert str(refused[0]).replace(other, "user-nobody") == str(refused[1])
    await call("POST", members, "ErrorResponse", 403, key=plain, json={"user_id": other, "role": "member"})
    await call("POST", f"{members}/{member}/api_keys", "ErrorResponse", 403, key=plain, json={"name": "mine"})
    await call("GET", "/users", "ErrorResponse", 403, key=plain)
    await call("DELETE", f"{members}/{member}", "ProjectUserDeleteResponse", key=plain)


async def test_costs_are_tokens_and_hours_of_training_at_the_prices_of_the_configuration(call, database):
    day = int(time.time()) // (24 * HOUR) * 24 * HOUR - 24 * HOUR
    for key, tokens in (("key_1", 1_000_000), ("key_2", 500_000)):
        by = UsedBy("default", key, "user-owner", "tiny-reader", "completions", day + HOUR)
        UsageStore(database).add({by: Used(3, tokens, 2 * tokens)})
    # From two hours before the day to three hours after its beginning, on two workers.
    job = JobRow(
        id="ftjob-1", project_id="default", name="a", wanted="succeeded", state="succeeded", fence=1, fingerprint="",
        config={"resources": {"num_workers": 2}}, created_at=day,
    )  # fmt: skip
    attempt = AttemptRow(
        job_id="ftjob-1", fence=1, project_id="default", started_at=day - 2 * HOUR, finished_at=day + 3 * HOUR
    )
    with database.session() as session:
        session.add(job)
        session.flush()
        session.add(attempt)

    def asked(**fields):
        prices = PricesConfig(currency="eur", gpu_hour=2.5, million_input_tokens=1, million_output_tokens=4)
        page = cost_page(database, prices, CostFields(start_time=day, end_time=day + 1, **fields))
        (bucket,) = page["data"]
        return [
            (r["line_item"], r["api_key_id"], r["quantity"], r["amount"]["value"]) for r in bucket["results"]
        ]

    assert asked() == [(None, None, None, 1.5 + 12 + 15)]
    assert asked(group_by=["line_item"]) == [
        ("input tokens", None, 1.5e6, 1.5),
        ("output tokens", None, 3e6, 12.0),
        ("training", None, 6.0, 15.0),
    ]
    assert asked(group_by=["api_key_id"], api_key_ids=["key_2"]) == [(None, "key_2", None, 4.5)]
    assert asked(project_ids=["acme"]) == []
    # Without prices nothing costs anything, and what was used is told all the same.
    path = f"/costs?start_time={day - 24 * HOUR}&group_by[]=line_item&limit=1"
    first = await call("GET", path, "UsageResponse")
    assert first["data"][0]["results"][0]["quantity"] == 4.0
    second = await call("GET", f"{path}&page={first['next_page']}", "UsageResponse")
    assert [r["amount"] for r in second["data"][0]["results"]] == [{"value": 0.0, "currency": "usd"}] * 3
    for wrong in (
        "",
        "start_time=x",
        f"start_time={day}&bucket_width=1h",
        f"start_time={day}&group_by=model",
    ):
        await call("GET", f"/costs?{wrong}", "ErrorResponse", 400)
