"""One data plane for all flows in this folder; each scales its engine to as many replicas as it needs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from serving_plane import Plane, running_plane

from tunesmith.config.serve import EngineConfig


@pytest.fixture(scope="package")
def one_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """The running data plane, with any number of replicas."""
    engine = EngineConfig(
        json_whitespace="none",
        dtype="float32",
        kv_cache_gib=0.1,
        max_num_seqs=16,
        max_loras=4,
        max_lora_rank=8,
    )
    with running_plane(tmp_path_factory.mktemp("plane"), engine) as plane:
        yield plane
