from __future__ import annotations

from tunesmith.config.ingest import ChunkConfig
from tunesmith.engines.fakes import HashingEmbedder
from tunesmith.ingest.chunk import chunk_document
from tunesmith.ingest.context import search_texts
from tunesmith.records import Document


def found_by(title: str, text: str) -> list[str]:
    document = Document("a.md", title, text, "hash")
    config = ChunkConfig(chunk_tokens=16)
    chunks = chunk_document(
        document, store_id="s", config=config, count_tokens=HashingEmbedder().count_tokens
    )
    return search_texts(document, chunks)


def test_a_chunk_is_found_by_title_and_open_headings() -> None:
    text = (
        "# Annual leave\n\nWho gets it.\n\n## Shift workers\n\n"
        "One two three four five six seven eight nine. Those on shifts get 30 days."
        "\n\n## Office\n\nTwenty-seven."
    )
    assert found_by("Annual leave", text) == [
        "Annual leave\n# Annual leave\n\nWho gets it.",
        "Annual leave\n## Shift workers\n\nOne two three four five six seven eight nine.",
        "Annual leave > Shift workers\nThose on shifts get 30 days.",
        "Annual leave\n## Office\n\nTwenty-seven.",
    ]


def test_a_file_without_headings_has_its_title() -> None:
    assert found_by("notes", "Short.") == ["notes\nShort."]
