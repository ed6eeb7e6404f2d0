"""Two configured bases and a whole model behind one gateway: who answers, who sleeps, who comes back."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import openai
import psutil
import pytest
from live_platform import LivePlatform, running_platform, tunesmith
from tiny_llama import greedy, make_adapter, make_base

from tunesmith.assets import model_source
from tunesmith.config.home import Home
from tunesmith.controller.processes import processes_of
from tunesmith.rag.prompt import build_messages
from tunesmith.records import DEFAULT_PROJECT, Chunk, Hit, Lineage, ModelVersion, Source, VersionKind
from tunesmith.serve.applications import engine_name
from tunesmith.stores.bases import BaseStates
from tunesmith.stores.database import open_home_database
from tunesmith.stores.registry import Registry

pytestmark = [pytest.mark.flow, pytest.mark.slow, pytest.mark.timeout(900)]

FIRST = "tiny-reader"
QUESTION = [{"role": "user", "content": "How many days of leave do full-time staff get?"}]
STORE = "leave"
DOCUMENT = "Full-time staff receive 27 days of leave each year.\n"
NUM_TOKENS = 12
LONG_ANSWER = 400
ENGINE = {"dtype": "float32", "max_model_len": 512, "max_num_seqs": 8, "kv_cache_gib": 0.1}
WAKING_SECONDS = 300
TWO_PLACES = {"max_awake": 2, "on_the_way": "wait", "wait_seconds": WAKING_SECONDS}


@dataclass(frozen=True)
class House:
    """A home with a second base and versions of both; and what each of its models says.

    Attributes:
        home: kept from one platform to the next.
        second: the second base.
        on_first: an adapter of the first base.
        on_second: an adapter of the second one.
        whole: a version that is a whole model.
        says: the answer of each to `QUESTION`, by transformers and PEFT.
    """

    home: Home
    second: str
    on_first: str
    on_second: str
    whole: str
    says: Mapping[str, str]

    @property
    def recipe(self) -> tuple[str, ...]:
        """What `up` is told: both bases, and how many may be in memory."""
        file = self.home.root.parent / "serve.yaml"
        bases = [{"model": FIRST}, {"model": self.second, "stand_ins": ["gpt-4o"]}]
        document = {"verb": "serve", "bases": bases, "engine": ENGINE, "serving": TWO_PLACES}
        file.write_text(json.dumps(document), encoding="utf-8")
        return "--recipe", str(file)


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    """The home, before anything runs on it."""
    # Unix sockets lie under the home: its path must be short.
    folder = Path(tempfile.mkdtemp(prefix="ts-", dir="/tmp"))
    try:
        yield _furnish(folder)
    finally:
        shutil.rmtree(folder)


def _furnish(folder: Path) -> House:
    home, first, second = Home(folder / "home"), Path(model_source(FIRST)), make_base(folder / "second")
    on_first, on_second = f"ft:{FIRST}:default:one:000001", f"ft:{second}:default:two:000002"
    whole = f"ft:{second}:default:whole:000003"
    make_adapter(first, _register(home, on_first, base=FIRST, kind="adapter"), seed=1, std=2.0)
    make_adapter(second, _register(home, on_second, base=str(second), kind="adapter"), seed=2)
    make_base(_register(home, whole, base=str(second), kind="full"), seed=3)
    says = {
        FIRST: _greedy(first),
        str(second): _greedy(second),
        on_first: _greedy(first, adapter=_folder(home, on_first)),
        on_second: _greedy(second, adapter=_folder(home, on_second)),
        whole: _greedy(_folder(home, whole)),
    }
    assert len(set(says.values())) == len(says), "each of them says something else"
    return House(home, str(second), on_first, on_second, whole, says)


@pytest.fixture(scope="module")
def live(house: House) -> Iterator[LivePlatform]:
    """The platform, with places for two of the three."""
    with running_platform(*house.recipe, home=house.home) as live:
        yield live


def test_both_bases_and_their_adapters_answer_side_by_side_each_as_itself(
    live: LivePlatform, house: House
) -> None:
    assert {FIRST, house.second} <= _states(live).keys()
    client = _patient(live)
    names = [FIRST, house.second, house.on_first, house.on_second] * 4
    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(lambda name: _say(client, name), names))
    assert said == [house.says[name] for name in names]
    assert _say(client, "gpt-4o") == house.says[house.second], "it stands in for that one"


def test_an_adapter_of_one_base_is_nothing_to_the_other_ones_engine(live: LivePlatform, house: House) -> None:
    for base, adapter in ((FIRST, house.on_second), (house.second, house.on_first)):
        assert _say(_patient(live), base) == house.says[base]
        engine = f"{live.record.serve_url}/{engine_name(base, default=FIRST)}"
        answer = httpx.post(
            f"{engine}/v1/chat/completions", json={"model": adapter, "messages": QUESTION}, timeout=60
        )
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")


def test_aliases_lead_to_the_second_base_and_a_new_gateway_knows_both(
    live: LivePlatform, house: House
) -> None:
    live.command("models", "alias", "second", house.second)
    client = _patient(live)
    client.post("/aliases", body={"name": "tuned", "model": house.on_second}, cast_to=object)
    live.command("restart")
    assert _say(client, "second") == house.says[house.second]
    assert _say(client, "tuned") == house.says[house.on_second]
    assert client.models.retrieve("second").model_extra == {"alias_of": house.second}
    assert client.models.retrieve(house.second).id == house.second
    assert _say(client, FIRST) == house.says[FIRST]


def test_documents_are_answered_from_by_the_base_that_is_asked(
    live: LivePlatform, house: House, tmp_path: Path
) -> None:
    (tmp_path / "leave.md").write_text(DOCUMENT, encoding="utf-8")
    live.command("ingest", str(tmp_path), "--store", STORE)
    _assert_answers_from_documents(live, house.second)


def test_a_third_model_takes_the_place_of_who_was_asked_longest_ago(live: LivePlatform, house: House) -> None:
    client, left = _patient(live), _engines(live)[house.second]
    stream = _stream(client, FIRST)
    next(stream)
    assert _say(client, house.whole) == house.says[house.whole], "it waits for its engine"
    *_, last = stream
    assert last.usage is not None
    assert last.usage.completion_tokens == LONG_ANSWER, "who is being answered is answered to the end"
    assert _states(live) == {FIRST: "ready", house.second: "asleep", house.whole: "ready"}
    _until(lambda: not any(map(_lives, left)))
    assert set(_engines(live)) == {FIRST, house.whole}
    assert _ready(live), "the platform is, whoever sleeps"
    assert "asleep" in live.command("status").stdout


def test_who_slept_comes_back_with_its_adapters_and_documents(live: LivePlatform, house: House) -> None:
    client = _patient(live)
    assert _say(client, FIRST) == house.says[FIRST]
    assert _say(client, house.on_second) == house.says[house.on_second]
    assert _states(live) == {FIRST: "ready", house.second: "ready", house.whole: "asleep"}
    _assert_answers_from_documents(live, house.second)


@pytest.mark.parametrize(
    ("bases", "code", "told"),
    [
        (["tiny-reader", "/no/such/base"], 1, 'bases.1.model="/no/such/base": no such folder'),
        (["tiny-reader", "tiny-reader"], 2, 'bases: "tiny-reader" stands there twice'),
        (
            ["tiny-reader", "tiny-reader/"],
            2,
            'bases.1.model="tiny-reader/" is tiny-reader, as bases.0.model is',
        ),
    ],
)
def test_bases_that_cannot_be_served_are_refused_before_anything_starts(
    bases: list[str], code: int, told: str, tmp_path: Path
) -> None:
    document = json.dumps([{"model": base} for base in bases])
    up = tunesmith("up", "--home", str(tmp_path), "--set", f"bases={document}")
    assert up.returncode == code
    assert [line for line in up.stderr.splitlines() if told in line] == up.stderr.splitlines()[-1:]
    assert up.stderr.startswith("error: ")
    assert "Traceback" not in up.stderr
    assert not Home(tmp_path).platform_file.exists()


def _folder(home: Home, name: str) -> Path:
    return home.objects / f"projects/{DEFAULT_PROJECT}/models/{name.rpartition(':')[2]}"


def _register(home: Home, name: str, *, base: str, kind: VersionKind) -> Path:
    """Make a version's name known; its files go into the folder."""
    lineage = Lineage(base, "0" * 64, {}, 1, {}, "0", f"ftjob-{name.rpartition(':')[2]}")
    folder = _folder(home, name)
    path = str(folder.relative_to(home.objects))
    version = ModelVersion(name, DEFAULT_PROJECT, base, kind, path, int(time.time()), lineage)
    database = open_home_database(home)
    Registry(database, DEFAULT_PROJECT).register(version)
    database.close()
    return folder


