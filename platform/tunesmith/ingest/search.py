"""Look into a store: the same search as serving does, in this process."""

from __future__ import annotations

from tunesmith.config.home import Home
from tunesmith.config.serve import RetrievalConfig
from tunesmith.engines.embedder import open_embedder
from tunesmith.errors import ConfigError
from tunesmith.records import DEFAULT_PROJECT, Hit
from tunesmith.stores.database import open_home_database
from tunesmith.stores.documents import DocumentCatalog
from tunesmith.stores.milvus import open_vectors


def search_store(
    question: str,
    *,
    store: str,
    top_k: int,
    home: Home,
    milvus_uri: str | None = None,
    project_id: str = DEFAULT_PROJECT,
) -> list[Hit]:
    """Search one store.

    Args:
        question: a question, or words.
        store: the store's name or id.
        top_k: hits wanted.
        home: the installation.
        milvus_uri: a Milvus server; unset: the running platform's, else the home's own.
        project_id: the project that owns the store.

    Returns:
        Hits, best first.

    Raises:
        ConfigError: the question is empty.
        ConflictError: no platform runs and another process holds the home's vectors.
        NotFoundError: there is no such store.
        UnavailableError: Milvus does not answer.
    """
    if not question.strip():
        raise ConfigError("The question is empty. Ask something.", param="question")
    database = open_home_database(home)
    try:
        record = DocumentCatalog(database, project_id).store(store)
    finally:
        database.close()
    vectors = open_vectors(home, milvus_uri)
    try:
        (vector,) = open_embedder(record.embedder).embed([question])
        candidates = max(top_k, RetrievalConfig().candidates)
        return vectors.search([record], question, vector=vector, top_k=top_k, candidates=candidates)
    finally:
        vectors.close()
