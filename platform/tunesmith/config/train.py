"""Knobs of `tunesmith train`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from tunesmith.config.strict import StrictModel
from tunesmith.records import VersionKind


class LoraConfig(StrictModel):
    """Train low-rank adapters and leave the base as it is (arXiv:2106.09685)."""

    type: Literal["lora"] = "lora"
    rank: int = Field(16, ge=1, le=512)
    """Width of the adapter."""
    alpha: float = Field(32, gt=0)
    """Scale: the adapter's output is multiplied by alpha / rank."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Dropout on the adapter's input."""
    target_modules: tuple[str, ...] | Literal["all-linear"] = "all-linear"
    """Names of the linear layers that get an adapter."""
    layers: tuple[int, ...] | None = None
    """Transformer blocks that get an adapter, counted from 0; all if unset. Needs names in `target_modules`."""
    rslora: bool = False
    """Scale by alpha / sqrt(rank) instead, so that a large rank learns as fast as a small one (arXiv:2312.03732)."""
    dora: bool = False
    """Learn the length of each weight column apart from its direction (arXiv:2402.09353). No engine serves such an
    adapter: it has to be merged."""
    merge: bool = False
    """Register a whole model, the adapter merged into its base, rather than an adapter."""
    start_from: str | None = None
    """A version whose adapter is trained on, `ft:...`, rather than a new one; `rank`, `alpha`, `target_modules`,
    `layers` and `rslora` are its own."""

    @property
    def registers(self) -> VersionKind:
        """What becomes of it."""
        return "full" if self.merge else "adapter"

    @model_validator(mode="after")
    def _is_served(self) -> LoraConfig:
        if self.dora and not self.merge:
            raise ValueError(
                "method.dora=true makes an adapter that no engine serves beside its base. Use --set method.merge=true "
                "to register a whole model"
            )
        return self

    @model_validator(mode="after")
    def _layers_are_named(self) -> LoraConfig:
        if self.layers is not None and isinstance(self.target_modules, str):
            raise ValueError(
                f"method.layers={list(self.layers)} chooses among layers of some name, and method.target_modules names "
                "none. Use --set 'method.target_modules=[q_proj, k_proj, v_proj, o_proj]', say"
            )
        return self


class Ia3Config(StrictModel):
    """Learn only vectors that scale keys, values and the MLP's inner values (arXiv:2205.05638).

    A few thousand weights, for which engines have no kernel: registered merged into the base, as a whole model.
    """

    type: Literal["ia3"] = "ia3"
    target_modules: tuple[str, ...] = ("k_proj", "v_proj", "down_proj")
    """Names of the linear layers that are scaled."""
    feedforward_modules: tuple[str, ...] = ("down_proj",)
    """Those of them whose input is scaled rather than their output."""

    @property
    def registers(self) -> VersionKind:
        """What becomes of it."""
        return "full"

    @model_validator(mode="after")
    def _scaled_at_one_end(self) -> Ia3Config:
        others = sorted(set(self.feedforward_modules) - set(self.target_modules))
        if others:
            raise ValueError(
                f"method.feedforward_modules names {', '.join(others)}, which method.target_modules does not. Add it "
                "there too"
            )
        return self


AdapterMethod = LoraConfig | Ia3Config
"""Methods that leave the base as it is."""


class FullConfig(StrictModel):
    """Train every weight, or those of the upper blocks."""

    type: Literal["full"] = "full"
    frozen_layers: int = Field(0, ge=0)
    """Lowest transformer blocks that stay as they are, and with them the embeddings: they take no gradients and no
    optimizer states."""

    @property
    def registers(self) -> VersionKind:
        """What becomes of it."""
        return "full"


class ScratchConfig(StrictModel):
    """Make a new Llama with its own BPE tokenizer from the training text, and train every weight."""

    type: Literal["scratch"] = "scratch"
    vocabulary_size: int = Field(2048, ge=300)
    """Tokens of the BPE tokenizer trained on the data."""
    hidden_size: int = Field(256, ge=32)
    """Width of the residual stream."""
    num_layers: int = Field(5, ge=1)
    """Transformer blocks."""
    head_size: int = Field(32, ge=8)
    """Width of one attention head; vLLM's kernels want 32 or 64."""
    intermediate_size: int = Field(704, ge=32)
    """Width of the gated MLP."""
    context_length: int = Field(2048, ge=64)
    """Longest sequence the model is made for, in tokens."""

    @property
    def registers(self) -> VersionKind:
        """What becomes of it."""
        return "full"

    @model_validator(mode="after")
    def _heads_divide(self) -> ScratchConfig:
        if self.hidden_size % self.head_size:
            raise ValueError(
                f"method.hidden_size={self.hidden_size} is not a multiple of method.head_size={self.head_size}. "
                f"Use {self.hidden_size // self.head_size * self.head_size or self.head_size}"
            )
        return self


