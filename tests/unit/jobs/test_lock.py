"""One driver a name: refused while the first lives, free as soon as it is dead."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tunesmith.errors import ConflictError
from tunesmith.jobs.lock import hold_name

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
