"""Does a source support a claim? Decided from the two texts alone: no model, the same every time.

A short answer is supported by one sentence of a source, a longer claim by up to three neighbouring ones, when

1. every number, time, date and code of the claim stands in it, each with the same unit,
2. nearly all of the claim's words do, weighted by how rare they are among the sources,
3. neither says what the other denies, and
4. for a short answer, which says little by itself, enough of the question's words stand in it or close by.

On SQuAD (docs/rag.md) 97% of right answers are supported by their own paragraph, 0.2% by another paragraph of
the same article that does not hold them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from tunesmith.rag.numerals import CURRENCIES, MONTHS, UNIT_NAMES
from tunesmith.rag.sentences import Span, split_sentences
from tunesmith.rag.terms import NEGATIONS, Term, read_terms
from tunesmith.records import Source

WORDS_NEEDED = 0.7
"""Share of a claim's words, by weight, that the stretch must hold."""
CONTEXT_NEEDED = 0.4
"""Share of the words of question and claim, by weight and nearness, that a short answer has around it."""
LONG_CLAIM_WORDS = 6
"""A claim with this many words of its own stands without the question."""
MAX_SENTENCES = 3
"""Longest stretch that is cited for a claim that stands alone; a short answer has its one sentence."""

_NEAR, _SAME_SOURCE = 0.7, 0.5
_UNIT_REACH = 3
_UNITS = UNIT_NAMES | frozenset(MONTHS)
_BEFORE = CURRENCIES | frozenset(MONTHS)
_POLARITY = {"yes": False, "no": True}


@dataclass(frozen=True, slots=True)
class Claim:
    """What is to be supported: a sentence of an answer, with the question it answers."""

    terms: tuple[Term, ...]
    question: frozenset[str]

    @classmethod
    def read(cls, text: str, question: str) -> Claim:
        """Take a claim apart.

        Args:
            text: the sentence, without its source numbers.
            question: the question asked.

        Returns:
            The claim.
        """
        asked = (term.key for term in read_terms(question) if term.is_content)
        return cls(tuple(read_terms(text)), frozenset(asked))

    @property
    def content(self) -> list[Term]:
        """Terms that carry meaning."""
        return [term for term in self.terms if term.is_content]

    @property
    def is_short(self) -> bool:
        """Whether it means little without its question."""
        return len({term.key for term in self.content} - self.question) < LONG_CLAIM_WORDS

    @property
    def polarity(self) -> bool | None:
        """For a bare "yes" or "no": whether it denies; else None."""
        return _POLARITY.get(self.terms[0].key) if len(self.terms) == 1 else None


@dataclass(frozen=True, slots=True)
class Support:
    """The stretch of a source that supports a claim.

    Attributes:
        start: first character, in the chunk's text.
        end: one past the last.
        score: how well, 0 to 1; comparable among the sources of one question.
    """

    start: int
    end: int
    score: float


@dataclass(frozen=True, slots=True)
class SourceText:
    """A source taken apart once.

    Attributes:
        sentences: where its sentences lie in the chunk's text.
        terms: the terms of each.
        keys: the keys of each.
        title: keys of the title.
        everything: keys of the whole source and its title.
    """

    sentences: tuple[Span, ...]
    terms: tuple[tuple[Term, ...], ...]
    keys: tuple[frozenset[str], ...]
    title: frozenset[str]
    everything: frozenset[str]

    @classmethod
    def read(cls, source: Source) -> SourceText:
        """Take a source apart.

        Args:
            source: a numbered source.

        Returns:
            Its sentences and their terms.
        """
        sentences = tuple(split_sentences(source.hit.chunk.text))
        terms = tuple(tuple(read_terms(span.text)) for span in sentences)
        keys = tuple(_keys(each) for each in terms)
        title = _keys(read_terms(source.hit.chunk.title))
        return cls(sentences, terms, keys, title, title.union(*keys))


