"""`tunesmith quickstart`: the whole loop on the sample corpus, in about ten minutes."""

from __future__ import annotations

from typing import Annotated

import typer

from tunesmith.cli.terminal import HomeOption


def quickstart(
    home: HomeOption = None,
    keep_running: Annotated[bool, typer.Option(help="Leave the platform up at the end.")] = False,
    num_samples: Annotated[int, typer.Option(min=10, help="Questions of the evaluation.")] = 60,
) -> None:
    """Ingest, train, serve, evaluate and change a document, on the sample corpus; about ten minutes."""
    from rich.console import Console

    from tunesmith.cli.progress import counted_progress
    from tunesmith.cli.up_progress import UpProgress
    from tunesmith.config.home import Home
    from tunesmith.flows.quickstart import Shown, run_quickstart

    shown = Shown(console=Console(), counted=counted_progress, parts=UpProgress())
    run_quickstart(Home.locate(home), shown=shown, keep_running=keep_running, num_samples=num_samples)
