"""`tunesmith users add / ls / role / rm`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tunesmith.cli.home_database import home_database
from tunesmith.cli.terminal import HomeOption, JsonOption, print_json, print_table

if TYPE_CHECKING:
    from tunesmith.stores.principals import Principals
    from tunesmith.stores.projects import Projects

app = typer.Typer(help="Users of the organisation, and their roles in projects.", no_args_is_help=True)

UserArgument = Annotated[str, typer.Argument(help="Id or address of the user.")]


@app.command("add")
def add(
    name: Annotated[str, typer.Argument(help="What they are called.")],
    email: Annotated[
        str | None, typer.Option("--email", help="Their address; no other user may have it.")
    ] = None,
    owner: Annotated[bool, typer.Option("--owner", help="They administer the organisation.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add a user; `users role` lets them into projects, and `keys create --user` makes their keys."""
    with _opened(home) as (principals, _):
        made = principals.add_user(name, email=email, is_owner=owner)
    if as_json:
        print_json(asdict(made))
    else:
        typer.echo(made.id)


@app.command("ls")
def ls(
    project: Annotated[str | None, typer.Option("--project", help="Only those with a role in it.")] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the users of the organisation, or of a project."""
    with _opened(home) as (principals, projects):
        known = principals.members(projects.find(project).id, "user") if project else principals.users()
    if as_json:
        print_json([asdict(user) for user in known])
        return
    rows = [
        (user.id, user.name, user.email or "", user.role or ("owner" if user.is_owner else ""))
        for user in known
    ]
    print_table(("ID", "NAME", "EMAIL", "ROLE"), rows)


@app.command("role")
def role(
    user: UserArgument,
    role: Annotated[
        Literal["read", "use", "train", "administer", "none"],
        typer.Argument(help="What they may do there; `none`: nothing any more."),
    ],
    project: Annotated[str, typer.Option("--project", help="Id or name of the project.")],
    home: HomeOption = None,
) -> None:
    """Say what a user may do in a project; their keys of it can do no more from now on."""
    with _opened(home) as (principals, projects):
        found, where = principals.user(user), projects.find(project)
        if role == "none":
            principals.remove_member(where.id, found.id)
        else:
            principals.set_role(where.id, found.id, role)
    typer.echo(f"{found.id} in {where.id}: {role}.")


@app.command("rm")
def rm(user: UserArgument, home: HomeOption = None) -> None:
    """Let a user go: all their keys end at once."""
    with _opened(home) as (principals, _):
        found = principals.user(user)
        principals.remove(found.id)
    typer.echo(f"Removed {found.id}.")


@contextlib.contextmanager
def _opened(home: str | None) -> Iterator[tuple[Principals, Projects]]:
    from tunesmith.stores.principals import Principals
    from tunesmith.stores.projects import Projects

    with home_database(home) as database:
        yield Principals(database), Projects(database)
