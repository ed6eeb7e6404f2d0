"""The port that probes and Prometheus ask, really asked."""

from __future__ import annotations

import httpx

from tunesmith.telemetry.status_server import StatusServer


def test_the_status_port_says_what_the_process_says_of_itself() -> None:
    alive = [True]
    server = StatusServer(lambda: alive[0], lambda: {"parts": ["tiny-reader"]}, port=0)
    url = f"http://127.0.0.1:{server.port}"
    assert httpx.get(f"{url}/healthz").json() == {"status": "ok", "parts": ["tiny-reader"]}
    alive[0] = False
    stuck = httpx.get(f"{url}/healthz")
    assert (stuck.status_code, stuck.json()["status"]) == (503, "stuck")
    assert "python_info" in httpx.get(f"{url}/metrics").text
    assert httpx.get(f"{url}/keys").status_code == 404
    server.close()
