"""From a document to chunks: whole sentences, up to a number of tokens, never across a heading."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tunesmith.config.ingest import ChunkConfig
from tunesmith.rag.sentences import split_sentences
from tunesmith.records import Chunk, Document

CHUNKER_VERSION = 1
"""Rises when the same text is cut in other places; documents of older versions are then cut again."""

_HEADING = re.compile(r"#{1,6} ")
_WORD = re.compile(r"\S+")
# One token may stand for a word of any length (BERT reads words over 100 letters as one unknown token), so
# letters are bounded too; four bytes a letter keep a chunk within what a text field of Milvus holds.
_MAX_LETTERS_PER_TOKEN = 10
_MAX_LETTERS = 15_000

CountTokens = Callable[[Sequence[str]], list[int]]


@dataclass(frozen=True, slots=True)
class _Piece:
    """A sentence, a heading or a part of a long sentence, with its place in the text."""

    start: int
    end: int
    tokens: int
    is_heading: bool
    leads_in: bool


def chunk_document(
    document: Document, *, store_id: str, config: ChunkConfig, count_tokens: CountTokens
) -> list[Chunk]:
    """Cut a document into chunks.

    With chunk_tokens=12 (tokens in brackets):

        # Leave [2]  Staff get 27 days. [5]  Ask early. [3] | It lapses in March. [5] | ## Travel [2]  Book ... [9]
        '------------------ chunk 0, 10 tokens -----------'   '--- chunk 1, 5 ---'   '---- chunk 2, 11 -----'

    A heading opens a chunk and stays with the sentence after it. A sentence that ends with a colon moves on
    with what it introduces. A sentence longer than a chunk is cut between words. `text == document.text[start:end]`.

    Args:
        document: the document; its text is not changed.
        store_id: the store it goes into; part of every chunk's id.
        config: length and overlap, in tokens.
        count_tokens: the embedder's counter.

    Returns:
        The chunks in order, at most `chunk_tokens` long; together they hold every sentence.
    """
    limit = config.chunk_tokens
    pieces = list(_pieces(document.text, limit, count_tokens))
    groups = _group(pieces, limit=limit, overlap=config.chunk_overlap)
    return [_to_chunk(document, store_id, position, group) for position, group in enumerate(groups)]


def _pieces(text: str, limit: int, count_tokens: CountTokens) -> Iterator[_Piece]:
    spans = split_sentences(text)
    counts = count_tokens([span.text for span in spans])
    # The heading before a sentence takes its share of the chunk that both must fit into.
    before = 0
    for span, tokens in zip(spans, counts, strict=True):
        is_heading = _HEADING.match(span.text) is not None and tokens <= limit // 2
        before = before if before + tokens <= limit or before <= limit // 2 else 0
        if before + tokens <= limit and len(span.text) <= _max_letters(limit):
            yield _Piece(span.start, span.end, tokens, is_heading, span.text.endswith(":"))
        else:
            yield from _cut(text, span.start, span.end, limit - before, count_tokens)
        before = before + tokens if is_heading else 0


def _max_letters(tokens: int) -> int:
    return min(tokens * _MAX_LETTERS_PER_TOKEN, _MAX_LETTERS)


def _cut(text: str, start: int, end: int, limit: int, count_tokens: CountTokens) -> Iterator[_Piece]:
    units = _units(text, start, end, limit, count_tokens)
    parts = list(_pack(units, limit))
    counts = count_tokens([text[first:last] for first, last, _ in parts])
    for (first, last, lone), tokens in zip(parts, counts, strict=True):
        if tokens <= limit or lone:
            yield _Piece(first, last, tokens, is_heading=False, leads_in=False)
        else:
            # Parts of one word may count for more together than apart.
            yield from _cut(text, first, last, max(1, 2 * limit - tokens - 1), count_tokens)


def _units(
    text: str, start: int, end: int, limit: int, count_tokens: CountTokens
) -> list[tuple[int, int, int]]:
    """Words with their tokens; a word that exceeds a chunk (a URL, a line of Chinese) comes in parts."""
    words = [match.span() for match in _WORD.finditer(text, start, end)]
    counts = count_tokens([text[first:last] for first, last in words])
    units: list[tuple[int, int]] = []
    for (first, last), tokens in zip(words, counts, strict=True):
        step = max(1, limit // 4) if tokens > limit or last - first > _max_letters(limit) else last - first
        units.extend((part, min(part + step, last)) for part in range(first, last, step))
    counts = count_tokens([text[first:last] for first, last in units])
    return [(first, last, tokens) for (first, last), tokens in zip(units, counts, strict=True)]


def _pack(units: Sequence[tuple[int, int, int]], limit: int) -> Iterator[tuple[int, int, bool]]:
    """Lay units end to end; yields start, end and whether it is a lone unit."""
    opened, closed, used, size = units[0][0], units[0][0], 0, 0
    for first, last, tokens in units:
        if size and (used + tokens > limit or last - opened > _max_letters(limit)):
            yield opened, closed, size == 1
            opened, used, size = first, 0, 0
        closed, used, size = last, used + tokens, size + 1
    yield opened, closed, size == 1


def _group(pieces: Sequence[_Piece], *, limit: int, overlap: int) -> Iterator[list[_Piece]]:
    group: list[_Piece] = []
    for piece in pieces:
        if group and piece.is_heading and not group[-1].is_heading:
            yield group
            group = []
        elif group and not _fits(group, piece, limit):
            kept, group = _split_off(group, piece, limit=limit, overlap=overlap)
            yield kept
        group.append(piece)
    if group:
        yield group


def _fits(group: Sequence[_Piece], piece: _Piece, limit: int) -> bool:
    letters = piece.end - group[0].start if group else 0
    return sum(member.tokens for member in group) + piece.tokens <= limit and letters <= _max_letters(limit)


def _split_off(
    group: list[_Piece], piece: _Piece, *, limit: int, overlap: int
) -> tuple[list[_Piece], list[_Piece]]:
    """Close a full group; the next one begins with its lead-in, or with what the two are to share."""
    if group[-1].leads_in and len(group) > 1 and not group[-2].is_heading and _fits(group[-1:], piece, limit):
        return group[:-1], group[-1:]
    shared: list[_Piece] = []
    for member in reversed(group[1:]):
        if sum(other.tokens for other in shared) + member.tokens > overlap or not _fits(
            [member, *shared], piece, limit
        ):
            break
        shared.insert(0, member)
    return group, shared


def _to_chunk(document: Document, store_id: str, position: int, group: Sequence[_Piece]) -> Chunk:
    start, end = group[0].start, group[-1].end
    text = document.text[start:end]
    identity = "\0".join((store_id, document.path, str(position), str(start), text))
    return Chunk(
        id=hashlib.sha256(identity.encode()).hexdigest(),
        document=document.path,
        title=document.title,
        position=position,
        start=start,
        end=end,
        text=text,
    )
