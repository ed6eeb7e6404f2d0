"""How the driver puts what a worker told."""

from __future__ import annotations

import pytest

from tunesmith.errors import StorageError, TrainingError
from tunesmith.train.fit import _raise_told


def test_full_disk_says_that_the_same_command_goes_on() -> None:
    with pytest.raises(StorageError, match=r"disk full\. The same command goes on"):
        _raise_told({"type": "failed", "error": "StorageError", "message": "disk full."})


def test_what_would_come_again_promises_nothing() -> None:
    with pytest.raises(TrainingError, match=r"^loss is nan at step 7\.$"):
        _raise_told({"type": "failed", "error": "TrainingError", "message": "loss is nan at step 7."})


def test_nothing_told_is_no_error() -> None:
    _raise_told(None)
