"""Every method ends in a version that says what the trainer said."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from tunesmith.config.train import LoraConfig, ScratchConfig, TrainConfig
from tunesmith.controller.parity import agreement
from tunesmith.datasets.chat import write_chat
from tunesmith.errors import ConfigError
from tunesmith.jobs.folders import PROOF
from tunesmith.records import Message
from tunesmith.train import proof
from tunesmith.train.base import check_base
from tunesmith.train.export import export_weights, shipped_dtype
from tunesmith.train.merge import is_merged, merge_adapter
from tunesmith.train.model import add_adapter, blocks_of, build_model, new_llama
from tunesmith.train.proof import write_proof

Recipe = Callable[..., TrainConfig]

SHORT = {"sequence_length": 128}
METHODS: dict[str, tuple[dict[str, Any], str]] = {
    "lora": ({"type": "lora", "rank": 4}, "adapter"),
    "rslora": ({"type": "lora", "rank": 4, "rslora": True}, "adapter"),
    "one layer": (
        {"type": "lora", "rank": 4, "layers": [1], "target_modules": ["q_proj", "v_proj"]},
        "adapter",
    ),
    "merged": ({"type": "lora", "rank": 4, "merge": True}, "full"),
    "dora": ({"type": "lora", "rank": 4, "dora": True, "merge": True}, "full"),
    "ia3": ({"type": "ia3"}, "full"),
    "full": ({"type": "full"}, "full"),
    "upper blocks": ({"type": "full", "frozen_layers": 1}, "full"),
}


@pytest.fixture(scope="module")
def base(tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("base")
    shape = ScratchConfig(
        hidden_size=64, num_layers=2, head_size=32, intermediate_size=96, context_length=128
    )
    model = new_llama(shape, tokenizer)
    for weight in model.parameters():  # none of the zeros of one from scratch: dora divides by lengths
        if weight.dim() > 1:
            torch.nn.init.normal_(weight, std=0.15)
    model.to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "train.jsonl"
    said = [
        ("How many days?", "27 days [2]."),
        ("Repeat: one", "one"),
        ("Where?", "The documents do not say."),
    ]
    write_chat(path, [(Message("user", asked), Message("assistant", answer)) for asked, answer in said])
    return path


def _train(model: Any, tokenizer: Any, data: Path) -> None:
    """A few large steps: enough that the base alone says something else."""
    weights = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=0.005)
    talks = [json.loads(line)["messages"] for line in data.read_text(encoding="utf-8").splitlines()]
    for step in range(12):
        ids = tokenizer.apply_chat_template(talks[step % len(talks)], return_tensors="pt")["input_ids"]
        model(ids, labels=ids).loss.backward()
        optimizer.step()
        optimizer.zero_grad()


def _scores(model: Any, tokenizer: Any) -> torch.Tensor:
    """Log-probabilities of every token after every token of a sentence."""
    ids = tokenizer("How many days? one two 27 days [2].", return_tensors="pt")["input_ids"]
    with torch.no_grad():
        return model(ids).logits.float().log_softmax(-1)


def _greedy(model: Any, prompt_ids: list[int], count: int) -> list[int]:
    with torch.no_grad():
        made = model.generate(torch.tensor([prompt_ids]), max_new_tokens=count, do_sample=False)
    return list(made[0, len(prompt_ids) :].tolist())


def _export(config: TrainConfig, model: Any, tokenizer: Any, folder: Path) -> Path:
    """As the workers and the driver do, with a trainer of one process."""
    accelerator = SimpleNamespace(
        get_state_dict=lambda wrapped: wrapped.state_dict(), unwrap_model=lambda wrapped: wrapped
    )
    state = SimpleNamespace(is_world_process_zero=True)
    trainer = SimpleNamespace(accelerator=accelerator, model_wrapped=model, state=state)
    export_weights(trainer, tokenizer, folder / "exported", dtype=shipped_dtype(config))
    if not is_merged(config):
        return folder / "exported"
    merge_adapter(config, folder / "exported", folder / "merged")
    return folder / "merged"


@pytest.mark.parametrize("method", METHODS, ids=lambda name: name.replace(" ", "-"))
def test_what_is_exported_says_what_the_trainer_says(
    method: str,
    base: Path,
    data: Path,
    recipe: Recipe,
    tokenizer: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.distributed, "barrier", lambda: None)
    fields, registers = METHODS[method]
    config = recipe(
        model=str(base), method=fields, data={"type": "file", "path": str(data)}, bf16=False, **SHORT
    )
    assert config.method.registers == registers
    check_base(config)
    torch.manual_seed(1)
    model = build_model(config, tokenizer)
    untrained = _scores(model.eval(), tokenizer)
    _train(model, tokenizer, data)
    model.eval()
    trained = _scores(model, tokenizer)

    export = _export(config, model, tokenizer, tmp_path)
    adapter = export if registers == "adapter" else None
    with proof._speaking(proof._load(config, export), adapter) as speaker:
        shipped = _scores(speaker, tokenizer)
    assert (shipped - trained).norm() < 0.1 * (untrained - trained).norm()
    assert (export / "adapter_config.json").exists() == (registers == "adapter")
    assert not [path for path in export.rglob("*") if path.suffix in (".bin", ".pt", ".pth", ".pkl")]
    write_proof(config, export)
    compared = 0
    for said in json.loads((export / PROOF).read_text(encoding="utf-8")):
        again = _greedy(model, said["prompt_token_ids"], len(said["token_ids"]))
        agreed = agreement(said["token_ids"], said["margins"], again)
        assert again[:agreed] == said["token_ids"][:agreed]
        compared += agreed
    assert compared > 5


def test_frozen_blocks_and_embeddings_stay_as_they_are(
    base: Path, data: Path, recipe: Recipe, tokenizer: Any
) -> None:
    config = recipe(model=str(base), method={"type": "full", "frozen_layers": 1}, bf16=False, **SHORT)
    model = build_model(config, tokenizer)
    lowest, highest = ([weight.clone() for weight in block.parameters()] for block in blocks_of(model))
    embeddings = model.get_input_embeddings().weight.clone()
    _train(model, tokenizer, data)
    after = [list(block.parameters()) for block in blocks_of(model)]
    assert all(torch.equal(one, two) for one, two in zip(lowest, after[0], strict=True))
    assert not any(torch.equal(one, two) for one, two in zip(highest, after[1], strict=True) if one.dim() > 1)
    assert torch.equal(embeddings, model.get_input_embeddings().weight)


def test_dora_refuses_a_base_with_rows_of_zeros(recipe: Recipe, tokenizer: Any, tmp_path: Path) -> None:
    shape = ScratchConfig(
        hidden_size=64, num_layers=2, head_size=32, intermediate_size=96, context_length=128
    )
    new_llama(shape, tokenizer).save_pretrained(tmp_path)
    dora = {"type": "lora", "dora": True, "merge": True}
    with pytest.raises(ConfigError, match=r"layers\.1\.self_attn\.q_proj .* rows of zeros"):
        build_model(recipe(model=str(tmp_path), method=dora), tokenizer)
    build_model(recipe(model=str(tmp_path), method={**dora, "target_modules": ["up_proj"]}), tokenizer)


def test_only_the_named_blocks_get_an_adapter(base: Path, recipe: Recipe, tokenizer: Any) -> None:
    method = {"type": "lora", "layers": [1], "target_modules": ["q_proj", "up_proj"]}
    model = build_model(recipe(model=str(base), method=method), tokenizer)
    names = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    assert names
    assert all(".layers.1." in name for name in names)


def test_a_rank_stabilised_adapter_scales_by_the_root(base: Path, recipe: Recipe, tokenizer: Any) -> None:
    plain = build_model(recipe(model=str(base)), tokenizer).get_submodule(
        "base_model.model.model.layers.0.mlp.up_proj"
    )
    assert plain.scaling["default"] == 32 / 16
    model = add_adapter(
        build_model(recipe(model=str(base), method={"type": "full"}), tokenizer), LoraConfig(rslora=True)
    )
    assert model.get_submodule("base_model.model.model.layers.0.mlp.up_proj").scaling["default"] == 32 / 4


@pytest.mark.parametrize(
    ("method", "told"),
    [
        ({"type": "full", "frozen_layers": 2}, r"frozen_layers=2.* 2 transformer blocks.* 0 to 1"),
        (
            {"type": "lora", "layers": [0, 7], "target_modules": ["q_proj"]},
            r"layers=\(0, 7\).* 2 transformer blocks",
        ),
        ({"type": "lora", "layers": [], "target_modules": ["q_proj"]}, r"layers=\(\).* 2 transformer blocks"),
        ({"type": "ia3", "target_modules": ["nope"], "feedforward_modules": []}, "no linear layer .* nope"),
    ],
)
def test_what_a_base_does_not_have_is_told(
    base: Path, recipe: Recipe, method: dict[str, Any], told: str
) -> None:
    with pytest.raises(ConfigError, match=told):
        check_base(recipe(model=str(base), method=method, **SHORT))


@pytest.mark.parametrize(
    ("method", "told"),
    [
        ({"type": "lora", "dora": True}, "method.merge=true"),
        ({"type": "lora", "layers": [0]}, "target_modules names none"),
        ({"type": "qlora"}, "bitsandbytes on CUDA"),
        ({"type": "dora"}, "method.dora=true"),
        ({"type": "prefix_tuning"}, "cannot be merged"),
        ({"type": "ia3", "feedforward_modules": ["up_proj"]}, "feedforward_modules names up_proj"),
    ],
)
def test_what_no_engine_serves_is_told_with_the_way_out(
    recipe: Recipe, method: dict[str, Any], told: str
) -> None:
    with pytest.raises(ValidationError, match=told):
        recipe(method=method)
