"""One platform for all flows in this folder: `tunesmith up` before the first, `tunesmith down` after the last."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from live_platform import PLANTED, LivePlatform, running_platform


@pytest.fixture(scope="package")
def platform() -> Iterator[LivePlatform]:
    """The running platform; its shell held credentials that `test_secrets.py` looks for."""
    with running_platform(shell=PLANTED) as live:
        yield live
