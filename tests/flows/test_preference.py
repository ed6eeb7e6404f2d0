"""DPO on the real Ray, DeepSpeed, TRL and PEFT: one answer becomes likelier than the other, also after a kill."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from training import events_of, make_base, run_cli, started, train_command, wait_for, write_recipe

from tunesmith.config.home import Home
from tunesmith.datasets.preferences import load_preferences, write_preferences
from tunesmith.jobs.store import JobStore
from tunesmith.records import Message, Preference
from tunesmith.stores.database import open_home_database
from tunesmith.stores.registry import Registry

pytestmark = [pytest.mark.flow, pytest.mark.slow, pytest.mark.timeout(1200)]

STEPS = 60
BETA = 0.1


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("base"))


def _recipe(folder: Path, base: Path, **fields: Any) -> Path:
    """Pairs in which the short answer is the better one."""
    rng = random.Random(1)
    data = folder / "pairs.jsonl"
    pairs = []
    for price in (rng.randint(2, 99) for _ in range(64)):
        asked = Message("user", f"The lamp costs {price} coins. What does it cost?")
        pairs.append(((asked,), f"{price} coins", f"It does cost the {price}"))
    write_preferences(data, pairs)
    return write_recipe(
        folder,
        base,
        data={"type": "file", "path": str(data)},
        objective={"type": "dpo", "beta": BETA},
        bf16=False,
        **fields,
    )


def test_a_killed_worker_goes_on_and_the_margin_rises(base: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    recipe = _recipe(tmp_path, base, learning_rate=1e-3, max_steps=STEPS, checkpoint_every_steps=5)
    with started(train_command(recipe, home)) as run:
        wait_for(home, run, lambda event: event["type"] == "checkpoint" and event["step"] >= 10)
        worker = wait_for(home, run, lambda event: event["type"] == "engine")
        os.kill(worker["pid"], signal.SIGKILL)
        assert run.wait(timeout=300) == 0

    engines = [event for event in events_of(home) if event["type"] == "engine"]
    assert [event["engine"] for event in engines] == ["DeepSpeedEngine"] * 2
    assert engines[1]["resumed_from"] >= 10
    jobs = JobStore(open_home_database(Home(home)), "default")
    (job,) = jobs.jobs()
    curve = [step.values for step in jobs.metrics(job.id)]
    assert len(curve) == STEPS
    # The run begins as its own reference, and after the kill it is still measured against that one.
    assert curve[0]["loss"] == pytest.approx(0.6931, abs=1e-3)
    assert curve[0]["reward_margin"] == pytest.approx(0, abs=1e-3)
    margins = [values["reward_margin"] for values in curve]
    assert sum(margins[-10:]) / 10 > 0.3 + sum(margins[:5]) / 5
    assert margins[engines[1]["resumed_from"]] > margins[0] + 0.01
    assert curve[-1]["reward_accuracy"] == 1
    _assert_prefers(base, tmp_path, curve[-1], kind="adapter")


def test_a_whole_model_is_compared_with_what_it_was(base: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    recipe = _recipe(tmp_path, base, method={"type": "full"}, learning_rate=1e-3, max_steps=12)
    done = run_cli("train", str(recipe), "--home", str(home))
    assert done.returncode == 0, done.stderr
    steps = [event["values"] for event in events_of(home) if event["type"] == "step"]
    assert steps[0]["loss"] == pytest.approx(0.6931, abs=1e-3)
    _assert_prefers(base, tmp_path, steps[-1], kind="full")


def _assert_prefers(base: Path, folder: Path, last: Mapping[str, float], *, kind: str) -> None:
    """What was registered prefers the better answers by about as much as the run said: computed apart from it."""
    home = Home(folder / "home")
    (version,) = Registry(open_home_database(home), "default").versions()
    assert (version.kind, version.lineage.config["objective"]["type"]) == (kind, "dpo")
    pairs = load_preferences(folder / "pairs.jsonl")[:16]
    trained = home.objects / version.path
    gained = BETA * (_margin(pairs, trained, base) - _margin(pairs, base, base))
    assert gained > 0.1
    assert gained == pytest.approx(last["reward_margin"], rel=0.35)


def _margin(pairs: Sequence[Preference], version: Path, base: Path) -> float:
    """Mean log-probability of the preferred answers, less that of the others."""
    import peft
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    adapted = (version / "adapter_config.json").exists()
    model = AutoModelForCausalLM.from_pretrained(base if adapted else version, dtype=torch.float32)
    if adapted:
        model = peft.PeftModel.from_pretrained(model, version)
    tokenizer = AutoTokenizer.from_pretrained(version)

    def log_probability(prompt: Sequence[Message], answer: Message) -> float:
        turns = [{"role": turn.role, "content": turn.content} for turn in (*prompt, answer)]
        asked = tokenizer.apply_chat_template(turns[:-1], add_generation_prompt=True)["input_ids"]
        ids = tokenizer.apply_chat_template(turns, return_tensors="pt")["input_ids"]
        with torch.no_grad():
            said = model(ids).logits[0, :-1].log_softmax(-1).gather(1, ids[0, 1:, None])
        return float(said[len(asked) - 1 :].sum())

    differences = [
        log_probability(pair.prompt, pair.preferred) - log_probability(pair.prompt, pair.non_preferred)
        for pair in pairs
    ]
    return sum(differences) / len(differences)
