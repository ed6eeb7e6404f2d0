"""Concurrent streams against one OpenAI server: a process of its own, that does as little as can be for each chunk.

Reads one JSON object from its argument (`Load`), writes one to its output (`Outcome`).
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import time
from dataclasses import asdict, dataclass

import aiohttp
import uvloop

_USAGE = re.compile(rb'"completion_tokens":\s?(\d+)')
_TAIL_BYTES = 2048
"""The chunk with the usage and `[DONE]` are shorter."""


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked.

    Attributes:
        url: of the chat completions.
        key: API key.
        model: name in the API.
        concurrency: streams at once; each worker asks again when its answer has ended.
        tokens: length of every answer.
        seconds: no request is begun later.
        seed: makes the prompts of this load unlike those of another.
    """

    url: str
    key: str
    model: str
    concurrency: int
    tokens: int
    seconds: float
    seed: int

    def run(self) -> Outcome:
        """Ask in a process of its own.

        Returns:
            What came of it.
        """
        command = [sys.executable, __file__, json.dumps(asdict(self))]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=self.seconds + 120, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{self.url}: {done.stderr[-2000:]}")
        return Outcome(**json.loads(done.stdout))

    def body(self, number: int) -> dict[str, object]:
        """The request with this number; none begins like another, so that no prefix cache helps."""
        question = f"{self.seed}-{number}: How many days of leave do full-time staff get, and who decides?"
        return {
            "model": self.model,
            "messages": [{"role": "user", "content": question}],
            "max_tokens": self.tokens,
            "temperature": 0,
            "ignore_eos": True,
            "stream": True,
            "stream_options": {"include_usage": True},
        }


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a load.

    Attributes:
        seconds: from the first request to the end of the last answer.
        tokens: generated, as the usage says.
        first_tokens: seconds until the first piece of each answer.
    """

    seconds: float
    tokens: int
    first_tokens: list[float]


async def _drive(load: Load) -> Outcome:
    first_tokens: list[float] = []
    tokens = number = 0
    connector = aiohttp.TCPConnector(limit=0)
    headers = {"Authorization": f"Bearer {load.key}"}
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
        # A connection for every worker, and every code path once.
        warm = asdict(load) | {"tokens": 4, "seed": -load.seed}
        await asyncio.gather(*(_ask(session, Load(**warm), n) for n in range(load.concurrency)))
        began = time.perf_counter()

        async def work() -> None:
            nonlocal tokens, number
            while time.perf_counter() - began < load.seconds:
                number += 1
                first_token, generated = await _ask(session, load, number)
                first_tokens.append(first_token)
                tokens += generated

        await asyncio.gather(*(work() for _ in range(load.concurrency)))
        return Outcome(time.perf_counter() - began, tokens, first_tokens)


async def _ask(session: aiohttp.ClientSession, load: Load, number: int) -> tuple[float, int]:
    body, tail, first_token = load.body(number), b"", None
    began = time.perf_counter()
    async with session.post(load.url, json=body) as response:
        async for piece in response.content.iter_any():
            first_token = first_token or time.perf_counter() - began
            tail = (tail + piece)[-_TAIL_BYTES:]
    usage = _USAGE.findall(tail)
    if response.status != 200 or b"[DONE]" not in tail or not usage or first_token is None:
        raise RuntimeError(f"{response.status}: {tail.decode()[-1000:]}")
    if int(usage[-1]) != load.tokens:
        raise RuntimeError(f"{usage[-1].decode()} tokens came, {load.tokens} were asked for")
    return first_token, int(usage[-1])


if __name__ == "__main__":
    outcome = uvloop.run(_drive(Load(**json.loads(sys.argv[1]))))
    print(json.dumps(asdict(outcome)))
