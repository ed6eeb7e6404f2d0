"""BERT's encoder (arXiv:1810.04805) with the mean of its token vectors, on torch's own transformer layers.

Shapes: B texts, L tokens, D hidden size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn


class Bert(nn.Module):  # type: ignore[misc]  # torch is not analysed
    """Token, position and segment embeddings, then post-norm transformer layers.

    Args:
        config: the fields of a Hugging Face `BertConfig`.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        hidden, eps = config["hidden_size"], config["layer_norm_eps"]
        self.words = nn.Embedding(config["vocab_size"], hidden)
        self.positions = nn.Embedding(config["max_position_embeddings"], hidden)
        self.segments = nn.Embedding(config["type_vocab_size"], hidden)
        self.norm = nn.LayerNorm(hidden, eps=eps)
        layer = nn.TransformerEncoderLayer(
            hidden,
            config["num_attention_heads"],
            config["intermediate_size"],
            dropout=0.0,
            activation="gelu",
            layer_norm_eps=eps,
            batch_first=True,
        )
        self.layers = nn.TransformerEncoder(layer, config["num_hidden_layers"], enable_nested_tensor=False)

    def forward(self, tokens_BL: Tensor, mask_BL: Tensor) -> Tensor:
        """Embed a batch.

        Args:
            tokens_BL: token ids, (B, L).
            mask_BL: True where a token is, False on padding, (B, L).

        Returns:
            The mean of each text's token vectors, at length 1, (B, D).
        """
        embedded = (
            self.words(tokens_BL) + self.positions.weight[: tokens_BL.shape[1]] + self.segments.weight[0]
        )
        hidden_BLD = self.layers(self.norm(embedded), src_key_padding_mask=~mask_BL)
        weights_BL1 = mask_BL[..., None].to(hidden_BLD.dtype)
        mean_BD = (hidden_BLD * weights_BL1).sum(1) / weights_BL1.sum(1)
        return nn.functional.normalize(mean_BD, dim=-1)


def embed_tokens(model: Bert, texts: Sequence[Sequence[int]]) -> Tensor:
    """Pad token lists to one batch and embed it.

    Args:
        model: the encoder.
        texts: token ids with their marks; lengths may differ.

    Returns:
        Unit vectors, (B, D).
    """
    length = max(len(text) for text in texts)
    tokens_BL = torch.zeros(len(texts), length, dtype=torch.long)
    mask_BL = torch.zeros(len(texts), length, dtype=torch.bool)
    for row, text in enumerate(texts):
        tokens_BL[row, : len(text)] = torch.tensor(text)
        mask_BL[row, : len(text)] = True
    vectors: Tensor = model(tokens_BL, mask_BL)
    return vectors


def load_bert(folder: Path, config: Mapping[str, Any]) -> Bert:
    """Read the weights of a Hugging Face BertModel.

    Args:
        folder: holds `model.safetensors`.
        config: the fields of its `config.json`.

    Returns:
        The encoder, in evaluation mode.
    """
    weights = load_file(folder / "model.safetensors")
    state = {
        "words.weight": weights["embeddings.word_embeddings.weight"],
        "positions.weight": weights["embeddings.position_embeddings.weight"],
        "segments.weight": weights["embeddings.token_type_embeddings.weight"],
        "norm.weight": weights["embeddings.LayerNorm.weight"],
        "norm.bias": weights["embeddings.LayerNorm.bias"],
    }
    for number in range(config["num_hidden_layers"]):
        state.update(_layer_state(weights, number))
    # Without weights first: to draw random ones, which are then thrown away, takes longer than to read the file.
    with torch.device("meta"):
        model = Bert(config)
    model.load_state_dict(state, assign=True)
    model.eval()
    return model


def _layer_state(weights: Mapping[str, Tensor], number: int) -> dict[str, Tensor]:
    theirs, ours = f"encoder.layer.{number}", f"layers.layers.{number}"
    state: dict[str, Tensor] = {}
    for kind in ("weight", "bias"):
        parts = [weights[f"{theirs}.attention.self.{part}.{kind}"] for part in ("query", "key", "value")]
        state[f"{ours}.self_attn.in_proj_{kind}"] = torch.cat(parts)
        state[f"{ours}.self_attn.out_proj.{kind}"] = weights[f"{theirs}.attention.output.dense.{kind}"]
        state[f"{ours}.norm1.{kind}"] = weights[f"{theirs}.attention.output.LayerNorm.{kind}"]
        state[f"{ours}.linear1.{kind}"] = weights[f"{theirs}.intermediate.dense.{kind}"]
        state[f"{ours}.linear2.{kind}"] = weights[f"{theirs}.output.dense.{kind}"]
        state[f"{ours}.norm2.{kind}"] = weights[f"{theirs}.output.LayerNorm.{kind}"]
    return state
