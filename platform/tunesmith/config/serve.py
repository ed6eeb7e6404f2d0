"""Knobs of `tunesmith up` and of what it serves."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from tunesmith.config.ingest import ChunkConfig
from tunesmith.config.strict import StrictModel

CONTEXT_NEEDED = 0.4
"""How much of question and answer a short answer has around it by default: a share of their words, by weight."""
Unsupported = Literal["keep", "withhold"]
"""What becomes of an answer that no source supports."""
ContextBy = Literal["words", "meaning"]
"""What says how much of the question stands around a short answer."""


class RetrievalConfig(StrictModel):
    """How sources are found for a question."""

    top_k: int = Field(2, ge=1, le=50)
    """Sources shown to the model. The default suits tiny-reader; larger models read 8 and more."""
    candidates: int = Field(20, ge=1, le=1000)
    """Hits taken from each of dense and BM25 search before they are fused (reciprocal rank fusion)."""
    unsupported: Unsupported = "keep"
    """An answer that no source supports: `keep` passes it on, marked as unsupported; `withhold` says in its place that
    the documents do not say, and streams nothing of an answer before all of it is checked."""
    context_needed: float = Field(CONTEXT_NEEDED, ge=0, le=1)
    """How much of question and answer must stand around a short answer, or it counts as unsupported. More turns down
    answers to other questions, and right ones in other words: `tunesmith evaluate` measures both."""
    context_by: ContextBy = "words"
    """What says how much that is: `words`, the share that the sentence and what is near it hold; `meaning`, the mean of
    that share and of how close question and sentence are to the embedder. It tells near misses better, and asks the
    embedder once more for each source that could support the answer."""


class EngineConfig(StrictModel):
    """The vLLM engine of one base model."""

    max_model_len: int = Field(2048, ge=128)
    """Longest prompt plus answer, in tokens; capped by the model's own context."""
    max_num_seqs: int = Field(32, ge=1)
    """Requests that decode together."""
    kv_cache_gib: float = Field(1.0, gt=0)
    """Memory of the KV cache on CPU, GiB."""
    gpu_memory_utilization: float = Field(0.85, gt=0, le=1)
    """Share of a GPU's memory that the engine takes."""
    max_loras: int = Field(4, ge=1)
    """Adapters in memory at once; the least recently used leave."""
    max_lora_rank: int = Field(64, ge=1)
    """Largest adapter rank that can be served."""
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = "auto"
    """Number format of the weights; `auto` takes bfloat16 on CPU, and what the model says on a GPU."""
    json_whitespace: Literal["any", "none"] = "any"
    """White space between the parts of decoded JSON. A model that never leaves it needs `none`; one that has learnt to
    write `": "` is led astray by that."""
    tool_call_parser: str | None = None
    """vLLM's parser for the tool calls that this model writes (`hermes`, `llama3_json`, `mistral`, ...). Unset: calls
    are made where `tool_choice` is `required` or names a function; `auto` gets a 400."""
    reasoning_parser: str | None = None
    """vLLM's parser for the reasoning that this model writes before its answer (`qwen3`, `deepseek_r1`, ...), which
    then stands beside the answer. Unset: it is part of it."""
    num_threads: int = Field(1, ge=1)
    """CPU threads of the engine; one core is left to training on a two-core machine."""


class BudgetConfig(StrictModel):
    """Logical CPUs of the home's Ray head, and who may hold them.

    Ray counts these, it does not enforce them; they let serving and a training run of two workers
    stand side by side on a two-core machine.
    """

    engine_cpus: float = Field(1.0, gt=0)
    """A vLLM engine; there may be `serving.max_awake` of them."""
    retrieval_cpus: float = Field(0.5, gt=0)
    """Embedder, search, prompt, citation check: a replica of each."""
    training_cpus: float = Field(2.5, ge=0)
    """Two training workers and the driver of a submitted job."""
    object_store_gib: float = Field(0.5, gt=0)
    """Shared memory of Ray's object store, GiB. Little goes through it: weights and data are read from files."""

    def total(self, num_engines: int, *, retrieval_replicas: int = 1) -> int:
        """CPUs the Ray head is started with.

        Args:
            num_engines: engines in memory at once.
            retrieval_replicas: of the embedder and of retrieval, each.

        Returns:
            What serving and training may hold together, rounded up.
        """
        engines, retrieval = num_engines * self.engine_cpus, retrieval_replicas * self.retrieval_cpus
        return math.ceil(engines + retrieval + self.training_cpus)


