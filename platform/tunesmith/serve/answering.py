"""One question to one checked answer: retrieve, prompt, generate, check. Knows neither Ray nor HTTP."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from functools import partial
from typing import Any, Protocol

from tunesmith.config.serve import CONTEXT_NEEDED, RetrievalConfig
from tunesmith.engines.protocols import QueryEmbedder
from tunesmith.errors import PlatformError
from tunesmith.rag.cite import check_answer
from tunesmith.rag.meaning import Meaning
from tunesmith.rag.retrieve import retrieve
from tunesmith.rag.withhold import withhold_unsupported
from tunesmith.records import Answer, Source
from tunesmith.serve.answer_request import AnswerRequest
from tunesmith.serve.applications import ENGINE
from tunesmith.serve.event_stream import DONE
from tunesmith.serve.grounding import sources_json, to_extension
from tunesmith.stores.vectors import VectorStore
from tunesmith.telemetry.traces import Attributes, NoTracer, Span, Tracer

LOG = logging.getLogger(__name__)


class Generator(Protocol):
    """The engine, as the answerer sees it."""

    def chat(
        self, body: dict[str, Any], headers: dict[str, str], *, engine: str = ENGINE
    ) -> AsyncGenerator[dict[str, Any] | str, None]:
        """Run one chat completion in the application `engine`; see `tunesmith.serve.engine.Engine.chat`. Closing it
        stops the generation."""


class EngineRefusal(Exception):
    """The engine answered with an error; it is passed on as it is.

    Args:
        body: `{"error": {...}}`.
        status: its HTTP status.
    """

    def __init__(self, body: dict[str, Any], status: int) -> None:
        super().__init__(body["error"]["message"])
        self.body = body
        self.status = status


class Answerer:
    """Answers questions from documents.

    Args:
        embedder: the embedder that filled the stores.
        vectors: where the stores lie.
        engine: what generates.
        retrieval: defaults of retrieval.
        tracer: makes a span for each step.
    """

    def __init__(
        self,
        *,
        embedder: QueryEmbedder,
        vectors: VectorStore,
        engine: Generator,
        retrieval: RetrievalConfig,
        tracer: Tracer | None = None,
    ) -> None:
        self._tracer = tracer or NoTracer()
        self._embedder = embedder
        self._vectors = vectors
        self._engine = engine
        self._retrieval = retrieval

    async def complete(
        self, request: AnswerRequest, headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Answer in one piece.

        Args:
            request: the question and its stores.
            headers: of the HTTP request; they may name the span above this one.

        Returns:
            A chat completion with the `tunesmith` extension.

        Raises:
            EngineRefusal: the engine refused the request.
            PlatformError: retrieval cannot be done.
        """
        with _Run(request, self._tracer, headers or {}) as run:
            sources = await self._retrieve(run)
            async with aclosing(self._generate(run, sources)) as pieces:
                completion = await anext(pieces)
            assert isinstance(completion, dict)
            message = completion["choices"][0]["message"]
            answer = await self._check(
                run, message["content"] or "", sources, calls=bool(message.get("tool_calls"))
            )
            return {**_saying(completion, answer), "tunesmith": run.extension(answer)}

    async def stream(
        self, request: AnswerRequest, headers: Mapping[str, str] | None = None
    ) -> AsyncGenerator[str, None]:
        """Answer as server-sent events: the engine's own, the one that ends the answer with the `tunesmith` extension.

        Where the request asks for it (`retrieval.announce`), the first one carries the sources already. Where an answer
        may be withheld, none of it comes before all of it is checked.

        Args:
            request: the question and its stores.
            headers: of the HTTP request; they may name the span above this one.

        Yields:
            Events with their blank lines; the last is `data: [DONE]`.

        Raises:
            EngineRefusal: the engine refused the request, before the first event.
            PlatformError: retrieval cannot be done.
        """
        with _Run(request, self._tracer, headers or {}) as run:
            sources = await self._retrieve(run)
            said = _Said(sources if request.retrieval.announce else None, whole=self._withholds(request))
            async with aclosing(self._generate(run, sources)) as pieces:
                async for event in pieces:
                    assert isinstance(event, str)
                    if event != DONE and not said.holds_back(event):
                        yield said.announced(event)
            if said.has_ended:
                answer = await self._check(run, said.text, sources, calls=said.calls)
                for event in said.ending(answer, run.extension(answer)):
                    yield event
        yield DONE

    async def _check(self, run: _Run, text: str, sources: tuple[Source, ...], *, calls: bool) -> Answer:
        run.lap("generate")
        limits = run.request.limits(self._retrieval)
        # Beside the loop: it may wait for the embedder.
        answer = await asyncio.to_thread(self._checked, text, sources, run.request.question, limits)
        # Words beside a call of a tool are no answer yet.
        if limits.unsupported == "withhold" and not calls:
            answer = withhold_unsupported(answer)
        run.lap("cite")
        return answer

    def _checked(
        self, text: str, sources: tuple[Source, ...], question: str, limits: RetrievalConfig
    ) -> Answer:
        check = partial(check_answer, text, sources, question=question)
        if limits.context_by == "words":
            return check(context_needed=limits.context_needed)
        try:
            return check(context_needed=limits.context_needed, meaning=Meaning(self._embedder, question))
        except PlatformError as error:
            # The answer is made: better checked by its words than lost, as much of them as they need by default.
            LOG.warning("An answer was checked by its words alone: %s", error.message)
            return check(context_needed=CONTEXT_NEEDED)

    def _withholds(self, request: AnswerRequest) -> bool:
        return request.limits(self._retrieval).unsupported == "withhold"

    async def _retrieve(self, run: _Run) -> tuple[Source, ...]:
        request = run.request
        return await asyncio.to_thread(
            retrieve,
            request.question,
            embedder=self._embedder,
            vectors=self._vectors,
            stores=request.stores(self._embedder.name),
            retrieval=request.limits(self._retrieval),
            lap=run.lap,
            only=request.only,
            score_threshold=request.retrieval.score_threshold,
        )

    async def _generate(
        self, run: _Run, sources: tuple[Source, ...]
    ) -> AsyncGenerator[dict[str, Any] | str, None]:
        body = run.request.engine_body(sources)
        run.lap("prompt")
        span = run.begin_generating()
        try:
            asked = self._engine.chat(body, self._tracer.headers(span), engine=run.request.engine)
            async with aclosing(asked) as pieces:
                async for piece in pieces:
                    if isinstance(piece, dict) and "error" in piece:
                        span.fail(str(piece["status"]))
                        raise EngineRefusal({"error": piece["error"]}, piece["status"])
                    yield piece
        finally:
            span.end()


