"""A controller of jobs in a process of its own: `python second_controller.py HOME`, until SIGTERM."""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path

from tunesmith.config.home import Home
from tunesmith.controller.__main__ import build_job_controller
from tunesmith.stores.database import open_home_database
from tunesmith.stores.objects import ObjectStore
from tunesmith.stores.platform_file import read_record
from tunesmith.stores.state_file import read_state


def main() -> None:
    home, stop = Home(Path(sys.argv[1])), threading.Event()
    platform = read_record(home)
    assert platform is not None
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    jobs = build_job_controller(platform, open_home_database(home), ObjectStore(home.objects_url))

    def has_room() -> bool:
        state = read_state(platform.state_file)
        return state is not None and any(
            part.name == "ray" and part.condition == "ready" for part in state.parts
        )

    print("drives jobs", flush=True)
    jobs.run(stop, has_room=has_room)


if __name__ == "__main__":
    main()
