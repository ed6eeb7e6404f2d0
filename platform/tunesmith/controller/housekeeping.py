"""What has to be taken away now and then: expired files, and what killed processes left behind."""

from __future__ import annotations

import logging
import threading
import time

from tunesmith.config.home import Home
from tunesmith.controller.edge import going_on
from tunesmith.jobs.retention import tidy_ended_jobs
from tunesmith.stores.database import Database
from tunesmith.stores.expiry import purge_expired, sweep_orphans
from tunesmith.stores.objects import ObjectStore

LOG = logging.getLogger("tunesmith.controller.housekeeping")
"""The housekeeper's log."""

_SECONDS_BETWEEN_PURGES = 60.0
_SECONDS_BETWEEN_SWEEPS = 24 * 3600.0


class Housekeeper:
    """Purges every minute and sweeps once a day; several may do so at once.

    Args:
        database: the metadata database.
        objects: where the bytes lie.
        home: where jobs run.
        keep_jobs_seconds: how long an ended job's checkpoints are kept.
    """

    def __init__(
        self, database: Database, objects: ObjectStore, home: Home, *, keep_jobs_seconds: float
    ) -> None:
        self._database = database
        self._objects = objects
        self._home = home
        self._keep_jobs_seconds = keep_jobs_seconds
        self._swept_at = time.monotonic()

    def run(self, stop: threading.Event) -> None:
        """Tidy up until told to stop.

        Args:
            stop: set by a signal.
        """
        while not stop.wait(_SECONDS_BETWEEN_PURGES):
            with going_on("housekeeping"):
                self.tidy()

    def tidy(self) -> None:
        """Take away what is due."""
        gone = purge_expired(self._database, self._objects)
        if gone.files or gone.uploads or gone.vector_stores:
            LOG.info(
                "expired: %d files, %d uploads, %d vector stores",
                gone.files,
                gone.uploads,
                gone.vector_stores,
            )
        tidied = tidy_ended_jobs(self._database, self._home, after_seconds=self._keep_jobs_seconds)
        if tidied:
            LOG.info("tidied: %d ended jobs", tidied)
        if time.monotonic() - self._swept_at >= _SECONDS_BETWEEN_SWEEPS:
            self._swept_at = time.monotonic()
            LOG.info("swept: %d orphans", sweep_orphans(self._database, self._objects))
