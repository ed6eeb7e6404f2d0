"""The whole platform as a user meets it: `up`, the official client, `ask`, a crash, `down`."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import openai
import psutil
import pytest
from live_platform import LivePlatform, tunesmith
from tiny_llama import make_adapter

from tunesmith.assets import model_source
from tunesmith.records import DEFAULT_PROJECT, Lineage, ModelVersion
from tunesmith.stores.database import open_home_database
from tunesmith.stores.registry import Registry
from tunesmith.stores.state_file import read_state

pytestmark = pytest.mark.flow

BASE = "tiny-reader"
QUESTION = [{"role": "user", "content": "How many days of leave do full-time staff get?"}]
DOCUMENT = (
    "# Leave at Quarrystone\n\nFull-time staff at Quarrystone receive 31 days of leave each year. "
    "Requests go to the team lead.\n\nThe canteen at Quarrystone opens at 11:45.\n"
)


def test_the_base_is_listed_and_answers_in_one_piece_and_in_a_stream(platform: LivePlatform) -> None:
    client = platform.client
    assert BASE in [model.id for model in client.models.list()]
    assert client.models.retrieve(BASE).object == "model"

    whole = client.chat.completions.create(model=BASE, messages=QUESTION, max_tokens=12, temperature=0)
    stream = client.chat.completions.create(
        model=BASE,
        messages=QUESTION,
        max_tokens=12,
        temperature=0,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert said == whole.choices[0].message.content
    assert whole.usage.prompt_tokens > 5
    assert chunks[-1].usage.total_tokens == whole.usage.total_tokens
    # The second time the engine has read most of the prompt before; the dashboard shows that share.
    assert whole.usage.prompt_tokens_details.cached_tokens <= whole.usage.prompt_tokens
    assert whole.choices[0].message.refusal is None


def test_embeddings_tell_near_from_far(platform: LivePlatform) -> None:
    texts = ["annual leave", "holiday days per year", "the canteen menu"]
    leave, holiday, menu = (
        entry.embedding
        for entry in platform.client.embeddings.create(model="all-MiniLM-L6-v2", input=texts).data
    )
    assert len(leave) == 384

    def alike(one: list[float], other: list[float]) -> float:
        return sum(a * b for a, b in zip(one, other, strict=True))

    assert alike(leave, holiday) > alike(leave, menu)


def test_refusals_are_openai_errors(platform: LivePlatform) -> None:
    create = platform.client.chat.completions.create
    with pytest.raises(openai.AuthenticationError):
        openai.OpenAI(base_url=platform.base_url, api_key="sk-wrong", max_retries=0).models.list()
    with pytest.raises(openai.NotFoundError) as unknown:
        create(model="nothing", messages=QUESTION)
    assert unknown.value.code == "model_not_found"
    for stream in (False, True):
        with pytest.raises(openai.BadRequestError) as long:
            create(model=BASE, messages=[{"role": "user", "content": "leave " * 5000}], stream=stream)
        assert long.value.code == "context_length_exceeded"
    with pytest.raises(openai.BadRequestError) as wrong:
        create(model=BASE, messages=QUESTION, temperature=-1)
    assert isinstance(wrong.value.body, dict)
    assert wrong.value.body["param"] == "temperature"
    assert wrong.value.code is None or not wrong.value.code.isdigit()
    for stream in (False, True):
        # vLLM reads this one when a stream has begun: it tells the refusal by its first event.
        with pytest.raises(openai.BadRequestError, match="vocab"):
            create(model=BASE, messages=QUESTION, logit_bias={"999999": 1}, stream=stream)


def test_a_key_made_on_the_command_line_opens_the_api_until_it_is_revoked(platform: LivePlatform) -> None:
    key = json.loads(platform.command("keys", "create", "laptop", "--json").stdout)["key"]
    client = openai.OpenAI(base_url=platform.base_url, api_key=key, max_retries=0)
    assert client.models.list().data
    listed = json.loads(platform.command("keys", "ls", "--json").stdout)
    platform.command("keys", "revoke", next(one["id"] for one in listed if one["name"] == "laptop"))
    time.sleep(2.5)
    with pytest.raises(openai.AuthenticationError):
        client.models.list()


def test_a_version_answers_under_its_name_and_its_alias_from_the_moment_it_is_registered(
    platform: LivePlatform,
) -> None:
    name = f"ft:{BASE}:{DEFAULT_PROJECT}:random:abc123"
    path = f"projects/{DEFAULT_PROJECT}/models/abc123"
    make_adapter(Path(model_source(BASE)), platform.home.objects / path, seed=3)
    database = open_home_database(platform.home)
    lineage = Lineage(BASE, "0" * 64, {}, 3, {}, "0", "ftjob-random")
    version = ModelVersion(name, DEFAULT_PROJECT, BASE, "adapter", path, int(time.time()), lineage)
    Registry(database, DEFAULT_PROJECT).register(version)
    database.close()
    platform.command("models", "alias", "support", name)

    client = platform.client
    assert {name, "support"} <= {model.id for model in client.models.list()}
    said = [
        client.chat.completions.create(
            model=model, messages=QUESTION, max_tokens=8, temperature=0, logprobs=True
        )
        for model in (BASE, name, "support")
    ]
    base, version_said, alias_said = ([one.logprob for one in c.choices[0].logprobs.content] for c in said)
    assert version_said == pytest.approx(alias_said, abs=0.1)
    assert version_said[0] != pytest.approx(base[0], abs=1e-3), "the adapter changes what the base says"
    assert said[2].model == name


def test_ask_answers_from_a_document_with_the_span_that_says_it(
    platform: LivePlatform, tmp_path: Path
) -> None:
    (tmp_path / "leave.md").write_text(DOCUMENT, encoding="utf-8")
    platform.command("ingest", str(tmp_path), "--store", "quarrystone")

    asked = ("How many days of leave do full-time staff at Quarrystone receive?", "--store", "quarrystone")
    answer = json.loads(platform.command("ask", *asked, "--json").stdout)
    assert "31 days" in answer["answer"]
    assert answer["abstained"] is False
    assert answer["citations"]
    for citation in answer["citations"]:
        assert citation["document"] == "leave.md"
        assert DOCUMENT[citation["start"] : citation["end"]] == citation["text"]
        assert "31 days" in citation["text"]

    shown = platform.command("ask", *asked).stdout
    assert "leave.md" in shown
    assert "31 days" in shown

    unknown = ("Who founded Quarrystone?", "--store", "quarrystone", "--json")
    refused = json.loads(platform.command("ask", *unknown).stdout)
    # How often the model sees that it cannot know is evaluated elsewhere; here, that what it says is told truly.
    assert refused["abstained"] == ("do not say" in refused["answer"])
    assert not (refused["abstained"] and refused["citations"])

    assert json.loads(platform.command("ask", *asked, "--json", "--withhold").stdout) == answer
    strict = json.loads(platform.command("ask", *unknown, "--withhold").stdout)
    assert strict["abstained"] or strict["citations"], "what no source supports is not answered"
    stood = refused["abstained"] or refused["citations"]
    assert strict["withheld"] == (None if stood else refused["answer"])


def test_ask_says_which_stores_there_are(platform: LivePlatform) -> None:
    done = platform.command("ask", "anything?", "--store", "no-such-store", check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "no-such-store" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_stream_with_retrieval_ends_with_its_citations(platform: LivePlatform, tmp_path: Path) -> None:
    (tmp_path / "canteen.md").write_text("The canteen at Marl House opens at 11:45.\n", encoding="utf-8")
    platform.command("ingest", str(tmp_path), "--store", "marl")
    stream = platform.client.chat.completions.create(
        model=BASE,
        messages=[{"role": "user", "content": "When does the canteen at Marl House open?"}],
        temperature=0,
        stream=True,
        extra_body={"tools": [{"type": "file_search", "vector_store_ids": ["marl"]}]},
    )
    chunks = list(stream)
    found = (chunks[-1].model_extra or {})["tunesmith"]
    assert {source["document"] for source in found["sources"]} == {"canteen.md"}
    # A program written for any other endpoint takes the first choice of every chunk.
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks)


def test_a_second_up_and_a_busy_port_start_nothing(platform: LivePlatform, tmp_path: Path) -> None:
    again = platform.command("up", check=False)
    assert again.returncode == 1
    assert platform.base_url in again.stderr
    assert "tunesmith down" in again.stderr
    assert again.stderr.count("\n") == 1

    port = str(httpx.URL(platform.base_url).port)
    busy = tunesmith("up", "--home", str(tmp_path / "other"), "--port", port)
    assert busy.returncode == 1
    assert f"Port {port}" in busy.stderr
    assert not (tmp_path / "other" / "run" / "platform.json").exists()


def test_status_and_health_say_that_everything_is_ready(platform: LivePlatform) -> None:
    report = json.loads(platform.command("status", "--json").stdout)
    conditions = {part["name"]: part["condition"] for part in report["parts"]}
    assert set(conditions) == {
        "controller",
        "ray",
        "milvus",
        "gateway",
        "indexer",
        "engine",
        "embed",
        "answer",
    }
    assert set(conditions.values()) == {"ready"}
    memory = {part["name"]: part["memory_mib"] for part in report["parts"]}
    # The control plane loads no engine.
    assert 0 < memory["gateway"] < 200
    assert 0 < memory["controller"] < 200

    origin = platform.base_url.removesuffix("/v1")
    assert httpx.get(f"{origin}/readyz").json()["ready"] is True
    assert (
        'tunesmith_tokens_total{direction="completion",model="tiny-reader",'
        in httpx.get(f"{origin}/metrics").text
    )


def test_nothing_but_the_loopback_answers_without_a_secret(platform: LivePlatform) -> None:
    record = platform.record
    dashboard = httpx.get(f"{record.ray_dashboard}/api/serve/applications/")
    assert dashboard.status_code == 401
    outside = [address for address in _addresses() if not address.startswith("127.")]
    ports = {
        name: record.ports[name]
        for name in ("serve", "milvus", "gateway", "dashboard", "dashboard_agent", "ray")
    }
    replicas = platform.state.replicas
    assert replicas.keys() >= {"/engine", "/embed", "/answer"}, "each listens itself"
    ports |= {url: int(url.rpartition(":")[2]) for urls in replicas.values() for url in urls}
    for address in outside:
        for name, port in ports.items():
            assert not _connects(address, port), f"{name} listens on {address}"


def test_a_ray_job_can_be_submitted_with_the_token_alone(platform: LivePlatform, tmp_path: Path) -> None:
    (tmp_path / "job.py").write_text("import ray; ray.init(); print('cpus', ray.cluster_resources()['CPU'])")
    submit = [str(Path(sys.executable).parent / "ray"), "job", "submit", "--working-dir", str(tmp_path)]
    environment = {**os.environ, **platform.record.ray_environment()}
    del environment["RAY_ADDRESS"]  # `ray job submit` wants the dashboard's address only
    done = subprocess.run(
        [*submit, "--", "python", "job.py"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"cpus {platform.ray_cpus}" in done.stdout


def test_a_killed_gateway_comes_back_and_a_killed_controller_is_replaced_by_up(
    platform: LivePlatform,
) -> None:
    before = platform.record
    psutil.Process(before.pids["gateway"].pid).kill()
    _wait(
        lambda: platform.record.pids.get("gateway") not in (None, before.pids["gateway"]) and _ready(platform)
    )

    psutil.Process(before.pids["controller"].pid).kill()
    assert platform.client.models.list().data, "what serves goes on serving"
    assert tunesmith("status", "--home", str(platform.home.root)).returncode == 1
    limit = f"ready_timeout_seconds={before.config['ready_timeout_seconds']}"
    again = tunesmith("up", "--home", str(platform.home.root), "--port", "0", "--set", limit)
    assert again.returncode == 0, again.stderr
    assert platform.record.instance == before.instance
    assert platform.record.pids["ray"] == before.pids["ray"], "the engine was not started again"


def _ready(platform: LivePlatform) -> bool:
    state = read_state(platform.record.state_file)
    return state is not None and state.ready and _connects("127.0.0.1", platform.record.ports["gateway"])


def _wait(condition: Callable[[], bool], seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def _addresses() -> list[str]:
    interfaces = psutil.net_if_addrs().values()
    return [one.address for interface in interfaces for one in interface if one.family == socket.AF_INET]


def _connects(address: str, port: int) -> bool:
    with socket.socket() as client:
        client.settimeout(2)
        return client.connect_ex((address, port)) == 0
