"""Which arm to use: computed from the measured figures, and from nothing else.

The cheapest arm that no other arm measurably beats. What counts as cheap is `arms.ARM_COST`, the parts that must
be kept up to date. "No measurable difference" is not transitive, so each arm is held against every other:

    base 50%   rag_schema 58%, and better on 8 questions, worse on none   hybrid 60%, better on 30, worse on 20

Nothing tells hybrid from base, but rag_schema beats base: the cheapest unbeaten arm is rag_schema.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tunesmith.evaluate.arms import ARM_COST
from tunesmith.evaluate.compare import ArmFigures, Comparison
from tunesmith.evaluate.intervals import Interval
from tunesmith.evaluate.reasons import Pairs, give_reasons, pair_up
from tunesmith.evaluate.seen import SeenGroup
from tunesmith.evaluate.wording import ARM_WORDS, percent, points, say_errors

TARGET = "useful"
"""The metric that decides: right, or rightly refused, in the form that was asked for."""

GOOD_ENOUGH = 0.5
"""Share of useful answers below which an arm is not worth using yet."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do.

    Attributes:
        arm: the arm to use.
        model: its model.
        verdict: the decision in a few sentences.
        reasons: one line for each question that the arms answer, with figures and intervals.
        runners_up: the other arms that no arm measurably beats, all of them dearer.
        untrusted: arms with too many failed requests for their figures to be trusted.
    """

    arm: str
    model: str
    verdict: str
    reasons: tuple[str, ...]
    runners_up: tuple[str, ...]
    untrusted: tuple[str, ...]


def decide(
    figures: Sequence[ArmFigures],
    comparisons: Sequence[Comparison],
    *,
    num_samples: int,
    groups: Sequence[SeenGroup],
) -> Decision:
    """Decide which arm to use.

    Args:
        figures: what was measured of each arm.
        comparisons: paired differences; the baseline is the cheaper arm of the pair.
        num_samples: questions asked of each arm.
        groups: the arms on seen and on unseen facts.

    Returns:
        The decision.
    """
    arms = {figure.arm.name: figure for figure in figures}
    pairs = pair_up(comparisons)
    by_cost = sorted(arms, key=ARM_COST.index)
    beaters = {name: [other for other in by_cost if _beats(other, name, pairs)] for name in by_cost}
    # There is always one: who beats another has the higher rate on the same questions, so nothing beats the highest.
    chosen, *level = (name for name in by_cost if not beaters[name])
    return Decision(
        arm=chosen,
        model=arms[chosen].arm.model,
        verdict=" ".join(
            [
                _say_chosen(arms[chosen], num_samples),
                *_say_level(chosen, level, arms, pairs),
                *_say_beaten(chosen, beaters, arms, pairs),
                *say_errors(figures),
                *_say_caution(chosen, arms),
            ]
        ),
        reasons=give_reasons(figures, comparisons, groups, chosen=chosen),
        runners_up=tuple(level),
        untrusted=tuple(figure.arm.name for figure in figures if not figure.trusted),
    )


def _beats(one: str, other: str, pairs: Pairs) -> bool:
    return one != other and _difference(one, other, pairs).low > 0


def _difference(one: str, other: str, pairs: Pairs) -> Interval:
    """How much more useful `one` is than `other`."""
    if (TARGET, one, other) in pairs:
        return pairs[TARGET, one, other].difference
    return pairs[TARGET, other, one].difference.turned


def _useful(figures: ArmFigures) -> Interval:
    rate = figures.rates[TARGET]
    assert rate is not None, "every answer is useful or not"
    return rate


def _say_chosen(figures: ArmFigures, num_samples: int) -> str:
    name, rate = figures.arm.name, _useful(figures)
    return (
        f"Use {name} ({ARM_WORDS[name]}): {percent(rate.value)} of {num_samples} questions got a useful "
        f"answer ({percent(rate.low)} to {percent(rate.high)}): right, or rightly refused, in the house form. "
        f"Its model is {figures.arm.model}."
    )


def _say_level(chosen: str, level: Sequence[str], arms: Mapping[str, ArmFigures], pairs: Pairs) -> list[str]:
    said = [
        f"{name} ({percent(_useful(arms[name]).value)}; {points(_difference(name, chosen, pairs))})"
        for name in level
    ]
    return [f"No measurable difference to {' or '.join(said)}: take the cheaper."] if said else []


def _say_beaten(
    chosen: str, beaters: Mapping[str, Sequence[str]], arms: Mapping[str, ArmFigures], pairs: Pairs
) -> list[str]:
    said: dict[str, list[str]] = {}
    for name, better in beaters.items():
        if better:
            other = chosen if chosen in better else max(better, key=lambda each: _useful(arms[each]).value)
            by = points(_difference(name, other, pairs))
            said.setdefault(other, []).append(f"{name} ({percent(_useful(arms[name]).value)}; {by})")
    return [f"Measurably worse than {other}: {', '.join(names)}." for other, names in said.items()]


def _say_caution(chosen: str, arms: Mapping[str, ArmFigures]) -> list[str]:
    if max(_useful(figures).value for figures in arms.values()) < GOOD_ENOUGH:
        return ["No arm is good enough yet: none gives a useful answer to half of the questions."]
    if _useful(arms[chosen]).value < GOOD_ENOUGH:
        return [f"With {chosen} fewer than half of the questions get a useful answer."]
    return []
