"""What decides over a document's chunks, but for its bytes, as one string."""

from __future__ import annotations

from tunesmith.config.ingest import IngestConfig
from tunesmith.ingest.chunk import CHUNKER_VERSION
from tunesmith.ingest.context import CONTEXT_VERSION
from tunesmith.ingest.load import READER_VERSION


def chunking_of(config: IngestConfig) -> str:
    """Everything but its bytes that decides over a document's chunks.

    Args:
        config: the knobs.

    Returns:
        One string; where it differs from a document's, the document is ingested anew.
    """
    versions = f"reader {READER_VERSION}, chunker {CHUNKER_VERSION}, context {CONTEXT_VERSION}"
    return f"{versions}, tokens {config.chunk.chunk_tokens}, overlap {config.chunk.chunk_overlap}, {config.embedder}"
