"""Ray's own client through the gateway, with a small server where Ray's dashboard would be."""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from in_thread import serving
from ray.job_submission import JobSubmissionClient
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from tunesmith.gateway.app import build_app
from tunesmith.gateway.ray_api import dashboard as ray_dashboard
from tunesmith.gateway.ray_api import names as ray_names
from tunesmith.gateway.ray_api.dashboard import RayDashboard
from tunesmith.gateway.upstream import Upstream
from tunesmith.stores.audit import AuditLog
from tunesmith.stores.database import ProjectRow
from tunesmith.stores.keys import KeyStore

TOKEN = "ray-token-of-the-platform"


class Dashboard:
    """What stands in for Ray's dashboard: wants its token, keeps packages and jobs."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.packages: dict[str, bytes] = {}
        self.jobs: dict[str, dict[str, Any]] = {}
        self.fails = False

    async def http(self, request: Request) -> Response:
        assert request.headers["authorization"] == f"Bearer {TOKEN}"
        path = request.url.path.removeprefix("/api")
        self.asked.append(f"{request.method} {path}")
        if self.fails:
            return PlainTextResponse("Traceback\n  File '/secret'\nRuntimeError: no agent", 500)
        if path == "/version":
            return JSONResponse(
                {"version": "4", "ray_version": "2.60.0", "ray_commit": "x", "session_name": "s"}
            )
        if path.startswith("/packages/"):
            return await self._package(request, path)
        return await self._job(request, path.removeprefix("/jobs/"))

    async def _package(self, request: Request, path: str) -> Response:
        if request.method == "PUT":
            self.packages[path] = await request.body()
        return Response(status_code=200 if path in self.packages else 404)

    async def _job(self, request: Request, path: str) -> Response:
        if request.method == "POST" and not path:
            job = await request.json()
            self.jobs[job["submission_id"]] = job | {"type": "SUBMISSION", "status": "RUNNING"}
            return JSONResponse({"job_id": job["submission_id"], "submission_id": job["submission_id"]})
        if not path:
            driver = {"type": "DRIVER", "job_id": "01000000", "submission_id": None}
            return JSONResponse([*self.jobs.values(), driver])
        name, _, what = path.partition("/")
        if name not in self.jobs:
            return PlainTextResponse("no such job", 404)
        if request.method == "DELETE":
            return JSONResponse({"deleted": bool(self.jobs.pop(name))})
        answers = {"": self.jobs[name], "logs": {"logs": "line\n" * 3}, "stop": {"stopped": True}}
        return JSONResponse(answers[what])

    async def tail(self, socket: WebSocket) -> None:
        assert socket.headers["authorization"] == f"Bearer {TOKEN}"
        await socket.accept()
        for line in ("one\n", "two\n"):
            await socket.send_text(line)
        await socket.close()


@pytest.fixture
def dashboard() -> Dashboard:
    return Dashboard()


@pytest.fixture
def gateway(database, objects, readiness, dashboard: Dashboard) -> Iterator[str]:
    routes = [
        WebSocketRoute("/api/jobs/{name}/logs/tail", dashboard.tail),
        Route("/api/{path:path}", dashboard.http, methods=["GET", "PUT", "POST", "DELETE"]),
    ]
    with serving(Starlette(routes=routes)) as ray:
        app = build_app(
            database=database,
            objects=objects,
            upstream=Upstream("http://127.0.0.1:9"),
            base="tiny-reader",
            embedder="mini",
            readiness=readiness,
            ray=RayDashboard(ray, TOKEN),
        )
        with serving(app) as url:
            yield url


@pytest.fixture
def admin(database) -> str:
    return KeyStore(database).create("default", "chief", role="administer", of_organisation=True)


@pytest.fixture
def other(database) -> str:
    """An administrator of another project."""
    with database.session() as session:
        session.add(ProjectRow(id="acme", created_at=1))
    return KeyStore(database).create("acme", "chief", role="administer", of_organisation=True)


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture
def client(gateway: str, admin: str) -> JobSubmissionClient:
    return JobSubmissionClient(gateway, headers=bearer(admin))


async def test_rays_client_submits_tails_stops_and_deletes(
    client: JobSubmissionClient, dashboard: Dashboard, tmp_path: Path
):
    (tmp_path / "job.py").write_text("print('hello')")
    job_id = client.submit_job(
        entrypoint="python job.py",
        runtime_env={"working_dir": str(tmp_path)},
        metadata={"team": "a", "tunesmith_project": "forged"},
    )
    assert job_id.startswith("default.raysubmit_")
    (package,) = dashboard.packages.values()
    assert package.startswith(b"PK")
    noted = dashboard.jobs[job_id]["metadata"]
    assert (noted["team"], noted["tunesmith_project"]) == ("a", "default")
    assert noted["tunesmith_key"].startswith("key_")

    assert client.get_job_info(job_id).entrypoint == "python job.py"
    assert client.get_job_logs(job_id) == "line\n" * 3
    assert "".join([lines async for lines in client.tail_job_logs(job_id)]) == "one\ntwo\n"
    assert [job.submission_id for job in client.list_jobs()] == [job_id]
    assert client.stop_job(job_id)
    assert client.delete_job(job_id)
    assert dashboard.jobs == {}


def test_a_name_of_ones_own_is_kept_under_the_project(client: JobSubmissionClient):
    assert client.submit_job(entrypoint="true", submission_id="mine") == "default.mine"
    assert client.submit_job(entrypoint="true", submission_id="default.mine") == "default.mine"


@pytest.mark.parametrize("name", ["../../etc/passwd", "a b", "x" * 65, "acme.mine", "a/b"])
def test_a_name_that_could_be_a_path_or_anothers_is_refused(gateway, admin, dashboard, name):
    body = {"entrypoint": "true", "submission_id": name}
    response = httpx.post(f"{gateway}/api/jobs/", json=body, headers=bearer(admin))
    assert (response.status_code, response.json()["error"]["param"]) == (400, "submission_id")
    assert dashboard.asked == []


async def test_another_projects_submissions_are_invisible(gateway, client, other, dashboard):
    job_id = client.submit_job(entrypoint="true")
    theirs = JobSubmissionClient(gateway, headers=bearer(other))
    assert theirs.list_jobs() == []
    asked = len(dashboard.asked)
    for method, path in [
        ("GET", ""),
        ("GET", "/logs"),
        ("POST", "/stop"),
        ("DELETE", ""),
    ]:
        response = httpx.request(method, f"{gateway}/api/jobs/{job_id}{path}", headers=bearer(other))
        assert response.status_code == 404, path
    with pytest.raises(Exception, match="404"):
        _ = [lines async for lines in theirs.tail_job_logs(job_id)]
    # Drivers of Ray's own, by their number, are nobody's.
    assert httpx.get(f"{gateway}/api/jobs/01000000", headers=bearer(other)).status_code == 404
    assert len(dashboard.asked) == asked
    assert job_id in dashboard.jobs


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/version"),
        ("PUT", "/api/packages/gcs/_ray_pkg_0123456789abcdef.zip"),
        ("POST", "/api/jobs/"),
        ("GET", "/api/jobs/"),
        ("GET", "/api/jobs/default.x/logs"),
        ("DELETE", "/api/jobs/default.x"),
    ],
)
def test_none_but_administrators_come_through(gateway, key, dashboard, method, path):
    assert httpx.request(method, gateway + path).status_code == 401
    assert httpx.request(method, gateway + path, headers=bearer(key)).status_code == 403
    assert dashboard.asked == []


async def test_a_tail_without_a_key_is_refused_before_anything_is_sent(gateway, key):
    for headers, status in (({}, "401"), (bearer(key), "403")):
        client = JobSubmissionClient.__new__(JobSubmissionClient)
        client._address, client._headers, client._cookies, client._ssl_context = gateway, headers, None, None
        with pytest.raises(Exception, match=status):
            _ = [lines async for lines in client.tail_job_logs("default.x")]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/serve/applications/"),
        ("PUT", "/api/serve/applications/"),
        ("GET", "/api/v0/tasks"),
        ("GET", "/api/component_activities"),
        ("GET", "/api/packages/http/_ray_pkg_0123456789abcdef.zip"),
        ("GET", "/api/jobs/default.x/../../serve/applications/"),
        ("GET", "/nodes"),
    ],
)
def test_nothing_else_of_the_dashboard_is_passed_on(gateway, admin, dashboard, method, path):
    assert httpx.request(method, gateway + path, headers=bearer(admin)).status_code in (404, 405)
    assert dashboard.asked == []


@pytest.mark.parametrize("name", ["evil.zip", "_ray_pkg_xyz.zip", "_ray_pkg_0123456789abcdef.tar"])
def test_a_package_of_another_name_is_refused(gateway, admin, dashboard, name):
    response = httpx.put(f"{gateway}/api/packages/gcs/{name}", content=b"x", headers=bearer(admin))
    assert (response.status_code, dashboard.packages) == (400, {})


def test_a_package_that_is_too_large_is_refused_while_it_comes(gateway, admin, dashboard, monkeypatch):
    monkeypatch.setattr(ray_names, "MAX_PACKAGE_BYTES", 1000)
    url = f"{gateway}/api/packages/gcs/_ray_pkg_0123456789abcdef.zip"
    response = httpx.put(url, content=b"x" * 100_000, headers=bearer(admin))
    assert response.status_code == 413
    assert dashboard.packages == {}


def test_what_ray_says_of_itself_stays_inside(gateway, admin, dashboard):
    dashboard.fails = True
    response = httpx.post(f"{gateway}/api/jobs/", json={"entrypoint": "true"}, headers=bearer(admin))
    assert response.status_code == 503
    assert "no agent" in response.text
    assert "/secret" not in json.dumps(response.json())
    assert TOKEN not in response.text


def test_what_is_submitted_stopped_and_deleted_is_noted_once_ray_has_done_it(
    gateway, admin, dashboard, database
):
    def ask(method, path, **more):
        return httpx.request(method, f"{gateway}/api/jobs/{path}", headers=bearer(admin), **more)

    ask("POST", "", json={"entrypoint": "echo secret-word", "submission_id": "nightly"})
    ask("POST", "default.nightly/stop")
    ask("POST", "default.unknown/stop")
    ask("DELETE", "default.nightly")
    dashboard.fails = True
    ask("POST", "", json={"entrypoint": "true"})
    events = [event for event in AuditLog(database).list()[::-1] if event.type.startswith("ray.")]
    assert [(event.type, event.resource_id, event.project_id) for event in events] == [
        (f"ray.job.{what}", "default.nightly", "default") for what in ("submitted", "stopped", "deleted")
    ]
    key = KeyStore(database).verify(admin)
    assert {(event.actor.key_id, event.actor.principal_id) for event in events} == {
        (key.id, key.principal_id)
    }
    assert "secret-word" not in str(events)


async def test_a_log_is_followed_though_ray_reads_nothing_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    """As its dashboard does, which answers no ping then; websockets would give up after forty seconds."""
    impatient = functools.partial(ray_dashboard.connect, ping_interval=0.1, ping_timeout=0.1)
    monkeypatch.setattr(ray_dashboard, "connect", impatient)

    async def send(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        for line in ("one", "two"):
            await socket.send_str(line)
            await asyncio.sleep(1)
        return socket

    ray = web.Application()
    ray.router.add_get("/tail", send)
    async with TestServer(ray) as server, aiohttp.ClientSession() as session:
        dashboard = RayDashboard(str(server.make_url("")).rstrip("/"), TOKEN)
        gateway = Starlette(routes=[WebSocketRoute("/tail", functools.partial(dashboard.tail, "/tail"))])
        with serving(gateway) as url:
            async with session.ws_connect(f"{url}/tail") as socket:
                lines = [message.data async for message in socket]
        await dashboard.close()
    assert (lines, socket.close_code) == (["one", "two"], 1000)
