import json
import random
from collections.abc import Callable, Collection, Mapping, Sequence

import pytest

from tunesmith.config.evaluate import EvaluateConfig
from tunesmith.evaluate.arms import Arm, build_arms
from tunesmith.evaluate.ask import ArmAnswer, ShownCitation, ShownSource
from tunesmith.evaluate.report import EvaluationReport
from tunesmith.evaluate.run import judge
from tunesmith.evaluate.samples import Sample

Simulate = Callable[..., EvaluationReport]
Outcomes = Callable[..., EvaluationReport]


@pytest.fixture
def config() -> EvaluateConfig:
    return EvaluateConfig(questions="questions.jsonl", tuned="handbook", num_resamples=400)


@pytest.fixture
def samples() -> tuple[Sample, ...]:
    """Eighty answerable questions and twenty that no document answers."""
    answerable = [
        Sample(
            f"q{n}",
            f"How many days does rule {n} give?",
            f"{n + 2} days",
            (str(n + 2),),
            f"rules/{n}.md",
            f"Rule {n} gives {n + 2} days.",
        )
        for n in range(80)
    ]
    return (*answerable, *(Sample(f"u{n}", f"Who wrote rule {n}?", None) for n in range(20)))


@pytest.fixture
def simulate(config: EvaluateConfig, samples: tuple[Sample, ...]) -> Simulate:
    """Judge answers that are right, well-formed and honest at given rates, arm by arm."""

    def run(
        skills: Mapping[str, tuple[float, float, float]], *, seed: int = 5, alike: bool = True
    ) -> EvaluationReport:
        # Alike: what is hard for one arm is hard for all, so that arms of equal skill give equal answers.
        arms = [
            arm for arm in build_arms(config, tuned="ft:tiny:default:handbook:abc123") if arm.name in skills
        ]
        answers = [
            answer_at(arm, sample, skills[arm.name], random.Random(f"{seed} {sample.id} {alike or arm.name}"))
            for arm in arms
            for sample in samples
        ]
        return judge(samples, arms, answers, config, num_available=len(samples), seconds=1.5)

    return run


@pytest.fixture
def outcomes(config: EvaluateConfig) -> Outcomes:
    """Judge answers that are right where it says so, arm by arm; None is a failed request."""

    def run(rights: Mapping[str, Sequence[bool | None]], *, seen: Collection[int] = ()) -> EvaluationReport:
        arms = [arm for arm in build_arms(config, tuned="ft:tiny") if arm.name in rights]
        num = len(next(iter(rights.values())))
        samples = [
            Sample(f"q{n}", f"What does rule {n} give?", f"{n + 2} days", (), "r.md", seen=n in seen)
            for n in range(num)
        ]
        answers = [
            plain_answer(arm, sample, right)
            for arm in arms
            for sample, right in zip(samples, rights[arm.name], strict=True)
        ]
        return judge(samples, arms, answers, config, num_available=num, seconds=1.5)

    return run


def plain_answer(arm: Arm, sample: Sample, right: bool | None) -> ArmAnswer:
    if right is None:
        return ArmAnswer(sample.id, arm.name, "", 0.0, 0, 0, error="the prompt is too long")
    text = json.dumps({"answer": sample.answer if right else "999 days", "sources": []})
    return ArmAnswer(sample.id, arm.name, text, 50.0, 120, 12)


def answer_at(
    arm: Arm, sample: Sample, skill: tuple[float, float, float], chance: random.Random
) -> ArmAnswer:
    right, formed, honest = (chance.random() < rate for rate in skill)
    said = (sample.answer if right else "999 days") if sample.answerable or not honest else None
    said = "999 days" if said is None and not honest else said
    numbers = [1] if said and arm.retrieves else []
    text = (
        json.dumps({"answer": said, "sources": numbers}) if formed else (said or "The documents do not say.")
    )
    shown = (
        (ShownSource(1, sample.document or "rules/0.md", sample.evidence or "Rule 0."),)
        if arm.retrieves
        else ()
    )
    cited = tuple(ShownCitation(s.number, s.document, s.text, "verified") for s in shown if said and right)
    return ArmAnswer(sample.id, arm.name, text, 40 + 20 * chance.random(), 120, 12, shown, cited)
