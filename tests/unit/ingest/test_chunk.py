from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from tunesmith.config.ingest import ChunkConfig
from tunesmith.engines.fakes import HashingEmbedder
from tunesmith.ingest.chunk import chunk_document
from tunesmith.ingest.normalise import normalise
from tunesmith.records import Chunk, Document

EMBEDDER = HashingEmbedder()


def cut(
    text: str, *, tokens: int = 16, overlap: int = 0, path: str = "a.md", store: str = "vs_1"
) -> list[Chunk]:
    document = Document(path, "Title", text, "hash")
    config = ChunkConfig(chunk_tokens=tokens, chunk_overlap=overlap)
    return chunk_document(document, store_id=store, config=config, count_tokens=EMBEDDER.count_tokens)


def texts(text: str, *, tokens: int = 16, overlap: int = 0) -> list[str]:
    return [chunk.text for chunk in cut(text, tokens=tokens, overlap=overlap)]


def test_sentences_are_kept_whole() -> None:
    text = "One two three four five. Six seven eight nine ten. Eleven twelve thirteen fourteen."
    assert texts(text) == [
        "One two three four five. Six seven eight nine ten.",
        "Eleven twelve thirteen fourteen.",
    ]


def test_a_heading_opens_a_chunk_and_stays_with_what_follows() -> None:
    text = "# Leave\n\nStaff get days.\n\n## Carrying over\n\n### Rules\n\nSome may be carried. Ask."
    assert texts(text) == [
        "# Leave\n\nStaff get days.",
        "## Carrying over\n\n### Rules\n\nSome may be carried. Ask.",
    ]


def test_a_heading_stays_with_a_sentence_that_just_fits_alone() -> None:
    sentence = " ".join(f"w{number}" for number in range(15)) + "."
    first = texts(f"# Two words\n\n{sentence}")[0]
    assert first.startswith("# Two words\n\nw0 w1")


def test_a_lead_in_moves_on_with_its_list() -> None:
    text = "Some words that fill the chunk up well. The rules are:\n- never run on the wet floor\n- ask"
    assert texts(text, tokens=18) == [
        "Some words that fill the chunk up well.",
        "The rules are:\n- never run on the wet floor\n- ask",
    ]


def test_neighbours_share_sentences_up_to_the_overlap() -> None:
    text = "One two three. Four five six. Seven eight nine. Ten eleven twelve. Thirteen fourteen. Fifteen."
    assert texts(text, overlap=4) == [
        "One two three. Four five six. Seven eight nine. Ten eleven twelve.",
        "Ten eleven twelve. Thirteen fourteen. Fifteen.",
    ]


def test_a_long_sentence_is_cut_between_words() -> None:
    words = [f"w{number}" for number in range(50)]
    parts = texts(" ".join(words))
    assert " ".join(parts).split() == words
    assert max(EMBEDDER.count_tokens(parts)) <= 16


def test_a_line_without_spaces_is_cut_too() -> None:
    line = "x" * 110_000
    parts = texts(line)
    assert "".join(parts) == line
    assert max(len(part) for part in parts) <= 160


def test_ids_depend_on_store_path_place_and_text() -> None:
    chunks = [cut("Same."), cut("Same.", store="vs_2"), cut("Same.", path="b.md"), cut("Other.")]
    assert len({chunk.id for (chunk,) in chunks}) == 4
    assert cut("Same.") == cut("Same.")


def test_equal_sentences_have_ids_of_their_own() -> None:
    chunks = cut("# A\n\nAsk.\n\n# A\n\nAsk.")
    assert [chunk.text for chunk in chunks] == ["# A\n\nAsk."] * 2
    assert chunks[0].id != chunks[1].id


WORDS = st.text(
    st.characters(min_codepoint=33, max_codepoint=0x2FFF, exclude_categories=["C", "Z"]), max_size=40
)
LINES = st.one_of(
    WORDS, st.lists(WORDS, max_size=30).map(" ".join), st.sampled_from(["", "# H", "- item.", "A. B!"])
)


@settings(max_examples=200, deadline=None)
@given(st.lists(LINES, max_size=12).map("\n".join), st.integers(16, 40), st.integers(0, 8))
def test_chunks_are_stretches_that_hold_every_word(text: str, tokens: int, overlap: int) -> None:
    document = Document("a.md", "T", normalise(text), "hash")
    config = ChunkConfig(chunk_tokens=tokens, chunk_overlap=overlap)
    chunks = chunk_document(document, store_id="s", config=config, count_tokens=EMBEDDER.count_tokens)
    held = set()
    for position, chunk in enumerate(chunks):
        assert chunk.text == document.text[chunk.start : chunk.end]
        assert chunk.text == chunk.text.strip() != ""
        assert chunk.position == position
        held.update(range(chunk.start, chunk.end))
    missing = [letter for place, letter in enumerate(document.text) if place not in held]
    assert not re.sub(r"\s", "", "".join(missing))
    assert all(count <= tokens for count in EMBEDDER.count_tokens([chunk.text for chunk in chunks]))
    assert len({chunk.id for chunk in chunks}) == len(chunks)
