from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tunesmith.config.home import Home
from tunesmith.config.ingest import ChunkConfig, IngestConfig
from tunesmith.engines.fakes import HashingEmbedder
from tunesmith.ingest.index import Index
from tunesmith.ingest.progress import Progress, Silent
from tunesmith.ingest.report import IngestReport
from tunesmith.ingest.run import ingest_files
from tunesmith.ingest.walk import find_files
from tunesmith.records import Hit
from tunesmith.stores.database import open_home_database
from tunesmith.stores.documents import DocumentCatalog
from tunesmith.stores.milvus import open_vectors


class Bench:
    """A folder of documents and a store on a real Milvus Lite, with an embedder that needs no weights."""

    def __init__(self, index: Index, folder: Path) -> None:
        self.index = index
        self.folder = folder

    def write(self, path: str, text: str | bytes) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode() if isinstance(text, str) else text)

    def ingest(
        self,
        *paths: Path,
        chunk_tokens: int = 32,
        remove_missing: bool = False,
        batch_size: int = 64,
        progress: Progress | None = None,
    ) -> IngestReport:
        config = IngestConfig(
            paths=tuple(str(path) for path in paths or (self.folder,)),
            store=self.index.store.name,
            embedder="hashing",
            chunk=ChunkConfig(chunk_tokens=chunk_tokens),
            remove_missing=remove_missing,
            batch_size=batch_size,
        )
        return ingest_files(
            find_files(config.paths), self.index, config=config, progress=progress or Silent()
        )

    def search(self, question: str, top_k: int = 3) -> list[Hit]:
        (vector,) = self.index.embedder.embed([question])
        return self.index.vectors.search(
            [self.index.store], question, vector=vector, top_k=top_k, candidates=20
        )

    def found(self, question: str, top_k: int = 3) -> list[str]:
        return [hit.chunk.text for hit in self.search(question, top_k)]

    @property
    def ids(self) -> set[str]:
        documents = self.index.vectors.chunk_counts(self.index.store)
        return self.index.vectors.chunk_ids(self.index.store, list(documents))

    @property
    def embedded(self) -> int:
        assert isinstance(self.index.embedder, HashingEmbedder)
        return self.index.embedder.texts_embedded


@dataclass
class Locked:
    """Folders that cannot be listed and files that cannot be looked at, by their paths; also for root."""

    folders: set[str] = field(default_factory=set)
    files: set[str] = field(default_factory=set)


@pytest.fixture
def locked(monkeypatch: pytest.MonkeyPatch) -> Locked:
    places, scandir, stat = Locked(), os.scandir, os.stat

    def list_folder(path: Any = ".") -> Any:
        _refuse(path, places.folders)
        return scandir(path)

    def look_at(path: Any, **more: Any) -> os.stat_result:
        _refuse(path, places.files)
        return stat(path, **more)

    monkeypatch.setattr(os, "scandir", list_folder)
    monkeypatch.setattr(os, "stat", look_at)
    return places


def _refuse(path: Any, places: set[str]) -> None:
    if not isinstance(path, int) and os.fspath(path) in places:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), os.fspath(path))


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="session")
def open_home(home: Home) -> Iterator[Index]:
    database = open_home_database(home)
    vectors = open_vectors(home)
    catalog = DocumentCatalog(database, "default")
    yield Index(catalog.find_or_create("first", embedder="hashing"), catalog, vectors, HashingEmbedder())
    vectors.close()
    database.close()


@pytest.fixture
def bench(open_home: Index, tmp_path: Path, request: pytest.FixtureRequest) -> Bench:
    catalog = open_home.catalog
    store = catalog.find_or_create(request.node.name, embedder="hashing")
    (tmp_path / "docs").mkdir()
    return Bench(Index(store, catalog, open_home.vectors, HashingEmbedder()), tmp_path / "docs")
