"""What each Serve application is built from: the `args` of the Serve config document, typed on both sides."""

from __future__ import annotations

from pathlib import Path

from tunesmith.config.home import Home
from tunesmith.config.serve import EngineConfig, PrefillConfig, RetrievalConfig, Routing
from tunesmith.config.strict import StrictModel


class ReplicaOptions(StrictModel):
    """How many replicas of an engine there are, and over how many GPUs each spans."""

    min_replicas: int = 1
    """Fewest."""
    max_replicas: int = 1
    """Most."""
    target_ongoing_requests: float = 16
    """Requests in a replica above which another is asked for."""
    target_first_token_seconds: float | None = None
    """Seconds to the first token above which another is asked for."""
    tensor_parallel_size: int = 1
    """GPUs that share each layer."""
    pipeline_parallel_size: int = 1
    """Groups of layers."""
    routing: Routing = "shortest"
    """Which replica a request goes to."""
    prefill: PrefillConfig | None = None
    """Engines that read prompts."""
    gpu: bool | None = None
    """Whether it runs on GPUs; None: looks whether the cluster has one, which one that scales from zero has not yet."""


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
    version: str | None = None
    """Where the files of a version that is a whole model lie below the object store; it serves no adapters."""
    replicas: ReplicaOptions = ReplicaOptions()
    """Replicas and their GPUs."""
    max_queued: int = -1
    """Requests that wait before the replicas; -1: any number."""

    @property
    def home(self) -> Home:
        """The installation."""
        return Home(Path(self.home_root))


class RetrievalReplicas(StrictModel):
    """How many replicas of the embedder and of retrieval there are, each."""

    num_replicas: int = 1
    """How many."""
    max_replicas_per_node: int | None = None
    """Most on one of Ray's nodes, which in a cluster is a pod; None: any number."""


class EmbedderOptions(StrictModel):
    """The embedding deployment."""

    model: str
    """A sentence-transformers model, by name or path."""
    num_cpus: float
    """Logical CPUs of the replica."""
    max_queued: int = -1
    """Requests that wait before the replicas; -1: any number."""
    replicas: RetrievalReplicas = RetrievalReplicas()
    """Replicas."""


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
    max_queued: int = -1
    """Requests that wait before the replicas; -1: any number."""
    replicas: RetrievalReplicas = RetrievalReplicas()
    """Replicas."""

    @property
    def home(self) -> Home:
        """The installation."""
        return Home(Path(self.home_root))
