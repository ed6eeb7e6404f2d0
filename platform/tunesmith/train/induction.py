"""A new Llama that can copy before its first step: an induction circuit in its first two layers.

    ... the kitchen opens at 7:30 ... When does the kitchen opens at ->
                             ^                                 |
                             +---- what followed "at" last time

Copying from the prompt takes two heads that work together (arXiv:2209.11895). From random weights they form after
some millions of tokens, all at once, and nothing that rests on copying is learnt before. Here they are written down:

    layer 1, head 1    looks one position back, and notes the token there            (`here` -> `before`)
    layer 2, head 1    looks where the note is the present token, and says the token (`here` = `before` -> `said`)

The three are orthogonal parts of the residual stream. Every other head begins by attending to what is alike
(arXiv:2305.09828). Embeddings start large, for the output layer shares them and is to be sure of what is copied.
All of it is a start only: training goes on from there with every weight.
"""

from __future__ import annotations

import math
from typing import Any

import torch

_FAST = 0.03
"""Radians per position: planes that turn faster tell neighbours apart."""
_SLOW = 0.006
"""Planes that turn slower compare tokens hundreds of positions apart almost as if they were neighbours."""
_NEIGHBOUR_LEAD = 3.3
"""Logit by which the previous position leads the present one."""
_MATCH_LEAD = 16.0
"""Logit of a token that is found again; unlike ones stay near zero."""
_EMBEDDING_STD = 0.1
_NOTE_GAIN, _SAID_GAIN, _LIKENESS_GAIN = 0.7, 5.0, 0.1


def start_with_induction(model: Any) -> None:
    """Write the circuit into a new model; one layer alone gets no more than attention to what is alike.

    Args:
        model: a `LlamaForCausalLM` with biases in its attention; changed in place, or left as it is where it has
            shapes only (the meta device, on which a plan counts).
    """
    if model.device.type == "meta":
        return
    with torch.no_grad():
        model.get_input_embeddings().weight.normal_(0, _EMBEDDING_STD)
        layers = [layer.self_attn for layer in model.model.layers]
        for attention in layers:
            _attend_to_the_alike(attention)
        if len(layers) > 1:
            width = min(model.config.head_dim, model.config.hidden_size // 3)
            here, before, said = _orthonormal(model.config.hidden_size)[: 3 * width].split(width)
            turns = _radians_per_position(model.config)
            _note_the_previous(layers[0], here, before, turns)
            _say_what_followed(layers[1], here, before, said, turns)


def _attend_to_the_alike(attention: Any) -> None:
    attention.k_proj.weight.copy_(attention.q_proj.weight.normal_(0, 0.05))
    attention.o_proj.weight.copy_(attention.v_proj.weight.normal_(0, 0.05).T * (0.5 * _LIKENESS_GAIN))


def _note_the_previous(attention: Any, here: torch.Tensor, before: torch.Tensor, turns: torch.Tensor) -> None:
    """A head whose biases alone decide where it looks: rotated by RoPE they agree one position apart."""
    half, width = len(turns), len(here)
    head = slice(0, 2 * half)
    fast = turns.where(turns >= _FAST, 0)
    lead = _NEIGHBOUR_LEAD * math.sqrt(2 * half) / (1 - fast.cos()).sum()
    strength = lead.sqrt() * (fast > 0)
    attention.q_proj.bias[head] = torch.cat([strength, torch.zeros(half)])
    attention.k_proj.bias[head] = torch.cat([strength * fast.cos(), strength * fast.sin()])
    attention.q_proj.weight[head] *= 0.1
    attention.k_proj.weight[head] *= 0.1
    attention.v_proj.weight[:width] = here
    attention.o_proj.weight[:, :width] = _NOTE_GAIN * before.T


def _say_what_followed(
    attention: Any, here: torch.Tensor, before: torch.Tensor, said: torch.Tensor, turns: torch.Tensor
) -> None:
    half, width = len(turns), len(here)
    planes = (turns <= _SLOW).nonzero().flatten()
    rows = torch.cat([planes, planes + half])[:width]
    # Half of a normalised stream's power is what a match compares.
    scale = math.sqrt(2 * _MATCH_LEAD * math.sqrt(2 * half) / len(rows))
    view = scale * _orthonormal(width)[: len(rows)]
    for projection, part in ((attention.q_proj, here), (attention.k_proj, before)):
        projection.weight[: 2 * half] = 0
        projection.weight[rows] = view @ part
    attention.v_proj.weight[:width] = said
    attention.o_proj.weight[:, :width] = _SAID_GAIN * said.T


def _radians_per_position(config: Any) -> torch.Tensor:
    half = config.head_dim // 2
    return float(config.rope_parameters["rope_theta"]) ** (-torch.arange(half) / half)


def _orthonormal(size: int) -> torch.Tensor:
    return torch.linalg.qr(torch.randn(size, size))[0]
