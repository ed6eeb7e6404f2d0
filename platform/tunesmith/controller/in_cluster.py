"""The controller of a release: jobs and submissions as RayJobs, served bases as RayServices. It starts no process.

Several may run: jobs are held one by one in the database, and what is applied is the same whoever applies it.
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
import time
from dataclasses import asdict

from tunesmith.batches.queue import BatchQueue
from tunesmith.config.in_cluster import ClusterSettings
from tunesmith.controller.arrivals import Arrivals
from tunesmith.controller.awake import Roster
from tunesmith.controller.batch_asker import BatchAsker
from tunesmith.controller.batches import BatchController
from tunesmith.controller.edge import Loop
from tunesmith.controller.housekeeping import Housekeeper
from tunesmith.controller.jobs import JobController
from tunesmith.controller.proving import ProvingEngines
from tunesmith.controller.publisher import RegistryPublisher
from tunesmith.controller.run_arrivals import RunArrivals
from tunesmith.controller.services import ServedBases
from tunesmith.controller.submission_files import SubmissionFiles
from tunesmith.controller.submissions import SubmissionController
from tunesmith.jobs.queue import JobQueue
from tunesmith.jobs.runners.kubernetes import KubernetesRunner
from tunesmith.jobs.submissions import SubmissionStore
from tunesmith.kubernetes.client import KubernetesClient
from tunesmith.kubernetes.ray_service import serve_url
from tunesmith.kubernetes.templates import ClusterTemplates, read_templates
from tunesmith.serve.applications import ENGINE
from tunesmith.stores.bases import BaseStates
from tunesmith.stores.database import Database
from tunesmith.stores.objects import ObjectStore
from tunesmith.stores.projects import Projects
from tunesmith.stores.registry import whole_models
from tunesmith.telemetry.status_server import STATUS_PORT, StatusServer

_STUCK_SECONDS = 60.0


class ClusterController:
    """All loops of the controller of a release.

    Args:
        settings: the release.
        client: its cluster.
        port: of `/healthz` and `/metrics`.
    """

    def __init__(
        self, settings: ClusterSettings, client: KubernetesClient, *, port: int = STATUS_PORT
    ) -> None:
        def templates() -> ClusterTemplates:
            return read_templates(settings.templates)

        database, objects = Database(settings.home.database_url), ObjectStore(settings.home.objects_url)
        self._port = port
        self._turned = time.monotonic()
        states = BaseStates(database)
        self.bases = ServedBases(
            client,
            settings,
            templates=templates,
            versions=lambda: whole_models(database),
            roster=Roster(states),
        )
        self._housekeeper = Housekeeper(
            database, objects, settings.home, keep_jobs_seconds=settings.config.jobs.keep_seconds
        )
        owner = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self._batches = BatchController(
            database,
            objects,
            queue=BatchQueue(database, owner=owner),
            asker=BatchAsker(settings.gateway_url, parallel=settings.config.batches.parallel),
            config=settings.config.batches,
        )
        engines = _proving_engines(settings, states)
        arrivals = Arrivals(database, settings.home, engines=engines)
        patience = settings.config.jobs.patience_seconds
        self._runs = RunArrivals(Projects(database), settings.home, arrivals, patience_seconds=patience)
        submissions = SubmissionStore(database)
        self._submissions = SubmissionController(
            client,
            submissions,
            SubmissionFiles(submissions, objects, settings.home.objects),
            arrivals,
            templates=templates,
            release=settings.release,
            owner=owner,
            patience_seconds=patience,
            keep_seconds=settings.config.jobs.keep_seconds,
        )
        self._jobs = JobController(
            database,
            objects,
            queue=JobQueue(database, owner=owner),
            home=settings.home,
            runner=KubernetesRunner(
                client, templates=templates, release=settings.release, objects=settings.home.objects
            ),
            publish=RegistryPublisher(database, objects, settings.home, engines=engines),
            config=settings.config.jobs,
        )

    def run(self, stop: threading.Event) -> bool:
        """Look and act until told to stop; attempts and served bases go on without it.

        Args:
            stop: set by a signal.

        Returns:
            False where it stopped because one of its loops had ended.
        """
        server = StatusServer(self.lives, self._details, port=self._port)
        loops = [
            Loop("jobs", self._drive_jobs, stop),
            Loop("batches", self._batches.run, stop),
            Loop("submissions", self._submissions.run, stop),
            Loop("runs", self._runs.run, stop),
            Loop("served bases", self.bases.run, stop),
            Loop("housekeeping", self._housekeeper.run, stop),
        ]
        for loop in loops:
            loop.start()
        stop.wait()
        loops[0].join(timeout=10)
        server.close()
        return all(not loop.failed for loop in loops)

    def lives(self) -> bool:
        """Whether the loop that drives jobs has turned within the last minute."""
        return time.monotonic() - self._turned < _STUCK_SECONDS

    def _details(self) -> dict[str, object]:
        return {"parts": [asdict(state) for state in self.bases.states]}

    def _drive_jobs(self, stop: threading.Event) -> None:
        self._jobs.run(stop, has_room=self._note_turn)

    def _note_turn(self) -> bool:
        # Asked at each look. There is room as long as the limits say so; beyond that pods wait, and say for what.
        self._turned = time.monotonic()
        return True


def _proving_engines(settings: ClusterSettings, states: BaseStates) -> ProvingEngines:
    def address(base: str) -> str:
        return f"{serve_url(settings, base)}/{ENGINE}"

    bases = [base.model for base in settings.config.served_bases]
    return ProvingEngines(bases, states=states, address=address, always=bases)
