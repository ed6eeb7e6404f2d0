"""`tunesmith ingest`: files into a searchable store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tunesmith.cli.terminal import HomeOption, JsonOption, print_json

if TYPE_CHECKING:
    from tunesmith.config.ingest import IngestConfig


def ingest(
    paths: Annotated[
        list[str], typer.Argument(help="Files and folders, or a shipped corpus (handbook/2026-01).")
    ] = [],  # noqa: B006
    store: Annotated[str | None, typer.Option(help="Vector store; made if need be. [documents]")] = None,
    recipe: Annotated[str | None, typer.Option(help="A recipe file, or a shipped recipe's name.")] = None,
    overrides: Annotated[
        list[str], typer.Option("--set", help="Override a field: path.to.field=value.")
    ] = [],  # noqa: B006
    remove_missing: Annotated[
        bool, typer.Option("--remove-missing", help="Take out documents whose file is gone from the folders.")
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring a store up to date with files; what has not changed is left alone."""
    config = _config(recipe, overrides, paths=paths, store=store, remove_missing=remove_missing)

    from tunesmith.config.home import Home
    from tunesmith.ingest.progress import terminal_progress
    from tunesmith.ingest.run import run_ingest

    with terminal_progress() as progress:
        report = run_ingest(config, home=Home.locate(home), progress=progress)
    for failure in report.failed:
        typer.echo(f"not read: {failure.path} {failure.reason}.", err=True)
    if as_json:
        print_json(report.as_json())
    else:
        typer.echo(report.summary())
    if report.fruitless:
        raise typer.Exit(1)


def _config(
    recipe: str | None, overrides: list[str], *, paths: list[str], store: str | None, remove_missing: bool
) -> IngestConfig:
    from tunesmith.config.ingest import IngestConfig
    from tunesmith.config.recipe import apply_override, load_recipe, validate

    given = {"paths": tuple(paths) or None, "store": store, "remove_missing": remove_missing or None}
    given = {field: value for field, value in given.items() if value is not None}
    if recipe:
        # What is said on the command line wins over the recipe, as --set does.
        return load_recipe(recipe, IngestConfig, overrides).model_copy(update=given)
    document = dict(given)
    for override in overrides:
        apply_override(document, override)
    return validate(document, IngestConfig, where="tunesmith ingest")
