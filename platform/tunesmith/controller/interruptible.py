"""Run a server's command so that SIGTERM ends it as Ctrl-C would: flushed and closed.

python -m tunesmith.controller.interruptible milvus-lite server --data-dir ...
"""

from __future__ import annotations

import signal
import sys
from importlib.metadata import entry_points


def main() -> None:
    """Run the console command named on the command line inside this process."""
    # Set both: a process started in a shell's background inherits "ignore SIGINT".
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    del sys.argv[0]
    (command,) = entry_points(group="console_scripts", name=sys.argv[0])
    command.load()()


if __name__ == "__main__":
    main()
