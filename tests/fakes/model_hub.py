"""A model hub: one repository of small files, behind the routes that the hub's own client asks."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class ModelHub:
    """A hub that runs.

    Attributes:
        url: its address.
        fetched: files that were downloaded, each time.
    """

    url: str
    fetched: list[str] = field(default_factory=list)


@contextmanager
def model_hub(address: str, repository: str, files: Mapping[str, bytes]) -> Iterator[ModelHub]:
    """Serve a repository for a block."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.split("?")[0]
            if path.startswith(f"/api/models/{repository}/revision/"):
                listed = [{"rfilename": name} for name in files]
                return self._tell({"id": repository, "sha": COMMIT, "siblings": listed})
            if path.startswith(f"/api/models/{repository}/tree/"):
                return self._tell([_entry(name, text) for name, text in files.items()])
            name = path.rpartition("/")[2]
            if not path.startswith(f"/{repository}/resolve/") or name not in files:
                return self.send_error(404)
            if self.command == "GET":
                hub.fetched.append(name)
            etag = _entry(name, files[name])["oid"]
            return self._answer(files[name], {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT})

        do_HEAD = do_GET

        def _tell(self, document: object) -> None:
            self._answer(json.dumps(document).encode(), {"Content-Type": "application/json"})

        def _answer(self, body: bytes, headers: Mapping[str, str]) -> None:
            self.send_response(200)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer((address, 0), Handler)
    hub = ModelHub(f"http://{address}:{server.server_port}")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()


def _entry(name: str, text: bytes) -> dict[str, str | int]:
    return {"type": "file", "path": name, "size": len(text), "oid": hashlib.sha1(text).hexdigest()}
