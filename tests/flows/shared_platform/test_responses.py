"""Responses, text completions and deleted models on the real platform, through the official client."""

from __future__ import annotations

import time
from pathlib import Path

import openai
import pytest
from live_platform import LivePlatform
from pydantic import BaseModel
from tiny_llama import make_adapter

from tunesmith.assets import model_source
from tunesmith.config.evaluate import HOUSE_INSTRUCTIONS
from tunesmith.records import DEFAULT_PROJECT, Lineage, ModelVersion
from tunesmith.stores.database import open_home_database
from tunesmith.stores.documents import DocumentCatalog, document_file_id
from tunesmith.stores.registry import Registry

pytestmark = pytest.mark.flow

BASE = "tiny-reader"
STORE = "wexcombe"
QUESTION = "How many days of leave do full-time staff at Wexcombe receive?"
DOCUMENT = (
    "# Leave at Wexcombe\n\nFull-time staff at Wexcombe receive 29 days of leave each year. "
    "Requests go to the team lead.\n\nThe canteen at Wexcombe opens at 12:15.\n"
)
SEARCH = {"type": "file_search", "vector_store_ids": [STORE]}
RESULTS = ["file_search_call.results"]


class House(BaseModel):
    """The form that the instructions ask for, and the schema enforces."""

    answer: str | None
    sources: list[int]


@pytest.fixture(scope="module")
def live(platform: LivePlatform, tmp_path_factory: pytest.TempPathFactory) -> LivePlatform:
    """The platform with one document."""
    folder = tmp_path_factory.mktemp("wexcombe")
    (folder / "hr").mkdir()
    (folder / "hr" / "leave.md").write_text(DOCUMENT, encoding="utf-8")
    platform.command("ingest", str(folder), "--store", STORE)
    return platform


def _file_id(live: LivePlatform) -> str:
    database = open_home_database(live.home)
    try:
        return document_file_id(DocumentCatalog(database, DEFAULT_PROJECT).store(STORE), "hr/leave.md")
    finally:
        database.close()


def test_an_answer_from_documents_cites_the_place_and_the_file(live: LivePlatform) -> None:
    response = live.client.responses.create(
        model=BASE, input=QUESTION, temperature=0, tools=[SEARCH], include=RESULTS
    )
    assert response.status == "completed"
    search, message = response.output
    assert (search.type, search.queries) == ("file_search_call", [QUESTION])
    assert {found.filename for found in search.results} == {"hr/leave.md"}
    assert all(found.text in DOCUMENT and 0 <= found.score <= 1 for found in search.results)

    text = response.output_text
    assert "29 days" in text
    annotations = message.content[0].annotations
    assert {(one.file_id, one.filename) for one in annotations} == {(_file_id(live), "hr/leave.md")}
    assert any("29 days" in text[: one.index] for one in annotations)
    assert all(0 < one.index <= len(text) for one in annotations)
    assert response.usage.input_tokens > 20
    assert response.usage.output_tokens > 0
    assert response.usage.total_tokens == response.usage.input_tokens + response.usage.output_tokens

    chat = live.client.chat.completions.create(
        model=BASE,
        messages=[{"role": "user", "content": QUESTION}],
        temperature=0,
        extra_body={"vector_stores": [STORE]},
    )
    assert text == chat.choices[0].message.content, "the engine's tokens, unchanged"


