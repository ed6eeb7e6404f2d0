"""`tunesmith projects create / ls / archive / limit`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from tunesmith.cli.home_database import home_database
from tunesmith.cli.terminal import HomeOption, JsonOption, print_json, print_table
from tunesmith.errors import ConfigError

if TYPE_CHECKING:
    from tunesmith.stores.projects import Projects

app = typer.Typer(help="Projects: tenants that see nothing of each other.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(help="Id or name of the project.")]


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="What it is called.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a project; `tunesmith keys create --project` makes keys that open it."""
    with _projects(home) as projects:
        made = projects.create(name)
    if as_json:
        print_json(asdict(made))
    else:
        typer.echo(made.id)


@app.command("ls")
def ls(
    archived: Annotated[bool, typer.Option("--archived", help="Also those that are archived.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the projects."""
    with _projects(home) as projects:
        known = projects.all(include_archived=archived)
    if as_json:
        print_json([asdict(project) for project in known])
    else:
        rows = [(project.id, project.name, "archived" if project.archived_at else "") for project in known]
        print_table(("ID", "NAME", ""), rows)


@app.command("archive")
def archive(project: NameArgument, home: HomeOption = None) -> None:
    """Close a project: none of its keys opens it from now on; what it holds stays."""
    with _projects(home) as projects:
        archived = projects.archive(projects.find(project).id)
    typer.echo(f"Archived {archived.id}.")


@app.command("limit")
def limit(
    project: NameArgument,
    key: Annotated[str | None, typer.Option("--key", help="Limit one key of the project instead.")] = None,
    requests: Annotated[
        int | None, typer.Option("--requests-per-minute", min=1, help="Requests to models.")
    ] = None,
    tokens: Annotated[
        int | None, typer.Option("--tokens-per-minute", min=1, help="Tokens read and written.")
    ] = None,
    gpu_hours: Annotated[
        float | None, typer.Option("--gpu-hours", min=0, help="Hours of training in a calendar month.")
    ] = None,
    home: HomeOption = None,
) -> None:
    """Say how much a project may ask for; what is left out has no limit from now on."""
    if key is not None and gpu_hours is not None:
        raise ConfigError("--gpu-hours is of projects alone: leave it out, or leave --key out.")
    from tunesmith.stores.keys import KeyStore
    from tunesmith.stores.limits import Limits, LimitStore, of_key, of_project
    from tunesmith.stores.projects import Projects

    with home_database(home) as database:
        found = Projects(database).find(project).id
        subject = of_project(found) if key is None else of_key(KeyStore(database).get(found, key).id)
        LimitStore(database).set(subject, found, Limits(requests, tokens, gpu_hours))
    typer.echo(f"Limited {subject}.")


@contextlib.contextmanager
def _projects(home: str | None) -> Iterator[Projects]:
    from tunesmith.stores.projects import Projects

    with home_database(home) as database:
        yield Projects(database)
