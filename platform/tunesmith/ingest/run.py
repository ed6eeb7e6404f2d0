"""FLOW 1: find the files, leave alone what has not changed, read, cut, embed and write the rest."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tunesmith.config.home import Home
from tunesmith.config.ingest import IngestConfig
from tunesmith.engines.embedder import open_embedder
from tunesmith.engines.protocols import Embedder
from tunesmith.errors import ConfigError, DocumentError
from tunesmith.ingest.chunking import chunking_of
from tunesmith.ingest.index import Index, PreparedDocument
from tunesmith.ingest.load import hash_bytes, parse_document, read_bytes
from tunesmith.ingest.progress import Progress, Silent
from tunesmith.ingest.report import Failure, IngestReport
from tunesmith.ingest.turn import ingest_turn
from tunesmith.ingest.walk import Found, FoundFile, find_files
from tunesmith.records import DEFAULT_PROJECT
from tunesmith.stores.database import open_home_database
from tunesmith.stores.documents import DocumentCatalog, DocumentRecord, is_attached
from tunesmith.stores.milvus import open_vectors


@dataclass(slots=True)
class _Tally:
    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    chunks_written: int = 0


def run_ingest(
    config: IngestConfig,
    *,
    home: Home,
    project_id: str = DEFAULT_PROJECT,
    progress: Progress | None = None,
) -> IngestReport:
    """Bring a store up to date with files.

    Args:
        config: files, store and knobs.
        home: the installation.
        project_id: the project that owns the store.
        progress: told how far it is.

    Returns:
        What was added, changed, left alone, removed, and what could not be read.

    Raises:
        ConfigError: a path does not exist, the store was embedded by another embedder, or missing files are to
            be removed and no folder was given.
        ConflictError: no platform runs and another process holds the home's vectors.
        StorageError: the home cannot be written.
        UnavailableError: Milvus does not answer.
    """
    progress = progress or Silent()
    found = find_files(config.paths)
    _require_folders(found, config)
    embedder = open_embedder(config.embedder)
    with ingest_turn(home, progress):
        database = open_home_database(home)
        catalog = DocumentCatalog(database, project_id)
        store = catalog.find_or_create(config.store, embedder=config.embedder)
        vectors = open_vectors(home, config.milvus_uri)
        try:
            return ingest_files(
                found, Index(store, catalog, vectors, embedder), config=config, progress=progress
            )
        finally:
            vectors.close()
            database.close()


def ingest_files(found: Found, index: Index, *, config: IngestConfig, progress: Progress) -> IngestReport:
    """Bring one open store up to date.

    Args:
        found: the files.
        index: the store.
        config: how they are cut, and whether missing ones are removed.
        progress: told how far it is.

    Returns:
        What was done.

    Raises:
        ConfigError: the embedder reads fewer tokens than a chunk may have.
        UnavailableError: Milvus does not answer.
    """
    started = time.monotonic()
    progress.files(len(found.files))
    tally = _Tally(failed=list(found.failed))
    known = _intact(index)
    for window in _windows(found, index, config, known, tally, progress):
        index.write(window, batch_size=config.batch_size)
        written = sum(len(document.chunks) for document in window)
        tally.chunks_written += written
        progress.advance(len(window), written)
    removed = _remove_missing(found, index, known) if config.remove_missing else ()
    if tally.chunks_written or removed:
        index.vectors.flush(index.store)
    return IngestReport(
        store=index.store.name,
        added=tuple(tally.added),
        changed=tuple(tally.changed),
        unchanged=tuple(tally.unchanged),
        removed=removed,
        failed=tuple(tally.failed),
        chunks=index.vectors.count(index.store),
        chunks_written=tally.chunks_written,
        seconds=time.monotonic() - started,
    )


def _intact(index: Index) -> Mapping[str, DocumentRecord]:
    """The known documents; those whose chunks are not all there (a restored or emptied Milvus) count as changed.

    Files that were attached through the API are the indexer's, which may be at one of them right now.
    """
    known = index.catalog.documents(index.store)
    if index.vectors.count(index.store) == sum(record.num_chunks for record in known.values()):
        return known
    held = index.vectors.chunk_counts(index.store)
    broken = [
        path
        for path, record in known.items()
        if held.get(path, 0) != record.num_chunks and not is_attached(path)
    ]
    index.catalog.begin(index.store, [known[path] for path in broken])
    return index.catalog.documents(index.store)


def _windows(
    found: Found,
    index: Index,
    config: IngestConfig,
    known: Mapping[str, DocumentRecord],
    tally: _Tally,
    progress: Progress,
) -> Iterator[list[PreparedDocument]]:
    """Documents to write, some at a time: enough chunks to fill a batch, few enough to keep in memory."""
    chunking = chunking_of(config)
    window: list[PreparedDocument] = []
    for file in found.files:
        try:
            prepared = _prepare(file, index, config, chunking, known.get(file.path))
        except DocumentError as error:
            tally.failed.append(Failure(file.path, error.message))
            progress.advance(1, 0)
            continue
        if prepared is None:
            tally.unchanged.append(file.path)
            progress.advance(1, 0)
            continue
        (tally.changed if file.path in known else tally.added).append(file.path)
        window.append(prepared)
        if sum(len(document.chunks) for document in window) >= config.batch_size:
            yield window
            window = []
    if window:
        yield window


def _prepare(
    file: FoundFile, index: Index, config: IngestConfig, chunking: str, known: DocumentRecord | None
) -> PreparedDocument | None:
    _require_storable(file.path)
    data = read_bytes(file.file, max_bytes=config.max_file_mib * 2**20)
    same = known and known.content_hash == hash_bytes(data) and known.chunking == chunking
    if known and same and known.source == file.source:
        return None
    if known and same:
        index.catalog.finish(index.store, [_moved(known, file.source)])
        return None
    _require_readable_chunks(index.embedder, config)
    return index.prepare(
        parse_document(data, file.path),
        source=file.source,
        chunk=config.chunk,
        chunking=chunking,
        attributes=known.attributes if known else {},
    )


def _moved(record: DocumentRecord, source: str) -> DocumentRecord:
    return dataclasses.replace(record, source=source)


def _require_folders(found: Found, config: IngestConfig) -> None:
    if config.remove_missing and not found.folders:
        raise ConfigError(
            f"remove_missing=true, but {', '.join(config.paths)} is no folder: what is missing can only be seen in "
            "a folder. Give the folder, or leave remove_missing out.",
            param="remove_missing",
        )


def _require_storable(path: str) -> None:
    if is_attached(path):
        raise DocumentError("lies in a folder that is called as an uploaded file is. Rename the folder")
    if not path.isprintable() or len(path.encode(errors="replace")) > 4096:
        raise DocumentError("has a name with control characters or bytes that are not UTF-8. Rename it")


def _require_readable_chunks(embedder: Embedder, config: IngestConfig) -> None:
    if config.chunk.chunk_tokens > embedder.max_tokens:
        raise ConfigError(
            f"chunk.chunk_tokens={config.chunk.chunk_tokens} is more than the {embedder.max_tokens} tokens that "
            f'embedder "{config.embedder}" reads. Use {embedder.max_tokens} or less.',
            param="chunk.chunk_tokens",
        )


def _remove_missing(found: Found, index: Index, known: Mapping[str, DocumentRecord]) -> tuple[str, ...]:
    """Take out documents that came from a walked folder and are no longer in it, as far as it could be seen."""
    present = {file.path for file in found.files}
    gone = tuple(
        path
        for path, record in known.items()
        if record.source in found.folders and path not in present and not found.hides(record.source, path)
    )
    if gone:
        index.remove(gone)
    return gone
