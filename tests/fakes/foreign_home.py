"""A version as a program leaves it in a home of its own, by the code that publishes every version."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.responses import JSONResponse

from tunesmith.config.home import Home
from tunesmith.config.recipe import load_recipe
from tunesmith.config.train import TrainConfig
from tunesmith.jobs.folders import PROOF
from tunesmith.jobs.store import JobStore
from tunesmith.records import DEFAULT_PROJECT, Lineage, ModelVersion
from tunesmith.stores.database import Database, open_home_database
from tunesmith.stores.registry import Registry
from tunesmith.train.publish import publish

SAID: dict[str, Any] = {
    "messages": [],
    "prompt_token_ids": [7, 8],
    "token_ids": [1, 2],
    "margins": [9.0, 9.0],
}
"""What the trainer's proof says of it."""


def leave_version(
    folder: Path,
    *,
    name: str = "lamp",
    model: str = "tiny-reader",
    proof: bytes = json.dumps([SAID]).encode(),
) -> ModelVersion:
    """Train nothing, and publish an adapter of a few bytes in a home."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNESMITH_OBJECTS_URL", f"file://{folder}/objects")
        patch.delenv("TUNESMITH_DATABASE_URL", raising=False)
        return _publish(Home(folder), name, model, proof)


def _publish(home: Home, name: str, model: str, proof: bytes) -> ModelVersion:
    home.make()
    database: Database = open_home_database(home)
    config = load_recipe(
        "api/supervised", TrainConfig, [f"name={name}", f"model={model}", "data.path=x.jsonl"]
    )
    job = JobStore(database, DEFAULT_PROJECT).begin_attempt(
        name, fingerprint=name, config=config.model_dump(mode="json"), fresh=True
    )
    export = home.root / f"export-{name}"
    export.mkdir()
    (export / "adapter_model.safetensors").write_bytes(b"weights of " + name.encode())
    (export / "adapter_config.json").write_text("{}")
    (export / PROOF).write_bytes(proof)
    lineage = Lineage(
        base=model,
        data_hash="0" * 64,
        config=config.model_dump(mode="json"),
        seed=1,
        metrics={"loss": 0.5},
        code_version="0.1.0",
        job_id=job.id,
    )
    registry = Registry(database, DEFAULT_PROJECT)
    return publish(export, config=config, job=job, lineage=lineage, home=home, registry=registry)


@dataclass
class ProofEngine:
    """An engine that says what it is told to say; of what `leave_version` left, the truth."""

    status: int = 200
    tokens: list[int] = field(default_factory=lambda: list(SAID["token_ids"]))
    asked: list[str] = field(default_factory=list)

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.post("/v1/chat/completions")
        def answer(body: dict[str, Any]) -> JSONResponse:
            self.asked.append(body["model"])
            told = {"prompt_token_ids": SAID["prompt_token_ids"], "choices": [{"token_ids": self.tokens}]}
            return JSONResponse(told, self.status)

        return app
