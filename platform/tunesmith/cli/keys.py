"""`tunesmith keys create / ls / revoke`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from tunesmith.cli.terminal import HomeOption, JsonOption, print_json, print_table
from tunesmith.config.home import Home
from tunesmith.records import DEFAULT_PROJECT

if TYPE_CHECKING:
    from tunesmith.stores.keys import KeyStore

app = typer.Typer(help="API keys.", no_args_is_help=True)


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a key; it is shown once."""
    with _keys(home) as keys:
        key = keys.create(DEFAULT_PROJECT, name)
    if as_json:
        print_json({"name": name, "key": key})
    else:
        typer.echo(key)


@app.command("ls")
def ls(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List the keys; never the keys themselves."""
    from dataclasses import asdict

    with _keys(home) as keys:
        known = keys.all(DEFAULT_PROJECT)
    if as_json:
        print_json([asdict(key) for key in known])
    else:
        rows = [(key.id, key.name, key.hint, "revoked" if key.revoked else "") for key in known]
        print_table(("ID", "NAME", "KEY", ""), rows)


@app.command("revoke")
def revoke(
    key_id: Annotated[str, typer.Argument(help="The key's id, key_...")],
    home: HomeOption = None,
) -> None:
    """End a key; a running gateway forgets it within two seconds."""
    with _keys(home) as keys:
        keys.revoke(DEFAULT_PROJECT, key_id)
    typer.echo(f"Revoked {key_id}.")


@contextlib.contextmanager
def _keys(home: str | None) -> Iterator[KeyStore]:
    from tunesmith.stores.database import open_home_database
    from tunesmith.stores.keys import KeyStore

    database = open_home_database(Home.locate(home))
    try:
        yield KeyStore(database)
    finally:
        database.close()
