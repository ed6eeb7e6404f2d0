"""What the gateway of a release sees of its RayService."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tunesmith.gateway.in_cluster import ServeReadiness


class Proxy(BaseHTTPRequestHandler):
    """Serve's proxy, as far as it is asked."""

    routes: dict[str, str]

    def do_GET(self) -> None:
        assert self.path == "/-/routes"
        body = json.dumps(self.routes).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def proxy() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_ready_when_all_applications_are_routed_to(proxy: ThreadingHTTPServer) -> None:
    readiness = ServeReadiness(f"http://127.0.0.1:{proxy.server_port}", release="ts")
    assert not readiness().ready
    Proxy.routes = {"/engine": "engine", "/embed": "embed"}
    readiness.look()
    assert [part.condition for part in readiness().parts] == ["ready", "ready", "starting"]
    Proxy.routes |= {"/answer": "answer"}
    readiness.look()
    assert readiness().ready
    assert not readiness().silent


def test_not_ready_where_nothing_answers() -> None:
    readiness = ServeReadiness("http://127.0.0.1:9", release="ts")
    readiness.look()
    assert {part.condition for part in readiness().parts} == {"starting"}
    assert "does not answer" in readiness().parts[0].message
