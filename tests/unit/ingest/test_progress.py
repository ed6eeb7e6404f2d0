from __future__ import annotations

import os
import pty
import subprocess
import sys

SCRIPT = """
from tunesmith.ingest.progress import terminal_progress
with terminal_progress() as progress:
    progress.files(4)
    progress.waiting("another ingest")
    progress.files(4)
    progress.advance(3, 17)
"""


def test_without_a_terminal_nothing_is_shown() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, check=True)
    assert done.stdout == done.stderr == b""


def test_on_a_terminal_a_bar_is_shown_on_stderr() -> None:
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, stderr=theirs, env=environment, check=True
    )
    os.close(theirs)
    shown = os.read(ours, 65536).decode()
    os.close(ours)
    assert done.stdout == b""
    assert "3/4" in shown
    assert "17 chunks" in shown
