"""When trainer and engine count as equal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tunesmith.controller.parity import TIE, agreement, prove
from tunesmith.errors import DataError, UnavailableError
from tunesmith.jobs.folders import PROOF

SURE, TIED = TIE * 2, TIE / 2


@pytest.mark.parametrize(
    ("margins", "served", "agreed"),
    [
        ([SURE, SURE, SURE], [1, 2, 3], 3),
        ([SURE, TIED, SURE], [1, 9, 9], 1),  # a tie, decided otherwise: what follows is another text
        ([SURE, SURE, SURE], [1, 9, 9], 2),  # no tie: the second token is compared, and differs
        ([SURE, TIED, SURE], [1, 2, 9], 3),  # the tie was decided alike, so what follows counts
        ([SURE, SURE, SURE], [1, 2], 3),  # cut short
    ],
)
def test_only_what_follows_a_tie_may_differ(margins: list[float], served: list[int], agreed: int) -> None:
    assert agreement([1, 2, 3], margins, served) == agreed


def _engine(answer: httpx.Response) -> httpx.Client:
    return httpx.Client(transport=httpx.MockTransport(lambda _: answer), base_url="http://engine")


def _answer(prompt: list[int], said: list[int]) -> httpx.Response:
    return httpx.Response(200, json={"prompt_token_ids": prompt, "choices": [{"token_ids": said}]})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    said: dict[str, Any] = {
        "messages": [],
        "prompt_token_ids": [7, 8],
        "token_ids": [1, 2],
        "margins": [SURE] * 2,
    }
    (tmp_path / PROOF).write_text(json.dumps([said, said]))
    return tmp_path


def test_equal_tokens_are_counted(folder: Path) -> None:
    assert prove("ft:x", folder, client=_engine(_answer([7, 8], [1, 2]))) == 4


@pytest.mark.parametrize(("prompt", "said"), [([7, 9], [1, 2]), ([7, 8], [1, 3])])
def test_a_difference_is_told_with_its_place(folder: Path, prompt: list[int], said: list[int]) -> None:
    with pytest.raises(DataError, match="at token 1") as told:
        prove("ft:x", folder, client=_engine(_answer(prompt, said)))
    assert told.value.code == "parity"


def test_what_has_no_proof_is_not_proven(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no proof\.json") as told:
        prove("ft:x", tmp_path, client=_engine(_answer([7], [1])))
    assert told.value.code == "parity"


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(503),
        httpx.Response(429, json={"error": {"message": "as much to do as it can hold"}}),
        # Ray Serve after a restart: its proxy answers seconds before the engine's route is there.
        httpx.Response(404, text="Path '/engine/v1/chat/completions' not found. Ping http://.../-/routes"),
        httpx.Response(404, json=[]),
    ],
)
def test_an_engine_that_is_away_is_asked_again_later(folder: Path, answer: httpx.Response) -> None:
    with pytest.raises(UnavailableError, match=str(answer.status_code)):
        prove("ft:x", folder, client=_engine(answer))


def test_an_engine_that_refuses_the_version_ends_it(folder: Path) -> None:
    with pytest.raises(DataError, match=r"refuses ft:x: .*no such adapter") as told:
        prove(
            "ft:x",
            folder,
            client=_engine(httpx.Response(404, json={"error": {"message": "no such adapter"}})),
        )
    assert told.value.code == "parity"
