"""The gateway process: `python -m tunesmith.gateway --home DIR`."""

from __future__ import annotations

import argparse
import socket
import sys

from tunesmith.config.home import Home
from tunesmith.config.serve import ServeConfig
from tunesmith.gateway.app import build_app
from tunesmith.gateway.drain import Draining, serve_draining
from tunesmith.gateway.ray_dashboard import RayDashboard
from tunesmith.gateway.upstream import Upstream
from tunesmith.stores.database import open_home_database
from tunesmith.stores.limits import Limits
from tunesmith.stores.objects import ObjectStore
from tunesmith.stores.platform_file import read_record
from tunesmith.stores.state_file import read_state
from tunesmith.telemetry.logs import configure_logs
from tunesmith.telemetry.traces import open_tracer, use_collector


def main() -> None:
    """Serve the API of the platform that the home's record describes, until SIGTERM."""
    parser = argparse.ArgumentParser(prog="tunesmith.gateway")
    parser.add_argument("--home", required=True)
    parser.add_argument("--listen-fd", type=int, help="a listening socket to inherit, instead of the port")
    parser.add_argument("--ready-fd", type=int, help="a pipe to tell when requests are answered")
    arguments = parser.parse_args()
    home = Home.locate(arguments.home)
    platform = read_record(home)
    if platform is None:
        sys.exit(f"{home.platform_file} does not exist. `tunesmith up` writes it and starts the gateway.")
    config, draining = ServeConfig.model_validate(platform.config), Draining()
    configure_logs(config.telemetry.log_format, service="gateway")
    use_collector(config.telemetry.otlp_endpoint)
    tracer = open_tracer("tunesmith-gateway")
    app = build_app(
        database=open_home_database(home),
        objects=ObjectStore(home.objects_url),
        upstream=Upstream(platform.serve_url, config.load, tracer),
        base=platform.model,
        embedder=config.embedder,
        readiness=lambda: read_state(platform.state_file),
        jobs=config.jobs,
        engine=config.engine,
        load=config.load,
        draining=draining,
        tracer=tracer,
        limits=Limits(**config.limits.model_dump()),
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


if __name__ == "__main__":
    main()
