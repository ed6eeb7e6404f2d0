"""`tunesmith models ls / show / alias / promote / rollback`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from tunesmith.cli.home_database import home_database
from tunesmith.cli.terminal import HomeOption, JsonOption, print_json, print_table
from tunesmith.config.home import Home
from tunesmith.records import DEFAULT_PROJECT

app = typer.Typer(help="Model versions and aliases.", no_args_is_help=True)


@app.command("ls")
def ls(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List the registered versions and the aliases."""
    from tunesmith.stores.registry import Registry

    with home_database(home) as database:
        registry = Registry(database, DEFAULT_PROJECT)
        versions, aliases = registry.versions(), registry.aliases()
    if as_json:
        print_json(
            {"versions": [_plain(one) for one in versions], "aliases": [_plain(one) for one in aliases]}
        )
        return
    rows: list[tuple[str, ...]] = [(one.name, one.base, one.kind, one.lineage.job_id) for one in versions]
    rows += [(one.name, one.model, "alias", ", ".join(one.stores)) for one in aliases]
    print_table(("NAME", "BASE OR MODEL", "KIND", "JOB OR STORES"), rows)


@app.command("show")
def show(
    name: Annotated[str, typer.Argument(help="A version or an alias.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one version with its lineage, or what stands behind an alias."""
    from tunesmith.stores.registry import Registry

    with home_database(home) as database:
        registry = Registry(database, DEFAULT_PROJECT)
        alias = registry.alias(name)
        shown = _plain(alias) if alias else _plain(registry.version(name))
    if not alias:
        shown |= {"folder": str(Home.locate(home).objects / shown["path"])}
    if as_json:
        print_json(shown)
        return
    for field, value in _lines(shown):
        typer.echo(f"{field:<22} {value}")


@app.command("alias")
def alias(
    name: Annotated[str, typer.Argument(help="The stable name.")],
    model: Annotated[str, typer.Argument(help="What it points at: the base model or a version.")],
    store: Annotated[
        list[str], typer.Option("--store", help="Vector store to answer from; repeatable.")
    ] = [],  # noqa: B006
    instructions: Annotated[str | None, typer.Option(help="System turn where a request has none.")] = None,
    home: HomeOption = None,
) -> None:
    """Make or move an alias; the next request under its name already goes the new way."""
    from tunesmith.flows.alias import point_alias
    from tunesmith.records import Alias

    wanted = Alias(name, DEFAULT_PROJECT, model, tuple(store), instructions)
    made = point_alias(Home.locate(home), wanted)
    typer.echo(f"{made.name} -> {made.model}" + (f" with {', '.join(made.stores)}" if made.stores else ""))


@app.command("promote")
def promote(
    name: Annotated[str, typer.Argument(help="The alias.")],
    model: Annotated[str, typer.Argument(help="The version that shall answer under it.")],
    home: HomeOption = None,
) -> None:
    """Move an alias to another version; its stores and instructions stay."""
    from dataclasses import replace

    from tunesmith.flows.alias import point_alias
    from tunesmith.stores.registry import Registry, no_alias

    with home_database(home) as database:
        standing = Registry(database, DEFAULT_PROJECT).alias(name)
    if standing is None:
        raise no_alias(name)
    made = point_alias(Home.locate(home), replace(standing, model=model))
    typer.echo(f"{made.name}: {standing.model} -> {made.model}")


@app.command("rollback")
def rollback(name: Annotated[str, typer.Argument(help="The alias.")], home: HomeOption = None) -> None:
    """Point an alias back at what it pointed at before; again, one move further back."""
    from tunesmith.stores.registry import Registry

    with home_database(home) as database:
        made = Registry(database, DEFAULT_PROJECT).roll_back(name)
    typer.echo(f"{made.name} -> {made.model}")


def _plain(record: Any) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(record)


def _lines(record: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for field, value in record.items():
        if isinstance(value, dict):
            yield from _lines(value, f"{prefix}{field}.")
        else:
            yield f"{prefix}{field}", value