class JobsConfig(StrictModel):
    """Fine-tuning jobs that are asked for through the API."""

    recipe: str = "api/supervised"
    """Recipe that a job is made from; the request's hyperparameters are laid over it."""
    dpo_recipe: str = "api/dpo"
    """The same for jobs of `method.type: dpo`."""
    max_running: int = Field(1, ge=1)
    """Jobs that train at once; the others wait in turn, project by project."""
    max_active_per_project: int = Field(50, ge=1)
    """Jobs of one project that have not ended; a further one is refused with 429."""
    max_stalled_attempts: int = Field(3, ge=1)
    """Attempts in a row that may be lost without a single new step before the job fails."""
    max_workers: int = Field(2, ge=1)
    """Most workers of one job."""
    num_workers: int | None = Field(None, ge=1)
    """Workers of a job whose request names no number; unset: as many as its recipe says (2)."""
    gpus_per_worker: float | None = Field(None, ge=0)
    """GPUs that each worker of every job holds; unset: as many as its recipe says (none). In a cluster whose training
    worker groups all have GPUs it must be set: pods with GPUs take no work without."""
    patience_seconds: float = Field(900, gt=0)
    """How long a step of a job may fail (an engine that is away, a full disk) before the job fails."""
    keep_seconds: float = Field(24 * 3600, ge=0)
    """How long checkpoints, packed rows and the like of a job are kept after its end; logs, events and its version
    stay."""
    stand_ins: tuple[str, ...] = ("gpt-4o-mini-2024-07-18", "gpt-4o-mini", "gpt-3.5-turbo")
    """Names of hosted models for which the first served base stands in, so that programs run unchanged."""

    @model_validator(mode="after")
    def _workers_are_allowed(self) -> JobsConfig:
        if self.num_workers is not None and self.num_workers > self.max_workers:
            raise ValueError(
                f"jobs.num_workers={self.num_workers} is more than jobs.max_workers={self.max_workers}. "
                "Lower the first, or raise the second"
            )
        return self

    @property
    def resources(self) -> Mapping[str, Any]:
        """What is laid over the recipe of every job, before the request is: fields of a recipe with their values."""
        told = {"resources.num_workers": self.num_workers, "resources.gpus_per_worker": self.gpus_per_worker}
        return {field: value for field, value in told.items() if value is not None}


Routing = Literal["shortest", "prefix"]
"""How a replica is chosen for a request."""


class PrefillConfig(StrictModel):
    """Engines of their own that read prompts, in a cluster; the base's replicas fetch what those have read, and write
    the answers."""

    replicas: int = Field(1, ge=1)
    """How many read."""
    connector: str = "NixlConnector"
    """vLLM's KV connector, by which a cache gets from engine to engine: `NixlConnector` over RDMA, or TCP."""
    connector_options: dict[str, Any] = Field(default_factory=dict)
    """Its `kv_connector_extra_config`."""
    patience_seconds: float = Field(10, gt=0)
    """How long a request waits until its prompt is read elsewhere; then the replica that answers reads it."""


class BaseConfig(StrictModel):
    """One served base: an engine of its own; in a cluster a RayService of its own, to which replicas, GPUs and
    `worker_group` apply."""

    model: str
    """Base model: a shipped one, a folder, or a Hugging Face name."""
    stand_ins: tuple[str, ...] = ()
    """Names of hosted models for which this base stands in, before those of `jobs.stand_ins`."""
    worker_group: str | None = None
    """Worker group of the engine's replicas; unset: the first with GPUs, else the first."""
    min_replicas: int = Field(1, ge=0)
    """Fewest replicas of the engine; 0 lets it go to sleep, and the next request wait for it."""
    max_replicas: int = Field(1, ge=1)
    """Most replicas of the engine."""
    target_ongoing_requests: float = Field(16, gt=0)
    """Requests in a replica, queued or decoding, above which another replica is asked for."""
    target_first_token_seconds: float | None = Field(None, gt=0)
    """Seconds within which nine of ten requests shall have their first token; while they take longer, another replica
    is asked for too, up to `max_replicas`. Unset: requests in a replica alone decide."""
    routing: Routing = "shortest"
    """Which replica a request goes to, in a cluster: of two at random the one with the shorter line (`shortest`), or
    the one that has read the same beginning of a prompt before, while it has room (`prefix`): its cache knows it."""
    tensor_parallel_size: int = Field(1, ge=1)
    """GPUs that share each layer; at best all on one node."""
    pipeline_parallel_size: int = Field(1, ge=1)
    """Groups of layers, each on GPUs of its own, also over nodes."""
    prefill: PrefillConfig | None = None
    """Engines that read prompts, with as many GPUs each as a replica; unset: every replica reads its own."""
    engine: EngineConfig | None = None
    """Knobs of its engine, and of the engines of whole models that were made from it; unset: the platform's."""

    @model_validator(mode="after")
    def _replicas_are_ordered(self) -> BaseConfig:
        if self.min_replicas > self.max_replicas:
            raise ValueError(
                f"bases.{self.model}: min_replicas={self.min_replicas} is more than "
                f"max_replicas={self.max_replicas}. Raise max_replicas"
            )
        if self.target_first_token_seconds is not None and self.min_replicas == self.max_replicas:
            raise ValueError(
                f"bases.{self.model}: target_first_token_seconds={self.target_first_token_seconds:g} asks for more "
                f"replicas, and there are always {self.max_replicas}. Raise max_replicas, or leave the target out"
            )
        return self

    @property
    def gpus(self) -> int:
        """GPUs of one replica, where it runs on GPUs."""
        return self.tensor_parallel_size * self.pipeline_parallel_size


