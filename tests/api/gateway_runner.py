"""A gateway in a process of its own: `python gateway_runner.py HOME`; prints its port."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import uvicorn

from tunesmith.config.home import Home
from tunesmith.gateway.app import build_app
from tunesmith.gateway.upstream import Upstream
from tunesmith.stores.database import Database
from tunesmith.stores.objects import ObjectStore

if __name__ == "__main__":
    home = Home(Path(sys.argv[1]))
    app = build_app(
        database=Database(home.database_url),
        objects=ObjectStore(home.objects_url),
        upstream=Upstream("http://127.0.0.1:9"),
        base="tiny-reader",
        embedder="mini",
        readiness=lambda: None,
    )
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        print(listener.getsockname()[1], flush=True)
        uvicorn.Server(uvicorn.Config(app, log_level="critical")).run([listener])
