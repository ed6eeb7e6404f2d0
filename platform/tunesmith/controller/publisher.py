"""From an attempt's export to a version that answers under its name."""

from __future__ import annotations

from pathlib import Path

from tunesmith.config.home import Home
from tunesmith.config.train import TrainConfig
from tunesmith.jobs.folders import EXPORT
from tunesmith.jobs.store import JobStore
from tunesmith.records import Job
from tunesmith.stores.database import Database
from tunesmith.stores.registry import Registry
from tunesmith.train.lineage import lineage_of
from tunesmith.train.publish import publish


class RegistryPublisher:
    """Commits versions to the object store and registers them.

    Args:
        database: the metadata database.
        home: the installation.
    """

    def __init__(self, database: Database, home: Home) -> None:
        self._database = database
        self._home = home

    def __call__(self, job: Job, folder: Path, data_hash: str) -> str:
        """Commit and register.

        Args:
            job: the job.
            folder: its newest attempt's folder.
            data_hash: hash of its training data.

        Returns:
            The version's name.
        """
        config = TrainConfig.model_validate(job.config)
        curve = JobStore(self._database, job.project_id).metrics(job.id)
        lineage = lineage_of(config, job, data_hash, curve)
        registry = Registry(self._database, job.project_id)
        version = publish(
            folder / EXPORT, config=config, job=job, lineage=lineage, home=self._home, registry=registry
        )
        return version.name