class ServingConfig(StrictModel):
    """Which bases are in memory, and what a request for one that is not gets."""

    max_awake: int | None = Field(None, ge=1)
    """Bases in memory at once, fine-tuned whole models among them. For one more, the idle one that was asked for
    longest ago goes to sleep. Unset: those that are configured, and one more."""
    idle_seconds: float | None = Field(None, ge=20)
    """A base that nobody has asked for so long goes to sleep; in a cluster, a fine-tuned whole model. Unset: none
    does while there is room."""
    check_memory: bool = True
    """On one machine: a base that is asked for comes into memory only where what its engine takes is free, as far as
    its files and `engine.kv_cache_gib` tell. Off: `max_awake` alone bounds how many do."""
    on_the_way: Literal["wait", "refuse"] = "wait"
    """A request for a base that sleeps or starts wakes it and waits, or gets 503 with `Retry-After` at once."""
    wait_seconds: float = Field(120, gt=0)
    """How long it waits; then it gets the 503."""


class LimitsConfig(StrictModel):
    """What a project may ask for, where nothing else was said of it (`tunesmith projects limit`). Unset: no limit."""

    requests_per_minute: int | None = Field(None, ge=1)
    """Requests to models."""
    tokens_per_minute: int | None = Field(None, ge=1)
    """Tokens read and written."""
    gpu_hours_per_month: float | None = Field(None, ge=0)
    """Hours of training workers in a calendar month (UTC)."""


class PricesConfig(StrictModel):
    """What things cost, for reports of spending; nothing is billed. Unset: nothing."""

    currency: str = Field("usd", pattern=r"^[a-z]{3}$")
    """ISO 4217, in small letters."""
    gpu_hour: float = Field(0.0, ge=0)
    """An hour of one training worker."""
    million_input_tokens: float = Field(0.0, ge=0)
    """A million tokens read."""
    million_output_tokens: float = Field(0.0, ge=0)
    """A million tokens written."""


class LoadConfig(StrictModel):
    """What happens when more is asked for than can be done, or somebody is slow."""

    max_in_flight: int = Field(256, ge=1)
    """Requests of one gateway that the data plane works on at once."""
    max_in_flight_per_project: int = Field(128, ge=1)
    """The same for one project; more wait for a moment, then get 429."""
    max_waiting: int = Field(64, ge=0)
    """Requests that wait for one of these places; half of them at most are one project's. More get an answer at once:
    429, or 503 where the whole gateway is full."""
    wait_seconds: float = Field(5, ge=0)
    """How long they wait."""
    max_queued: int = Field(64, ge=-1)
    """Requests that wait before each application of the data plane (Ray Serve's `max_queued_requests`); more get 503.
    -1: any number."""
    tries: int = Field(3, ge=1)
    """How often a request is sent, all in all, while nothing of its answer has come: a replica that dies takes none
    with it."""
    connect_seconds: float = Field(3, gt=0)
    """Longest wait for a connection to the data plane."""
    first_byte_seconds: float = Field(600, gt=0)
    """Longest wait for the first event of a stream, or for an answer in one piece; the official clients wait as
    long."""
    idle_seconds: float = Field(120, gt=0)
    """Longest wait between two events of a stream."""
    total_seconds: float = Field(3600, gt=0)
    """Longest time of a whole stream."""
    client_seconds: float = Field(30, gt=0)
    """How long a client may keep the gateway waiting: for the next piece of a request, or until it reads on. Its
    request is given up then, and what the engine does for it."""
    linger_seconds: float = Field(1, ge=0)
    """A gateway that ends answers on open connections this much longer, and asks for each to be closed."""
    drain_seconds: float = Field(60, ge=0)
    """Then it waits this long for requests in flight, streams too."""


