"""The indexer process: `python -m tunesmith.ingest --home DIR`."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import secrets
import signal
import socket
import sys
import threading
from functools import cache
from pathlib import Path

import httpx

from tunesmith.config.home import Home
from tunesmith.config.serve import ServeConfig
from tunesmith.engines.embedder import open_embedder
from tunesmith.engines.http_embedder import HttpEmbedder
from tunesmith.engines.protocols import Embedder
from tunesmith.ingest.indexer import Indexer
from tunesmith.ingest.queue import DocumentQueue
from tunesmith.stores.database import open_home_database
from tunesmith.stores.objects import ObjectStore
from tunesmith.stores.platform_file import RunningPlatform, read_record
from tunesmith.stores.vectors import VectorStore

_SECONDS_BETWEEN_BEATS = 1.0


def main() -> None:
    """Index what is attached to the vector stores of the platform that the home's record describes, until SIGTERM."""
    parser = argparse.ArgumentParser(prog="tunesmith.ingest")
    parser.add_argument("--home", required=True)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    home = Home.locate(parser.parse_args().home)
    platform = read_record(home)
    if platform is None:
        sys.exit(f"{home.platform_file} does not exist. `tunesmith up` writes it and starts the indexer.")
    stop = _stop_on_signal()
    threading.Thread(target=beat, args=(home.indexer_beat, stop), daemon=True).start()
    build_indexer(platform).run(stop)


def build_indexer(platform: RunningPlatform) -> Indexer:
    """Put the indexer of a platform together; nothing is opened that it does not need while it waits.

    Args:
        platform: the record that `up` wrote.

    Returns:
        An indexer that has done nothing yet.
    """
    home, config = Home(platform.home), ServeConfig.model_validate(platform.config)
    database = open_home_database(home)
    client = httpx.Client(base_url=platform.serve_url, trust_env=False)

    @cache
    def vectors() -> VectorStore:
        from tunesmith.stores.milvus import open_vectors

        return open_vectors(home, platform.milvus_uri)

    @cache
    def embedder(name: str) -> Embedder:
        local = open_embedder(name)
        return HttpEmbedder(local, client) if name == config.embedder else local

    return Indexer(
        database,
        ObjectStore(home.objects_url),
        queue=DocumentQueue(database, owner=f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"),
        vectors=vectors,
        embedder=embedder,
        chunk=config.chunk,
        max_file_mib=config.max_document_mib,
    )


def beat(file: Path, stop: threading.Event) -> None:
    """Show that this process lives: it has no address that could be asked.

    Args:
        file: touched again and again.
        stop: ends it.
    """
    while not stop.wait(_SECONDS_BETWEEN_BEATS):
        with contextlib.suppress(OSError):
            file.touch()


def _stop_on_signal() -> threading.Event:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


if __name__ == "__main__":
    main()
