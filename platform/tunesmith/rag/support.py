"""Does a source support a claim? Decided from the two texts alone, the same every time.

A short answer is supported by one sentence of a source, a longer claim by up to three neighbouring ones, when

1. every number, time, date and code of the claim stands in it, each with the same unit,
2. nearly all of the claim's words do, weighted by how rare they are among the sources,
3. neither denies a word that the other asserts (see `negation.py`), and
4. for a short answer, which says little by itself, enough of the question's words stand in it or close by, or it is
   close enough to the question in meaning where that is asked too (see `meaning.py`); and the answer can be what the
   question asks for (see `asked.py`).

On SQuAD (docs/rag.md) 96% of right answers are supported by their own paragraph, 0.2% by another paragraph of
the same article that does not hold them.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from tunesmith.config.serve import CONTEXT_NEEDED
from tunesmith.rag.asked import can_answer
from tunesmith.rag.meaning import Meaning
from tunesmith.rag.negation import Statement
from tunesmith.rag.numerals import CURRENCIES, MONTHS, UNIT_NAMES
from tunesmith.rag.sentences import Span, split_sentences
from tunesmith.rag.terms import NEGATIONS, Term, read_terms
from tunesmith.records import Source

WORDS_NEEDED = 0.7
"""Share of a claim's words, by weight, that the stretch must hold."""
LONG_CLAIM_WORDS = 6
"""A claim with this many words of its own stands without the question."""
MAX_SENTENCES = 3
"""Longest stretch that is cited for a claim that stands alone; a short answer has its one sentence."""