_NOT_SERVED = {
    "qlora": "4-bit weights need bitsandbytes on CUDA, which no lock of this project holds. Use lora with "
    "zero_stage=3 and gradient_checkpointing=true where memory is short",
    "dora": "it is lora with method.dora=true and method.merge=true",
    "rslora": "it is lora with method.rslora=true",
    "prompt_tuning": "engines serve no learned prompts, and these cannot be merged. Use lora, or ia3",
    "prefix_tuning": "engines serve no learned prefixes, and these cannot be merged. Use lora, or ia3",
}


def _say_what_else(method: Any) -> Any:
    """Tell of methods by the names they are known by what there is in their place."""
    name = method.get("type") if isinstance(method, dict) else None
    if isinstance(name, str) and name in _NOT_SERVED:
        raise ValueError(f"method.type={name} is none of lora, ia3, full and scratch: {_NOT_SERVED[name]}")
    return method


Method = Annotated[
    LoraConfig | Ia3Config | FullConfig | ScratchConfig,
    Field(discriminator="type"),
    BeforeValidator(_say_what_else),
]


class SftObjective(StrictModel):
    """Learn to write what the assistant wrote: cross-entropy on its tokens."""

    type: Literal["sft"] = "sft"


class DpoObjective(StrictModel):
    """Learn to prefer one answer to another without leaving the base (arXiv:2305.18290)."""

    type: Literal["dpo"] = "dpo"
    beta: float = Field(0.1, gt=0)
    """How dear it is to leave the base: a smaller one lets the run go farther from it."""
    loss: Literal["sigmoid", "hinge", "ipo", "robust"] = "sigmoid"
    """What is made of the margin between the answers: DPO's own, SLiC's (arXiv:2305.10425), IPO's
    (arXiv:2310.12036), or one for pairs of which some are the wrong way round (arXiv:2403.00409)."""
    label_smoothing: float = Field(0.0, ge=0, lt=0.5)
    """Share of pairs that are taken to be the wrong way round; for `loss: robust`."""
    sft_weight: float = Field(0.0, ge=0)
    """Weight of the preferred answer's own cross-entropy, added to the loss: keeps that answer likely in itself,
    not only against the other (arXiv:2404.19733)."""

    @model_validator(mode="after")
    def _smoothing_is_heard(self) -> DpoObjective:
        if (self.loss == "robust") != (self.label_smoothing > 0):
            raise ValueError(
                f"objective.label_smoothing={self.label_smoothing} with objective.loss={self.loss}: only robust reads "
                "it, and it needs one above 0. Use --set objective.loss=robust --set objective.label_smoothing=0.1, "
                "or neither"
            )
        return self


Objective = Annotated[SftObjective | DpoObjective, Field(discriminator="type")]


class FileDataConfig(StrictModel):
    """JSONL on disk."""

    type: Literal["file"] = "file"
    path: str
    """One conversation a line: {"messages": [{"role", "content"}, ...]}; for `objective.type: dpo` one pair of answers:
    {"input": {"messages": [...]}, "preferred_output": [...], "non_preferred_output": [...]}."""


