"""What the head of a submission's cluster runs: its command, as it was sent. `python -m tunesmith.jobs.submitted`.

The command passes through a shell of KubeRay's and through Ray's client before it runs; each would read its quotes and
its dollars. So it travels in base64, in a variable.
"""

from __future__ import annotations

import base64
import os
import sys

ENTRYPOINT = "TUNESMITH_ENTRYPOINT"
"""Holds the command, packed."""


def pack(command: str) -> str:
    """Make a command of letters and digits that no shell reads.

    Args:
        command: any text.

    Returns:
        It in base64.
    """
    return base64.b64encode(command.encode()).decode("ascii")


def main() -> None:
    """Become the shell that runs the command."""
    packed = os.environ.pop(ENTRYPOINT, "")
    if not packed:
        sys.exit(f"{ENTRYPOINT} is not set. The controller sets it for what `ray job submit` sent.")
    os.execvp("bash", ["bash", "-c", base64.b64decode(packed).decode()])


if __name__ == "__main__":
    main()
