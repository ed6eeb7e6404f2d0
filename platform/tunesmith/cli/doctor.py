"""`tunesmith doctor`."""

from __future__ import annotations

import typer

from tunesmith.cli.terminal import HomeOption, JsonOption, print_json
from tunesmith.config.home import Home


def doctor(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Say what is wrong with this machine; exits with 1 where something must be mended."""
    from dataclasses import asdict

    from tunesmith.flows.doctor import examine

    findings = examine(Home.locate(home))
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            typer.echo(f"{finding.verdict:<5} {finding.what:<14} {finding.detail}")
    if any(finding.verdict == "bad" for finding in findings):
        raise typer.Exit(1)
