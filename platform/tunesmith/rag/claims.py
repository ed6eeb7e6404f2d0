"""An answer taken apart into claims, each with the sources it names."""

from __future__ import annotations

from tunesmith.rag.abstain import is_abstention
from tunesmith.rag.forms import ParsedAnswer
from tunesmith.rag.marks import NamedClaim, read_sentences
from tunesmith.rag.sentences import split_sentences


def split_claims(text: str, parsed: ParsedAnswer) -> list[NamedClaim]:
    """Take an answer apart.

    Args:
        text: the answer as generated.
        parsed: the same, read.

    Returns:
        Its claims in order; none for an abstention.
    """
    if parsed.abstained or parsed.answer is None:
        return []
    if parsed.form == "house":
        claims = [NamedClaim(span.text, parsed.numbers) for span in split_sentences(parsed.answer)]
        return [c for c in claims if not is_abstention(c.text, names_source=bool(c.numbers))]
    sentences = read_sentences(text)
    answering = [s for s in sentences if not is_abstention(s.text, names_source=s.names_source)]
    return [claim for sentence in answering for claim in sentence.claims]
