"""The platform beside a bare vLLM server and plain `ray.serve.llm`: one model, one set of flags, one machine, one run.

All run at once and are asked in turn, round by round, so that what else the machine does falls on all of them
alike; ratios are taken within a round. The load comes from a process of its own, on the same cores as the servers.

    make bench ARGS=tests/bench/bench_serving.py
    SERVING_MODEL=random make bench ARGS=tests/bench/bench_serving.py   # 100M random weights: the engine dominates
    SERVING_AGAINST=vllm,platform,proxied make bench ARGS=...             # past Ray Serve's proxy, and through it
    SERVING_AGAINST=vllm-inside,vllm,platform make bench ARGS=...         # a bare vLLM with the platform's executor
    SERVING_AGAINST=vllm,platform,before SERVING_BEFORE=../other-checkout make bench ...   # what a change has brought
"""

from __future__ import annotations

import os
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
from contenders import (
    Contender,
    Contest,
    DidNotStart,
    short_folder,
    start_bare_vllm,
    start_plain_ray,
    start_platform,
)
from cpu_clock import CpuClock
from load_generator import Load, Outcome
from random_llama import make_random_llama

from tunesmith.config.serve import EngineConfig

CONCURRENCIES = (1, 8, 32, 64)
# On CPUs vLLM gives its worker a process of its own; the platform keeps it in the engine's.
EXECUTOR = ("--distributed-executor-backend", "tunesmith.serve.cpu_executor.CpuExecutor")
STARTS = {
    "vllm": start_bare_vllm,
    "vllm-inside": partial(start_bare_vllm, name="vLLM, worker inside", further=EXECUTOR),
    "platform": start_platform,
    "proxied": partial(start_platform, name="proxied", settings=("ask_replicas=false",)),
    "before": partial(start_platform, name="before", source=Path(os.environ.get("SERVING_BEFORE", "."))),
    "ray": start_plain_ray,
}
BARE = "bare vLLM"


@dataclass(frozen=True)
class Plan:
    """What is measured.

    Attributes:
        model: a shipped one, a folder, or `random`.
        rounds: how often everything is measured.
        tokens: of each answer.
        seconds: in which requests of one measurement are begun.
        against: which servers, by the names of `STARTS`.
    """

    model: str = os.environ.get("SERVING_MODEL", "tiny-reader")
    rounds: int = int(os.environ.get("SERVING_ROUNDS", "3"))
    tokens: int = int(os.environ.get("SERVING_TOKENS", "64"))
    seconds: float = float(os.environ.get("SERVING_SECONDS", "4"))
    against: tuple[str, ...] = tuple(os.environ.get("SERVING_AGAINST", "vllm,platform,ray").split(","))


@dataclass
class Results:
    """Outcomes by contender and concurrency, one a round; CPU seconds beside them."""

    outcomes: dict[tuple[str, int], list[Outcome]] = field(default_factory=lambda: defaultdict(list))
    cpu: dict[tuple[str, int], list[dict[str, float]]] = field(default_factory=lambda: defaultdict(list))

    def middle(self, name: str, concurrency: int, of: Callable[[Outcome], float]) -> float:
        """The median over the rounds."""
        return statistics.median(map(of, self.outcomes[name, concurrency]))

    def beside(
        self, name: str, other: str, concurrency: int, compare: Callable[[Outcome, Outcome], float]
    ) -> list[float]:
        """Compare two contenders round by round."""
        pairs = zip(self.outcomes[name, concurrency], self.outcomes[other, concurrency], strict=True)
        return [compare(mine, yours) for mine, yours in pairs]


def tokens_a_second(outcome: Outcome) -> float:
    return outcome.tokens / outcome.seconds


def requests_a_second(outcome: Outcome) -> float:
    return len(outcome.first_tokens) / outcome.seconds


def first_token_ms(outcome: Outcome) -> float:
    return statistics.median(outcome.first_tokens) * 1000


