"""Makes the vectors as the rows of documents say: reads, cuts, embeds and writes what the API was asked to attach.

    in_progress  -->  read the file, cut, embed, write        completed | failed
    completed    -->  write its attributes                    completed
    cancelled    -->  take its chunks out                     cancelled
    deleting     -->  take its chunks out                     deleted

Chunk ids are made of store, path, place and text, and a document's row brackets the writing of its chunks: a process
that is killed anywhere leaves what the next one repairs by doing the same again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from tunesmith.config.ingest import ChunkConfig, IngestConfig
from tunesmith.engines.protocols import Embedder
from tunesmith.errors import (
    DocumentError,
    NotFoundError,
    PlatformError,
    StaleAttemptError,
    StorageError,
    UnavailableError,
)
from tunesmith.ingest.chunking import chunking_of
from tunesmith.ingest.index import Index
from tunesmith.ingest.load import parse_document, read_bytes
from tunesmith.ingest.queue import DocumentQueue, Hold, Task
from tunesmith.records import Document
from tunesmith.stores.database import Database
from tunesmith.stores.documents import DocumentCatalog
from tunesmith.stores.files import FileStore
from tunesmith.stores.objects import ObjectStore
from tunesmith.stores.vectors import StoreRecord, VectorStore

LOG = logging.getLogger("tunesmith.ingest.indexer")
"""The indexer's log."""

_SECONDS_BETWEEN_LOOKS = 0.5
_SECONDS_BETWEEN_BURIALS = 600.0
_REST_SECONDS = 3.0
"""Before a document is tried again for which a part of the platform was away."""
_MOST_TRIES = 5
"""A document that its reader died of so often is given up."""
_BATCH = 64
_STUCK_SECONDS = 1800.0
"""Without a sign of progress. The largest files take minutes to read; what takes longer keeps all others waiting."""


