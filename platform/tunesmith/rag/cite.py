"""Check an answer's citations against the text of its sources. The answer itself is never changed.

answer "27 days [1]"   source 1 supports it             -> verified, cited
                       source 1 does not, source 3 does -> attributed to 3
                       no source does                   -> unsupported, no citation
"""

from __future__ import annotations

from collections.abc import Sequence

from tunesmith.config.serve import CONTEXT_NEEDED
from tunesmith.rag.claims import split_claims
from tunesmith.rag.forms import parse_answer
from tunesmith.rag.marks import NamedClaim, remove_attribution
from tunesmith.rag.meaning import Meaning
from tunesmith.rag.support import Claim, SourceText, Support, Weights, find_support
from tunesmith.records import Answer, CheckedSentence, Citation, CitationStatus, Source

CLOSE_TO_BEST = 0.8
"""A named source stands only if its support reaches this share of the best one's.

Two sources may hold the same value for different things; the one that is about the question wins.
"""


def check_answer(
    text: str,
    sources: Sequence[Source],
    *,
    question: str,
    context_needed: float = CONTEXT_NEEDED,
    meaning: Meaning | None = None,
) -> Answer:
    """Check what the model said against what it was shown.

    Args:
        text: the engine's decoded tokens, in either form.
        sources: the numbered sources of the prompt.
        question: the question asked.
        context_needed: how much of question and answer a short answer must have around it, 0 to 1.
        meaning: compares the question with sentences; without it shared words alone say how much that is.

    Returns:
        The answer with its sentences, each with the citations that hold; offsets count characters of the
        document, so that `document.text[citation.start:citation.end] == citation.text`.

    Raises:
        UnavailableError: the embedder of `meaning` does not answer.
    """
    parsed = parse_answer(text)
    check = _Check(tuple(sources), question, context_needed, meaning)
    claims = split_claims(text, parsed)
    sentences = tuple(check.sentence(claim, alone=len(claims) == 1) for claim in claims)
    return Answer(text, parsed.abstained, sentences, tuple(sources))


class _Check:
    """The sources of one question, taken apart once for all claims."""

    def __init__(
        self, sources: tuple[Source, ...], question: str, context_needed: float, meaning: Meaning | None
    ) -> None:
        self._question = question
        self._context_needed = context_needed
        self._meaning = meaning
        self._texts = {source: SourceText.read(source) for source in sources}
        self._weights = Weights.over(tuple(self._texts.values()))

    def sentence(self, claim: NamedClaim, *, alone: bool) -> CheckedSentence:
        """Cite the sources that a claim names and that support it, else the one that does."""
        found = self._supports(Claim.read(remove_attribution(claim.text), self._question, alone=alone))
        best = max((support.score for support in found.values()), default=0.0)
        named = [
            source
            for source, support in found.items()
            if source.number in claim.numbers and support.score >= CLOSE_TO_BEST * best
        ]
        if named:
            named.sort(key=lambda source: claim.numbers.index(source.number))
            return CheckedSentence(
                claim.text, tuple(_cite(source, found[source], "verified") for source in named)
            )
        if not found:
            return CheckedSentence(claim.text, ())
        source = min(found, key=lambda source: (-found[source].score, *_place(source)))
        return CheckedSentence(claim.text, (_cite(source, found[source], "attributed"),))

    def _supports(self, claim: Claim) -> dict[Source, Support]:
        found = {
            source: find_support(
                claim, text, self._weights, context_needed=self._context_needed, meaning=self._meaning
            )
            for source, text in self._texts.items()
        }
        return {source: support for source, support in found.items() if support}


def _place(source: Source) -> tuple[str, int, str]:
    # Ties are broken by where a source lies, not by its number: another order must not cite another text.
    return source.hit.chunk.document, source.hit.chunk.start, source.hit.chunk.id


def _cite(source: Source, support: Support, status: CitationStatus) -> Citation:
    chunk = source.hit.chunk
    return Citation(
        number=source.number,
        document=chunk.document,
        start=chunk.start + support.start,
        end=chunk.start + support.end,
        text=chunk.text[support.start : support.end],
        status=status,
    )
