"""POST /v1/chat/completions: names and retrieval resolved here, the answer made by the data plane."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from tunesmith.gateway.auth import Authenticator
from tunesmith.gateway.body import check_fields, read_object, while_connected
from tunesmith.gateway.interactions import Transcript, noting
from tunesmith.gateway.metrics import Metrics, Tally
from tunesmith.gateway.names import NamedModel, Names
from tunesmith.gateway.request_record import record_of
from tunesmith.gateway.retrieval import RetrievalOptions, find_stores, narrowing, split_tools
from tunesmith.gateway.served import Unserved, complete_usage, served_fields, without_nulls
from tunesmith.gateway.stream import EventStreamResponse, relay
from tunesmith.gateway.upstream import EventSource, Upstream
from tunesmith.stores.database import Database
from tunesmith.stores.feedback import FeedbackStore
from tunesmith.stores.keys import ApiKey
from tunesmith.stores.vectors import StoreRecord

_ENGINE = "/engine/v1/chat/completions"
_ANSWER = "/answer/v1/chat/completions"
_OURS = ("vector_stores", "retrieval", "engine")
_UNSERVED = {
    "audio": Unserved("Answers are text."),
    "function_call": Unserved("It is deprecated: send `tool_choice`.", ("none",)),
    "functions": Unserved("It is deprecated: send `tools`."),
    "modalities": Unserved('Answers are text: leave it out or send ["text"].', (["text"],)),
    "moderation": Unserved("Leave it out."),
    "verbosity": Unserved("Say it in the system turn, or bound `max_completion_tokens`.", ("medium",)),
    "web_search_options": Unserved("Ingest the pages into a vector store and send a file_search tool."),
}


class ChatMessage(BaseModel):
    """One turn; what else it may hold is the engine's to judge."""

    model_config = ConfigDict(extra="allow")
    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    """Who speaks; the engine would take any word."""
    content: str | list[Any] | None = None
    """Text, or parts."""


class ChatFields(BaseModel):
    """The fields that the gateway itself needs; all others go to the engine as they are."""

    model_config = ConfigDict(extra="ignore")
    model: str = Field(min_length=1)
    """Base, version or alias."""
    messages: list[ChatMessage] = Field(min_length=1)
    """The conversation."""
    stream: bool | None = False
    """Server-sent events instead of one JSON."""
    stream_options: dict[str, Any] | None = None
    """`include_usage`."""
    tools: list[dict[str, Any]] | None = None
    """`file_search` is run by the platform."""
    vector_stores: list[str] | None = None
    """Extension: stores to answer from, by name or id; an empty list turns an alias's retrieval off."""
    store: bool | None = False
    """Keep the answer, so that feedback can be given on it."""
    retrieval: RetrievalOptions | None = None
    """Extension: how sources are found."""


@dataclass(frozen=True, slots=True)
class ChatCall:
    """What is sent to the data plane.

    Attributes:
        path: route on Ray Serve.
        body: JSON to send.
        model: what answers.
        usage_wanted: whether the client asked for the usage chunk of a stream.
        stores: what is searched, if anything.
    """

    path: str
    body: Mapping[str, Any]
    model: NamedModel
    usage_wanted: bool
    stores: tuple[StoreRecord, ...] = ()

    async def post(self, upstream: Upstream, tally: Tally) -> dict[str, Any]:
        """Ask for the answer in one piece; see `Upstream.post`."""
        return await upstream.post(self.path, self.body, tally=tally, base=self.model.base)

    async def stream(self, upstream: Upstream, tally: Tally) -> EventSource:
        """Ask for the answer as events; see `Upstream.open_stream`."""
        return await upstream.open_stream(self.path, self.body, tally=tally, base=self.model.base)


def chat_routes(
    *, authenticate: Authenticator, names: Names, database: Database, upstream: Upstream, metrics: Metrics
) -> APIRouter:
    """The chat resource.

    Args:
        authenticate: who calls.
        names: resolves model names.
        database: knows the vector stores.
        upstream: the data plane.
        metrics: where tokens and times are counted.

    Returns:
        Its routes.
    """
    router = APIRouter()

    @router.post("/v1/chat/completions")
    async def create_chat_completion(
        request: Request,
        key: ApiKey = Depends(authenticate.needs("use", limited=True)),  # noqa: B008
    ) -> Response:
        body = served_fields(await read_object(request), _UNSERVED)
        fields = check_fields(body, ChatFields)
        call = await run_in_threadpool(
            plan_call, body, fields, key.project_id, names=names, database=database
        )
        tally = metrics.tally(record_of(request), call.model.model)
        transcript = begin_transcript(call, fields)
        kept = FeedbackStore(database, key.project_id)

        async def keep() -> None:
            await run_in_threadpool(kept.keep, transcript.interaction())

        if fields.stream:
            source = await while_connected(request, call.stream(upstream, tally))
            events = relay(source, tally=tally, usage_wanted=call.usage_wanted)
            return EventStreamResponse(source, noting(events, transcript, keep) if fields.store else events)
        answer = await while_connected(request, call.post(upstream, tally))
        if fields.store:
            transcript.note(answer)
            await keep()
        return JSONResponse(complete_answer(answer))

    return router


