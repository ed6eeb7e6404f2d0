"""The gateway process: `python -m tunesmith.gateway --home DIR`; bare where the chart starts it."""

from __future__ import annotations

import argparse
import socket
import sys

from tunesmith.config.home import Home
from tunesmith.config.in_cluster import read_settings, runs_in_cluster
from tunesmith.config.serve import ServeConfig
from tunesmith.errors import PlatformError
from tunesmith.gateway.app import build_app
from tunesmith.gateway.bases import Bases, Place
from tunesmith.gateway.drain import Draining, serve_draining
from tunesmith.gateway.in_cluster import ServeReadiness
from tunesmith.gateway.metrics import Metrics
from tunesmith.gateway.ray_api.dashboard import RayDashboard
from tunesmith.gateway.replicas import Replicas
from tunesmith.gateway.upstream import Upstream
from tunesmith.jobs.submissions import SubmissionStore
from tunesmith.kubernetes.ray_service import serve_url
from tunesmith.serve.applications import engine_knobs, engine_name
from tunesmith.stores.bases import BaseStates
from tunesmith.stores.database import Database, open_home_database
from tunesmith.stores.limits import Limits
from tunesmith.stores.objects import ObjectStore
from tunesmith.stores.platform_file import read_record
from tunesmith.stores.state_file import read_state
from tunesmith.telemetry.collector import open_tracer, use_collector
from tunesmith.telemetry.logs import configure_logs
from tunesmith.telemetry.status_server import StatusServer


def main() -> None:
    """Serve the API of the platform that the home's record describes, until SIGTERM."""
    parser = argparse.ArgumentParser(prog="tunesmith.gateway")
    parser.add_argument("--home", required=not runs_in_cluster())
    parser.add_argument("--listen-fd", type=int, help="a listening socket to inherit, instead of the port")
    parser.add_argument("--ready-fd", type=int, help="a pipe to tell when requests are answered")
    arguments = parser.parse_args()
    if arguments.home is None:
        sys.exit(_run_in_cluster())
    home = Home.locate(arguments.home)
    platform = read_record(home)
    if platform is None:
        sys.exit(f"{home.platform_file} does not exist. `tunesmith up` writes it and starts the gateway.")
    config, draining = ServeConfig.model_validate(platform.config), Draining()
    configure_logs(config.telemetry.log_format, service="gateway")
    use_collector(config.telemetry.otlp_endpoint)
    tracer, database = open_tracer("tunesmith-gateway"), open_home_database(home)
    bases = Bases(
        place=lambda base: Place(engine=engine_name(base, default=platform.model)),
        states=BaseStates(database),
        config=config.serving,
        max_waiting=config.load.max_waiting,
    )
    replicas = Replicas(lambda: read_state(platform.state_file)) if config.ask_replicas else None
    app = build_app(
        database=database,
        objects=ObjectStore(home.objects_url),
        upstream=Upstream(platform.serve_url, config.load, tracer, bases, replicas),
        base=platform.model,
        others=[base.model for base in config.served_bases[1:]],
        stand_ins=config.stand_ins,
        embedder=config.embedder,
        readiness=lambda: read_state(platform.state_file),
        jobs=config.jobs,
        engine=lambda base: engine_knobs(config, base),
        load=config.load,
        draining=draining,
        tracer=tracer,
        limits=Limits(**config.limits.model_dump()),
        prices=config.prices,
        ray=RayDashboard(platform.ray_dashboard, platform.ray_token_file.read_text(encoding="ascii").strip()),
    )
    serve_draining(
        app,
        draining=draining,
        load=config.load,
        host="127.0.0.1",
        port=platform.ports["gateway"],
        listener=None if arguments.listen_fd is None else socket.socket(fileno=arguments.listen_fd),
        ready_fd=arguments.ready_fd,
    )


def _run_in_cluster() -> int:
    try:
        settings = read_settings()
        objects = ObjectStore(settings.home.objects_url)
    except PlatformError as error:
        print(f"error: {error.message}", file=sys.stderr)
        return error.exit_code
    config, draining = settings.config, Draining()
    configure_logs(config.telemetry.log_format, service="gateway")
    use_collector(config.telemetry.otlp_endpoint)
    tracer = open_tracer("tunesmith-gateway")
    base, others = config.served_bases[0], [base.model for base in config.served_bases[1:]]
    # The chart's hook has migrated it: several gateways start at once.
    database = Database(settings.home.database_url)

    def address(model: str) -> str:
        return serve_url(settings, model)

    bases = Bases(
        place=lambda model: Place(address(model)),
        states=BaseStates(database),
        config=config.serving,
        always=(base.model, *others),
        max_waiting=config.load.max_waiting,
    )
    readiness = ServeReadiness(address(base.model), release=settings.release)
    readiness.watch()
    metrics = Metrics()
    app = build_app(
        database=database,
        objects=objects,
        upstream=Upstream(address(base.model), config.load, tracer, bases),
        base=base.model,
        others=others,
        stand_ins=config.stand_ins,
        embedder=config.embedder,
        readiness=readiness,
        jobs=config.jobs,
        engine=lambda model: engine_knobs(config, model),
        load=config.load,
        draining=draining,
        tracer=tracer,
        limits=Limits(**config.limits.model_dump()),
        prices=config.prices,
        submissions=SubmissionStore(database),
        metrics=metrics,
    )
    # Whoever may call the API, an ingress or every pod of the cluster, need not see projects and their use.
    StatusServer(lambda: True, registry=metrics.registry)
    serve_draining(app, draining=draining, load=config.load, host="0.0.0.0", port=8000)
    return 0


if __name__ == "__main__":
    main()
