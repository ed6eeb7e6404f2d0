"""The indexer process: `python -m tunesmith.ingest --home DIR`; bare where the chart starts it."""

from __future__ import annotations

import argparse
import contextlib
import os
import secrets
import signal
import socket
import sys
import threading
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import httpx

from tunesmith.config.home import Home
from tunesmith.config.in_cluster import read_settings, runs_in_cluster
from tunesmith.config.serve import ServeConfig
from tunesmith.engines.embedder import open_embedder
from tunesmith.engines.http_embedder import HttpEmbedder
from tunesmith.engines.protocols import Embedder
from tunesmith.errors import PlatformError
from tunesmith.ingest.indexer import Indexer
from tunesmith.ingest.queue import DocumentQueue
from tunesmith.kubernetes.ray_service import serve_url
from tunesmith.stores.database import Database, open_home_database
from tunesmith.stores.objects import ObjectStore
from tunesmith.stores.platform_file import read_record
from tunesmith.stores.vectors import VectorStore
from tunesmith.telemetry.logs import configure_logs
from tunesmith.telemetry.status_server import StatusServer

_SECONDS_BETWEEN_BEATS = 1.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where an indexer works.

    Attributes:
        home: the installation, or scratch space in a cluster.
        database: the metadata database.
        milvus_uri: the vector store.
        serve_url: the data plane, whose embedder makes the vectors.
        config: what the program does.
    """

    home: Home
    database: Database
    milvus_uri: str
    serve_url: str
    config: ServeConfig


def main() -> None:
    """Index what is attached to the vector stores of a platform, until SIGTERM."""
    parser = argparse.ArgumentParser(prog="tunesmith.ingest")
    parser.add_argument("--home", required=not runs_in_cluster())
    arguments = parser.parse_args()
    try:
        place = _in_cluster() if arguments.home is None else _on_this_machine(Home.locate(arguments.home))
    except PlatformError as error:
        sys.exit(f"error: {error.message}")
    configure_logs(place.config.telemetry.log_format, service="indexer")
    stop = _stop_on_signal()
    indexer = build_indexer(place)
    if runs_in_cluster():
        StatusServer(indexer.lives)
    else:
        threading.Thread(target=beat, args=(place.home.indexer_beat, stop), daemon=True).start()
    indexer.run(stop)


def _on_this_machine(home: Home) -> Place:
    platform = read_record(home)
    if platform is None:
        sys.exit(f"{home.platform_file} does not exist. `tunesmith up` writes it and starts the indexer.")
    config = ServeConfig.model_validate(platform.config)
    return Place(home, open_home_database(home), platform.milvus_uri, platform.serve_url, config)


def _in_cluster() -> Place:
    settings = read_settings()
    base = settings.config.served_bases[0]
    url = serve_url(settings, base.model)
    # The chart's hook has migrated the database.
    database = Database(settings.home.database_url)
    settings.home.run.mkdir(parents=True, exist_ok=True)
    return Place(settings.home, database, settings.milvus_uri, url, settings.config)


def build_indexer(place: Place) -> Indexer:
    """Put an indexer together; nothing is opened that it does not need while it waits.

    Args:
        place: where it works.

    Returns:
        An indexer that has done nothing yet.
    """
    client = httpx.Client(base_url=place.serve_url, trust_env=False)

    @cache
    def vectors() -> VectorStore:
        from tunesmith.stores.milvus import open_vectors

        return open_vectors(place.home, place.milvus_uri)

    @cache
    def embedder(name: str) -> Embedder:
        local = open_embedder(name)
        return HttpEmbedder(local, client) if name == place.config.embedder else local

    owner = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
    return Indexer(
        place.database,
        ObjectStore(place.home.objects_url),
        queue=DocumentQueue(place.database, owner=owner),
        vectors=vectors,
        embedder=embedder,
        chunk=place.config.chunk,
        max_file_mib=place.config.max_document_mib,
    )


def beat(file: Path, stop: threading.Event) -> None:
    """Show that this process lives: on one machine it has no address that could be asked.

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
