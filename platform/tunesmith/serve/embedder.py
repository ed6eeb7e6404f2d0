"""The embedding deployment: `POST /embed/v1/embeddings`, and the same by handle for `/answer`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from fastapi import FastAPI
from pydantic import BaseModel
from ray import serve
from ray.serve import Application

from tunesmith.engines.embedder import open_embedder
from tunesmith.engines.protocols import Embedder
from tunesmith.serve.applications import EMBED
from tunesmith.serve.http_app import create_app
from tunesmith.serve.options import EmbedderOptions

Result = TypeVar("Result")

_SLICE = 32
"""Texts embedded at a time: a question waits for one slice of a long request, not for all of it."""


class EmbeddingRequest(BaseModel):
    """What is embedded."""

    input: str | list[str]
    """One text or several."""


class EmbeddingReplica:
    """Embeds on one thread: the model takes all that the replica's CPU share gives, and order is kept.

    Args:
        embedder: what makes the vectors.
    """

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._thread = ThreadPoolExecutor(1, "embed")

    def warm_up(self) -> None:
        """Read the weights now rather than at the first request."""
        self._embedder.embed(["ready"])

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Embed texts, a slice at a time; a request that is cancelled stops after its slice.

        Args:
            texts: any texts.

        Returns:
            One unit vector a text.
        """
        vectors: list[list[float]] = []
        for start in range(0, len(texts), _SLICE):
            vectors += await self._on_thread(self._embedder.embed, texts[start : start + _SLICE])
        return vectors

    async def count_tokens(self, texts: Sequence[str]) -> int:
        """Count the tokens of texts.

        Args:
            texts: any texts.

        Returns:
            Their sum.
        """
        return sum(await self._on_thread(self._embedder.count_tokens, texts))

    async def _on_thread(self, work: Callable[[Sequence[str]], Result], texts: Sequence[str]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, texts)

    def app(self) -> FastAPI:
        """The HTTP surface."""
        app = create_app("Embeddings")

        @app.post("/v1/embeddings")
        async def embeddings(request: EmbeddingRequest) -> dict[str, Any]:
            texts = [request.input] if isinstance(request.input, str) else request.input
            return self._to_openai(await self.embed(texts), await self.count_tokens(texts))

        return app

    def _to_openai(self, vectors: list[list[float]], tokens: int) -> dict[str, Any]:
        entries = [
            {"object": "embedding", "index": index, "embedding": vector}
            for index, vector in enumerate(vectors)
        ]
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return {"object": "list", "model": self._embedder.name, "data": entries, "usage": usage}


@serve.ingress()
class Embedding:
    """One replica of the embedder."""

    def __init__(self, options: EmbedderOptions) -> None:
        self._replica = EmbeddingReplica(open_embedder(options.model))
        self._replica.warm_up()

    async def __serve_build_asgi_app__(self) -> FastAPI:
        """The HTTP surface; Serve calls this once the replica is made."""
        return self._replica.app()

    async def embed(self, texts: list[str]) -> list[list[float]]:
        """Embed texts for a caller inside the data plane; see EmbeddingReplica.embed."""
        return await self._replica.embed(texts)


def build(args: dict[str, Any]) -> Application:
    """Build the application `embed`; Serve calls this with the document's `args`.

    Args:
        args: fields of EmbedderOptions.

    Returns:
        The application.
    """
    options = EmbedderOptions.model_validate(args)
    deployment = serve.deployment(
        Embedding,
        name=EMBED,
        max_ongoing_requests=64,
        max_queued_requests=options.max_queued,
        ray_actor_options={"num_cpus": options.num_cpus},
        **options.replicas.model_dump(),
    )
    return deployment.bind(options)
