"""What the controller makes of the Ray dashboard's answers, over a real socket."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from tunesmith.controller.applications import Applications

WANTED = {"applications": [{"name": "engine"}, {"name": "answer"}]}


class Fixed:
    """Wants the same whatever runs, until the test says otherwise."""

    parts = ("engine", "answer")

    def __init__(self) -> None:
        self.wanted = WANTED

    def document(self, running):
        return self.wanted

    def observe(self, states):
        return list(states)


class Dashboard(ThreadingHTTPServer):
    """Answers the Serve REST API from `running`; a PUT is kept in `puts`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.running: dict[str, dict] = {}
        self.puts: list[tuple[str | None, dict]] = []
        self.target_groups: list[dict] = []


class _Handler(BaseHTTPRequestHandler):
    server: Dashboard

    def do_GET(self) -> None:
        self._answer({"applications": self.server.running, "target_groups": self.server.target_groups})

    def do_PUT(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.puts.append((self.headers["Authorization"], body))
        self._answer({})

    def _answer(self, body: dict) -> None:
        payload = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, *_args: object) -> None:
        return


@pytest.fixture
def dashboard() -> Iterator[Dashboard]:
    server = Dashboard()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def wanted() -> Fixed:
    return Fixed()


@pytest.fixture
def applications(dashboard: Dashboard, wanted: Fixed) -> Iterator[Applications]:
    url = f"http://127.0.0.1:{dashboard.server_port}"
    with httpx.Client(base_url=url, headers={"Authorization": "Bearer t"}, trust_env=False) as client:
        yield Applications(client, wanted=wanted, serves=lambda: True)


def conditions(states):
    return {state.name: state.condition for state in states}


def test_the_config_is_sent_once_to_a_serve_that_runs_nothing(applications, dashboard):
    applications.tick()
    applications.tick()
    assert dashboard.puts == [("Bearer t", WANTED)]


def test_running_applications_are_ready_and_left_alone(applications, dashboard):
    dashboard.running = {"engine": {"status": "RUNNING"}, "answer": {"status": "DEPLOYING"}}
    assert conditions(applications.tick()) == {"engine": "ready", "answer": "starting"}
    assert dashboard.puts == []


def test_a_failed_application_says_why_and_is_sent_again(applications, dashboard):
    deployment = {"status": "DEPLOY_FAILED", "message": "no such\n model"}
    dashboard.running = {
        "engine": {"status": "DEPLOY_FAILED", "message": "failed.", "deployments": {"engine": deployment}},
        "answer": {"status": "RUNNING"},
    }
    _, engine = applications.tick()
    assert engine.condition == "failed"
    assert engine.message == "failed. no such model"
    assert len(dashboard.puts) == 1


def test_a_new_ray_head_gets_the_config_at_once(applications, dashboard):
    applications.tick()
    assert conditions(applications.ray_is_gone()) == {"engine": "starting", "answer": "starting"}
    applications.tick()
    assert len(dashboard.puts) == 2


def test_running_is_not_ready_until_serve_answers(dashboard):
    dashboard.running = {"engine": {"status": "RUNNING"}, "answer": {"status": "RUNNING"}}
    with httpx.Client(base_url=f"http://127.0.0.1:{dashboard.server_port}", trust_env=False) as client:
        states = Applications(client, wanted=Fixed(), serves=lambda: False).tick()
    assert conditions(states) == {"engine": "starting", "answer": "starting"}


def test_a_dashboard_that_does_not_answer_is_waited_for():
    with httpx.Client(base_url="http://127.0.0.1:9", trust_env=False) as client:
        states = Applications(client, wanted=Fixed(), serves=lambda: True).tick()
    assert conditions(states) == {"engine": "starting", "answer": "starting"}
    assert "waiting for Ray" in states[0].message


def test_what_is_wanted_anew_is_sent_at_once_and_an_engine_too_many_is_taken_away(
    applications, wanted, dashboard
):
    applications.tick()
    dashboard.running = {"engine": {"status": "RUNNING"}, "answer": {"status": "RUNNING"}}
    wanted.wanted = {"applications": [*WANTED["applications"], {"name": "engine-2"}]}
    assert conditions(applications.tick()) == {"engine": "ready", "answer": "ready", "engine-2": "starting"}
    dashboard.running["engine-2"] = {"status": "RUNNING"}
    wanted.wanted = WANTED
    applications.tick()
    assert [body for _, body in dashboard.puts[1:]] == [
        {"applications": [*WANTED["applications"], {"name": "engine-2"}]},
        WANTED,
    ]
    dashboard.running["engine-2"] = {"status": "DELETING"}
    applications.tick()
    assert len(dashboard.puts) == 3


def test_replicas_are_told_by_route_and_forgotten_with_ray(applications, dashboard):
    dashboard.running = {"engine": {"status": "RUNNING"}, "answer": {"status": "RUNNING"}}
    target = {"ip": "127.0.0.1", "port": 30000, "instance_id": "", "name": "SERVE_REPLICA::engine"}
    proxy = target | {"port": 8123}
    dashboard.target_groups = [
        {"route_prefix": "/engine", "protocol": "HTTP", "app_name": "engine", "targets": [target]},
        {"route_prefix": "/engine", "protocol": "gRPC", "app_name": "engine", "targets": [proxy]},
        {"route_prefix": "/", "protocol": "HTTP", "app_name": "", "targets": [proxy]},
    ]
    applications.tick()
    assert applications.replicas == {"/engine": ["http://127.0.0.1:30000"]}
    applications.ray_is_gone()
    assert applications.replicas == {}
