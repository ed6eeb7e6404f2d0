"""From the chunks of a chat completion to the events of a response, each as soon as it can be told.

    response.created, response.in_progress
    file search   output_item.added, file_search_call.in_progress, .searching, .completed, output_item.done
    message       output_item.added, content_part.added, output_text.delta ...
                  output_text.annotation.added ..., output_text.done, content_part.done, output_item.done
    call          output_item.added, function_call_arguments.delta ..., .done, output_item.done
    response.completed | response.incomplete | error, response.failed

An answer in one piece goes the same way, as a stream of one chunk whose events nobody hears.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any

from tunesmith.errors import PlatformError, UnavailableError
from tunesmith.gateway.responses.items import Item, new_id
from tunesmith.gateway.responses.object import (
    response_end,
    response_failure,
    shown,
    shown_response,
    usage_object,
)
from tunesmith.gateway.responses.output import Call, Message, Search
from tunesmith.gateway.responses.request import in_their_names

Event = dict[str, Any]
Keep = Callable[[Mapping[str, Any]], Awaitable[None]]


async def response_events(
    series: ResponseSeries, chunks: AsyncIterator[Mapping[str, Any]], *, keep: Keep
) -> AsyncIterator[Event]:
    """Tell a response as its chunks come.

    Args:
        series: the response to tell.
        chunks: of the chat completion that answers it.
        keep: stores the response; called before the event that acknowledges it.

    Yields:
        Events; the last one tells how the response ended.
    """
    for event in series.begin():
        yield event
    try:
        async for chunk in chunks:
            for event in series.take(chunk):
                yield event
        for event in series.close():
            yield event
        await keep(series.response)
        yield series.ended()
    except PlatformError as error:
        for event in series.fail(in_their_names(error)):
            yield event


class ResponseSeries:
    """The events of one response, numbered, and the response as it grows.

    Args:
        head: the response object, in progress.
        search: what searches for it, if anything does.
        include: what else the events show.
    """

    def __init__(self, head: Mapping[str, Any], *, search: Search | None, include: Sequence[str]) -> None:
        self._head = dict(head)
        self._search = search
        self._include = include
        self._message: Message | None = None
        self._calls: dict[int, Call] = {}
        self._output: list[Search | Message | Call] = []
        self._finish_reason: str | None = None
        self._usage: Mapping[str, Any] | None = None
        self._grounding: Mapping[str, Any] = {}
        self._number = 0

    @property
    def response(self) -> dict[str, Any]:
        """The response object, with everything that was found and said so far."""
        return self._head | {"output": [part.item() for part in self._output]}

    def begin(self) -> Iterator[Event]:
        """Tell that the response is on its way.

        Yields:
            Events.
        """
        for name in ("created", "in_progress"):
            yield self._about_response(name)

    def take(self, chunk: Mapping[str, Any]) -> Iterator[Event]:
        """Tell what a chunk brings.

        Args:
            chunk: of the chat completion.

        Yields:
            Events.
        """
        self._usage = chunk.get("usage") or self._usage
        grounding = chunk.get("tunesmith")
        if grounding:
            yield from self._found(grounding)
        for choice in chunk["choices"]:
            yield from self._said(choice)
            self._finish_reason = choice.get("finish_reason") or self._finish_reason

    def close(self) -> Iterator[Event]:
        """Tell that the items are done.

        Yields:
            Events.

        Raises:
            UnavailableError: the engine broke off before it had finished.
        """
        if self._finish_reason is None:
            raise UnavailableError("The engine broke off while it answered. Try again.")
        self._head |= response_end(self._finish_reason, finished_at=int(time.time()))
        self._head["usage"] = usage_object(self._usage)
        if self._grounding:
            told = {name: value for name, value in self._grounding.items() if name != "sources"}
            self._head["tunesmith"] = told
        if self._message is None and not self._calls:
            yield from self._open_message()
        status = "completed" if self._head["status"] == "completed" else "incomplete"
        if self._message is not None:
            yield from self._close_message(self._message, status)
        for call in self._calls.values():
            yield from self._close_call(call, status)

    def ended(self) -> Event:
        """Tell how the response ended.

        Returns:
            The last event.
        """
        return self._about_response(self._head["status"])

    def fail(self, error: PlatformError) -> Iterator[Event]:
        """Tell that it went wrong.

        Args:
            error: what went wrong.

        Yields:
            The last events.
        """
        yield self._numbered(
            {"type": "error", "code": error.code, "message": error.message, "param": error.param}
        )
        for part in self._output:
            if isinstance(part, Message | Call) and part.status == "in_progress":
                part.status = "incomplete"
        self._head |= {"completed_at": None, "incomplete_details": None, **response_failure(error)}
        yield self._about_response("failed")

    def _found(self, grounding: Mapping[str, Any]) -> Iterator[Event]:
        self._grounding = {**self._grounding, **grounding}
        search = self._search
        if search is None or search in self._output:
            return
        index = self._append(search)
        yield self._event("output_item.added", output_index=index, item=search.item() | {"queries": []})
        for name in ("in_progress", "searching", "completed"):
            yield self._event(f"file_search_call.{name}", output_index=index, item_id=search.id)
        search.found(grounding["sources"])
        yield self._item_done(index)

    def _said(self, choice: Mapping[str, Any]) -> Iterator[Event]:
        delta = choice["delta"]
        logprobs = (choice.get("logprobs") or {}).get("content") or []
        if delta.get("content") or logprobs:
            yield from self._add_text(delta.get("content") or "", logprobs)
        for call in delta.get("tool_calls") or ():
            yield from self._add_call(call)

    def _add_text(self, text: str, logprobs: Sequence[Mapping[str, Any]]) -> Iterator[Event]:
        if self._message is None:
            yield from self._open_message()
        assert self._message is not None
        added = self._message.say(text, logprobs)
        yield self._text_event("output_text.delta", self._message, delta=text, logprobs=added)

    def _open_message(self) -> Iterator[Event]:
        self._message = Message(new_id("msg"))
        index = self._append(self._message)
        yield self._event(
            "output_item.added", output_index=index, item=self._message.item() | {"content": []}
        )
        yield self._text_event("content_part.added", self._message, part=self._message.part())

    def _close_message(self, message: Message, status: str) -> Iterator[Event]:
        message.status = status
        if self._search is not None:
            message.annotations = self._search.annotations(self._grounding.get("sentences", ()))
        for number, annotation in enumerate(message.annotations):
            yield self._text_event(
                "output_text.annotation.added", message, annotation_index=number, annotation=annotation
            )
        yield self._text_event("output_text.done", message, text=message.text, logprobs=message.logprobs)
        yield self._text_event("content_part.done", message, part=message.part())
        yield self._item_done(self._output.index(message))

    def _add_call(self, delta: Mapping[str, Any]) -> Iterator[Event]:
        function = delta.get("function") or {}
        call = self._calls.get(delta["index"])
        if call is None:
            call = Call(new_id("fc"), delta.get("id") or new_id("call"), function.get("name") or "")
            self._calls[delta["index"]] = call
            yield self._event("output_item.added", output_index=self._append(call), item=call.item())
        if function.get("arguments"):
            call.arguments += function["arguments"]
            yield self._call_event("delta", call, delta=function["arguments"])

    def _close_call(self, call: Call, status: str) -> Iterator[Event]:
        call.status = status
        yield self._call_event("done", call, name=call.name, arguments=call.arguments)
        yield self._item_done(self._output.index(call))

    def _append(self, part: Search | Message | Call) -> int:
        self._output.append(part)
        return len(self._output) - 1

    def _item_done(self, index: int) -> Event:
        item = shown(self._output[index].item(), self._include)
        return self._event("output_item.done", output_index=index, item=item)

    def _text_event(self, name: str, message: Message, /, **fields: Any) -> Event:
        index = self._output.index(message)
        return self._event(name, item_id=message.id, output_index=index, content_index=0, **fields)

    def _call_event(self, name: str, call: Call, /, **fields: Any) -> Event:
        index = self._output.index(call)
        return self._event(f"function_call_arguments.{name}", item_id=call.id, output_index=index, **fields)

    def _about_response(self, name: str) -> Event:
        return self._event(name, response=shown_response(self.response, self._include))

    def _event(self, name: str, /, **fields: Any) -> Event:
        return self._numbered({"type": f"response.{name}", **fields})

    def _numbered(self, event: Event) -> Event:
        self._number += 1
        return event | {"sequence_number": self._number - 1}


def whole_response(series: ResponseSeries, completion: Mapping[str, Any]) -> dict[str, Any]:
    """Make a response of an answer that came in one piece.

    Args:
        series: the response.
        completion: the chat completion.

    Returns:
        The response object, whole.
    """
    for _ in itertools.chain(series.begin(), series.take(_as_chunk(completion)), series.close()):
        pass
    return series.response


def _as_chunk(completion: Mapping[str, Any]) -> dict[str, Any]:
    choices = [
        {
            **choice,
            "delta": _with_indices(choice["message"]),
            "finish_reason": choice.get("finish_reason") or "stop",
        }
        for choice in completion["choices"]
    ]
    return {**completion, "choices": choices}


def _with_indices(message: Mapping[str, Any]) -> Item:
    calls = [{**call, "index": index} for index, call in enumerate(message.get("tool_calls") or ())]
    return {**message, "tool_calls": calls}
