"""What a flush saves a search in Milvus Lite. Run by `make bench`."""

from __future__ import annotations

import random
import statistics
import time
from pathlib import Path

import pytest

from tunesmith.config.home import Home
from tunesmith.records import Chunk
from tunesmith.stores.milvus import open_vectors
from tunesmith.stores.vectors import EmbeddedChunk, StoreRecord, VectorStore

NUM_ROWS, DIMENSIONS, NUM_SEARCHES = 5000, 384, 21
STORE = StoreRecord("vs_1", "default", "documents", "bench_flush", "random")


@pytest.mark.timeout(600)
def test_flush(tmp_path: Path) -> None:
    chance = random.Random(17)
    vectors = open_vectors(Home(tmp_path))
    vectors.upsert(STORE, [_row(number, chance) for number in range(NUM_ROWS)])
    before = _milliseconds(vectors, chance)
    vectors.flush(STORE)
    after = _milliseconds(vectors, chance)
    vectors.close()
    print(
        f"\na search of {NUM_ROWS} rows, p50: {before:.0f} ms before the flush, {after:.0f} ms after it, "
        f"{before / after:.1f} times"
    )


def _row(number: int, chance: random.Random) -> EmbeddedChunk:
    text = " ".join(f"word{chance.randrange(2000)}" for _ in range(25))
    chunk = Chunk(str(number), f"{number % 50}.md", "Rules", number // 50, 0, len(text), text)
    return EmbeddedChunk(chunk, text, _vector(chance))


def _vector(chance: random.Random) -> list[float]:
    return [chance.gauss(0, 1) for _ in range(DIMENSIONS)]


def _milliseconds(vectors: VectorStore, chance: random.Random) -> float:
    took = []
    for _ in range(NUM_SEARCHES):
        vector = _vector(chance)
        started = time.perf_counter()
        vectors.search([STORE], f"word{chance.randrange(2000)}", vector=vector, top_k=3, candidates=20)
        took.append(time.perf_counter() - started)
    return statistics.median(took) * 1000
