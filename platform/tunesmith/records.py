"""The nouns that flow, in flow order: documents, hits, answers, examples, versions, scores.

Frozen dataclasses: nothing downstream may change what upstream said. Pydantic stands at the
borders (YAML, JSONL, HTTP) and turns what comes in into these.

    file -> Document -> Chunk -> Hit -> Source -> Answer(Citation...)
    line -> Example -> run -> ModelVersion
    Sample x Arm -> ArmAnswer -> scores -> decision
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

DEFAULT_PROJECT = "default"
"""The project that owns everything until there are more; it stands in every key from the first commit."""
DEFAULT_ORGANISATION = "org-default"
"""The organisation of a home; every project belongs to one."""
OWNER = "user-owner"
"""The principal who set the platform up; owns what keys existed before there were principals."""

ProjectRole = Literal["read", "use", "train", "administer"]
"""What somebody may do in a project; each role includes those before it."""

Role = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class Document:
    """One readable file, as text.

    Attributes:
        path: its name inside the store, relative to the ingested folder, `/` between parts.
        title: the first heading, or the file's stem.
        text: the whole text; every offset below counts characters of this string.
        content_hash: SHA-256 (hex) of the file's bytes.
    """

    path: str
    title: str
    text: str
    content_hash: str


@dataclass(frozen=True, slots=True)
class Chunk:
    """A stretch of one document that is embedded and searched as a whole.

    Attributes:
        id: deterministic: SHA-256 over store, path, position and text, so that upserts are idempotent.
        document: path of the document it comes from.
        title: title of that document.
        position: 0 for the first chunk of the document.
        start: first character, counted in the document's text.
        end: one past the last character.
        text: `document.text[start:end]`.
    """

    id: str
    document: str
    title: str
    position: int
    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Hit:
    """A chunk that a search returned.

    Attributes:
        chunk: the chunk.
        score: from 0 to 1, larger for better, whatever the backend says.
        store: name of the store it lies in.
        store_id: the store's id.
        attributes: those of its document.
    """

    chunk: Chunk
    score: float
    store: str
    store_id: str = ""
    attributes: Mapping[str, str | float | bool] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Source:
    """A hit as the model sees it: numbered from 1 in prompt order."""

    number: int
    hit: Hit


CitationStatus = Literal["verified", "attributed"]


@dataclass(frozen=True, slots=True)
class Citation:
    """A span of a source that supports a sentence of the answer.

    Attributes:
        number: the source's number in the prompt.
        document: path of the cited document.
        start: first character of the span, in the document's text.
        end: one past its last character.
        text: the span itself.
        status: `verified`: the model named this source and the source supports the sentence;
            `attributed`: the model named none or a wrong one, and the platform found the source.
    """

    number: int
    document: str
    start: int
    end: int
    text: str
    status: CitationStatus


@dataclass(frozen=True, slots=True)
class CheckedSentence:
    """One sentence of an answer, with the citations that hold; without any it is unsupported."""

    text: str
    citations: tuple[Citation, ...]

    @property
    def supported(self) -> bool:
        """Whether at least one source supports the sentence."""
        return bool(self.citations)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model said, checked against the sources it was given.

    Attributes:
        text: the engine's decoded tokens, unchanged, unless they are withheld.
        abstained: whether the answer says that the documents do not hold it.
        sentences: the answer taken apart, each with its checked citations.
        sources: the numbered sources of the prompt.
        withheld: the engine's decoded tokens where `text` abstains in their place; else None.
    """

    text: str
    abstained: bool
    sentences: tuple[CheckedSentence, ...]
    sources: tuple[Source, ...]
    withheld: str | None = None

    @property
    def citations(self) -> tuple[Citation, ...]:
        """All citations that hold, in the order of the sentences."""
        return tuple(citation for sentence in self.sentences for citation in sentence.citations)


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Role
    content: str
    weight: int = 1
    """0 keeps an assistant turn out of the loss."""


@dataclass(frozen=True, slots=True)
class Example:
    """One training conversation, with the place it came from for error messages."""

    messages: tuple[Message, ...]
    file: str
    line: int
    stage: int = 0
    """Examples of a later stage are trained on after all of an earlier one."""
    loss_on: Literal["assistant", "all"] | None = None
    """Overrides the recipe's `loss_on` for this example."""


@dataclass(frozen=True, slots=True)
class Preference:
    """Two answers to one prompt, with the place they came from for error messages."""

    prompt: tuple[Message, ...]
    preferred: Message
    non_preferred: Message
    file: str
    line: int


RUNS = "runs"
"""Folder of a project with the homes of its runs that no controller drives: `tunesmith train --on kubernetes`."""
VersionKind = Literal["adapter", "full"]


