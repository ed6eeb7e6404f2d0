"""Which arm to use, and why: computed from the measured figures, and from nothing else.

The arm with the most useful answers wins, unless a cheaper one is not measurably worse: then the cheapest of
those. What counts as cheap is `arms.ARM_COST`, the parts that must be kept up to date.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tunesmith.evaluate.arms import ARM_COST
from tunesmith.evaluate.compare import ArmFigures, Comparison
from tunesmith.evaluate.intervals import Interval
from tunesmith.evaluate.wording import ARM_WORDS, percent, points, say_comparison, sentence

TARGET = "useful"
"""The metric that decides: right, or rightly refused, in the form that was asked for."""

_QUESTIONS = (
    ("Does retrieval help the base model?", "rag", "base", ("answer_accuracy", "abstention_correct")),
    (
        "Does retrieval help the fine-tuned model?",
        "hybrid",
        "tuned",
        ("answer_accuracy", "abstention_correct"),
    ),
    (
        "Does fine-tuning help on top of retrieval?",
        "hybrid",
        "rag",
        ("answer_accuracy", "abstention_correct"),
    ),
    ("Does fine-tuning teach the form?", "hybrid", "rag", ("form_valid",)),
    (
        "Does schema decoding give the form without training?",
        "rag_schema",
        "rag",
        ("form_valid", "answer_accuracy"),
    ),
    (
        "Is fine-tuning better than schema decoding?",
        "hybrid",
        "rag_schema",
        ("useful", "answer_accuracy", "form_valid"),
    ),
)


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do.

    Attributes:
        arm: the arm to use.
        model: its model.
        verdict: the decision in a sentence or two.
        reasons: one line for each question that the arms answer, with figures and intervals.
        runners_up: arms that are not measurably worse than the best one and dearer than the chosen.
    """

    arm: str
    model: str
    verdict: str
    reasons: tuple[str, ...]
    runners_up: tuple[str, ...]


def decide(figures: Sequence[ArmFigures], comparisons: Sequence[Comparison], *, num_samples: int) -> Decision:
    """Decide which arm to use.

    Args:
        figures: what was measured of each arm.
        comparisons: paired differences; the baseline is the cheaper arm of the pair.
        num_samples: questions asked of each arm.

    Returns:
        The decision.
    """
    arms = {figure.arm.name: figure for figure in figures}
    by_cost = sorted(arms, key=ARM_COST.index)
    pairs = {(c.metric, c.arm, c.baseline): c for c in comparisons}
    best = max(by_cost, key=lambda name: (_useful(arms[name]).value, -ARM_COST.index(name)))
    worse = [name for name in by_cost if name != best and _difference(pairs, best, name).excludes_zero]
    chosen, *level = (name for name in by_cost if name not in worse)
    return Decision(
        arm=chosen,
        model=arms[chosen].arm.model,
        verdict=" ".join(
            [
                _say_chosen(chosen, arms, num_samples),
                *_say_level(chosen, level, arms, pairs),
                *_say_worse(best, worse, arms),
                *_say_caution(arms[chosen]),
            ]
        ),
        reasons=(*_reasons(arms, pairs), _say_cost(chosen, arms)),
        runners_up=tuple(level),
    )


def _useful(figures: ArmFigures) -> Interval:
    rate = figures.rates[TARGET]
    assert rate is not None, "every answer is useful or not"
    return rate


def _difference(pairs: Mapping[tuple[str, str, str], Comparison], one: str, other: str) -> Interval:
    """How much more useful `one` is than `other`."""
    if (TARGET, one, other) in pairs:
        return pairs[TARGET, one, other].difference
    turned = pairs[TARGET, other, one].difference
    return Interval(-turned.value, -turned.high, -turned.low, turned.num)


def _say_chosen(chosen: str, arms: Mapping[str, ArmFigures], num_samples: int) -> str:
    rate = _useful(arms[chosen])
    return (
        f"Use {chosen} ({ARM_WORDS[chosen]}): {percent(rate.value)} of {num_samples} questions got a useful "
        f"answer ({percent(rate.low)} to {percent(rate.high)}): right, or rightly refused, in the house form."
    )


def _say_level(
    chosen: str,
    level: Sequence[str],
    arms: Mapping[str, ArmFigures],
    pairs: Mapping[tuple[str, str, str], Comparison],
) -> list[str]:
    said = [
        f"{name} ({percent(_useful(arms[name]).value)}; {points(_difference(pairs, name, chosen))})"
        for name in level
    ]
    return [f"No measurable difference to {' or '.join(said)}: take the cheaper."] if said else []


def _say_worse(best: str, worse: Sequence[str], arms: Mapping[str, ArmFigures]) -> list[str]:
    said = [f"{name} {percent(_useful(arms[name]).value)}" for name in worse]
    return [f"Measurably worse than {best}: {'; '.join(said)}."] if said else []


def _say_caution(figures: ArmFigures) -> list[str]:
    if _useful(figures).value >= 0.5:
        return []
    return ["No arm is good enough yet: fewer than half of the questions get a useful answer."]


def _reasons(arms: Mapping[str, ArmFigures], pairs: Mapping[tuple[str, str, str], Comparison]) -> list[str]:
    reasons = []
    for question, arm, baseline, metrics in _QUESTIONS:
        found = (pairs.get((metric, arm, baseline)) for metric in metrics)
        said = [_say(pair, arms) for pair in found if pair]
        if said:
            reasons.append(f"{question} {sentence('; '.join(said))}")
    return reasons


def _say(comparison: Comparison, arms: Mapping[str, ArmFigures]) -> str:
    new, old = (arms[name].rates[comparison.metric] for name in (comparison.arm, comparison.baseline))
    assert new is not None, "a pair has both rates"
    assert old is not None, "a pair has both rates"
    return say_comparison(comparison, old=old.value, new=new.value)


def _say_cost(chosen: str, arms: Mapping[str, ArmFigures]) -> str:
    said = [
        f"{name} {figure.latency_p50_ms.value:.0f} ms and {figure.prompt_tokens.value:.0f} prompt tokens"
        for name, figure in arms.items()
        if figure.latency_p50_ms and figure.prompt_tokens
    ]
    return f"What does a question cost? Median: {'; '.join(said)}. Chosen: {chosen}."
