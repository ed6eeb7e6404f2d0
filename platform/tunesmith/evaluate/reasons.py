"""One line for each question that the arms answer, with figures and intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tunesmith.evaluate.compare import ArmFigures, Comparison
from tunesmith.evaluate.seen import SPLIT_METRICS, SeenGroup
from tunesmith.evaluate.wording import METRIC_WORDS, points, say_comparison, sentence

Pairs = Mapping[tuple[str, str, str], Comparison]
"""(metric, arm, baseline) -> their paired difference."""

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

_LEARNED = (("tuned", "base"), ("hybrid", "rag"))
"""Pairs that differ by the training alone."""


def pair_up(comparisons: Sequence[Comparison]) -> Pairs:
    """Make paired differences easy to find.

    Args:
        comparisons: the differences.

    Returns:
        The same by metric, arm and baseline.
    """
    return {(each.metric, each.arm, each.baseline): each for each in comparisons}


def give_reasons(
    figures: Sequence[ArmFigures],
    comparisons: Sequence[Comparison],
    groups: Sequence[SeenGroup],
    *,
    chosen: str,
) -> tuple[str, ...]:
    """Say what the arms show.

    Args:
        figures: what was measured of each arm.
        comparisons: paired differences on all questions.
        groups: the same on seen and on unseen facts.
        chosen: the arm that was decided for.

    Returns:
        One line for each question whose arms were measured, and the cost.
    """
    arms = {figure.arm.name: figure for figure in figures}
    return (*_answers(arms, pair_up(comparisons)), *_say_seen(groups), _say_cost(chosen, arms))


def _answers(arms: Mapping[str, ArmFigures], pairs: Pairs) -> list[str]:
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


def _say_seen(groups: Sequence[SeenGroup]) -> list[str]:
    if not all(group.num for group in groups):
        return []
    reasons = []
    for arm, baseline in _LEARNED:
        found = [
            [pair_up(group.comparisons).get((metric, arm, baseline)) for group in groups]
            for metric in SPLIT_METRICS
        ]
        said = [_say_split(groups, [pair for pair in pairs if pair]) for pairs in found if all(pairs)]
        if said:
            question = f"Does fine-tuning help beyond the facts that it has seen ({arm} against {baseline})?"
            reasons.append(f"{question} {' '.join(said)}")
    return reasons


def _say_split(groups: Sequence[SeenGroup], pairs: Sequence[Comparison]) -> str:
    said = [
        f"{group.name} ({group.num}) {points(pair.difference)}"
        for group, pair in zip(groups, pairs, strict=True)
    ]
    what = METRIC_WORDS[pairs[0].metric].capitalize()
    return f"{what}: {'; '.join(said)}: {_conclude(groups, pairs)}."


def _conclude(groups: Sequence[SeenGroup], pairs: Sequence[Comparison]) -> str:
    measured = [
        (group.name, pair.difference.value)
        for group, pair in zip(groups, pairs, strict=True)
        if pair.measurable
    ]
    by_kind = {
        "gain": [name for name, value in measured if value > 0],
        "loss": [name for name, value in measured if value < 0],
    }
    said = [
        f"a measurable {kind} on {' and '.join(names)} ones{'' if len(names) == len(groups) else ' only'}"
        for kind, names in by_kind.items()
        if names
    ]
    return ", ".join(said) or "no measurable difference on either"


def _say_cost(chosen: str, arms: Mapping[str, ArmFigures]) -> str:
    said = [
        f"{name} {figure.latency_p50_ms.value:.0f} ms and {figure.prompt_tokens.value:.0f} tokens"
        for name, figure in arms.items()
        if figure.latency_p50_ms and figure.prompt_tokens
    ]
    return (
        f"What does a question cost? Median latency and mean prompt tokens: {'; '.join(said)}. "
        f"Chosen: {chosen}."
    )