@dataclass(frozen=True, slots=True)
class Lineage:
    """Where a model version comes from: enough to make it again.

    Attributes:
        base: name of the base model.
        data_hash: SHA-256 over the training file's bytes; over settings, sources and word lists of a generator.
        config: the resolved recipe.
        seed: the run's seed.
        metrics: the last values of the run (loss, tokens, tokens_per_second, steps).
        code_version: Tunesmith's version.
        job_id: the job that made it.
        parent: the version whose adapter it was trained on from; None where it began with its base.
    """

    base: str
    data_hash: str
    config: Mapping[str, Any]
    seed: int
    metrics: Mapping[str, float]
    code_version: str
    job_id: str
    parent: str | None = None


CHECKPOINT = ":ckpt-step-"
"""Stands in a version's name before the step, where it is what its run had learnt on the way."""


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """An immutable trained model: a LoRA adapter or full weights, safetensors and JSON only.

    Attributes:
        name: `ft:<base>:<project>:<suffix>:<id>`, of a checkpoint with `:ckpt-step-<step>` behind it; its name in
            the API.
        kind: `adapter` (served on its base) or `full` (a base of its own).
        path: folder with the files, relative to the object store.
        created_at: Unix seconds.
    """

    name: str
    project_id: str
    base: str
    kind: VersionKind
    path: str
    created_at: int
    lineage: Lineage

    @property
    def step(self) -> int | None:
        """Of a checkpoint, its optimizer step; None for what a run ended with."""
        _, mark, step = self.name.partition(CHECKPOINT)
        return int(step) if mark else None


@dataclass(frozen=True, slots=True)
class Alias:
    """A stable name that points at a model and may bind vector stores and instructions."""

    name: str
    project_id: str
    model: str
    stores: tuple[str, ...] = ()
    instructions: str | None = None


JobState = Literal[
    "validating_files", "queued", "running", "publishing", "succeeded", "failed", "cancelled", "paused"
]
WantedState = Literal["succeeded", "cancelled", "paused"]
FINAL_STATES: tuple[JobState, ...] = ("succeeded", "failed", "cancelled")
BatchState = Literal[
    "validating", "in_progress", "finalizing", "completed", "failed", "expired", "cancelling", "cancelled"
]
"""Where a batch of requests stands, in the words of the OpenAI API."""
ENDED_BATCH_STATES: tuple[BatchState, ...] = ("completed", "failed", "expired", "cancelled")
"""A batch in one of these never changes again."""


@dataclass(frozen=True, slots=True)
class Job:
    """A piece of work with one id for life.

    Attributes:
        id: `ftjob-...`; also the name of the Ray Train run.
        name: the recipe's run name; unique in the project.
        state: what was last observed.
        fence: number of the newest attempt; writes of older ones are refused.
        fingerprint: hash of what must stay equal for a resume: resolved recipe and data.
        config: the resolved recipe.
        model: the registered version, once there is one.
        wanted: what the controller makes true.
        request: what was asked for through the API; None for a run of the command line, which drives itself.
        finished_at: Unix seconds; None while it has not ended.
        error: why it failed, for a person; `error_code` and `error_param` say it to a program.
        trained_tokens: tokens that passed through the model, once it has succeeded.
        result_files: ids of the files that it made.
        num_steps: optimizer steps of the whole run, once its data is prepared.
    """

    id: str
    project_id: str
    name: str
    state: JobState
    fence: int
    fingerprint: str
    config: Mapping[str, Any]
    created_at: int
    model: str | None = None
    error: str | None = None
    wanted: WantedState = "succeeded"
    request: Mapping[str, Any] | None = None
    finished_at: int | None = None
    error_code: str | None = None
    error_param: str | None = None
    trained_tokens: int | None = None
    result_files: tuple[str, ...] = ()
    num_steps: int | None = None


EventLevel = Literal["info", "warn", "error"]


@dataclass(frozen=True, slots=True)
class JobEvent:
    """One thing that the owner of a job is told.

    Attributes:
        job_id: the job.
        number: from 1, without a gap.
        created_at: Unix seconds.
        message: for a person.
        level: how bad it is.
        type: `metrics` where `data` holds what was measured at a step, else `message`.
        data: JSON values.
    """

    job_id: str
    number: int
    created_at: int
    message: str
    level: EventLevel = "info"
    type: Literal["message", "metrics"] = "message"
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StepMetrics:
    """What a run measured at one optimizer step; keyed by (job, step)."""

    job_id: str
    step: int
    fence: int
    values: Mapping[str, float] = field(default_factory=dict)