def _patient(live: LivePlatform) -> openai.OpenAI:
    """A client that waits as long as the platform lets it."""
    return live.client.with_options(timeout=WAKING_SECONDS)


def _greedy(base: Path, *, adapter: Path | None = None) -> str:
    return greedy(base, QUESTION, max_tokens=NUM_TOKENS, adapter=adapter)


def _say(client: openai.OpenAI, model: str) -> str | None:
    answer = client.chat.completions.create(
        model=model,
        messages=QUESTION,
        temperature=0,
        max_tokens=NUM_TOKENS,
    )
    return answer.choices[0].message.content


def _assert_answers_from_documents(live: LivePlatform, model: str) -> None:
    """It says what transformers says to the prompt that holds the documents; `/answer` calls its engine by handle."""
    answer = _patient(live).chat.completions.create(
        model=model,
        messages=QUESTION,
        temperature=0,
        max_tokens=NUM_TOKENS,
        extra_body={"vector_stores": [STORE]},
    )
    sources = (answer.model_extra or {})["tunesmith"]["sources"]
    assert [source["document"] for source in sources] == ["leave.md"]
    shown = [Source(one["number"], Hit(Chunk("", "", "", 0, 0, 0, one["text"]), 0, "")) for one in sources]
    prompt = build_messages(QUESTION[0]["content"], shown)
    turns = [{"role": message.role, "content": message.content} for message in prompt]
    assert answer.choices[0].message.content == greedy(Path(model), turns, max_tokens=NUM_TOKENS)


