"""How well and how fast ingest and search are on SQuAD's paragraphs (`../shared/data/rag-squad/dev`).

    python tests/bench/bench_retrieval.py [--questions N] [--no-title]

Each of the 495 paragraphs becomes a document; a question is answered by the paragraph it was written on. The
floor is BM25 over whole paragraphs (bm25s, English stop words): R@5 0.942, MRR@10 0.873, nDCG@10 0.895.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tunesmith.config.home import Home
from tunesmith.config.ingest import IngestConfig
from tunesmith.engines.embedder import open_embedder
from tunesmith.ingest.run import run_ingest
from tunesmith.stores.database import open_home_database
from tunesmith.stores.documents import DocumentCatalog
from tunesmith.stores.milvus import open_vectors

DATA = Path(__file__).parents[3] / "shared" / "data" / "rag-squad" / "dev"
SEED = 17


@dataclass(frozen=True)
class Question:
    """A question and the documents that answer it."""

    text: str
    documents: frozenset[str]


def write_corpus(folder: Path, *, titles: bool, limit: int | None = None) -> list[str]:
    """Write each paragraph as a file; returns the ids of those written."""
    rows = [json.loads(line) for line in (DATA / "corpus.jsonl").read_text(encoding="utf-8").splitlines()]
    for row in rows[:limit]:
        heading = f"# {row['title']}\n\n" if titles else ""
        (folder / f"{file_name(row['_id'])}").write_text(heading + row["text"], encoding="utf-8")
    return [row["_id"] for row in rows[:limit]]


def file_name(paragraph: str) -> str:
    """Name of a paragraph's file."""
    return paragraph.replace("/", "_") + ".md"


def read_questions(paragraphs: Iterable[str], *, limit: int | None = None) -> list[Question]:
    """Read the answerable questions on some paragraphs, drawn by the seed."""
    wanted: dict[str, set[str]] = {}
    kept = set(paragraphs)
    for line in (DATA / "qrels.tsv").read_text(encoding="utf-8").splitlines()[1:]:
        question, paragraph, _ = line.split("\t")
        if paragraph in kept:
            wanted.setdefault(question, set()).add(file_name(paragraph))
    rows = (json.loads(line) for line in (DATA / "queries.jsonl").read_text(encoding="utf-8").splitlines())
    asked = [Question(row["text"], frozenset(wanted[row["_id"]])) for row in rows if row["_id"] in wanted]
    return random.Random(SEED).sample(asked, min(limit or len(asked), len(asked)))


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


def rank_documents(
    home: Home, store: str, questions: Sequence[Question], *, candidates: int
) -> tuple[list[list[str]], float]:
    """Search every question; ranked documents, and milliseconds of a search at the median."""
    database = open_home_database(home)
    record = DocumentCatalog(database, "default").store(store)
    vectors = open_vectors(home)
    embedded = open_embedder(record.embedder).embed([question.text for question in questions])
    found, took = [], []
    for question, vector in zip(questions, embedded, strict=True):
        started = time.perf_counter()
        hits = vectors.search([record], question.text, vector=vector, top_k=candidates, candidates=candidates)
        took.append(time.perf_counter() - started)
        found.append(list(dict.fromkeys(hit.chunk.document for hit in hits)))
    vectors.close()
    database.close()
    return found, sorted(took)[len(took) // 2] * 1000


def main() -> None:
    """Ingest the paragraphs, ask, print one JSON object."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--questions", type=int, help="questions asked, drawn by a seed; all if unset")
    options.add_argument("--paragraphs", type=int, help="paragraphs ingested; all if unset")
    options.add_argument(
        "--no-title", action="store_true", help="without the article's title over each paragraph"
    )
    options.add_argument("--candidates", type=int, default=20)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder, home = Path(scratch) / "corpus", Home(Path(scratch) / "home")
        folder.mkdir()
        paragraphs = write_corpus(folder, titles=not given.no_title, limit=given.paragraphs)
        questions = read_questions(paragraphs, limit=given.questions)
        report = run_ingest(IngestConfig(paths=(str(folder),), store="squad"), home=home)
        again = run_ingest(IngestConfig(paths=(str(folder),), store="squad"), home=home)
        found, search_ms = rank_documents(home, "squad", questions, candidates=given.candidates)
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


if __name__ == "__main__":
    main()
