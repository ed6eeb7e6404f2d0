"""Ask every question of every arm, through the live API, with the ordinary OpenAI client."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import openai
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletion

from tunesmith.config.evaluate import EvaluateConfig
from tunesmith.errors import AuthenticationError, ModelNotFoundError, PlatformError, UnavailableError
from tunesmith.evaluate.arms import Arm
from tunesmith.evaluate.samples import Sample
from tunesmith.rag.forms import HOUSE_SCHEMA

MAX_TRIES = 6
"""Tries of one request while the platform says 503 or cannot be reached."""
FIRST_WAIT_SECONDS = 0.5
"""Wait before the second try; doubles with each further one."""


@dataclass(frozen=True, slots=True)
class ShownSource:
    """A source that the model was shown, as the API tells it."""

    number: int
    document: str
    text: str


@dataclass(frozen=True, slots=True)
class ShownCitation:
    """A citation that the API returned, checked."""

    number: int
    document: str
    text: str
    status: str


@dataclass(frozen=True, slots=True)
class ArmAnswer:
    """What one arm said to one question.

    Attributes:
        text: the answer as it came; empty if the request failed.
        latency_ms: from request to complete answer, without the waits of failed tries.
        sources: what the model was shown; empty without retrieval.
        citations: the citations that hold, as the platform checked them.
        error: why the request failed and there is no answer.
        withheld: what the model said where `text` abstains in its place, because no source supports it.
    """

    sample: str
    arm: str
    text: str
    latency_ms: float
    prompt_tokens: int
    completion_tokens: int
    sources: tuple[ShownSource, ...] = ()
    citations: tuple[ShownCitation, ...] = ()
    error: str | None = None
    withheld: str | None = None

    @property
    def said(self) -> str:
        """What the model said, withheld or not."""
        return self.text if self.withheld is None else self.withheld


async def ask_all(
    samples: Sequence[Sample],
    arms: Sequence[Arm],
    config: EvaluateConfig,
    *,
    client: AsyncOpenAI,
    on_answer: Callable[[], None] = lambda: None,
) -> tuple[ArmAnswer, ...]:
    """Ask all questions of all arms, in an order drawn by the seed.

    The arms take turns, so that all of them meet the same load and none has a warm cache to itself.

    Args:
        samples: the questions.
        arms: who answers.
        config: instructions, length, concurrency, seed.
        client: the ordinary client, set to the platform's address and key, with max_retries=0.
        on_answer: called after each answer.

    Returns:
        One answer per sample and arm, sorted by sample order, then arm order.

    Raises:
        PlatformError: the key or a model is refused, or nothing answers.
    """
    await asyncio.gather(
        *(ask(samples[0], arm, config, client=client) for arm in arms)
    )  # adapters load, caches fill
    gate = asyncio.Semaphore(config.concurrency)

    async def ask_one(sample: Sample, arm: Arm) -> ArmAnswer:
        async with gate:
            answer = await ask(sample, arm, config, client=client)
            on_answer()
            return answer

    pairs = [(sample, arm) for sample in samples for arm in arms]
    turns = random.Random(config.seed).sample(pairs, len(pairs))
    answers = await asyncio.gather(*(ask_one(sample, arm) for sample, arm in turns))
    found = {(answer.sample, answer.arm): answer for answer in answers}
    return tuple(found[sample.id, arm.name] for sample, arm in pairs)


async def ask(sample: Sample, arm: Arm, config: EvaluateConfig, *, client: AsyncOpenAI) -> ArmAnswer:
    """Ask one question of one arm.

    Args:
        sample: the question.
        arm: who answers.
        config: instructions and length.
        client: the ordinary client.

    Returns:
        The answer; a request that fails for what it asks becomes an answer with an error.

    Raises:
        PlatformError: the key or the model is refused, or nothing answers after all tries.
    """
    for attempt in range(MAX_TRIES):
        started = time.perf_counter()
        try:
            completion = await client.chat.completions.create(**_request(sample, arm, config))
            return _read(sample, arm, completion, 1000 * (time.perf_counter() - started))
        except openai.APIError as error:
            if not _is_passing(error):
                return _failed(sample, arm, error)
            if attempt == MAX_TRIES - 1:
                raise UnavailableError(
                    f"Arm {arm.name} got no answer in {MAX_TRIES} tries: {error.message} "
                    "See `tunesmith status`."
                ) from error
            await asyncio.sleep(FIRST_WAIT_SECONDS * 2**attempt)
    raise AssertionError("the loop returns or raises")


def _is_passing(error: openai.APIError) -> bool:
    if isinstance(error, openai.APIStatusError):
        return error.status_code in (429, 503)
    return isinstance(error, openai.APIConnectionError)


def _failed(sample: Sample, arm: Arm, error: openai.APIError) -> ArmAnswer:
    status = error.status_code if isinstance(error, openai.APIStatusError) else None
    kinds: dict[int | None, type[PlatformError]] = {
        401: AuthenticationError,
        403: AuthenticationError,
        404: ModelNotFoundError,
    }
    if status in kinds:
        raise kinds[status](error.message) from error
    return ArmAnswer(sample.id, arm.name, "", 0.0, 0, 0, error=error.message)


def _request(sample: Sample, arm: Arm, config: EvaluateConfig) -> dict[str, Any]:
    request: dict[str, Any] = {
        "model": arm.model,
        "messages": [
            {"role": "system", "content": config.instructions},
            {"role": "user", "content": sample.question},
        ],
        "temperature": 0,
        "max_tokens": config.max_tokens,
        # Always said: without the field an alias answers from the stores that it binds, with [] from none.
        "extra_body": {"vector_stores": list(arm.stores)},
    }
    checked = config.model_dump(include={"unsupported", "context_needed", "context_by"}, exclude_none=True)
    if arm.retrieves and checked:
        request["extra_body"]["retrieval"] = checked
    if arm.schema:
        schema = {"name": "house_answer", "strict": True, "schema": HOUSE_SCHEMA}
        request["response_format"] = {"type": "json_schema", "json_schema": schema}
    return request


def _read(sample: Sample, arm: Arm, completion: ChatCompletion, latency_ms: float) -> ArmAnswer:
    retrieval = (completion.model_extra or {}).get("tunesmith") or {}
    return ArmAnswer(
        sample=sample.id,
        arm=arm.name,
        text=completion.choices[0].message.content or "",
        latency_ms=latency_ms,
        prompt_tokens=completion.usage.prompt_tokens if completion.usage else 0,
        completion_tokens=completion.usage.completion_tokens if completion.usage else 0,
        sources=tuple(
            ShownSource(s["number"], s["document"], s["text"]) for s in retrieval.get("sources", ())
        ),
        citations=tuple(
            ShownCitation(c["number"], c["document"], c["text"], c["status"])
            for c in retrieval.get("citations", ())
        ),
        withheld=retrieval.get("withheld"),
    )