def _stream(client: openai.OpenAI, model: str) -> Iterator[Any]:
    return iter(
        client.chat.completions.create(
            model=model,
            messages=QUESTION,
            max_tokens=LONG_ANSWER,
            stream=True,
            stream_options={"include_usage": True},
            extra_body={"ignore_eos": True},
        )
    )


def _states(live: LivePlatform) -> dict[str, str]:
    database = open_home_database(live.home)
    try:
        return {base.model: base.state for base in BaseStates(database).all()}
    finally:
        database.close()


def _engines(live: LivePlatform) -> dict[str, list[psutil.Process]]:
    """The processes of each engine in memory, by its base: the replica, and what it started."""
    names = {engine_name(model, default=FIRST): model for model in _states(live)}
    found: dict[str, list[psutil.Process]] = {}
    for process in processes_of(live.record.home, instance=live.record.instance):
        title = _title(process)
        for name, model in names.items():
            if title.startswith(f"ray::ServeReplica:{name}:"):
                found[model] = [process, *process.children(recursive=True)]
    return found


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def _ready(live: LivePlatform) -> bool:
    answer: dict[str, Any] = httpx.get(f"{live.base_url.removesuffix('/v1')}/readyz", timeout=10).json()
    return bool(answer["ready"])


def _until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.5)
