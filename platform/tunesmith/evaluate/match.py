"""Is this the right answer? Compared by value: case, articles, punctuation and spellings do not count."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tunesmith.evaluate.samples import Sample
from tunesmith.rag.numerals import MONTHS
from tunesmith.rag.terms import NEGATIONS, Term, read_terms


def is_right(answer: str, sample: Sample) -> bool:
    """Whether an answer says one of the sample's targets.

    It may say it in a whole sentence: words around the target are fine where the question or the evidence
    holds them too, so that "Full-time staff get 27 days" is right, and "the deputy team lead" is not
    "the team lead". Around a target that is a value itself, other numbers and codes (around a date, other months
    too) are fine only where the question or a target holds them: evidence that names the 27 days of some and the
    14 of others makes "14 or 27 days" no answer.

    Args:
        answer: the answer without source numbers.
        sample: the question with its targets.

    Returns:
        True if it does.
    """
    said = read_terms(answer)
    around = _harmless(sample)
    return any(_says(said, read_terms(target), around) for target in sample.targets)


def holds_target(text: str, sample: Sample) -> bool:
    """Whether a text holds the sample's evidence, or one of its targets.

    Args:
        text: text of a source or of a citation.
        sample: the question with its targets and evidence.

    Returns:
        True if it does, whatever the case, punctuation and number words.
    """
    held = _meaning(read_terms(text))
    wanted = (*sample.targets, *((sample.evidence,) if sample.evidence else ()))
    return any(_position(held, _meaning(read_terms(target))) is not None for target in wanted)


def is_evidence(document: str, text: str, sample: Sample) -> bool | None:
    """Whether a source or a citation is where the answer stands.

    Args:
        document: whose text it is.
        text: text of the source or of the citation.
        sample: the question with its document and evidence.

    Returns:
        True if the document is the sample's, where the sample names one, and the text holds the evidence or a
        target. None if the sample names neither document nor evidence: its target alone may stand anywhere.
    """
    if not sample.has_evidence:
        return None
    return sample.document in (None, document) and holds_target(text, sample)


def _harmless(sample: Sample) -> frozenset[str]:
    """What may stand around a target without changing what is said."""
    targets = [term for target in sample.targets for term in read_terms(target)]
    values = _keys(term for term in targets if term.is_exact or term.key in MONTHS)
    told = (term for term in read_terms(sample.evidence or "") if not _is_rival(term, values))
    return _keys(read_terms(sample.question)) | values | _keys(told)


def _is_rival(term: Term, values: frozenset[str]) -> bool:
    # Only a value can be mistaken for a value: "Portugal, in 1963" names one country.
    return bool(values) if term.is_exact else term.key in MONTHS and not values.isdisjoint(MONTHS)


def _keys(terms: Iterable[Term]) -> frozenset[str]:
    return frozenset(term.key for term in terms)


def _says(said: Sequence[Term], target: Sequence[Term], around: frozenset[str]) -> bool:
    if _negations(said) != _negations(target):
        return False
    mine, wanted = _meaning(said), _meaning(target)
    first = _position(mine, wanted)
    return first is not None and around.issuperset(mine[:first] + mine[first + len(wanted) :])


def _position(held: list[str], wanted: list[str]) -> int | None:
    if not wanted:
        return None
    places = range(len(held) - len(wanted) + 1)
    return next((place for place in places if held[place : place + len(wanted)] == wanted), None)


def _meaning(terms: Sequence[Term]) -> list[str]:
    # An answer of stop words alone ("both", "no one") is compared by them.
    return [term.key for term in terms if term.is_content] or [term.key for term in terms]


def _negations(terms: Sequence[Term]) -> bool:
    return any(term.key in NEGATIONS for term in terms)