@pytest.mark.timeout(1500)
def test_serving(tmp_path: Path) -> None:
    plan = Plan()
    with short_folder() as folder, ExitStack() as running:
        contest = Contest(_model(plan, tmp_path), EngineConfig(max_num_seqs=max(CONCURRENCIES)), folder)
        starting = [(name, running.enter_context(STARTS[name](contest))) for name in plan.against]
        contenders, absent = _all_ready(starting)
        results = Results()
        for number in range(plan.rounds):
            for concurrency in CONCURRENCIES:
                for contender in contenders if number % 2 else reversed(contenders):
                    _measure(results, contender, plan, concurrency, seed=1 + number)
    print(f"\n{plan}\n")
    _print_speed(results, [contender.name for contender in contenders])
    print("".join(f"\n{name}: not measurable here: {why}" for name, why in absent.items()))
    _print_cpu(results, [contender.name for contender in contenders])


def _model(plan: Plan, folder: Path) -> str:
    if plan.model != "random":
        return plan.model
    number = make_random_llama(folder / "random", hidden_size=768, num_layers=14)
    print(f"random weights: {number / 1e6:.0f}M parameters")
    return str(folder / "random")


def _all_ready(
    starting: Iterable[tuple[str, Callable[[], Contender]]],
) -> tuple[list[Contender], dict[str, str]]:
    contenders, absent = [], {}
    for name, ready in starting:
        try:
            contenders.append(ready())
        except DidNotStart as error:
            absent[name] = str(error)
    return contenders, absent


def _measure(results: Results, contender: Contender, plan: Plan, concurrency: int, *, seed: int) -> None:
    load = Load(
        url=contender.url,
        key=contender.key,
        model=contender.model,
        concurrency=concurrency,
        tokens=plan.tokens,
        seconds=plan.seconds,
        seed=seed * 100 + concurrency,
    )
    clock = CpuClock(contender.processes())
    outcome = load.run()
    spent = clock.read()
    results.outcomes[contender.name, concurrency].append(outcome)
    results.cpu[contender.name, concurrency].append(
        {kind: seconds / outcome.tokens * 1e6 for kind, seconds in spent.items()}
    )
    print(
        f"{concurrency:3}  {contender.name:14} {tokens_a_second(outcome):7.0f} tokens/s "
        f"{first_token_ms(outcome):7.1f} ms  {sum(spent.values()) / outcome.tokens * 1e6:6.0f} us of CPU a token",
        flush=True,
    )


def _print_speed(results: Results, names: Sequence[str]) -> None:
    print("| streams | | requests/s | tokens/s | of bare vLLM's | first token p50 | beside bare vLLM |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for concurrency in CONCURRENCIES:
        for name in names:
            cells = [
                str(concurrency),
                name,
                f"{results.middle(name, concurrency, requests_a_second):.1f}",
                f"{results.middle(name, concurrency, tokens_a_second):.0f}",
                "",
                f"{results.middle(name, concurrency, first_token_ms):.1f} ms",
                "",
            ]
            if BARE in names and name != BARE:
                shares = results.beside(name, BARE, concurrency, _share)
                added = results.beside(name, BARE, concurrency, _added_ms)
                cells[4] = f"{statistics.median(shares):.0%} ({min(shares):.0%} to {max(shares):.0%})"
                cells[6] = f"{statistics.median(added):+.1f} ms ({min(added):+.1f} to {max(added):+.1f})"
            print(f"| {' | '.join(cells)} |")


def _share(mine: Outcome, yours: Outcome) -> float:
    return tokens_a_second(mine) / tokens_a_second(yours)


def _added_ms(mine: Outcome, yours: Outcome) -> float:
    return first_token_ms(mine) - first_token_ms(yours)


def _print_cpu(results: Results, names: Sequence[str]) -> None:
    print("\n| microseconds of CPU a token | " + " | ".join(f"{n} streams" for n in CONCURRENCIES) + " |")
    print("| --- |" + " --- |" * len(CONCURRENCIES))
    for name in names:
        columns = [results.cpu[name, concurrency] for concurrency in CONCURRENCIES]
        kinds = {kind: None for column in columns for spent in column for kind in spent}
        for kind in kinds:
            cells = [statistics.median(spent.get(kind, 0.0) for spent in column) for column in columns]
            print(f"| {name}: {kind} | " + " | ".join(f"{cell:.0f}" for cell in cells) + " |")
        sums = [statistics.median(sum(spent.values()) for spent in column) for column in columns]
        print(f"| **{name}** | " + " | ".join(f"{cell:.0f}" for cell in sums) + " |")
