"""The retrieval deployment: `POST /answer/v1/chat/completions`, from a question to checked citations.

`/answer/v1/search` finds without a model, `/answer/v1/document` reads a document back: here the vectors are at hand.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from functools import cached_property
from typing import Any

from fastapi import FastAPI
from ray import serve
from ray.exceptions import RayError
from ray.serve import Application
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError
from ray.serve.handle import DeploymentHandle

from tunesmith.errors import OverloadedError, UnavailableError
from tunesmith.serve.answer_app import answer_app
from tunesmith.serve.answering import Answerer
from tunesmith.serve.applications import ANSWER, EMBED, ENGINE
from tunesmith.serve.options import AnswerOptions
from tunesmith.serve.prefix_key import prefix_key
from tunesmith.serve.searching import Searcher
from tunesmith.telemetry.collector import open_tracer

_EMBED_SECONDS = 60.0


class ServedEngine:
    """The engine deployments, called by handle."""

    def __init__(self) -> None:
        self._handles: dict[str, DeploymentHandle] = {}

    async def chat(
        self, body: dict[str, Any], headers: dict[str, str], *, engine: str = ENGINE
    ) -> AsyncGenerator[dict[str, Any] | str, None]:
        """Run one chat completion; see `tunesmith.serve.engine.Engine.chat`.

        Args:
            body: an OpenAI chat request.
            headers: name the span above the engine's.
            engine: application of the base.

        Yields:
            What the engine yields. Closing early stops the generation.

        Raises:
            OverloadedError: too many requests wait for the engine.
            UnavailableError: it could not be started.
        """
        named = self._handle(engine).options(session_id=prefix_key(body) or "")
        pieces = named.chat.remote(body, headers)
        try:
            async for piece in pieces:
                yield piece
        except BackPressureError as error:
            raise OverloadedError(
                "The engine has as much to do as it can hold. Try again in a moment."
            ) from error
        except DeploymentUnavailableError as error:
            raise UnavailableError("The engine cannot be started. Its log holds the reason.") from error
        finally:
            pieces.cancel()

    def _handle(self, engine: str) -> DeploymentHandle:
        # At the first request: the applications start side by side, the engine's may not exist before.
        if engine not in self._handles:
            self._handles[engine] = serve.get_deployment_handle(ENGINE, app_name=engine).options(stream=True)
        return self._handles[engine]


class ServedEmbedder:
    """The embedding deployment, called by handle from a worker thread.

    Args:
        name: name of the embedder.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Embed texts.

        Args:
            texts: any texts.

        Returns:
            One unit vector a text.

        Raises:
            UnavailableError: the embedder takes too long, or has too much to do.
        """
        try:
            vectors: list[list[float]] = self._handle.embed.remote(list(texts)).result(
                timeout_s=_EMBED_SECONDS
            )
        except BackPressureError as error:
            raise OverloadedError(
                f"The embedder {self.name} has as much to do as it can hold. Try again in a moment."
            ) from error
        except TimeoutError as error:
            raise UnavailableError(
                f"The embedder {self.name} did not embed the question within {_EMBED_SECONDS:.0f} s. It has more to do "
                "than it can: try again later, or give it more CPUs (serve config `budget`)."
            ) from error
        except (RayError, DeploymentUnavailableError) as error:
            raise UnavailableError(f"The embedder {self.name} went away. Try again in a moment.") from error
        return vectors

    @cached_property
    def _handle(self) -> DeploymentHandle:
        return serve.get_deployment_handle(EMBED, app_name=EMBED)


@serve.ingress()
class Answering:
    """One replica of the retrieval path. It waits and passes on; the heavy work is done elsewhere."""

    def __init__(self, options: AnswerOptions) -> None:
        from tunesmith.stores.milvus import open_vectors

        embedder = ServedEmbedder(options.embedder)
        vectors = open_vectors(options.home, options.milvus_uri)
        self._answerer = Answerer(
            embedder=embedder,
            vectors=vectors,
            engine=ServedEngine(),
            retrieval=options.retrieval,
            tracer=open_tracer("tunesmith-answer"),
        )
        self._searcher = Searcher(embedder=embedder, vectors=vectors, retrieval=options.retrieval)

    async def __serve_build_asgi_app__(self) -> FastAPI:
        """The HTTP surface; Serve calls this once the replica is made."""
        return answer_app(self._answerer, self._searcher)


def build(args: dict[str, Any]) -> Application:
    """Build the application `answer`; Serve calls this with the document's `args`.

    Args:
        args: fields of AnswerOptions.

    Returns:
        The application.
    """
    options = AnswerOptions.model_validate(args)
    deployment = serve.deployment(
        Answering,
        name=ANSWER,
        max_ongoing_requests=128,
        max_queued_requests=options.max_queued,
        ray_actor_options={"num_cpus": options.num_cpus},
        **options.replicas.model_dump(),
    )
    return deployment.bind(options)
