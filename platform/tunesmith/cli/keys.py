"""`tunesmith keys create / ls / revoke`."""

from __future__ import annotations

import re
import time
from typing import Annotated

import typer

from tunesmith.cli.home_database import home_database
from tunesmith.cli.terminal import HomeOption, JsonOption, print_json, print_table
from tunesmith.errors import ConfigError
from tunesmith.records import DEFAULT_PROJECT, OWNER, ProjectRole

app = typer.Typer(help="API keys.", no_args_is_help=True)

_UNITS = {"m": 60, "h": 3600, "d": 86_400}
ProjectOption = Annotated[str, typer.Option("--project", help="Id or name of the project.")]


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    project: ProjectOption = DEFAULT_PROJECT,
    role: Annotated[
        ProjectRole, typer.Option("--role", help="The most it may do; each role includes those before it.")
    ] = "train",
    user: Annotated[
        str | None, typer.Option("--user", help="Whose key, by id or address; unset: the home's owner's.")
    ] = None,
    expires: Annotated[
        str | None, typer.Option("--expires", help="When it ends: 30m, 12h, 90d. Unset: never.")
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a key; it is shown once."""
    expires_at = None if expires is None else int(time.time()) + _seconds(expires)
    with home_database(home) as database:
        from tunesmith.stores.keys import KeyStore
        from tunesmith.stores.principals import Principals
        from tunesmith.stores.projects import Projects

        owner, people = Projects(database).find(project), Principals(database)
        whose = people.member(owner.id, people.user(user).id, "user").id if user else OWNER
        key = KeyStore(database).create(owner.id, name, role=role, principal_id=whose, expires_at=expires_at)
    if as_json:
        print_json({"name": name, "project": owner.id, "role": role, "expires_at": expires_at, "key": key})
    else:
        typer.echo(key)


@app.command("ls")
def ls(
    project: ProjectOption = DEFAULT_PROJECT, home: HomeOption = None, as_json: JsonOption = False
) -> None:
    """List the keys of a project; never the keys themselves."""
    from dataclasses import asdict

    with home_database(home) as database:
        from tunesmith.stores.keys import KeyStore
        from tunesmith.stores.projects import Projects

        known = KeyStore(database).all(Projects(database).find(project).id)
    if as_json:
        print_json([asdict(key) for key in known])
        return
    rows = [
        (
            key.id,
            key.name,
            key.hint,
            "organisation" if key.of_organisation else key.role,
            _day(key.last_used_at),
            "revoked" if key.revoked else _day(key.expires_at),
        )
        for key in known
    ]
    print_table(("ID", "NAME", "KEY", "ROLE", "LAST USED", "ENDS"), rows)


@app.command("revoke")
def revoke(
    key_id: Annotated[str, typer.Argument(help="The key's id, key_...")],
    project: ProjectOption = DEFAULT_PROJECT,
    home: HomeOption = None,
) -> None:
    """End a key; a running gateway forgets it within two seconds."""
    with home_database(home) as database:
        from tunesmith.stores.keys import KeyStore
        from tunesmith.stores.projects import Projects

        KeyStore(database).revoke(Projects(database).find(project).id, key_id)
    typer.echo(f"Revoked {key_id}.")


def _seconds(text: str) -> int:
    read = re.fullmatch(r"([1-9]\d{0,5})([mhd])", text)
    if read is None:
        raise ConfigError(f"--expires={text} is no time. Write minutes, hours or days: 30m, 12h, 90d.")
    return int(read[1]) * _UNITS[read[2]]


def _day(at: int | None) -> str:
    return "" if at is None else time.strftime("%Y-%m-%d %H:%M", time.localtime(at))
