"""From an attempt's export to a version that answers under its name."""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Sequence
from pathlib import Path

from tunesmith.config.home import Home
from tunesmith.config.train import TrainConfig
from tunesmith.controller.parity import prove
from tunesmith.controller.proving import ProvingEngines
from tunesmith.errors import DataError
from tunesmith.jobs.folders import EXPORT
from tunesmith.jobs.queue import Published
from tunesmith.jobs.store import JobStore
from tunesmith.jobs.telling import shown_metrics
from tunesmith.records import Job, ModelVersion, StepMetrics
from tunesmith.stores.database import Database
from tunesmith.stores.files import FileRecord, FileStore
from tunesmith.stores.objects import ObjectStore
from tunesmith.stores.registry import Registry
from tunesmith.train.checkpoint_versions import publish_checkpoints
from tunesmith.train.lineage import lineage_of
from tunesmith.train.publish import publish

LOG = logging.getLogger("tunesmith.controller.publisher")
"""The publisher's log."""


class RegistryPublisher:
    """Commits versions to the object store and has them proven; their names become visible with the job's success.

    Args:
        database: the metadata database.
        objects: where the results go.
        home: the installation.
        engines: where a version can be asked.
    """

    def __init__(
        self, database: Database, objects: ObjectStore, home: Home, *, engines: ProvingEngines
    ) -> None:
        self._database = database
        self._objects = objects
        self._home = home
        self._engines = engines

    def __call__(self, job: Job, folder: Path, data_hash: str) -> Published:
        """Commit and prove.

        Args:
            job: the job.
            folder: its newest attempt's folder.
            data_hash: hash of its training data.

        Returns:
            The version, its name still hidden, with its loss curve as a file.
        """
        config = TrainConfig.model_validate(job.config)
        curve = JobStore(self._database, job.project_id).metrics(job.id)
        lineage = lineage_of(config, job, data_hash, curve)
        registry = Registry(self._database, job.project_id)
        version = publish(
            folder / EXPORT,
            config=config,
            job=job,
            lineage=lineage,
            home=self._home,
            registry=registry,
            hidden=True,
        )
        self._prove(version)
        checkpoints = self._publish_checkpoints(config, job, folder.parent, data_hash, curve)
        files = FileStore(self._database, self._objects, job.project_id)
        results = _result_file(files, job, curve)
        return Published(version.name, int(lineage.metrics["tokens"]), (results.id,), checkpoints)

    def _prove(self, version: ModelVersion) -> None:
        try:
            with self._engines.client(version) as engine:
                compared = prove(version.name, self._home.objects / version.path, client=engine)
        except DataError:
            # It would never have a name, and a whole model would go on holding an engine.
            Registry(self._database, version.project_id).discard(version.name)
            raise
        LOG.info("%s: trainer and engine agree on %d tokens", version.name, compared)

    def _publish_checkpoints(
        self, config: TrainConfig, job: Job, folder: Path, data_hash: str, curve: Sequence[StepMetrics]
    ) -> dict[int, str]:
        """Commit and prove each; one that differs keeps no name, and takes none from the version."""
        made = {}
        for version in publish_checkpoints(
            folder,
            config=config,
            job=job,
            data_hash=data_hash,
            curve=curve,
            home=self._home,
            registry=Registry(self._database, job.project_id),
            hidden=True,
        ):
            try:
                self._prove(version)
            except DataError as error:
                LOG.warning("%s is given up: %s", version.name, error.message)
            else:
                made[version.step or 0] = version.name
        return made


def _result_file(files: FileStore, job: Job, curve: Sequence[StepMetrics]) -> FileRecord:
    """The loss curve as CSV; one that was written before a controller died is found again."""
    name = f"step_metrics-{job.id}.csv"
    for file in files.list(purpose="fine-tune-results").files:
        if file.filename == name:
            return file
    table = io.StringIO()
    rows = csv.writer(table, lineterminator="\n")
    measured = [shown_metrics(step.values) for step in curve]
    columns = list(shown_metrics({name: 0.0 for step in curve for name in sorted(step.values)}))
    rows.writerow(["step", *columns])
    for step, values in zip(curve, measured, strict=True):
        rows.writerow([step.step, *(values.get(column, "") for column in columns)])
    return files.create([table.getvalue().encode()], filename=name, purpose="fine-tune-results")
