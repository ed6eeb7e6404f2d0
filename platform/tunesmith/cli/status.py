"""`tunesmith status`."""

from __future__ import annotations

import typer

from tunesmith.cli.terminal import HomeOption, JsonOption, print_json, print_table
from tunesmith.config.home import Home


def status(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Say what runs on this home; exits with 1 where it is not all ready."""
    from tunesmith.flows.status import platform_status

    report = platform_status(Home.locate(home))
    if as_json:
        print_json(report.as_json())
    elif report.running is None:
        typer.echo(f"Nothing runs on {Home.locate(home).root}. Start it with `tunesmith up`.")
    else:
        typer.echo(
            f"{report.running.base_url}  model {report.running.model}  instance {report.running.instance}"
        )
        rows = [
            (p.name, p.condition, p.num_processes or "", p.memory_mib or "", p.message) for p in report.parts
        ]
        print_table(("PART", "STATE", "PROCESSES", "MIB", ""), rows)
    if not report.ready:
        raise typer.Exit(1)
