"""Ask the running platform a question, as any program would: with the official OpenAI client."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import openai
from openai import OpenAI

from tunesmith.errors import RefusedError, UnavailableError
from tunesmith.stores.platform_file import RunningPlatform


@dataclass(frozen=True, slots=True)
class CitedAnswer:
    """An answer with what the platform found out about it.

    Attributes:
        text: the model's words, unless they are withheld.
        abstained: whether it says that the documents do not hold the answer.
        citations: number, document, start, end, text and status of each span that supports it.
        unsupported: sentences that no source supports.
        withheld: what the model said where `text` abstains in its place.
    """

    text: str
    abstained: bool
    citations: tuple[dict[str, Any], ...]
    unsupported: tuple[str, ...]
    withheld: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The answer for a program."""
        return {
            "answer": self.text,
            "abstained": self.abstained,
            "citations": list(self.citations),
            "unsupported": list(self.unsupported),
            "withheld": self.withheld,
        }


def ask_platform(
    platform: RunningPlatform,
    question: str,
    *,
    stores: Sequence[str] = (),
    model: str | None = None,
    top_k: int | None = None,
    withhold: bool = False,
) -> CitedAnswer:
    """Ask one question.

    Args:
        platform: where.
        question: what.
        stores: vector stores to answer from; none leaves it to the model (an alias may bind some).
        model: base, version or alias; unset: the base.
        top_k: sources shown to the model.
        withhold: hear a refusal in the place of an answer that no source supports.

    Returns:
        The answer.

    Raises:
        RefusedError: the API refused; unknown model, unknown store.
        UnavailableError: the API does not answer.
    """
    extension: dict[str, Any] = {"vector_stores": list(stores)} if stores else {}
    retrieval = ({"top_k": top_k} if top_k is not None else {}) | (
        {"unsupported": "withhold"} if withhold else {}
    )
    if retrieval:
        extension["retrieval"] = retrieval
    try:
        completion = _client(platform).chat.completions.create(
            model=model or platform.model,
            messages=[{"role": "user", "content": question}],
            temperature=0,
            extra_body=extension,
        )
    except openai.APIStatusError as error:
        raise _refusal(error) from error
    except openai.APIConnectionError as error:
        raise UnavailableError(
            f"{platform.base_url} does not answer. `tunesmith status` says what runs."
        ) from error
    return _cited(completion)


def _client(platform: RunningPlatform) -> OpenAI:
    key = platform.api_key()
    # A proxy in the environment has no business between two programs of one machine.
    return OpenAI(
        base_url=platform.base_url, api_key=key, http_client=openai.DefaultHttpxClient(trust_env=False)
    )


def _refusal(error: openai.APIStatusError) -> RefusedError:
    body = error.body if isinstance(error.body, dict) else {}
    message = str(body.get("message") or error.message)
    return RefusedError(message, status=error.status_code, param=body.get("param"), code=body.get("code"))


def _cited(completion: Any) -> CitedAnswer:
    found = (completion.model_extra or {}).get("tunesmith") or {}
    sentences = found.get("sentences", ())
    return CitedAnswer(
        text=completion.choices[0].message.content or "",
        abstained=bool(found.get("abstained", False)),
        citations=tuple(found.get("citations", ())),
        unsupported=tuple(
            one["text"] for one in sentences if not one["supported"] and not found.get("abstained")
        ),
        withheld=found.get("withheld"),
    )
