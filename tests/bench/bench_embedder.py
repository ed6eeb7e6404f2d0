"""What BertEmbedder saves over sentence-transformers: `make bench ARGS=tests/bench/bench_embedder.py`.

Each round starts the two in turn, in processes of their own, on the same weights and the same 64 texts. CPU is that of
all threads of the process: other programs on the machine change it least.
"""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import sys

import pytest

NUM_ROUNDS = 5
OURS = "from tunesmith.engines.embedder import open_embedder as load"
THEIRS = """
from tunesmith.engines.embedder import embedder_folder
from tunesmith.engines.sentence_embedder import SentenceTransformerEmbedder
load = lambda name: SentenceTransformerEmbedder(name, str(embedder_folder(name)))
"""
RUN = """
import json, time, psutil, torch
TEXTS = [f"Rule {n}: staff of site {n % 7} receive {n + 20} days of leave." for n in range(64)]
now = lambda: (time.process_time(), time.perf_counter())
imported = now()
LOAD
embedder = load("all-MiniLM-L6-v2")
embedder.embed(TEXTS[:1])
ready = now()
for _ in range(5):
    vectors = embedder.embed(TEXTS)
done = now()
figures = {
    "import torch, CPU s": imported[0],
    "then the first text, CPU s": ready[0] - imported[0],
    "then the first text, s": ready[1] - imported[1],
    "64 texts more, CPU s": (done[0] - ready[0]) / 5,
    "64 texts more, s": (done[1] - ready[1]) / 5,
    "resident memory, MiB": psutil.Process().memory_info().rss / 2**20,
}
print(json.dumps([figures, vectors]))
"""


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("num_threads", [1, 2])
def test_embedder(num_threads: int) -> None:
    _run(OURS, num_threads), _run(THEIRS, num_threads)  # from here on the files are in memory
    rounds = [(_run(OURS, num_threads), _run(THEIRS, num_threads)) for _ in range(NUM_ROUNDS)]
    print(
        f"\n{num_threads} threads, median of {NUM_ROUNDS}          ours   theirs  theirs / ours (least to most)"
    )
    for name in rounds[0][0][0]:
        ours, theirs = ([one[way][0][name] for one in rounds] for way in (0, 1))
        ratios = sorted(b / a for a, b in zip(ours, theirs, strict=True))
        medians = f"{statistics.median(ours):8.2f} {statistics.median(theirs):8.2f}"
        print(f"{name:28} {medians} {statistics.median(ratios):8.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})")
    cosines = [_cosine(*pair) for (_, ours), (_, theirs) in rounds for pair in zip(ours, theirs, strict=True)]
    print(f"least cosine between the two vectors of a text: {min(cosines):.6f}")
    assert min(cosines) > 0.9999


def _run(way: str, num_threads: int) -> tuple[dict[str, float], list[list[float]]]:
    code = RUN.replace("LOAD", way)
    environment = {**os.environ, "OMP_NUM_THREADS": str(num_threads)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    figures, vectors = json.loads(done.stdout.splitlines()[-1])
    return figures, vectors


def _cosine(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True)) / math.hypot(*one) / math.hypot(*other)