def begin_transcript(call: ChatCall, fields: ChatFields) -> Transcript:
    """Begin to note an answer.

    Args:
        call: what is sent to the data plane.
        fields: the request.

    Returns:
        An empty transcript.
    """
    return Transcript(
        asked=fields.model,
        answered_by=call.model.model,
        question=asked_question(fields),
        instructions=call.body.get("instructions"),
        messages=call.body["messages"],
    )


def plan_call(
    body: Mapping[str, Any], fields: ChatFields, project_id: str, *, names: Names, database: Database
) -> ChatCall:
    """Resolve a request: which model, which stores, which instructions.

    Args:
        body: the request as sent.
        fields: the same, typed.
        project_id: whose names count.
        names: resolves model names.
        database: knows the vector stores.

    Returns:
        The call to the data plane.

    Raises:
        ModelNotFoundError: no such model.
        NotFoundError: no such vector store.
        ConfigError: a file_search tool is wrong.
    """
    model = names.resolve(project_id, fields.model)
    searches, tools = split_tools(fields.tools or [])
    sent = {name: value for name, value in body.items() if name not in _OURS} | {"model": model.model}
    if searches:
        sent = _without_searches(sent, tools)
    if fields.stream:
        sent["stream_options"] = {**(fields.stream_options or {}), "include_usage": True}
    usage_wanted = bool((fields.stream_options or {}).get("include_usage"))
    searched = [store for search in searches for store in search.vector_store_ids]
    stores = (
        [*fields.vector_stores, *searched] if fields.vector_stores is not None else searched or model.stores
    )
    if not stores:
        return ChatCall(_ENGINE, _with_instructions(sent, model.instructions), model, usage_wanted)
    found = find_stores(database, project_id, stores)
    sent["vector_stores"] = [asdict(store) for store in found]
    sent["instructions"] = _system_turn(fields) or model.instructions
    options = fields.retrieval or RetrievalOptions()
    wanted = options.top_k or next((search.max_num_results for search in searches), None)
    sent["retrieval"] = (
        options.model_dump(exclude_defaults=True)
        | ({"top_k": wanted} if wanted else {})
        | narrowing(searches)
    )
    return ChatCall(_ANSWER, sent, model, usage_wanted, tuple(found))


def _without_searches(sent: dict[str, Any], tools: list[Mapping[str, Any]]) -> dict[str, Any]:
    if tools:
        return sent | {"tools": tools}
    return {name: value for name, value in sent.items() if name not in ("tools", "tool_choice")}


def _with_instructions(sent: dict[str, Any], instructions: str | None) -> dict[str, Any]:
    roles = {message["role"] for message in sent["messages"]}
    if instructions is None or roles & {"system", "developer"}:
        return sent
    return sent | {"messages": [{"role": "system", "content": instructions}, *sent["messages"]]}


def _system_turn(fields: ChatFields) -> str | None:
    turns = [message.content for message in fields.messages if message.role in ("system", "developer")]
    return "\n\n".join(_text(content) for content in turns) or None


def asked_question(fields: ChatFields) -> str:
    """What retrieval searches for.

    Args:
        fields: a chat request.

    Returns:
        The text of its last user turn; empty if there is none.
    """
    turns = [message.content for message in fields.messages if message.role == "user"]
    return _text(turns[-1]) if turns else ""


def _text(content: str | list[Any] | None) -> str:
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return content or ""


def complete_answer(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Bring a chat completion into the OpenAI schema: it requires some nulls and forbids those of vLLM.

    Args:
        answer: a chat completion of the engine.

    Returns:
        The same with `refusal`, `content` and `logprobs` in every choice, and no other null.
    """
    return without_nulls(answer) | {
        "choices": [_complete_choice(choice) for choice in answer["choices"]],
        "usage": complete_usage(answer["usage"]),
    }


def _complete_choice(choice: Mapping[str, Any]) -> dict[str, Any]:
    message = {"content": None, "refusal": None} | without_nulls(choice["message"])
    logprobs = choice.get("logprobs")
    complete = {"content": None, "refusal": None} | without_nulls(logprobs) if logprobs else None
    return {"finish_reason": "stop"} | without_nulls(choice) | {"message": message, "logprobs": complete}
