"""The prompt with numbered sources: the same for training, serving and evaluation.

    Question: How many days of leave do full-time staff get?

    Sources:
    [1] Full-time staff receive 27 days of leave. [1] Requests go to the team lead.
    [2] The canteen opens at 11:30.

    Question: How many days of leave do full-time staff get?

The question stands on both sides of the sources: a causal model reads a source knowing what is asked, where it
would otherwise have to keep all of it in mind (arXiv:2307.03172, section 4.2). The number stands before every
sentence, not only before the source: a reader of any size sees it right beside what it copies.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from tunesmith.rag.sentences import split_sentences
from tunesmith.records import Message, Source

ABSTENTION = "The documents do not say."
"""What the shipped reader says when the sources do not hold the answer."""

_MARKUP = re.compile(r"^(?:#{1,6}|[-*+•]|\d+[.)])\s+")

DEFAULT_INSTRUCTIONS = (
    "Answer from the numbered sources and cite them like [1]. "
    f"If they do not hold the answer, say: {ABSTENTION}"
)
"""Instructions where the request and the alias give none."""


def build_messages(
    question: str, sources: Sequence[Source], *, instructions: str | None = None
) -> tuple[Message, ...]:
    """Render a question with its sources.

    Args:
        question: the user's question.
        sources: what retrieval found, in prompt order; may be empty.
        instructions: the system turn; the default asks for a citation and for honesty.

    Returns:
        A system turn and a user turn.
    """
    lines = [render_source(source.number, source.hit.chunk.text) for source in sources]
    user = render_question(question, lines)
    return (Message("system", instructions or DEFAULT_INSTRUCTIONS), Message("user", user))


def render_question(question: str, lines: Sequence[str]) -> str:
    """Put a question around its sources.

    Args:
        question: the user's question.
        lines: one rendered source each; may be empty.

    Returns:
        The text of the user turn.
    """
    asked = f"Question: {question.strip()}"
    sources = "\n".join(lines) or "(none)"
    return f"{asked}\n\nSources:\n{sources}\n\n{asked}"


def render_source(number: int, text: str) -> str:
    """Put a source's number before each of its sentences, on one line.

    Args:
        number: the source's number, from 1.
        text: its text.

    Returns:
        `[1] First sentence. [1] Second sentence.`
    """
    return " ".join(f"[{number}] {_plain(span.text)}" for span in split_sentences(text))


def _plain(sentence: str) -> str:
    return " ".join(_MARKUP.sub("", sentence).split())
