"""Runs the quickstart in a process of its own, as its users do; a process can join one Ray with one token only.

python quickstart_runner.py HOME NUM_SAMPLES TRAINING_OVERRIDE...
"""

from __future__ import annotations

import sys
from pathlib import Path

from rich.console import Console

from tunesmith.config.home import Home
from tunesmith.flows.quickstart import Shown, run_quickstart


def main() -> None:
    home, num_samples, *training = sys.argv[1:]
    run_quickstart(
        Home(Path(home)),
        shown=Shown(console=Console(file=sys.stdout, width=150)),
        keep_running=True,
        num_samples=int(num_samples),
        training=training,
    )


if __name__ == "__main__":
    main()
