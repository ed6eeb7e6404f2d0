"""A batch controller in a process of its own: `python batch_runner.py HOME GATEWAY_URL`; runs until it is killed."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

from tunesmith.batches.queue import BatchQueue
from tunesmith.config.home import Home
from tunesmith.config.serve import BatchesConfig
from tunesmith.controller.batch_asker import BatchAsker
from tunesmith.controller.batches import BatchController, Pace
from tunesmith.stores.database import Database
from tunesmith.stores.objects import ObjectStore

if __name__ == "__main__":
    home = Home(Path(sys.argv[1]))
    database = Database(home.database_url)
    BatchController(
        database,
        ObjectStore(f"file://{home.objects}"),
        queue=BatchQueue(database, owner=str(os.getpid()), hold_seconds=1.5),
        asker=BatchAsker(sys.argv[2], parallel=4),
        config=BatchesConfig(parallel=4),
        pace=Pace(seconds_between_looks=0.05, seconds_between_renewals=0.3, seconds_between_parts=0.05),
    ).run(threading.Event())
