"""The controller process: `python -m tunesmith.controller --home DIR`; bare where the chart starts it."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import fcntl
import os
import secrets
import signal
import socket
import sys
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence

import httpx

from tunesmith.batches.queue import BatchQueue
from tunesmith.config.home import Home
from tunesmith.config.in_cluster import read_settings, runs_in_cluster
from tunesmith.config.serve import ServeConfig
from tunesmith.controller.applications import Applications
from tunesmith.controller.attempts import attempt_starter
from tunesmith.controller.batch_asker import BatchAsker
from tunesmith.controller.batches import BatchController
from tunesmith.controller.housekeeping import Housekeeper
from tunesmith.controller.jobs import JobController
from tunesmith.controller.local_bases import LocalBases
from tunesmith.controller.loop import Controller
from tunesmith.controller.memory import free_bytes
from tunesmith.controller.plan import plan_parts
from tunesmith.controller.probes import answers_http
from tunesmith.controller.proving import ProvingEngines
from tunesmith.controller.publisher import RegistryPublisher
from tunesmith.controller.supervise import Supervised
from tunesmith.errors import PlatformError
from tunesmith.jobs.queue import JobQueue
from tunesmith.jobs.runners.process import ProcessRunner
from tunesmith.serve.applications import engine_name
from tunesmith.stores.bases import BaseStates
from tunesmith.stores.database import Database, open_home_database
from tunesmith.stores.objects import ObjectStore
from tunesmith.stores.platform_file import ProcessId, RunningPlatform, read_record, write_running
from tunesmith.stores.registry import whole_models
from tunesmith.stores.state_file import PartState, write_state
from tunesmith.telemetry.collector import use_collector
from tunesmith.telemetry.logs import configure_logs

# The dashboard joins Ray on the first question about Serve, and gives up with the client that asked.
_DASHBOARD_SECONDS = 120.0


def main() -> None:
    """Run the controller of the platform that the home's record describes, until SIGTERM."""
    parser = argparse.ArgumentParser(prog="tunesmith.controller")
    parser.add_argument("--home", required=not runs_in_cluster())
    arguments = parser.parse_args()
    if arguments.home is None:
        sys.exit(_run_in_cluster())
    home = Home.locate(arguments.home)
    platform = read_record(home)
    if platform is None:
        sys.exit(f"{home.platform_file} does not exist. `tunesmith up` writes it and starts the controller.")
    telemetry = ServeConfig.model_validate(platform.config).telemetry
    configure_logs(telemetry.log_format, service="controller")
    use_collector(telemetry.otlp_endpoint)  # and so all that it starts
    with _only_one(home):
        controller = build_controller(platform)
        signal.signal(signal.SIGHUP, lambda *_: controller.replace("gateway"))
        if not controller.run(_stop_on_signal()):
            sys.exit(1)


def _run_in_cluster() -> int:
    # Only here: the client of Kubernetes takes a second to load.
    from tunesmith.controller.in_cluster import ClusterController
    from tunesmith.kubernetes.client import KubernetesClient
    from tunesmith.kubernetes.connection import connect

    try:
        settings = read_settings()
        telemetry = settings.config.telemetry
        configure_logs(telemetry.log_format, service="controller")
        use_collector(telemetry.otlp_endpoint)
        client = KubernetesClient(connect(namespace=settings.namespace))
        controller = ClusterController(settings, client)
    except PlatformError as error:
        print(f"error: {error.message}", file=sys.stderr)
        return error.exit_code
    return 0 if controller.run(_stop_on_signal()) else 1


def build_controller(platform: RunningPlatform) -> Controller:
    """Put the controller of a platform together; parts that still run from an earlier controller are kept.

    Args:
        platform: the record that `up` wrote.

    Returns:
        A controller that has started nothing yet.
    """
    parts = [Supervised(part, adopted=platform.pids.get(part.name)) for part in plan_parts(platform)]
    home = Home(platform.home)
    database, objects = open_home_database(home), ObjectStore(home.objects_url)
    applications = _applications(platform, database)

    def publish(states: Sequence[PartState]) -> None:
        write_state(
            platform.state_file,
            instance=platform.instance,
            parts=states,
            replicas=applications.replicas,
        )

    def record(pids: dict[str, ProcessId]) -> None:
        own = ProcessId.of(os.getpid())
        write_running(dataclasses.replace(platform, pids={"controller": own, **pids}))

    return Controller(
        parts,
        applications=applications,
        publish=publish,
        record=record,
        jobs=build_job_controller(platform, database, objects),
        batches=_batches(platform, database, objects),
        housekeeper=Housekeeper(
            database,
            objects,
            home,
            keep_jobs_seconds=ServeConfig.model_validate(platform.config).jobs.keep_seconds,
        ),
    )


def build_job_controller(
    platform: RunningPlatform, database: Database, objects: ObjectStore
) -> JobController:
    """Put together what drives the jobs of a platform; on one database there may be several.

    Args:
        platform: the record that `up` wrote.
        database: its metadata database.
        objects: its object store.

    Returns:
        A controller of jobs that holds none yet.
    """
    home, config = Home(platform.home), ServeConfig.model_validate(platform.config)

    def address(base: str) -> str:
        return f"{platform.serve_url}/{engine_name(base, default=platform.model)}"

    return JobController(
        database,
        objects,
        queue=JobQueue(database, owner=_owner()),
        home=home,
        runner=ProcessRunner(home.root, start=attempt_starter(platform)),
        publish=RegistryPublisher(
            database,
            objects,
            home,
            engines=ProvingEngines(
                [base.model for base in config.served_bases], states=BaseStates(database), address=address
            ),
        ),
        config=config.jobs,
    )


def _batches(platform: RunningPlatform, database: Database, objects: ObjectStore) -> BatchController:
    config = ServeConfig.model_validate(platform.config).batches
    return BatchController(
        database,
        objects,
        queue=BatchQueue(database, owner=_owner()),
        asker=BatchAsker(platform.base_url.removesuffix("/v1"), parallel=config.parallel),
        config=config,
    )


def _owner() -> str:
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"


def _applications(platform: RunningPlatform, database: Database) -> Applications:
    token = platform.ray_token_file.read_text(encoding="ascii")
    dashboard = httpx.Client(
        base_url=platform.ray_dashboard,
        headers={"Authorization": f"Bearer {token}"},
        timeout=_DASHBOARD_SECONDS,
        trust_env=False,
    )
    proxy = httpx.Client(base_url=platform.serve_url, timeout=5, trust_env=False)
    config = ServeConfig.model_validate(platform.config)
    bases = LocalBases(
        config,
        home=Home(platform.home),
        milvus_uri=platform.milvus_uri,
        http_port=platform.ports["serve"],
        states=BaseStates(database),
        versions=lambda: whole_models(database),
        routes=lambda: _routes(proxy),
        free=free_bytes if config.serving.check_memory else None,
    )
    return Applications(dashboard, wanted=bases, serves=answers_http(f"{platform.serve_url}/-/healthz"))


def _routes(proxy: httpx.Client) -> Collection[str]:
    try:
        routes: Mapping[str, str] = proxy.get("/-/routes").raise_for_status().json()
    except (httpx.HTTPError, ValueError):
        return ()  # not yet
    return routes.keys()


@contextlib.contextmanager
def _only_one(home: Home) -> Iterator[None]:
    with (home.run / "controller.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit(f"Another controller already runs on {home.root}.")
        yield


def _stop_on_signal() -> threading.Event:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


if __name__ == "__main__":
    main()