_NEAR, _SAME_SOURCE = 0.7, 0.5
_UNIT_REACH = 3
_UNITS = UNIT_NAMES | frozenset(MONTHS)
_BEFORE = CURRENCIES | frozenset(MONTHS)
# "No" alone opens an answer only with a stop behind it: "No dogs", "no-one", "No. 5" go on.
_YES_OR_NO = re.compile(
    r"""[\s"'*]*(?:(yes)\b|no(?=\W*$|[*"']*\s*[,;:!–—]|\.(?!\s*\d)|\s+-\s))[\s"'*,.;:!–—-]*""", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Claim:
    """What is to be supported: a sentence of an answer, with the question it answers.

    Attributes:
        terms: its terms, without a leading yes or no.
        content: keys of those that carry meaning.
        statement: what it asserts and denies.
        question: keys of the question's terms that carry meaning.
        asked: what the question asks for.
        says_no: for an answer that opens with yes or no: whether it is no; else None.
        alone: whether it is the whole answer.
        fits: whether it can be what the question asks for.
    """

    terms: tuple[Term, ...]
    content: frozenset[str]
    statement: Statement
    question: frozenset[str]
    asked: Statement
    says_no: bool | None
    alone: bool
    fits: bool

    @classmethod
    def read(cls, text: str, question: str, *, alone: bool = True) -> Claim:
        """Take a claim apart.

        Args:
            text: the sentence, without its source numbers.
            question: the question asked.
            alone: whether it is the whole answer; one of several may say more than was asked.

        Returns:
            The claim.
        """
        opening = _YES_OR_NO.match(text)
        rest = text[opening.end() :] if opening else text
        terms, asked = tuple(read_terms(rest)), read_terms(question)
        return cls(
            terms,
            _content(terms),
            Statement.read(rest, terms),
            _content(asked),
            # "Isn't leave paid out?" asks whether it is.
            Statement.read(question, asked[1:] if asked and asked[0].key in NEGATIONS else asked),
            opening[1] is None if opening else None,
            alone,
            opening is not None or can_answer(rest, terms, question),
        )

    @property
    def is_short(self) -> bool:
        """Whether it means little without its question."""
        return len(self.content - self.question) < LONG_CLAIM_WORDS

    @property
    def is_something_else(self) -> bool:
        """Whether it is a whole, short answer, and plainly not to this question."""
        return self.alone and self.is_short and not self.fits

    @property
    def is_bare(self) -> bool:
        """Whether it is but a yes or no ("No, they do not"), which claims what the question asks."""
        return self.says_no is not None and not self.content

    @property
    def implied(self) -> frozenset[str]:
        """What a short answer asserts by its question: "on site" to "Where is smoking allowed?"."""
        takes_over = self.is_short and not self.says_no and not self.statement.denials
        return self.asked.asserted if takes_over else frozenset()

    @property
    def asserted(self) -> frozenset[str]:
        """What it asserts itself: nothing where it only names what is *not* so ("cats" to "What is not allowed?")."""
        denied = frozenset[str]().union(*(denial.heads for denial in self.asked.denials))
        return frozenset() if denied and not denied & self.content else self.statement.asserted


def _content(terms: Sequence[Term]) -> frozenset[str]:
    return frozenset(term.key for term in terms if term.is_content)


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
        statements: what each asserts and denies.
        title: keys of the title.
        everything: keys of the whole source and its title.
    """

    sentences: tuple[Span, ...]
    terms: tuple[tuple[Term, ...], ...]
    keys: tuple[frozenset[str], ...]
    statements: tuple[Statement, ...]
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
        statements = tuple(
            Statement.read(span.text, each) for span, each in zip(sentences, terms, strict=True)
        )
        keys = tuple(statement.keys for statement in statements)
        title = _keys(read_terms(source.hit.chunk.title))
        return cls(sentences, terms, keys, statements, title, title.union(*keys))


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


def find_support(
    claim: Claim,
    source: SourceText,
    weights: Weights,
    *,
    context_needed: float = CONTEXT_NEEDED,
    meaning: Meaning | None = None,
) -> Support | None:
    """Find the stretch of a source that supports a claim best.

    Args:
        claim: what is to be supported.
        source: the source.
        weights: term weights over all sources.
        context_needed: how much of question and claim a short answer must have around it, 0 to 1.
        meaning: compares the question with sentences; without it the shared words alone say how much that is.

    Returns:
        The stretch: the shortest that does, then the best, then the first; None if none does.

    Raises:
        UnavailableError: the embedder of `meaning` does not answer.
    """
    if (not claim.terms and claim.says_no is None) or claim.is_something_else:
        return None
    for length in range(1, (1 if claim.is_short else MAX_SENTENCES) + 1):
        scores = {
            first: words
            for first in range(len(source.sentences) - length + 1)
            if (words := _words_held(claim, source, weights, first, first + length)) >= WORDS_NEEDED
        }
        if claim.is_short:
            near = _context(claim, source, weights, tuple(scores), meaning)
            scores = {
                first: (words + near[first]) / 2
                for first, words in scores.items()
                if near[first] >= context_needed
            }
        if scores:
            best = max(scores, key=lambda first: (scores[first], -first))
            spans = source.sentences[best : best + length]
            return Support(spans[0].start, spans[-1].end, scores[best])
    return None


def _words_held(claim: Claim, source: SourceText, weights: Weights, first: int, last: int) -> float:
    """Share of the claim's words that a stretch holds; 0 where it lacks a number of it, or contradicts it."""
    stretch = [term for terms in source.terms[first:last] for term in terms]
    exact = (index for index, term in enumerate(claim.terms) if term.is_exact)
    if not all(_is_held(claim.terms, index, stretch) for index in exact):
        return 0.0
    held = frozenset().union(*source.keys[first:last])
    words = _share(claim.question if claim.is_bare else claim.content, held, weights)
    if words < WORDS_NEEDED or _contradicts(claim, source.statements[first:last]):
        return 0.0
    return words


def _context(
    claim: Claim, source: SourceText, weights: Weights, places: Sequence[int], meaning: Meaning | None
) -> dict[int, float]:
    """How much of question and claim stands in or around each of these sentences, in words and in meaning."""
    wanted = claim.question | claim.content
    near = {place: _nearness(wanted, source, weights, place) for place in places}
    if meaning is None:
        return near
    close = meaning.closeness([source.sentences[place].text for place in places])
    return {place: (near[place] + cosine) / 2 for place, cosine in zip(places, close, strict=True)}


def _share(keys: frozenset[str], held: frozenset[str], weights: Weights) -> float:
    wanted = sorted(keys)
    total = math.fsum(weights.of(key) for key in wanted)
    return math.fsum(weights.of(key) for key in wanted if key in held) / total if total else 0.0


def _nearness(keys: frozenset[str], source: SourceText, weights: Weights, place: int) -> float:
    inside = source.keys[place]
    around = source.title.union(*source.keys[max(0, place - 1) : place + 2])
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


def _contradicts(claim: Claim, held: Sequence[Statement]) -> bool:
    if claim.is_bare:
        opposed = any(each.denies(claim.asked, widely=True) or claim.asked.denies(each) for each in held)
        return opposed != claim.says_no
    return any(_is_denied(claim, each, alone=len(held) == 1) for each in held) or _denies(claim, held)


def _is_denied(claim: Claim, sentence: Statement, *, alone: bool) -> bool:
    """Whether a sentence denies what the claim says, or what it takes over from its question."""
    for denial in sentence.denials:
        heads = denial.heads - sentence.asserted
        # Among neighbours, a sentence must have more in common with the claim than the word it denies.
        is_about = alone or (claim.content & sentence.keys) - denial.heads
        said = heads & claim.asserted and is_about
        implied = heads & claim.implied and denial.clause & claim.content
        if (said or implied) and not denial.is_lifted(claim.statement.keys):
            return True
    return False


def _denies(claim: Claim, held: Sequence[Statement]) -> bool:
    """Whether the claim denies what the sentences say, or something of which they deny nothing."""
    denied = frozenset[str]().union(*(denial.clause for each in held for denial in each.denials))
    asserted = frozenset[str]().union(*(each.asserted for each in held))
    keys = frozenset[str]().union(*(each.keys for each in held))
    for denial in claim.statement.denials:
        heads = denial.heads - claim.statement.asserted - denied
        if (heads & asserted or (heads and not denied)) and not denial.is_lifted(keys):
            return True
    return False


def _keys(terms: Sequence[Term]) -> frozenset[str]:
    return frozenset(term.key for term in terms)
