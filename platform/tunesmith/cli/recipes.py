"""`tunesmith recipes ls / cp / check`: YAML that runs."""

from __future__ import annotations

from typing import Annotated

import typer

from tunesmith.cli.terminal import JsonOption, print_json, print_table

app = typer.Typer(help="Recipes: the shipped ones, and your own.", no_args_is_help=True)


@app.command()
def ls(as_json: JsonOption = False) -> None:
    """List the shipped recipes."""
    from tunesmith.config.recipe import find_recipe, read_recipe, shipped_recipes

    shipped = [
        {"name": name, "verb": read_recipe(name)["verb"], "path": str(find_recipe(name))}
        for name in shipped_recipes()
    ]
    if as_json:
        print_json(shipped)
        return
    print_table(
        ("NAME", "VERB", "WHAT FOR"), [(one["name"], one["verb"], _about(one["path"])) for one in shipped]
    )


@app.command()
def cp(
    name: Annotated[str, typer.Argument(help="A shipped recipe.")],
    to: Annotated[str | None, typer.Argument(help="The file to write. [its own name, here]")] = None,
) -> None:
    """Copy a shipped recipe, comments and all, to change it; a file that exists is left as it is."""
    from pathlib import Path

    from tunesmith.config.recipe import find_recipe
    from tunesmith.errors import ConflictError, StorageError

    source = find_recipe(name)
    target = Path(to) if to else Path(source.name)
    try:
        with target.open("x", encoding="utf-8") as file:
            file.write(source.read_text(encoding="utf-8"))
    except FileExistsError as error:
        raise ConflictError(f"{target} exists. Name another file, or remove it.") from error
    except OSError as error:
        raise StorageError(f"{target} cannot be written: {error.strerror}. Name another file.") from error
    typer.echo(str(target))


@app.command()
def check(recipes: Annotated[list[str], typer.Argument(help="Files, or shipped recipes.")]) -> None:
    """Check every field of recipes, each by its verb; all faults of one are told at once."""
    from tunesmith.config.verbs import check_recipe
    from tunesmith.errors import PlatformError

    faulty = 0
    for name in recipes:
        try:
            verb = check_recipe(name).verb  # type: ignore[attr-defined]  # each of VERBS has it
        except PlatformError as error:
            faulty += 1
            typer.echo(f"error: {error.message}", err=True)
        else:
            typer.echo(f"{name}: a recipe of {verb}, no faults.")
    if faulty:
        raise typer.Exit(1)


def _about(path: str) -> str:
    from pathlib import Path

    first = Path(path).read_text(encoding="utf-8").splitlines()[0]
    return first.removeprefix("# ").partition(":")[0] if ":" in first else first.removeprefix("# ")
