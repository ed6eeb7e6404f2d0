"""What a sentence denies: the word behind a negation, the clause it stands in, and what bounds it.

    "Smoking is not allowed in the hall, but in the yard."
                    ^ head                ^ bound

Two texts contradict each other where one denies a word that the other asserts, not where a negation stands
somewhere: most negations of a long sentence have nothing to do with a claim. A bound turns a denial round for what
stands behind it: "not longer than 18 minutes" goes with "18 minutes", not with "longer than 18 minutes".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tunesmith.rag.terms import NEGATIONS, STOP_WORDS, Term, stem


def _keys_of(words: str) -> frozenset[str]:
    return frozenset(word if word in STOP_WORDS else stem(word) for word in words.split())


_CONTRASTS = _keys_of("but only rather instead")
_BOUNDS = _CONTRASTS | _keys_of("before until unless except without than below above")
# Words that a negation passes on to the next: "not generally allowed", "no longer paid", "not permitted to smoke".
_ADVERBS = _keys_of("always yet ever even still often longer anymore")
_TOWARDS = _keys_of(
    "allowed permitted possible able supposed intended planned needed need required obliged expected right"
)
_NOT_DENYING = frozenset(["only", "just", "merely", "simply", "solely", "doubt", "matter"])
# "Is not paid" denies its whole clause, "no pay" and "not with cash" only what follows.
_OF_VERBS = frozenset(("not", "never", "cannot"))
_NEGATIONS_PROPER = NEGATIONS - {"without"}
_PREPOSITIONS = frozenset(
    ["with", "by", "in", "on", "at", "to", "for", "from", "of", "as", "through", "during"]
)
_CLAUSE_STARTS = _keys_of(
    "but which who whom whose that if when because while whereas although though unless where since"
)
_CLAUSE_END = re.compile(r"[,;:()!?–—\n]|\s-\s")
_CLAUSE_TERMS = 60
"""A text without stops is cut after so many terms: each of its negations would cost as much as all of it."""


@dataclass(frozen=True, slots=True)
class Denial:
    """One negation.

    Attributes:
        heads: what is denied: mostly one word, more where the first only leads to it ("not allowed to park").
        scope: all words of meaning behind the negation in its clause.
        clause: those before it too, where it denies a verb.
        bounds: the bounding words of the sentence, each with the words of meaning behind it.
    """

    heads: frozenset[str]
    scope: frozenset[str]
    clause: frozenset[str]
    bounds: tuple[tuple[str, frozenset[str]], ...]

    def is_lifted(self, keys: frozenset[str]) -> bool:
        """Whether another text speaks of what the denial excepts.

        Args:
            keys: keys of the other text.

        Returns:
            True if it shares words behind a bound, and stands on the other side of it.
        """
        return any(
            behind & keys and (bound in _CONTRASTS or bound not in keys) for bound, behind in self.bounds
        )


@dataclass(frozen=True, slots=True)
class Statement:
    """A sentence by what it says and what it denies.

    Attributes:
        keys: keys of all its terms.
        asserted: those outside of every denied clause.
        denials: its negations.
    """

    keys: frozenset[str]
    asserted: frozenset[str]
    denials: tuple[Denial, ...] = ()

    @classmethod
    def read(cls, text: str, terms: Sequence[Term]) -> Statement:
        """Read a sentence.

        Args:
            text: the sentence.
            terms: its terms.

        Returns:
            What it says and denies.
        """
        keys = frozenset(term.key for term in terms)
        if keys.isdisjoint(NEGATIONS):
            return cls(keys, keys)
        # The second negation of "nobody enters without a helmet" bounds the first.
        negating = NEGATIONS if keys.isdisjoint(_NEGATIONS_PROPER) else _NEGATIONS_PROPER
        bounds = tuple(_read_bounds(text, terms))
        denied: list[tuple[Denial, range]] = [
            denial
            for clause in _cut_clauses(text, terms)
            for place in clause
            if terms[place].key in negating
            and _is_denying(text, terms, place)
            and (denial := _read_denial(text, terms, place, clause, bounds))
        ]
        covered = {place for _, places in denied for place in places}
        asserted = frozenset(term.key for place, term in enumerate(terms) if place not in covered)
        return cls(keys, asserted, tuple(denial for denial, _ in denied))

    def denies(self, other: Statement, *, widely: bool = False) -> bool:
        """Whether this statement denies what another one asserts.

        Args:
            other: the other one.
            widely: whether all words behind a negation count, not only its heads.

        Returns:
            True if a denied word is asserted there, and not here too, elsewhere in the sentence.
        """
        return any(
            (denial.scope if widely else denial.heads) & other.asserted - self.asserted
            for denial in self.denials
            if not denial.is_lifted(other.keys)
        )


def _is_denying(text: str, terms: Sequence[Term], place: int) -> bool:
    """Whether a negation denies anything: not in "not only", "whether or not" and "No. 5"."""
    key = terms[place].key
    if key == "not" and place and terms[place - 1].key == "or":
        return False
    following = _word(text, terms[place + 1]) if place + 1 < len(terms) else ""
    return following not in _NOT_DENYING and not (key == "no" and following[:1].isdigit())


def _read_denial(
    text: str,
    terms: Sequence[Term],
    place: int,
    clause: range,
    bounds: tuple[tuple[str, frozenset[str]], ...],
) -> tuple[Denial, range] | None:
    """The denial, with the places of the terms that it covers."""
    first = place + 1
    if terms[place].key == "no" and first in clause and _word(text, terms[first]) == "one":
        first += 1
    behind = range(first, clause.stop)
    of_verb = terms[place].key in _OF_VERBS and (first not in clause or terms[first].key not in _PREPOSITIONS)
    covered = clause if of_verb else range(place, clause.stop)
    scope = _content(terms, behind)
    # "Dogs are welcome, cats are not": with nothing behind it, a negation denies what stands before.
    heads = frozenset(_heads(text, terms, behind)) or _content(terms, covered)
    return (Denial(heads, scope or heads, _content(terms, covered), bounds), covered) if heads else None


def _heads(text: str, terms: Sequence[Term], behind: range) -> Iterator[str]:
    for place in behind:
        term = terms[place]
        if term.is_content or term.key in _BOUNDS:
            yield term.key
            following = terms[place + 1] if place + 1 in behind else None
            if not following or not _leads_on(_word(text, term), term, following):
                return


def _leads_on(word: str, term: Term, following: Term) -> bool:
    is_adverb = word.endswith("ly") or term.key in _ADVERBS
    return (is_adverb and following.is_content) or (term.key in _TOWARDS and following.key == "to")


def _read_bounds(text: str, terms: Sequence[Term]) -> Iterator[tuple[str, frozenset[str]]]:
    for clause in _cut_clauses(text, terms):
        for place in clause:
            if terms[place].key in _BOUNDS:
                # "Claims above 90 euros are not paid": what is denied is no part of the bound.
                stop = next((p for p in clause if p > place and terms[p].key in NEGATIONS), clause.stop)
                yield terms[place].key, _content(terms, range(place + 1, stop))


def _cut_clauses(text: str, terms: Sequence[Term]) -> list[range]:
    starts = [0]
    for place in range(1, len(terms)):
        between = text[terms[place - 1].end : terms[place].start]
        is_full = place - starts[-1] == _CLAUSE_TERMS
        if is_full or terms[place].key in _CLAUSE_STARTS or _CLAUSE_END.search(between):
            starts.append(place)
    return [range(start, stop) for start, stop in zip(starts, [*starts[1:], len(terms)], strict=True)]


def _content(terms: Sequence[Term], places: range) -> frozenset[str]:
    return frozenset(terms[place].key for place in places if terms[place].is_content)


def _word(text: str, term: Term) -> str:
    return text[term.start : term.end].lower()