class ReadingStage(StrictModel):
    """One stage of the curriculum: how many conversations, how large, and what counts in the loss."""

    num_examples: int = Field(ge=1)
    """Conversations to make; each holds several questions on one set of sources."""
    max_sources: int = Field(5, ge=1)
    """Most sources in one prompt."""
    max_sentences: int = Field(4, ge=1)
    """Most facts in one source."""
    max_questions: int = Field(8, ge=1)
    """Most questions on one set of sources."""
    unanswerable: float = Field(0.25, ge=0, lt=1)
    """Share of questions that the sources do not answer."""
    drills: float = Field(0.0, ge=0, le=1)
    """Share of conversations that only drill copying."""
    events: float = Field(0.5, ge=0, le=1)
    """Share of facts in sentences that the grammar builds; the others come from the written relations."""
    disguised: float = Field(0.0, ge=0, le=1)
    """Share of the words common to sources and questions that other words stand for."""
    forms: float = Field(0.0, ge=0, le=1)
    """Share of conversations whose instructions ask for JSON under some keys, and get it."""
    spans: float = Field(0.05, ge=0, le=1)
    """Share of the facts about noun phrases that are drawn from relations whose values are several words long; the
    others are drawn from all."""
    ranked: float = Field(1.0, ge=0, le=1)
    """Share of conversations whose sources stand as a search for the first question returns them."""
    loss_on: Literal["assistant", "all"] = "assistant"
    """Tokens that count in the loss during this stage."""


class ReadingDataConfig(StrictModel):
    """Synthetic reading comprehension, made by `tunesmith.datasets.reading` (what tiny-reader learns from)."""

    type: Literal["reading"] = "reading"
    stages: tuple[ReadingStage, ...] = Field(min_length=1)
    """The curriculum: trained on in this order, from small to large."""


TrainData = Annotated[FileDataConfig | ReadingDataConfig, Field(discriminator="type")]


class ValidationConfig(StrictModel):
    """What a run is measured on while it trains, and never learns from."""

    path: str
    """JSONL in the format that the objective learns from."""
    every_steps: int | None = Field(None, ge=1)
    """Steps between two measurements of the whole file; unset: `checkpoint_every_steps`. The last step is measured
    too."""


class ResourcesConfig(StrictModel):
    """What the run asks of the Ray cluster."""

    num_workers: int = Field(2, ge=1)
    """Ray Train workers; one process each."""
    cpus_per_worker: float = Field(1, gt=0)
    """Logical CPUs a worker reserves."""
    gpus_per_worker: float = Field(0, ge=0)
    """GPUs a worker reserves; above 0 the run uses NCCL and bf16 kernels of the GPU."""
    max_failures: int = Field(3, ge=0)
    """Worker losses that a run survives by restarting from its last checkpoint."""


