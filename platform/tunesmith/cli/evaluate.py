"""`tunesmith evaluate`: four arms and a fifth, the report, the decision."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tunesmith.cli.terminal import HomeOption, JsonOption, print_json


def evaluate(
    recipe: Annotated[str, typer.Argument(help="A recipe file, or a shipped recipe's name.")],
    overrides: Annotated[
        list[str], typer.Option("--set", help="Override a field: path.to.field=value.")
    ] = [],  # noqa: B006
    out: Annotated[
        Path | None, typer.Option(help="Folder of the report [HOME/evaluations/NAME].", file_okay=False)
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask the running platform every question in every arm; compare, and say which arm to use."""
    from rich.console import Console

    from tunesmith.cli.progress import counted_progress
    from tunesmith.config.evaluate import EvaluateConfig
    from tunesmith.config.home import Home
    from tunesmith.config.recipe import load_recipe
    from tunesmith.evaluate.run import run_evaluation, write_report
    from tunesmith.evaluate.table import render_report

    config = load_recipe(recipe, EvaluateConfig, overrides)
    place = Home.locate(home)
    with counted_progress("answers") as advance:
        report = run_evaluation(config, home=place, on_answer=advance)
    written = write_report(report, out or place.root / "evaluations" / config.name)
    if as_json:
        print_json(report.as_json())
        return
    Console().print(render_report(report))
    typer.echo(f"\nReport: {written.html}\nJSON:   {written.json}")