@dataclass(frozen=True, slots=True)
class Weights:
    """How much a term counts: more the fewer of the given sources hold it."""

    num_sources: int
    sources_with: Counter[str] = field(default_factory=Counter)

    @classmethod
    def over(cls, sources: Sequence[SourceText]) -> Weights:
        """Count terms over the sources of one question.

        Args:
            sources: all of them.

        Returns:
            The weights.
        """
        return cls(len(sources), Counter(key for source in sources for key in source.everything))

    def of(self, key: str) -> float:
        """Weight of one term, at least 1.

        Args:
            key: the term's key.

        Returns:
            One plus its inverse document frequency.
        """
        return 1 + math.log((self.num_sources + 1) / (self.sources_with[key] + 1))


def find_support(claim: Claim, source: SourceText, weights: Weights) -> Support | None:
    """Find the stretch of a source that supports a claim best.

    Args:
        claim: what is to be supported.
        source: the source.
        weights: term weights over all sources.

    Returns:
        The stretch: the shortest that does, then the best, then the first; None if none does.
    """
    if not claim.terms:
        return None
    for length in range(1, (1 if claim.is_short else MAX_SENTENCES) + 1):
        best: Support | None = None
        for first in range(len(source.sentences) - length + 1):
            score = _score(claim, source, weights, first, first + length)
            if score is not None and (best is None or score > best.score):
                spans = source.sentences[first : first + length]
                best = Support(spans[0].start, spans[-1].end, score)
        if best:
            return best
    return None


def _score(claim: Claim, source: SourceText, weights: Weights, first: int, last: int) -> float | None:
    stretch = [term for terms in source.terms[first:last] for term in terms]
    if not all(
        _is_held(claim.terms, index, stretch) for index, term in enumerate(claim.terms) if term.is_exact
    ):
        return None
    # A bare yes or no claims what the question asks.
    held = frozenset().union(*source.keys[first:last])
    words = _share(claim.question if claim.polarity is not None else _content(claim), held, weights)
    if words < WORDS_NEEDED or _contradicts(claim, stretch):
        return None
    if not claim.is_short:
        return words
    near = _nearness(claim.question | _content(claim), source, weights, first, last)
    return (words + near) / 2 if near >= CONTEXT_NEEDED else None


def _content(claim: Claim) -> frozenset[str]:
    return frozenset(term.key for term in claim.content)


def _share(keys: frozenset[str], held: frozenset[str], weights: Weights) -> float:
    wanted = sorted(keys)
    total = math.fsum(weights.of(key) for key in wanted)
    return math.fsum(weights.of(key) for key in wanted if key in held) / total if total else 0.0


def _nearness(keys: frozenset[str], source: SourceText, weights: Weights, first: int, last: int) -> float:
    inside = frozenset().union(*source.keys[first:last])
    around = source.title.union(*source.keys[max(0, first - 1) : last + 1])
    places = ((inside, 1.0), (around, _NEAR), (source.everything, _SAME_SOURCE))
    wanted = sorted(keys)
    total = math.fsum(weights.of(key) for key in wanted)
    found = (weights.of(key) * next((part for place, part in places if key in place), 0.0) for key in wanted)
    return math.fsum(found) / total if total else 1.0


def _is_held(claim: Sequence[Term], index: int, stretch: Sequence[Term]) -> bool:
    """Whether the stretch holds this number or code, beside the unit it has in the claim."""
    wanted, unit = claim[index], _unit(claim, index)
    for place, term in enumerate(stretch):
        if term.kind == wanted.kind and term.key == wanted.key:
            found = _unit(stretch, place)
            if unit is None or found == unit or (found is None and unit in _keys(stretch)):
                return True
    return False


def _unit(terms: Sequence[Term], index: int) -> str | None:
    """The unit or month that a number stands beside: a currency or month before it, or what follows."""
    if terms[index].kind != "number":
        return None
    if index and terms[index - 1].key in _BEFORE:
        return terms[index - 1].key
    following = (term.key for term in terms[index + 1 : index + 1 + _UNIT_REACH])
    return next((key for key in following if key in _UNITS), None)


def _contradicts(claim: Claim, stretch: Sequence[Term]) -> bool:
    denied = any(term.key in NEGATIONS for term in stretch)
    if claim.polarity is not None:
        return claim.polarity != denied
    return not claim.is_short and not denied and any(term.key in NEGATIONS for term in claim.terms)


def _keys(terms: Sequence[Term]) -> frozenset[str]:
    return frozenset(term.key for term in terms)
