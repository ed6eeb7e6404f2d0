"""FLOW 4: sample x arm -> answer -> scores -> paired comparison -> decision."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from openai import AsyncOpenAI, DefaultAsyncHttpxClient

from tunesmith.config.evaluate import EvaluateConfig
from tunesmith.config.home import Home
from tunesmith.errors import UnavailableError
from tunesmith.evaluate.arms import Arm, build_arms
from tunesmith.evaluate.ask import ArmAnswer, ask_all
from tunesmith.evaluate.compare import ScoredAnswer, compare_arms, measure_arm
from tunesmith.evaluate.decide import decide
from tunesmith.evaluate.expectations import check_expectations
from tunesmith.evaluate.html import render_html
from tunesmith.evaluate.report import EvaluationReport
from tunesmith.evaluate.samples import Sample, draw_samples, find_questions, load_samples
from tunesmith.evaluate.scorers import score_answer
from tunesmith.evaluate.seen import split_by_seen
from tunesmith.evaluate.tuned import find_tuned
from tunesmith.records import DEFAULT_PROJECT
from tunesmith.stores.atomic import write_atomic
from tunesmith.stores.database import open_home_database
from tunesmith.stores.platform_file import read_running
from tunesmith.stores.registry import Registry

OnAnswer = Callable[[int], None]
"""Called after each answer with the number of all answers to come."""

_TIMEOUT_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class WrittenReport:
    """Where a report lies."""

    json: Path
    html: Path


def run_evaluation(
    config: EvaluateConfig, *, home: Home, on_answer: OnAnswer = lambda _total: None
) -> EvaluationReport:
    """Ask, score, compare, decide.

    Args:
        config: the recipe.
        home: the installation whose running platform is asked.
        on_answer: told the progress.

    Returns:
        The report; nothing is written yet.

    Raises:
        UnavailableError: no platform runs on the home.
        DataError: the questions are wrong.
        ModelNotFoundError: the tuned model does not exist.
    """
    available = load_samples(find_questions(config.questions))
    samples = draw_samples(available, config.num_samples, seed=config.seed)
    arms = build_arms(config, tuned=find_tuned(config.tuned, _registry(home)))
    started = time.time()
    answers = asyncio.run(ask_platform_all(samples, arms, config, home=home, on_answer=on_answer))
    seconds = time.time() - started
    return judge(samples, arms, answers, config, num_available=len(available), seconds=seconds)


def judge(
    samples: Sequence[Sample],
    arms: Sequence[Arm],
    answers: Sequence[ArmAnswer],
    config: EvaluateConfig,
    *,
    num_available: int,
    seconds: float,
) -> EvaluationReport:
    """Turn answers into a report; needs no platform.

    Args:
        samples: the questions asked.
        arms: who answered.
        answers: one for each sample and arm.
        config: the recipe.
        num_available: questions in the file.
        seconds: how long the asking took.

    Returns:
        The report.
    """
    scored = _score(samples, arms, answers)
    figures = tuple(measure_arm(arm, scored, config) for arm in arms)
    comparisons = compare_arms(arms, scored, config)
    groups = split_by_seen(arms, scored, config)
    return EvaluationReport(
        config=config,
        samples=tuple(samples),
        num_available=num_available,
        scored=scored,
        figures=figures,
        comparisons=comparisons,
        groups=groups,
        decision=decide(figures, comparisons, num_samples=len(samples), groups=groups),
        expectations=check_expectations(figures, comparisons, scored),
        seconds=seconds,
        created_at=int(time.time()),
    )


def write_report(report: EvaluationReport, folder: Path) -> WrittenReport:
    """Write JSON and HTML.

    Args:
        report: the evaluation.
        folder: made if need be.

    Returns:
        The two files, `report.json` and `report.html`.

    Raises:
        StorageError: the folder cannot be written.
    """
    written = WrittenReport(folder / "report.json", folder / "report.html")
    write_atomic(written.json, f"{json.dumps(report.as_json(), indent=2, ensure_ascii=False)}\n")
    write_atomic(written.html, render_html(report))
    return written


async def ask_platform_all(
    samples: Sequence[Sample],
    arms: Sequence[Arm],
    config: EvaluateConfig,
    *,
    home: Home,
    on_answer: OnAnswer = lambda _total: None,
) -> tuple[ArmAnswer, ...]:
    """Ask the running platform of a home all questions in all arms.

    Args:
        samples: the questions.
        arms: who answers.
        config: instructions, length, concurrency, seed.
        home: the installation.
        on_answer: told the progress.

    Returns:
        One answer per sample and arm.

    Raises:
        UnavailableError: no platform runs on the home, or it stops answering.
    """
    platform = read_running(home)
    if platform is None:
        raise UnavailableError(
            f"No platform runs on {home.root}. Start it with `tunesmith up --home {home.root}`."
        )
    key = platform.api_key()
    total = len(samples) * len(arms)
    # A proxy in the environment has no business between two programs of one machine.
    connection = DefaultAsyncHttpxClient(trust_env=False)
    async with AsyncOpenAI(
        base_url=platform.base_url,
        api_key=key,
        max_retries=0,
        timeout=_TIMEOUT_SECONDS,
        http_client=connection,
    ) as client:
        return await ask_all(samples, arms, config, client=client, on_answer=lambda: on_answer(total))


def _score(
    samples: Sequence[Sample], arms: Sequence[Arm], answers: Sequence[ArmAnswer]
) -> tuple[ScoredAnswer, ...]:
    found = {(answer.sample, answer.arm): answer for answer in answers}
    rows = []
    for sample in samples:
        for arm in arms:
            answer = found[sample.id, arm.name]
            rows.append(ScoredAnswer(sample, arm, answer, score_answer(sample, arm, answer)))
    return tuple(rows)


def _registry(home: Home) -> Registry:
    return Registry(open_home_database(home), DEFAULT_PROJECT)
