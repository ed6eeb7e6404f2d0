"""Train = serve: the engine must say what the trainer's proof says, before a version's name is visible."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import httpx
from pydantic import Field, TypeAdapter, ValidationError

from tunesmith.config.strict import StrictModel
from tunesmith.errors import DataError, UnavailableError
from tunesmith.jobs.folders import PROOF

TIE = 0.25
"""Logits nearer than this may change places: engines compute in bfloat16, which rounds a logit of 30 by 0.06."""
_SECONDS = 120.0
_LARGEST_PROOF_BYTES = 2**20


class _Message(StrictModel):
    role: str
    content: str


class _Said(StrictModel):
    """What `train.proof` wrote of one prompt."""

    messages: list[_Message] = Field(max_length=1000)
    prompt_token_ids: list[int]
    token_ids: list[int] = Field(min_length=1, max_length=64)
    margins: list[float]


_PROOF = TypeAdapter(Annotated[list[_Said], Field(min_length=1, max_length=16)])


def prove(version: str, folder: Path, *, client: httpx.Client) -> int:
    """Ask the engine for what the trainer noted, token by token.

    Args:
        version: the version's name; the engine loads it as it would for anybody.
        folder: its files, with the proof.
        client: the engine of its base.

    Returns:
        How many tokens were compared.

    Raises:
        DataError: trainer and engine differ, and where; or there is no proof.
        UnavailableError: the engine does not answer now.
    """
    return sum(_compare(version, said, _ask(version, said, client)) for said in _read(version, folder))


def _read(version: str, folder: Path) -> list[_Said]:
    """What the trainer noted; a foreign program may have written it."""
    try:
        with (folder / PROOF).open("rb") as file:
            proof = _PROOF.validate_json(file.read(_LARGEST_PROOF_BYTES))
    except FileNotFoundError:
        # A zombie left this adapter after the run had said what it says.
        raise DataError(
            f"{version} has no {PROOF}: there is nothing to compare with.", code="parity"
        ) from None
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(map(str, fault["loc"]))
        raise DataError(
            f"{PROOF} of {version} proves nothing: {where}: {fault['msg']}.", code="parity"
        ) from None
    if any(len(said.token_ids) != len(said.margins) for said in proof):
        raise DataError(f"{PROOF} of {version} proves nothing: a margin for each token.", code="parity")
    return proof


def _ask(version: str, said: _Said, client: httpx.Client) -> Mapping[str, Any]:
    body = {
        "model": version,
        "messages": [message.model_dump() for message in said.messages],
        "temperature": 0,
        "max_tokens": len(said.token_ids),
        "return_token_ids": True,
    }
    try:
        answer = client.post("/v1/chat/completions", json=body, timeout=_SECONDS)
    except httpx.HTTPError as error:
        raise UnavailableError(f"The engine does not answer: {type(error).__name__}.") from error
    if answer.status_code != 200 and not _is_refusal(answer):
        raise UnavailableError(f"The engine answers with {answer.status_code}.")
    if answer.status_code != 200:
        raise DataError(f"The engine refuses {version}: {answer.text[:300]}", code="parity")
    told: Mapping[str, Any] = answer.json()
    return told


def _is_refusal(answer: httpx.Response) -> bool:
    """Whether the engine itself says no. Ray Serve without the application, as after a restart, has a bare 404."""
    if answer.status_code >= 500 or answer.status_code == 429:
        return False
    try:
        return bool(answer.json()["error"])
    except (ValueError, TypeError, KeyError):
        return False


def _compare(version: str, said: _Said, answer: Mapping[str, Any]) -> int:
    _require_equal(version, "prompt's tokens", said.prompt_token_ids, answer["prompt_token_ids"])
    served = answer["choices"][0]["token_ids"]
    agreed = agreement(said.token_ids, said.margins, served)
    _require_equal(version, "continuation", said.token_ids[:agreed], served[:agreed])
    return agreed


def agreement(trained: Sequence[int], margins: Sequence[float], served: Sequence[int]) -> int:
    """How many tokens must be equal: all, but for what follows the first tie that was decided otherwise.

    Args:
        trained: tokens of the trainer.
        margins: how far each was ahead of the second best.
        served: tokens of the engine.

    Returns:
        The number of tokens to compare.
    """
    for position, (one, margin) in enumerate(zip(trained, margins, strict=True)):
        if position >= len(served) or served[position] != one:
            return position if margin < TIE else position + 1
    return len(trained)


def _require_equal(version: str, what: str, trained: Sequence[int], served: Sequence[int]) -> None:
    if list(trained) == list(served):
        return
    at = next(
        (n for n, (one, two) in enumerate(zip(trained, served, strict=False)) if one != two), len(served)
    )
    raise DataError(
        f"Trainer and engine differ on the {what} of {version}, at token {at}: {list(trained[at : at + 4])} against "
        f"{list(served[at : at + 4])}. It was not published; its weights are kept beside the job's log.",
        code="parity",
    )
