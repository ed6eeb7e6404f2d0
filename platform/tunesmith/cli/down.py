"""`tunesmith down`."""

from __future__ import annotations

import typer

from tunesmith.cli.terminal import HomeOption
from tunesmith.config.home import Home


def down(home: HomeOption = None) -> None:
    """Stop the platform of this home; no process of it is left."""
    from tunesmith.flows.down import take_down

    place = Home.locate(home)
    typer.echo("Stopped." if take_down(place) else f"Nothing was running on {place.root}.")
