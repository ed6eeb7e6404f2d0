"""How many chunks the sample corpus has, and where among the hits the evidence stands. Run by `make bench`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tunesmith.assets import handbook_folder
from tunesmith.config.home import Home
from tunesmith.config.ingest import IngestConfig
from tunesmith.config.serve import RetrievalConfig
from tunesmith.datasets.grounded import holds_evidence
from tunesmith.engines.embedder import open_embedder
from tunesmith.evaluate.samples import find_questions, load_samples
from tunesmith.ingest.run import run_ingest
from tunesmith.rag.retrieve import retrieve
from tunesmith.records import DEFAULT_PROJECT, Source
from tunesmith.stores.database import open_home_database
from tunesmith.stores.documents import DocumentCatalog
from tunesmith.stores.milvus import open_vectors


@pytest.mark.timeout(600)
def test_handbook(tmp_path: Path) -> None:
    home = Home(tmp_path)
    report = run_ingest(IngestConfig(paths=(str(handbook_folder()),), store="handbook"), home=home)
    print(f"\n{len(report.added)} documents, {report.chunks} chunks, {report.seconds:.1f} s")
    database = open_home_database(home)
    store = DocumentCatalog(database, DEFAULT_PROJECT).store("handbook")
    vectors, embedder = open_vectors(home), open_embedder(store.embedder)
    retrieval = RetrievalConfig(top_k=5)
    places: Counter[int] = Counter()
    for sample in load_samples(find_questions("handbook/questions/evaluation.jsonl")):
        if sample.evidence:
            sources = retrieve(
                sample.question, embedder=embedder, vectors=vectors, stores=[store], retrieval=retrieval
            )
            places[_place(sources, sample.evidence)] += 1
    vectors.close()
    database.close()
    for last in range(1, retrieval.top_k + 1):
        within = sum(places[place] for place in range(1, last + 1))
        print(f"evidence in the first {last}: {within} of {places.total()}, {within / places.total():.1%}")


def _place(sources: tuple[Source, ...], evidence: str) -> int:
    return next((source.number for source in sources if holds_evidence(source, evidence)), 0)
