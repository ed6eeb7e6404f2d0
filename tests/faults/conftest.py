"""A platform for what kills parts of it, and for nobody else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from live_platform import LivePlatform, running_platform


@pytest.fixture(scope="module")
def mortal() -> Iterator[LivePlatform]:
    """One platform for all cases."""
    with running_platform() as live:
        yield live
