"""A process's own port in a cluster: whether its loop turns, what it has to say of it, and metrics."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest

STATUS_PORT = 8001
"""Where Prometheus asks in a cluster, and the chart's probes the processes that serve nothing else."""


class StatusServer:
    """Answers `/healthz` and `/metrics`, without a key: the chart's network policy says who may ask.

    Args:
        lives: whether the loop turns.
        details: what `/healthz` says beside that.
        port: port on all addresses of the pod; 0 takes a free one.
        registry: what `/metrics` tells.
    """

    def __init__(
        self,
        lives: Callable[[], bool],
        details: Callable[[], Mapping[str, object]] = dict,
        *,
        port: int = STATUS_PORT,
        registry: CollectorRegistry = REGISTRY,
    ) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/healthz":
                    alive = lives()
                    body = json.dumps({"status": "ok" if alive else "stuck", **details()}).encode()
                    self._answer(200 if alive else 503, "application/json", body)
                elif self.path == "/metrics":
                    self._answer(200, CONTENT_TYPE_LATEST, generate_latest(registry))
                else:
                    self._answer(404, "text/plain", b"/healthz or /metrics\n")

            def _answer(self, status: int, content_type: str, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Probes come every few seconds, and nobody reads of them."""

        self._server = ThreadingHTTPServer(("", port), Handler)
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, name="status", daemon=True).start()

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()
