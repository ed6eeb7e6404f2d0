"""What each Serve application is built from: the `args` of the Serve config document, typed on both sides."""

from __future__ import annotations

from pathlib import Path

from tunesmith.config.home import Home
from tunesmith.config.serve import EngineConfig, RetrievalConfig
from tunesmith.config.strict import StrictModel


class EngineOptions(StrictModel):
    """One vLLM engine: a base model and the adapters registered for it."""

    model: str
    """Name of the base model in the API."""
    source: str
    """What vLLM loads: a folder or a Hugging Face name."""
    home_root: str
    """The installation whose registry names the adapters."""
    num_cpus: float
    """Logical CPUs of the replica."""
    engine: EngineConfig
    """Knobs of vLLM."""

    @property
    def home(self) -> Home:
        """The installation."""
        return Home(Path(self.home_root))


class EmbedderOptions(StrictModel):
    """The embedding deployment."""

    model: str
    """A sentence-transformers model, by name or path."""
    num_cpus: float
    """Logical CPUs of the replica."""


class AnswerOptions(StrictModel):
    """The retrieval deployment."""

    home_root: str
    """The installation whose Milvus Lite is searched when `milvus_uri` is unset."""
    milvus_uri: str | None
    """The Milvus server."""
    embedder: str
    """Name of the embedder that `/embed` serves."""
    num_cpus: float
    """Logical CPUs of the replica."""
    retrieval: RetrievalConfig
    """Defaults of retrieval."""

    @property
    def home(self) -> Home:
        """The installation."""
        return Home(Path(self.home_root))
