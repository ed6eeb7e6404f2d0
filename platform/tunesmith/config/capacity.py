"""What `tunesmith deploy capacity` is told: the load, and what one part of each kind was measured to do.

The speeds are examples of one engine on one large GPU, not measurements of ours: replace each by your own.
"""

from __future__ import annotations

from pydantic import Field

from tunesmith.config.strict import StrictModel


class LoadShape(StrictModel):
    """What is asked of the platform."""

    requests_per_second: float = Field(50, gt=0)
    """Answers a second at the busiest time."""
    prompt_tokens: int = Field(1500, ge=1)
    """Tokens of question, instructions and sources."""
    answer_tokens: int = Field(200, ge=1)
    """Tokens of an answer."""
    cached_share: float = Field(0.3, ge=0, lt=1)
    """Share of the prompt that the prefix cache holds already."""
    chunks: int = Field(1_000_000, ge=0)
    """Chunks in all stores."""
    chunk_characters: int = Field(1200, ge=1)
    """Characters of a chunk."""
    new_chunks_per_day: int = Field(10_000, ge=0)
    """Chunks that are new or changed each day."""
    jobs_per_day: float = Field(4, ge=0)
    """Fine-tuning jobs a day."""
    tokens_per_job: float = Field(20e6, ge=0)
    """Tokens that pass through the model in one job."""


class PartSpeeds(StrictModel):
    """What one part does. Measure: `make bench` on your nodes, `tunesmith plan` for training."""

    prefill_tokens_per_second: float = Field(20_000, gt=0)
    """Prompt tokens of one engine replica, alone."""
    decode_tokens_per_second: float = Field(2_500, gt=0)
    """Answer tokens of one engine replica, all its streams together, alone."""
    seconds_per_answer_token: float = Field(0.02, gt=0)
    """Time between two tokens of one stream at that load."""
    gpus_per_replica: int = Field(1, ge=0)
    """GPUs of one replica."""
    gateway_requests_per_second: float = Field(200, gt=0)
    """Requests that one gateway passes on."""
    embedded_chunks_per_second: float = Field(500, gt=0)
    """Chunks that one embedder embeds."""
    trained_tokens_per_second: float = Field(3_000, gt=0)
    """Tokens that one training GPU takes."""


class StoreShape(StrictModel):
    """How vectors and weights are kept."""

    dimensions: int = Field(384, ge=1)
    """Length of a dense vector."""
    bytes_per_dimension: int = Field(4, ge=1, le=4)
    """4: float32; 2: half; 1: an 8-bit quantised index."""
    graph_degree: int = Field(16, ge=2)
    """M of HNSW: each vector has up to 2 M links of 4 bytes in the lowest layer."""
    terms_per_chunk: int = Field(120, ge=1)
    """Distinct words of a chunk, for BM25: 8 bytes each."""
    vector_replicas: int = Field(2, ge=1)
    """Copies of the vectors in memory."""
    vector_node_gib: float = Field(64, gt=0)
    """Memory of a Milvus query node."""
    model_gib: float = Field(16, gt=0)
    """Weights of the served base."""
    replica_starts_per_day: float = Field(20, ge=0)
    """How often a replica starts; each start reads the weights, unless a cache of the node holds them."""
    checkpoint_gib: float = Field(2, ge=0)
    """Bytes of a checkpoint."""
    checkpoints_per_job: int = Field(10, ge=0)
    """Checkpoints that a job writes."""


class CapacityConfig(StrictModel):
    """All of it."""

    load: LoadShape = LoadShape()
    """What is asked."""
    speeds: PartSpeeds = PartSpeeds()
    """What one part does."""
    stores: StoreShape = StoreShape()
    """How things are kept."""
    utilisation: float = Field(0.7, gt=0, lt=1)
    """Share of what a part can do that is planned with; the rest is for bursts and the loss of a node."""


class DayConfig(StrictModel):
    """A day of traffic on a fleet of replicas that scales by itself."""

    average_requests_per_second: float = Field(50, gt=0)
    """Over the day; the night has a fifth of the noon."""
    num_spikes: int = Field(3, ge=0)
    """Sudden spikes of ten minutes."""
    spike_factor: float = Field(3, ge=1)
    """How much higher the traffic is in a spike."""
    node_losses: int = Field(2, ge=0)
    """Nodes that vanish during the day."""
    replicas_per_node: int = Field(2, ge=1)
    """Replicas that a node takes with it."""
    seconds_per_answer: float = Field(5, gt=0)
    """Time of an answer in a replica that is not full."""
    slots: int = Field(32, ge=1)
    """Answers that one replica makes at once."""
    max_waiting: int = Field(200, ge=0)
    """Requests that wait for each replica that there is; one more is refused with 429."""
    target_ongoing_requests: float = Field(16, gt=0)
    """As in `bases`: requests of a replica above which another is asked for."""
    min_replicas: int = Field(1, ge=0)
    """Fewest replicas."""
    max_replicas: int = Field(50, ge=1)
    """Most replicas: the GPUs that there are."""
    cold_start_seconds: float = Field(180, ge=0)
    """From asking for a replica to its first answer: node, image, weights."""
    downscale_delay_seconds: float = Field(300, ge=0)
    """How long a replica must have been too many."""
    seed: int = 17
    """When spikes and losses come."""
