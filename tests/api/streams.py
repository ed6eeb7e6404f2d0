"""Server-sent events as they came over the wire: read, and held against the order that the OpenAI API promises."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

Event = dict[str, Any]


def read_events(raw: bytes) -> list[Event]:
    """Read a stream.

    Args:
        raw: the whole body.

    Returns:
        The JSON of each event, but for the `[DONE]` at the end of streams that have one.

    Raises:
        AssertionError: an event is not one `data:` line, or its `event:` line says something else than its type.
    """
    events = []
    for block in raw.decode().split("\n\n"):
        if not block or block == "data: [DONE]":
            continue
        *names, data = block.split("\n")
        assert data.startswith("data: "), block
        event = json.loads(data.removeprefix("data: "))
        assert [name.removeprefix("event: ") for name in names] in ([], [event.get("type")]), block
        events.append(event)
    return events


def check_chunks(chunks: Sequence[Event], *, usage: bool, num_choices: int = 1) -> None:
    """Hold the chunks of a chat or text completion against their order.

    One id, model and time; every choice begins, goes on and says once and last why it ended; where the usage was asked
    for, it comes alone at the end, and where it was not, nowhere.

    Args:
        chunks: in the order in which they came.
        usage: whether it was asked for.
        num_choices: how many answers were asked for.

    Raises:
        AssertionError: says what is out of order.
    """
    assert len({(chunk["id"], chunk["model"], chunk["created"], chunk["object"]) for chunk in chunks}) == 1
    told = [number for number, chunk in enumerate(chunks) if chunk.get("usage")]
    assert told == ([len(chunks) - 1] if usage else []), f"usage in the chunks {told} of {len(chunks)}"
    if usage:
        assert chunks[-1]["choices"] == []
    ended: Counter[int] = Counter()
    for chunk in chunks[:-1] if usage else chunks:
        assert chunk["choices"], "nothing but the usage comes without a choice"
        for choice in chunk["choices"]:
            assert not ended[choice["index"]], f"choice {choice['index']} goes on after its end"
            ended[choice["index"]] += choice["finish_reason"] is not None
    assert dict(ended) == dict.fromkeys(range(num_choices), 1)
    if chunks[0]["object"] == "chat.completion.chunk":
        first = {choice["index"]: choice for chunk in reversed(chunks) for choice in chunk["choices"]}
        assert {choice["delta"].get("role") for choice in first.values()} == {"assistant"}


def check_response_events(events: Sequence[Event]) -> None:
    """Hold the events of a response against their order.

    Numbered from 0 without a gap; a response is created, then in progress, and ends once, last; items, the parts in
    them, texts and arguments open, grow and close one inside the other; what is told at the end is what was told piece
    by piece.

    Args:
        events: in the order in which they came.

    Raises:
        AssertionError: says what is out of order.
    """
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    types = [event["type"].removeprefix("response.") for event in events]
    assert types[:2] == ["created", "in_progress"]
    assert types[-1] in ("completed", "incomplete", "failed")
    assert len({event["response"]["id"] for event in events if "response" in event}) == 1
    told: list[Event] = []
    for kind, event in zip(types[2:-1], events[2:-1], strict=True):
        if kind == "output_item.added":
            assert event["output_index"] == len(told), "items come one after the other"
            told.append({"added": event["item"], "open": [], "said": "", "arguments": "", "annotations": []})
            continue
        item = told[event["output_index"]]
        assert "done" not in item, f"{kind} after the end of its item"
        assert event.get("item_id", item["added"]["id"]) == item["added"]["id"]
        _take(kind, event, item)
    final = events[-1]["response"]
    assert [item["done"] for item in told] == final["output"]
    assert final["status"] == types[-1]


def _take(kind: str, event: Event, item: Event) -> None:
    if kind == "content_part.added":
        assert event["content_index"] == len(item["open"])
        item["open"].append("part")
    elif kind == "output_text.delta":
        assert item["open"][event["content_index"]] == "part"
        item["said"] += event["delta"]
    elif kind == "output_text.annotation.added":
        assert event["annotation_index"] == len(item["annotations"])
        item["annotations"].append(event["annotation"])
    elif kind == "output_text.done":
        assert event["text"] == item["said"]
        item["open"][event["content_index"]] = "text"
    elif kind == "content_part.done":
        assert item["open"][event["content_index"]] == "text"
        assert (event["part"]["text"], event["part"]["annotations"]) == (item["said"], item["annotations"])
        item["open"][event["content_index"]] = "closed"
    elif kind == "function_call_arguments.delta":
        item["arguments"] += event["delta"]
    elif kind == "function_call_arguments.done":
        assert event["arguments"] == item["arguments"]
    elif kind == "output_item.done":
        assert set(item["open"]) <= {"closed"}
        assert (event["item"]["id"], event["item"]["type"]) == (item["added"]["id"], item["added"]["type"])
        item["done"] = event["item"]
    else:
        assert kind.startswith("file_search_call."), f"nobody knows {kind}"
