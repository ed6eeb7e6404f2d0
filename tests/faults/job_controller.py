"""A controller of jobs in a process of its own, whose attempts only pretend: `python job_controller.py HOME DATABASE`.

The queue, the runner, the processes and what kills them are real; what an attempt does is `pretending_driver.py`.
"""

from __future__ import annotations

import secrets
import signal
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tunesmith.config.home import Home
from tunesmith.config.serve import JobsConfig
from tunesmith.controller import jobs
from tunesmith.controller.processes import start_process
from tunesmith.jobs.queue import JobQueue, Published
from tunesmith.jobs.runners.process import ProcessRunner
from tunesmith.records import Job, Lineage, ModelVersion
from tunesmith.stores.database import Database
from tunesmith.stores.objects import ObjectStore
from tunesmith.stores.registry import Registry

MAX_RUNNING, HOLD_SECONDS = 2, 2.0
_DRIVER = Path(__file__).with_name("pretending_driver.py")


def main() -> None:
    home, database, stop = Home(Path(sys.argv[1])), Database(sys.argv[2]), threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    jobs._SECONDS_BETWEEN_LOOKS = 0.05

    def start(command: Sequence[str], environment: Mapping[str, str], log: Path) -> int:
        words = [sys.executable, "-P", str(_DRIVER), *command[command.index("train") :]]
        return start_process(words, environment=environment, log=log, folder=home.root).pid

    def publish(job: Job, _folder: Path, _data_hash: str) -> Published:
        lineage = Lineage("tiny-reader", "0" * 64, {}, 0, {}, "0", job.id)
        name = f"ft:tiny-reader:{job.project_id}:signs:{job.id[-10:]}"
        version = ModelVersion(
            name, job.project_id, "tiny-reader", "adapter", job.id, int(time.time()), lineage
        )
        Registry(database, job.project_id).register(version, hidden=True)
        time.sleep(0.3)
        return Published(name, 1, ("file-results",))

    jobs.JobController(
        database,
        ObjectStore(home.objects_url),
        queue=JobQueue(database, owner=secrets.token_hex(8), hold_seconds=HOLD_SECONDS),
        home=home,
        runner=ProcessRunner(home.root, start=start),
        publish=publish,
        config=JobsConfig(max_running=MAX_RUNNING, max_stalled_attempts=100),
    ).run(stop, has_room=lambda: True)


if __name__ == "__main__":
    main()
