"""Every route says who may call it, and is held to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi.routing import APIRoute

from tunesmith.gateway.auth import Needs, NeedsInProject, NeedsOrganisation
from tunesmith.stores.database import ProjectRow
from tunesmith.stores.keys import KeyStore
from tunesmith.stores.roles import ROLES, covers, lesser

WITHOUT_A_KEY = {"/healthz", "/readyz", "/metrics"}
SOCKETS = {"/api/jobs/{job_id}/logs/tail"}
"""Declare no dependency, but call one; what they refuse is tested in test_ray_jobs.py."""


def role_of(route: APIRoute) -> str | None:
    calls = [dependency.call for dependency in route.dependant.dependencies]
    roles = [call.role for call in calls if isinstance(call, Needs | NeedsInProject | NeedsOrganisation)]
    return roles[0] if len(roles) == 1 else None


def test_every_route_declares_its_role(routes):
    undeclared = [
        f"{sorted(getattr(route, 'methods', None) or [])} {getattr(route, 'path', route)}"
        for route in routes
        if not (isinstance(route, APIRoute) and role_of(route))
        and getattr(route, "path", "") not in WITHOUT_A_KEY | SOCKETS
    ]
    assert not undeclared, "give these routes Depends(authenticate.needs(...)): " + ", ".join(undeclared)


def guarded(routes) -> Iterator[tuple[str, str, str]]:
    for route in routes:
        role = role_of(route) if isinstance(route, APIRoute) else None
        for method in sorted(route.methods or []) if role else []:
            yield method, route.path.replace(":path", "").replace("{", "").replace("}", ""), role


async def test_a_lesser_role_gets_a_403_from_every_route_and_an_unknown_key_a_401(anyone, database, routes):
    keys = KeyStore(database)
    secrets = {role: keys.create("default", role, role=role) for role in ROLES}
    seen = set()
    for method, path, needed in guarded(routes):
        for role, secret in secrets.items():
            if needed != "organisation" and covers(role, needed):
                continue
            response = await anyone.request(method, path, headers={"Authorization": f"Bearer {secret}"})
            assert response.status_code == 403, (method, path, role)
            error = response.json()["error"]
            assert error["code"] == "insufficient_permissions", (method, path, role)
            assert error["type"] == "invalid_request_error"
            assert secret not in response.text
            seen.add(role)
        for header in ({"Authorization": "Bearer sk-ts-unknown"}, {"Authorization": ""}):
            response = await anyone.request(method, path, headers=header)
            assert (response.status_code, response.json()["error"]["code"]) == (401, "invalid_api_key")
    assert {"read", "use"} <= seen


@pytest.mark.parametrize(
    ("held", "needed", "enough"),
    [("read", "read", True), ("read", "use", False), ("train", "use", True), ("use", "administer", False)],
)
def test_a_role_includes_those_before_it(held, needed, enough):
    assert covers(held, needed) is enough
    assert lesser(held, needed) == (needed if enough else held)


async def test_an_administrator_of_the_organisation_chooses_the_project_and_nobody_else_does(asgi, database):
    with database.session() as session:
        session.add(ProjectRow(id="acme", created_at=1))
    keys = KeyStore(database)
    chief = keys.create("default", "chief", role="administer", of_organisation=True)
    plain = keys.create("default", "plain", role="administer")

    async def ask(secret, project):
        return await asgi.get(
            "/v1/aliases", headers={"Authorization": f"Bearer {secret}", "OpenAI-Project": project}
        )

    assert (await ask(chief, "acme")).status_code == 200
    assert (await ask(plain, "default")).status_code == 200
    refused = [await ask(plain, "acme"), await ask(plain, "nothing"), await ask(chief, "nothing")]
    assert [(r.status_code, r.json()["error"]["code"]) for r in refused] == [(401, "mismatched_project")] * 3
    assert refused[0].text.replace("acme", "nothing") == refused[1].text


async def test_a_header_with_another_organisation_is_refused(asgi):
    good = await asgi.get("/v1/models", headers={"OpenAI-Organization": "org-default"})
    bad = await asgi.get("/v1/models", headers={"OpenAI-Organization": "org-other"})
    assert (good.status_code, bad.status_code) == (200, 401)
    assert bad.json()["error"]["code"] == "mismatched_organization"