class BatchesConfig(StrictModel):
    """Batches of requests that are asked for through the API."""

    parallel: int = Field(4, ge=1)
    """Requests of batches that are answered at once. Each takes one of the engine's `max_num_seqs` places: keep it well
    below that, so that a question that somebody waits for finds one."""
    max_running: int = Field(8, ge=1)
    """Batches that are answered side by side."""


class TelemetryConfig(StrictModel):
    """What is told of the platform's work, besides `/metrics`."""

    otlp_endpoint: str | None = None
    """Collector that traces are sent to by OTLP over HTTP, `http://HOST:4318`. Unset: OTEL_EXPORTER_OTLP_ENDPOINT, else
    none are made."""
    log_format: Literal["text", "json"] = "text"
    """Lines of the gateway's and the controller's log: for people, or one JSON object each."""


class ServeConfig(StrictModel):
    """The platform on one machine, and what a cluster serves."""

    verb: Literal["serve"] = "serve"
    model: str = "tiny-reader"
    """Base model: a shipped one, a folder, or a Hugging Face name."""
    bases: tuple[BaseConfig, ...] = ()
    """The bases that are served; the first is the one that jobs and stand-ins mean by default. Unset: `model`, once."""
    port: int = Field(8000, ge=0, le=65535)
    """Port of the gateway on 127.0.0.1; 0 takes a free one."""
    embedder: str = "all-MiniLM-L6-v2"
    """Embedder of `POST /v1/embeddings` and of retrieval."""
    milvus_uri: str | None = None
    """A Milvus server. Unset: the home's own Milvus Lite."""
    chunk: ChunkConfig = ChunkConfig()
    """How files are cut that are attached to vector stores with the chunking strategy `auto`."""
    max_document_mib: int = Field(100, ge=1)
    """Largest file that can be attached to a vector store, MiB."""
    retrieval: RetrievalConfig = RetrievalConfig()
    """Defaults of retrieval; a request may override `top_k`."""
    retrieval_replicas: int = Field(1, ge=1, le=100)
    """Replicas of the embedder and of retrieval, each. In a cluster each one is on a pod of its own, so that a lost pod
    takes neither away: the worker groups of a base must hold as many pods."""
    engine: EngineConfig = EngineConfig()
    """The vLLM engine."""
    serving: ServingConfig = ServingConfig()
    """Bases in memory, and on their way there."""
    budget: BudgetConfig = BudgetConfig()
    """Logical CPUs."""
    jobs: JobsConfig = JobsConfig()
    """Fine-tuning jobs."""
    load: LoadConfig = LoadConfig()
    """Bounds, timeouts and the drain."""
    ask_replicas: bool = True
    """Whether the gateway asks replicas themselves, past Ray Serve's proxy. On one machine only."""
    telemetry: TelemetryConfig = TelemetryConfig()
    """Traces and logs."""
    limits: LimitsConfig = LimitsConfig()
    """Limits of projects."""
    prices: PricesConfig = PricesConfig()
    """What is reported as spent."""
    batches: BatchesConfig = BatchesConfig()
    """Batches of requests."""
    ready_timeout_seconds: float = Field(300, gt=0)
    """How long `up` waits until everything answers."""

    @model_validator(mode="after")
    def _bases_differ(self) -> ServeConfig:
        names = [base.model for base in self.bases]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f'bases: "{twice[0]}" stands there twice. Raise its max_replicas instead')
        return self

    @model_validator(mode="after")
    def _stand_ins_differ(self) -> ServeConfig:
        names = [name for base in self.bases for name in base.stand_ins]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f'bases: two of them stand in for "{twice[0]}". Leave it to one')
        return self

    @property
    def served_bases(self) -> tuple[BaseConfig, ...]:
        """The configured bases, the default one first."""
        return self.bases or (BaseConfig(model=self.model),)

    @property
    def max_awake(self) -> int:
        """Bases in memory at once."""
        return self.serving.max_awake or len(self.served_bases) + 1

    @property
    def stand_ins(self) -> dict[str, str]:
        """For which hosted model which base stands in."""
        first = dict.fromkeys(self.jobs.stand_ins, self.served_bases[0].model)
        return first | {name: base.model for base in self.served_bases for name in base.stand_ins}
