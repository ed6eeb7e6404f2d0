"""What the engine of a base takes of this machine's memory, before there is one: told by its files and its knobs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace

import psutil

from tunesmith.config.serve import EngineConfig
from tunesmith.serve.applications import Hosted
from tunesmith.serve.model_limits import ModelLimits

_PROCESSES_BYTES = 2**30
"""A replica and its EngineCore without a model."""
_WEIGHTS = ("*.safetensors", "*.bin")


def free_bytes() -> int:
    """Memory of this machine that can be had without swapping.

    Returns:
        Bytes.
    """
    return int(psutil.virtual_memory().available)


class EngineMemory:
    """The memory of this machine, which its engines share.

    Args:
        hosted: the bases that there are, by name.
        engine: knobs of those that have none of their own.
        free: how much can be had now, in bytes.
    """

    def __init__(
        self, hosted: Mapping[str, Hosted], *, engine: EngineConfig, free: Callable[[], int] = free_bytes
    ) -> None:
        self._hosted = hosted
        self._engine = engine
        self.free = free

    def needs(self, model: str) -> int:
        """About how much the engine of a base takes: its processes, its weights, its KV cache.

        Args:
            model: the base.

        Returns:
            Bytes; weights that are not on this machine yet count as none.
        """
        hosted = self._hosted[model]
        folder = Path(hosted.source)
        weights = sum(file.stat().st_size for pattern in _WEIGHTS for file in folder.glob(pattern))
        return _PROCESSES_BYTES + weights + _cache_bytes(folder, hosted.base.engine or self._engine)


def _cache_bytes(folder: Path, engine: EngineConfig) -> int:
    try:
        said = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        said = {}  # not on this machine yet, or none: the bound holds
    return ModelLimits.of(SimpleNamespace(**said), engine).kv_cache_bytes
