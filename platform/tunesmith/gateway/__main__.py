"""The gateway process: `python -m tunesmith.gateway --home DIR`."""

from __future__ import annotations

import argparse
import logging
import sys

import uvicorn

from tunesmith.config.home import Home
from tunesmith.config.serve import ServeConfig
from tunesmith.gateway.app import build_app
from tunesmith.gateway.upstream import Upstream
from tunesmith.stores.database import open_home_database
from tunesmith.stores.objects import ObjectStore
from tunesmith.stores.platform_file import read_record
from tunesmith.stores.state_file import read_state


def main() -> None:
    """Serve the API of the platform that the home's record describes, until SIGTERM."""
    parser = argparse.ArgumentParser(prog="tunesmith.gateway")
    parser.add_argument("--home", required=True)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    home = Home.locate(parser.parse_args().home)
    platform = read_record(home)
    if platform is None:
        sys.exit(f"{home.platform_file} does not exist. `tunesmith up` writes it and starts the gateway.")
    config = ServeConfig.model_validate(platform.config)
    app = build_app(
        database=open_home_database(home),
        objects=ObjectStore(home.objects_url),
        upstream=Upstream(platform.serve_url),
        base=platform.model,
        embedder=config.embedder,
        readiness=lambda: read_state(platform.state_file),
        jobs=config.jobs,
        engine=config.engine,
    )
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=platform.ports["gateway"],
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=5,
    )


if __name__ == "__main__":
    main()
