"""`tunesmith data build documents`: questions and a store in, a training file out."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from tunesmith.config.data import BuildDocumentsConfig
from tunesmith.config.home import Home
from tunesmith.datasets.chat import write_chat
from tunesmith.datasets.grounded import GroundedSet, build_rows, load_questions
from tunesmith.engines.embedder import open_embedder
from tunesmith.errors import ConfigError, StorageError
from tunesmith.rag.retrieve import retrieve
from tunesmith.records import DEFAULT_PROJECT, Source
from tunesmith.stores.database import open_home_database
from tunesmith.stores.documents import DocumentCatalog
from tunesmith.stores.milvus import open_vectors


def build_from_documents(
    config: BuildDocumentsConfig,
    out: Path,
    *,
    home: Home,
    on_question: Callable[[int], None] = lambda _: None,
) -> GroundedSet:
    """Build a training file from a store, with the retrieval of serving.

    Args:
        config: questions, store and shares.
        out: the chat JSONL to write.
        home: the installation.
        on_question: called after each question with the number of all questions.

    Returns:
        What was written.

    Raises:
        DataError: the questions file is wrong.
        NotFoundError: there is no such store.
        ConfigError: no questions file is named, or `out` names a place where no file can lie.
        StorageError: the file cannot be written.
    """
    if not config.questions:
        raise ConfigError("questions: missing. Name a file with --questions FILE.", param="questions")
    _require_place(out)
    questions = load_questions(config.questions)
    store = DocumentCatalog(open_home_database(home), DEFAULT_PROJECT).store(config.store)
    embedder = open_embedder(store.embedder)
    wide = config.retrieval.model_copy(update={"top_k": max(config.num_hits, config.retrieval.top_k)})
    vectors = open_vectors(home, config.milvus_uri)
    try:

        def find(question: str) -> Sequence[Source]:
            return retrieve(question, embedder=embedder, vectors=vectors, stores=(store,), retrieval=wide)

        made = build_rows(questions, find, config, on_question=lambda: on_question(len(questions)))
    finally:
        vectors.close()
    write_chat(out, made.rows)
    return made


def _require_place(out: Path) -> None:
    """Find out before the retrieval, not after it, that there is nowhere to write."""
    if out.is_dir():
        raise ConfigError(f"--out {out} is a folder. Name a file in it.", param="out")
    if not out.parent.is_dir():
        raise ConfigError(
            f"--out {out}: there is no folder {out.parent}. Make it, or name another file.", param="out"
        )
    if not os.access(out.parent, os.W_OK | os.X_OK):
        raise StorageError(f"--out {out}: the folder {out.parent} cannot be written. Name another file.")
