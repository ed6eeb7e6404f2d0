"""One driver a name: refused while the first lives, free as soon as it is dead."""

from __future__ import annotations

import fcntl
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tunesmith.errors import ConflictError
from tunesmith.jobs.lock import hold_name, is_held

HOLD = """
import sys, time
from pathlib import Path
from tunesmith.jobs.lock import hold_name
with hold_name(Path(sys.argv[1]), "run"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_second_driver_is_refused_while_the_first_lives(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        with (
            pytest.raises(ConflictError, match=f"already being driven by process {first.pid}"),
            hold_name(tmp_path, "run"),
        ):
            pass
        with hold_name(tmp_path, "another"):
            pass
        first.kill()
    with hold_name(tmp_path, "run"):
        pass


def test_a_held_name_is_seen_and_a_look_disturbs_nobody(tmp_path: Path) -> None:
    assert not is_held(tmp_path, "run")
    with hold_name(tmp_path, "run"):
        assert is_held(tmp_path, "run")
        assert not is_held(tmp_path, "another")
    assert not is_held(tmp_path, "run")


def test_a_look_at_the_same_instant_refuses_no_driver(tmp_path: Path) -> None:
    (tmp_path / "run.lock").touch()
    with (tmp_path / "run.lock").open() as looked_at:
        fcntl.flock(looked_at, fcntl.LOCK_SH)
        threading.Timer(0.1, lambda: fcntl.flock(looked_at, fcntl.LOCK_UN)).start()
        with hold_name(tmp_path, "run"):
            assert is_held(tmp_path, "run")