class Indexer:
    """Deals with one document after the other.

    Args:
        database: the metadata database.
        objects: where the files lie.
        queue: this process's hold on documents.
        vectors: where the chunks go; opened when there is something to write.
        embedder: makes vectors of the embedder of that name.
        chunk: how files are cut that say nothing of it.
        max_file_mib: larger files fail.
    """

    def __init__(
        self,
        database: Database,
        objects: ObjectStore,
        *,
        queue: DocumentQueue,
        vectors: Callable[[], VectorStore],
        embedder: Callable[[str], Embedder],
        chunk: ChunkConfig,
        max_file_mib: int = 100,
    ) -> None:
        self._database = database
        self._objects = objects
        self._queue = queue
        self._vectors = vectors
        self._embedder = embedder
        self._chunk = chunk
        self._max_file_mib = max_file_mib
        self._written: dict[str, StoreRecord] = {}
        self._buried_at = time.monotonic()
        self._moved_at = time.monotonic()

    def run(self, stop: threading.Event) -> None:
        """Work until told to stop.

        Args:
            stop: set by a signal.
        """
        while not stop.is_set():
            self._moved_at = time.monotonic()
            try:
                busy = self.step()
            except PlatformError as error:
                LOG.warning("not indexed: %s", error.message)
                busy = False
            if not busy:
                stop.wait(_SECONDS_BETWEEN_LOOKS)

    def lives(self) -> bool:
        """Whether it has looked for work, or written a batch of chunks, within the last half hour."""
        return time.monotonic() - self._moved_at < _STUCK_SECONDS

    def step(self) -> bool:
        """Do the next thing.

        Returns:
            False if there was nothing to do.

        Raises:
            PlatformError: database or vector store cannot be used.
        """
        task = self._queue.take()
        if task is not None:
            self._deal_with(task)
            return True
        return self._empty_a_store() or self._tidy()

    def _deal_with(self, task: Task) -> None:
        try:
            with self._queue.holding(task) as hold:
                self._bring_in_line(task, hold)
        except StaleAttemptError:
            # Deleted, cancelled or attached anew meanwhile: settling lets go of it, and changes nothing else.
            self._queue.settle(task, status=task.status)
        except (UnavailableError, StorageError) as error:
            LOG.warning("%s in %s waits: %s", task.path, task.store.id, error.message)
            self._queue.postpone(task, seconds=_REST_SECONDS)
        except PlatformError as error:
            self._fail(task, "server_error", error.message)
        except Exception:
            LOG.exception("%s in %s failed", task.path, task.store.id)
            self._fail(task, "server_error", "The file could not be processed. The indexer's log says why.")

    def _bring_in_line(self, task: Task, hold: Hold) -> None:
        match task.status:
            case "in_progress" if task.tries > _MOST_TRIES:
                self._fail(
                    task,
                    "server_error",
                    f"The process that reads it died {_MOST_TRIES} times. Split the file, or give it more memory.",
                )
            case "in_progress":
                self._index(task, hold)
            case "completed":
                self._vectors().set_attributes(task.store, task.path, task.attributes)
                self._queue.settle(task, status="completed")
            case status:
                self._take_out(task)
                self._queue.settle(task, status="deleted" if status == "deleting" else status)

    def _index(self, task: Task, hold: Hold) -> None:
        try:
            document = self._read(task)
        except NotFoundError:
            # Its deletion has marked this document too, or is about to.
            self._fail(task, "invalid_file", f"The file {task.file_id} does not exist any more.")
            return
        except DocumentError as error:
            code = "unsupported_file" if error.code == "unsupported_format" else "invalid_file"
            self._fail(task, code, f"The file {error.message}.")
            return
        self._write(task, document, hold)
        self._queue.settle(task, status="completed")

    def _read(self, task: Task) -> Document:
        files = FileStore(self._database, self._objects, task.store.project_id)
        with files.local_path(task.file_id) as path:
            data = read_bytes(path, max_bytes=self._max_file_mib * 2**20)
        return parse_document(data, task.path)

    def _write(self, task: Task, document: Document, hold: Hold) -> None:
        embedder = self._embedder(task.store.embedder)
        catalog = DocumentCatalog(self._database, task.store.project_id)

        def go_on() -> None:
            self._moved_at = time.monotonic()
            hold.require()

        index = Index(task.store, catalog, self._vectors(), embedder, before_write=go_on)
        chunk = chunks_as_asked(task.strategy, default=self._chunk, max_tokens=embedder.max_tokens)
        config = IngestConfig(embedder=task.store.embedder, chunk=chunk)
        chunking = chunking_of(config)
        known = catalog.document(task.store, task.path)
        if known and (known.content_hash, known.chunking) == (document.content_hash, chunking):
            index.vectors.set_attributes(task.store, task.path, task.attributes)
            return
        prepared = index.prepare(
            document, source=task.file_id, chunk=chunk, chunking=chunking, attributes=task.attributes
        )
        index.write([prepared], batch_size=_BATCH)
        self._written[task.store.collection] = task.store

    def _fail(self, task: Task, code: str, message: str) -> None:
        try:
            self._take_out(task)
        except PlatformError as error:
            LOG.warning("%s in %s waits: %s", task.path, task.store.id, error.message)
            self._queue.postpone(task, seconds=_REST_SECONDS)
            return
        self._queue.settle(task, status="failed", error=(code, message))

    def _take_out(self, task: Task) -> None:
        vectors = self._vectors()
        vectors.delete(task.store, sorted(vectors.chunk_ids(task.store, [task.path])))

    def _empty_a_store(self) -> bool:
        for store in self._queue.stores_to_empty():
            self._vectors().drop(store)
            self._queue.emptied(store)
            return True
        return False

    def _tidy(self) -> bool:
        """What can wait until there is nothing else to do; False, for nobody asked for it."""
        while self._written:
            _, store = self._written.popitem()
            self._vectors().flush(store)
        if time.monotonic() - self._buried_at > _SECONDS_BETWEEN_BURIALS:
            self._buried_at = time.monotonic()
            self._queue.bury()
        return False


def chunks_as_asked(
    strategy: Mapping[str, Any] | None, *, default: ChunkConfig, max_tokens: int
) -> ChunkConfig:
    """From the API's chunking strategy to our chunker's knobs.

    Args:
        strategy: `{"type": "static", "static": {...}}`; None where it was left to the platform.
        default: how the platform cuts.
        max_tokens: tokens that the embedder reads; the rest of a longer chunk would never be found.

    Returns:
        Length and overlap in tokens of the embedder; the overlap shrinks with the length.
    """
    if strategy is None:
        return default
    asked = strategy["static"]
    tokens = min(asked["max_chunk_size_tokens"], max_tokens)
    share = asked["chunk_overlap_tokens"] / asked["max_chunk_size_tokens"]
    return ChunkConfig(chunk_tokens=tokens, chunk_overlap=min(int(share * tokens), tokens // 2))