def test_the_stream_tells_the_same_answer_event_by_event(live: LivePlatform) -> None:
    asked = {"model": BASE, "input": QUESTION, "temperature": 0, "tools": [SEARCH], "include": RESULTS}
    whole = live.client.responses.create(**asked)
    events = list(live.client.responses.create(**asked, stream=True))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    types = [event.type.removeprefix("response.") for event in events]
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    num_annotations = types.count("output_text.annotation.added")
    assert types == [
        "created",
        "in_progress",
        "output_item.added",
        "file_search_call.in_progress",
        "file_search_call.searching",
        "file_search_call.completed",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        *["output_text.delta"] * len(deltas),
        *["output_text.annotation.added"] * num_annotations,
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert len(deltas) > 1
    assert "".join(deltas) == whole.output_text
    assert events[6].item.results[0].text in DOCUMENT, "the search is told with what it found"
    final = events[-1].response
    assert final.output[1].content == whole.output[1].content
    assert num_annotations == len(whole.output[1].content[0].annotations) > 0
    assert final.usage.output_tokens == whole.usage.output_tokens
    assert live.client.responses.retrieve(final.id).output_text == whole.output_text


def test_a_conversation_goes_on_from_what_is_kept_and_can_be_forgotten(live: LivePlatform) -> None:
    client = live.client
    first = client.responses.create(model=BASE, input=QUESTION, temperature=0, tools=[SEARCH])
    second = client.responses.create(
        model=BASE,
        input="When does the canteen at Wexcombe open?",
        previous_response_id=first.id,
        temperature=0,
        tools=[SEARCH],
        metadata={"team": "hr"},
    )
    assert client.responses.retrieve(second.id).metadata == {"team": "hr"}
    items = list(client.responses.input_items.list(second.id, order="asc", limit=2))
    assert [item.type for item in items] == ["message", "file_search_call", "message", "message"]
    assert items[0].content[0].text == QUESTION
    assert items[2].content[0].text == first.output_text

    client.responses.delete(first.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(first.id)
    with pytest.raises(openai.BadRequestError) as gone:
        client.responses.create(model=BASE, input="And now?", previous_response_id=second.id)
    assert gone.value.code == "previous_response_not_found"


def test_an_alias_is_a_whole_assistant_here_too(live: LivePlatform) -> None:
    live.command("models", "alias", "wexcombe-hr", BASE, "--store", STORE)
    response = live.client.responses.create(model="wexcombe-hr", input=QUESTION, temperature=0)
    assert [item.type for item in response.output] == ["file_search_call", "message"]
    with pytest.raises(openai.BadRequestError, match="chat/completions"):
        live.client.completions.create(model="wexcombe-hr", prompt=QUESTION)


def test_limits_schemas_and_refusals(live: LivePlatform) -> None:
    client = live.client
    cut = client.responses.create(model=BASE, input=QUESTION, max_output_tokens=1, tools=[SEARCH])
    assert cut.status == "incomplete"
    assert cut.incomplete_details.reason == "max_output_tokens"
    parsed = client.responses.parse(
        model=BASE,
        instructions=HOUSE_INSTRUCTIONS,
        input=QUESTION,
        temperature=0,
        tools=[SEARCH],
        text_format=House,
        max_output_tokens=100,
    )
    assert parsed.output_parsed.sources == [1]
    for stream in (False, True):
        with pytest.raises(openai.BadRequestError) as long:
            client.responses.create(model=BASE, input="leave " * 5000, stream=stream)
        assert long.value.code == "context_length_exceeded"
    told = client.responses.create(
        model=BASE,
        input="Hello",
        include=["message.output_text.logprobs"],
        top_logprobs=2,
        max_output_tokens=4,
    )
    logprobs = told.output[0].content[0].logprobs
    assert len(logprobs) == told.usage.output_tokens
    assert all(one.logprob <= 0 and one.top_logprobs for one in logprobs)


def test_a_prompt_is_gone_on_with(live: LivePlatform) -> None:
    create = live.client.completions.create
    asked = {"model": BASE, "prompt": "Full-time staff receive", "temperature": 0, "max_tokens": 8, "seed": 1}
    asked["extra_body"] = {"ignore_eos": True}
    whole = create(**asked, logprobs=2)
    assert (whole.object, whole.choices[0].finish_reason) == ("text_completion", "length")
    assert whole.usage.completion_tokens == 8
    assert len(whole.choices[0].logprobs.tokens) == 8
    chunks = list(create(**asked, stream=True, stream_options={"include_usage": True}))
    assert "".join(chunk.choices[0].text for chunk in chunks if chunk.choices) == whole.choices[0].text
    assert chunks[-1].usage.completion_tokens == 8
    assert create(**asked, echo=True).choices[0].text == f"Full-time staff receive{whole.choices[0].text}"
    several = create(**asked | {"temperature": 1, "prompt": ["a", "b"]}, n=2)
    assert [choice.index for choice in several.choices] == [0, 1, 2, 3]
    with pytest.raises(openai.BadRequestError) as long:
        create(**asked | {"prompt": "leave " * 5000})
    assert long.value.code == "context_length_exceeded"


def test_a_deleted_version_does_not_answer(live: LivePlatform) -> None:
    name = f"ft:{BASE}:{DEFAULT_PROJECT}:gone:fade01"
    path = f"projects/{DEFAULT_PROJECT}/models/fade01"
    make_adapter(Path(model_source(BASE)), live.home.objects / path, seed=5)
    database = open_home_database(live.home)
    lineage = Lineage(BASE, "0" * 64, {}, 5, {}, "0", "ftjob-gone")
    version = ModelVersion(name, DEFAULT_PROJECT, BASE, "adapter", path, int(time.time()), lineage)
    Registry(database, DEFAULT_PROJECT).register(version)
    database.close()
    assert live.client.completions.create(model=name, prompt="Hello", max_tokens=2).choices
    assert live.client.models.delete(name).deleted is True
    with pytest.raises(openai.NotFoundError):
        live.client.completions.create(model=name, prompt="Hello", max_tokens=2)
    assert name not in [model.id for model in live.client.models.list()]
    assert (live.home.objects / path).is_dir(), "its files wait for a sweep"