class _Run:
    """One question on its way, with its times and its spans: one for the whole, one below it for each step."""

    def __init__(self, request: AnswerRequest, tracer: Tracer, headers: Mapping[str, str]) -> None:
        self.request = request
        self._tracer = tracer
        self._timings_ms: dict[str, float] = {}
        self._started = self._lap = time.perf_counter()
        self._lap_ns = time.time_ns()
        self._span = tracer.start("answer", kind="server", headers=headers)

    def __enter__(self) -> _Run:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and not issubclass(kind, GeneratorExit):
            self._span.fail(kind.__name__)
        self._span.end()

    def lap(self, step: str) -> None:
        now, now_ns = time.perf_counter(), time.time_ns()
        self._timings_ms[step] = (now - self._lap) * 1000
        if step != "generate":  # that one has a span already, which the engine goes on below
            with self._tracer.current(self._span):
                self._tracer.start(step, attributes=_STEPS.get(step), began_ns=self._lap_ns).end()
        self._lap, self._lap_ns = now, now_ns

    def begin_generating(self) -> Span:
        asked = {"gen_ai.operation.name": "chat", "gen_ai.request.model": self.request.model}
        with self._tracer.current(self._span):
            return self._tracer.start(f"chat {self.request.model}", kind="client", attributes=asked)

    def extension(self, answer: Answer) -> dict[str, Any]:
        self._timings_ms["total"] = (self._lap - self._started) * 1000
        return to_extension(answer, timings_ms=self._timings_ms)


_STEPS: dict[str, Attributes] = {
    "embed": {"gen_ai.operation.name": "embeddings"},
    "search": {"db.system.name": "milvus", "db.operation.name": "hybrid_search"},
}


def _saying(completion: dict[str, Any], answer: Answer) -> dict[str, Any]:
    """The completion as it is, or with the abstention in the place of what is withheld."""
    if answer.withheld is None:
        return completion
    choice = completion["choices"][0]
    said = {**choice, "message": {**choice["message"], "content": answer.text}, "logprobs": None}
    return {**completion, "choices": [said]}


class _Said:
    """What a stream has said so far, and its ending, which waits for the check of the whole answer.

    The extension rides on the chunk that ends the answer: a chunk of its own would be one without choices, which
    programs written against the OpenAI API do not expect unless they asked for the usage.
    """

    def __init__(self, unannounced: tuple[Source, ...] | None, *, whole: bool) -> None:
        self._text: list[str] = []
        self._held: list[str] = []
        self._ending: list[str] = []
        self._unannounced = unannounced
        self._whole = whole
        self.calls = False

    @property
    def text(self) -> str:
        return "".join(self._text)

    @property
    def has_ended(self) -> bool:
        """False where the engine broke off, and has said so."""
        return bool(self._ending)

    def holds_back(self, event: str) -> bool:
        choices = _chunk(event).get("choices", ())
        words = [choice["delta"].get("content") or "" for choice in choices]
        self._text += words
        self.calls = self.calls or any(choice["delta"].get("tool_calls") for choice in choices)
        if self._ending or any(choice.get("finish_reason") for choice in choices):
            self._ending.append(event)
        elif self._whole and any(words):
            self._held.append(event)
        else:
            return False
        return True

    def announced(self, event: str) -> str:
        if self._unannounced is None:
            return event
        sources, self._unannounced = self._unannounced, None
        return _event(_chunk(event) | {"tunesmith": {"sources": sources_json(sources)}})

    def ending(self, answer: Answer, extension: dict[str, Any]) -> list[str]:
        last, *usage = self._ending
        words = self._held if answer.withheld is None else []
        end = _chunk(last)
        if answer.withheld is not None:
            end["choices"][0] |= {"delta": {"content": answer.text}, "logprobs": None}
        return [*map(self.announced, words), _event(end | {"tunesmith": extension}), *usage]


def _chunk(event: str) -> dict[str, Any]:
    chunk: dict[str, Any] = json.loads(event.removeprefix("data: "))
    return chunk


def _event(chunk: dict[str, Any]) -> str:
    return f"data: {json.dumps(chunk, separators=(',', ':'))}\n\n"
