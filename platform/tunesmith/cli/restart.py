"""`tunesmith restart`."""

from __future__ import annotations

import typer

from tunesmith.cli.terminal import HomeOption
from tunesmith.config.home import Home


def restart(home: HomeOption = None) -> None:
    """Replace the gateway of this home's platform by a fresh one; no request is refused or cut."""
    from tunesmith.flows.restart import restart_gateway

    platform = restart_gateway(Home.locate(home))
    typer.echo(f"Ready: {platform.base_url}  (gateway has process id {platform.pids['gateway'].pid})")