class TrainConfig(StrictModel):
    """From chat JSONL to a registered model version."""

    verb: Literal["train"] = "train"
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")
    """Name of the run. The same name again resumes it from its last checkpoint."""
    model: str = "tiny-reader"
    """Base model: a shipped one, a folder, or a Hugging Face name. Not used by `method.type: scratch`."""
    suffix: str | None = Field(None, pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")
    """Third part of the version's name; the run's name if unset."""
    data: TrainData
    """Where the examples come from."""
    validation: ValidationConfig | None = None
    """What the run is measured on; unset: on nothing."""
    method: Method = LoraConfig()
    """Which weights are trained."""
    objective: Objective = SftObjective()
    """What they learn: to write the answers of conversations, or to prefer one answer to another."""
    sequence_length: int = Field(1024, ge=16)
    """Tokens of one packed row; for dpo, of a prompt with one of its answers."""
    packing: bool = True
    """Lay several examples into one row; attention and positions stay apart. Pairs of dpo are not packed."""
    loss_on: Literal["assistant", "all"] = "assistant"
    """Tokens that count in the loss: assistant turns only, or the whole text (for training from scratch)."""
    num_epochs: float = Field(1, gt=0)
    """Passes over the data; `max_steps` wins where both are set."""
    max_steps: int | None = Field(None, ge=1)
    """Optimizer steps."""
    micro_batch_size: int = Field(4, ge=1)
    """Rows per worker and forward pass; for dpo pairs, of two sequences each."""
    global_batch_size: int = Field(8, ge=1)
    """Rows per optimizer step, over all workers."""
    learning_rate: float = Field(2e-4, gt=0)
    """Peak learning rate of AdamW."""
    warmup_steps: int = Field(0, ge=0)
    """Steps of linear warm-up."""
    schedule: Literal["constant", "linear", "cosine"] = "cosine"
    """What the learning rate does after the warm-up."""
    weight_decay: float = Field(0.0, ge=0)
    """AdamW's weight decay."""
    adam_beta2: float = Field(0.999, gt=0, lt=1)
    """Decay of AdamW's second moment; 0.95 suits short runs from scratch."""
    max_grad_norm: float = Field(1.0, gt=0)
    """Gradients are clipped to this norm."""
    bf16: bool = True
    """Compute in bfloat16 (weights of the optimizer stay in float32). An adapter is registered in the format it was
    computed in; a whole model always in bfloat16."""
    gradient_checkpointing: bool = False
    """Compute activations again in the backward pass: less memory, about a third slower."""
    zero_stage: Literal[0, 1, 2, 3] = 2
    """DeepSpeed ZeRO stage (arXiv:1910.02054)."""
    offload_optimizer: bool = False
    """Keep optimizer states in CPU memory (GPU runs)."""
    offload_param: bool = False
    """Keep parameters in CPU memory (ZeRO 3 on GPUs)."""
    checkpoint_every_steps: int = Field(50, ge=1)
    """Steps between checkpoints."""
    num_checkpoints_kept: int = Field(2, ge=1)
    """Newest checkpoints that stay on disk."""
    num_checkpoints_named: int = Field(0, ge=0)
    """Newest checkpoints whose adapters are registered beside the version, as `<version>:ckpt-step-<step>`; a job of
    the API has 3."""
    seed: int = 17
    """Seed of weights, data order and dropout."""
    resources: ResourcesConfig = ResourcesConfig()
    """Workers and what each of them holds."""

    @model_validator(mode="after")
    def _batches_divide(self) -> TrainConfig:
        rows = self.micro_batch_size * self.resources.num_workers
        if self.global_batch_size % rows:
            raise ValueError(
                f"global_batch_size={self.global_batch_size} is not a multiple of micro_batch_size="
                f"{self.micro_batch_size} x resources.num_workers={self.resources.num_workers}. "
                f"Use {max(1, self.global_batch_size // rows) * rows}"
            )
        return self

    @model_validator(mode="after")
    def _rows_fit_the_context(self) -> TrainConfig:
        if isinstance(self.method, ScratchConfig) and self.sequence_length > self.method.context_length:
            raise ValueError(
                f"sequence_length={self.sequence_length} is more than method.context_length="
                f"{self.method.context_length}. Use at most that many, or a longer context"
            )
        return self

    @model_validator(mode="after")
    def _objective_has_what_it_needs(self) -> TrainConfig:
        if not isinstance(self.objective, DpoObjective):
            return self
        if isinstance(self.method, ScratchConfig):
            raise ValueError(
                "objective.type=dpo holds a model against the one it began as; method.type=scratch begins with "
                "none. Use lora or full on a base that can answer already"
            )
        if not isinstance(self.data, FileDataConfig):
            raise ValueError(
                f"objective.type=dpo learns from pairs of answers, and data.type={self.data.type} holds none. "
                "Use data.type=file with preference JSONL"
            )
        if self.loss_on == "all":
            raise ValueError(
                "objective.type=dpo compares answers; loss_on=all would compare prompts. Use loss_on=assistant"
            )
        return self

    @property
    def gradient_accumulation_steps(self) -> int:
        """Forward passes of each worker per optimizer step."""
        return self.global_batch_size // (self.micro_batch_size * self.resources.num_workers)
