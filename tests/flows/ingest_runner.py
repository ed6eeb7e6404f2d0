"""Runs ingests in processes of their own, told by lines of JSON on stdin: imports once, then forks for each run.

The flow, SQLite and Milvus Lite are the real ones; only the embedder is the fake one, so that a run takes a
second. A run may be told to kill itself: at the call number `calls` (from 0) of the step `fatal`.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import tunesmith.ingest.run as flow
from tunesmith.config.home import Home
from tunesmith.config.ingest import ChunkConfig, IngestConfig
from tunesmith.engines.fakes import HashingEmbedder
from tunesmith.ingest.index import Index
from tunesmith.stores.documents import DocumentCatalog
from tunesmith.stores.milvus import MilvusStore

STEPS: dict[str, tuple[type, str]] = {
    "begin": (DocumentCatalog, "begin"),
    "upsert": (MilvusStore, "upsert"),
    "stale": (Index, "_delete_stale"),
    "finish": (DocumentCatalog, "finish"),
    "forget": (DocumentCatalog, "forget"),
}


def die_at(step: str, calls: int) -> None:
    """Make the call of a step end this process at once, as `kill -9` does."""
    owner, name = STEPS[step]
    whole = getattr(owner, name)
    left = calls

    def counted(*given: Any, **named: Any) -> Any:
        nonlocal left
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
        return whole(*given, **named)

    setattr(owner, name, counted)


def ingest(run: dict[str, Any]) -> dict[str, Any]:
    """Run the flow; returns its report."""
    if run["fatal"]:
        die_at(run["fatal"], run["calls"])
    flow.open_embedder = lambda name: HashingEmbedder(name=name)  # type: ignore[assignment]
    config = IngestConfig(
        paths=(run["folder"],),
        store="faq",
        embedder="hashing",
        chunk=ChunkConfig(chunk_tokens=16),
        batch_size=4,
        remove_missing=True,
        milvus_uri=run["uri"],
    )
    return flow.run_ingest(config, home=Home.locate(run["home"])).as_json()


def fork(run: dict[str, Any]) -> int:
    """Start a run; returns its process id."""
    child = os.fork()
    if child == 0:
        Path(run["report"]).write_text(json.dumps(ingest(run)))
        os._exit(0)
    return child


def main() -> None:
    """Start all runs of a line at once, answer with how each ended."""
    for line in sys.stdin:
        children = [fork(run) for run in json.loads(line)]
        ended = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        print(json.dumps(ended), flush=True)


if __name__ == "__main__":
    main()
