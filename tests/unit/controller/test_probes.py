from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tunesmith.controller.probes import answers_http, answers_tcp


class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        allowed = self.path == "/healthz" and self.headers["Authorization"] in (None, "Bearer right")
        self.send_response(200 if allowed else 401)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_args):
        return


@pytest.fixture
def port():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def test_only_a_200_is_an_answer(port):
    url = f"http://127.0.0.1:{port}"
    assert answers_http(f"{url}/healthz")() is True
    assert answers_http(f"{url}/healthz", token="right")() is True
    assert answers_http(f"{url}/healthz", token="wrong")() is False
    assert answers_http(f"{url}/other")() is False


def test_nobody_there_is_no_answer(port):
    assert answers_tcp("127.0.0.1", port)() is True
    assert answers_tcp("127.0.0.1", 9)() is False
    assert answers_http("http://127.0.0.1:9/healthz")() is False
