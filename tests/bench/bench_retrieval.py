"""How well and how fast ingest and search are on SQuAD: `make bench ARGS=tests/bench/bench_retrieval.py`.

Each of the 495 paragraphs becomes a document, with and without its article's title over it; a question is answered by
the paragraph it was written on (`rag_squad` in `conftest.py` says where they lie). The floor is BM25 over whole
paragraphs (bm25s, English stop words): R@5 0.942, MRR@10 0.873, nDCG@10 0.895.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tunesmith.config.home import Home
from tunesmith.config.ingest import IngestConfig
from tunesmith.engines.embedder import open_embedder
from tunesmith.ingest.run import run_ingest
from tunesmith.stores.database import open_home_database
from tunesmith.stores.documents import DocumentCatalog
from tunesmith.stores.milvus import open_vectors

NUM_CANDIDATES = 20


@dataclass(frozen=True)
class Question:
    """A question and the documents that answer it."""

    text: str
    documents: frozenset[str]


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("titles", [True, False], ids=["titled", "untitled"])
def test_retrieval(tmp_path: Path, rag_squad: Path, titles: bool) -> None:
    folder, home = tmp_path / "corpus", Home(tmp_path / "home")
    folder.mkdir()
    write_corpus(rag_squad, folder, titles=titles)
    questions = read_questions(rag_squad)
    report = run_ingest(IngestConfig(paths=(str(folder),), store="squad"), home=home)
    again = run_ingest(IngestConfig(paths=(str(folder),), store="squad"), home=home)
    found, search_ms = rank_documents(home, "squad", questions)
    figures = {
        "documents": len(report.added),
        "chunks": report.chunks,
        "questions": len(questions),
        **measure(questions, found),
        "ingest_seconds": report.seconds,
        "documents_per_second": len(report.added) / report.seconds,
        "chunks_per_second": report.chunks / report.seconds,
        "second_ingest_seconds": again.seconds,
        "search_ms_p50": search_ms,
    }
    print(json.dumps({name: round(value, 4) for name, value in figures.items()}, indent=2))
    assert report.added
    assert not again.added


def write_corpus(data: Path, folder: Path, *, titles: bool) -> None:
    """Write each paragraph as a file."""
    for line in (data / "corpus.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        heading = f"# {row['title']}\n\n" if titles else ""
        (folder / file_name(row["_id"])).write_text(heading + row["text"], encoding="utf-8")


def file_name(paragraph: str) -> str:
    """Name of a paragraph's file."""
    return paragraph.replace("/", "_") + ".md"


def read_questions(data: Path) -> list[Question]:
    """Read the questions that a paragraph answers."""
    wanted: dict[str, set[str]] = {}
    for line in (data / "qrels.tsv").read_text(encoding="utf-8").splitlines()[1:]:
        question, paragraph, _ = line.split("\t")
        wanted.setdefault(question, set()).add(file_name(paragraph))
    rows = [json.loads(line) for line in (data / "queries.jsonl").read_text(encoding="utf-8").splitlines()]
    return [Question(row["text"], frozenset(wanted[row["_id"]])) for row in rows if row["_id"] in wanted]


def measure(questions: Sequence[Question], found: Sequence[Sequence[str]]) -> dict[str, float]:
    """R@5, MRR@10 and nDCG@10 over ranked documents (each named once)."""
    ranks = [
        next((rank for rank, name in enumerate(names, 1) if name in question.documents), 0)
        for question, names in zip(questions, found, strict=True)
    ]
    return {
        "recall_at_5": sum(0 < rank <= 5 for rank in ranks) / len(ranks),
        "mrr_at_10": sum(1 / rank for rank in ranks if 0 < rank <= 10) / len(ranks),
        "ndcg_at_10": sum(1 / math.log2(rank + 1) for rank in ranks if 0 < rank <= 10) / len(ranks),
    }


def rank_documents(home: Home, store: str, questions: Sequence[Question]) -> tuple[list[list[str]], float]:
    """Search every question; ranked documents, and milliseconds of a search at the median."""
    database = open_home_database(home)
    record = DocumentCatalog(database, "default").store(store)
    vectors = open_vectors(home)
    embedded = open_embedder(record.embedder).embed([question.text for question in questions])
    found, took = [], []
    for question, vector in zip(questions, embedded, strict=True):
        started = time.perf_counter()
        hits = vectors.search(
            [record], question.text, vector=vector, top_k=NUM_CANDIDATES, candidates=NUM_CANDIDATES
        )
        took.append(time.perf_counter() - started)
        found.append(list(dict.fromkeys(hit.chunk.document for hit in hits)))
    vectors.close()
    database.close()
    return found, sorted(took)[len(took) // 2] * 1000
