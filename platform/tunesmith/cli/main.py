"""The `tunesmith` command: one file per command; the only place that prints an error and picks an exit code."""

from __future__ import annotations

import sys

import typer

from tunesmith.cli.ask import ask
from tunesmith.cli.data import app as data
from tunesmith.cli.deploy import app as deploy
from tunesmith.cli.doctor import doctor
from tunesmith.cli.down import down
from tunesmith.cli.evaluate import evaluate
from tunesmith.cli.ingest import ingest
from tunesmith.cli.jobs import app as jobs
from tunesmith.cli.keys import app as keys
from tunesmith.cli.models import app as models
from tunesmith.cli.plan import plan
from tunesmith.cli.projects import app as projects
from tunesmith.cli.quickstart import quickstart
from tunesmith.cli.recipes import app as recipes
from tunesmith.cli.restart import restart
from tunesmith.cli.search import search
from tunesmith.cli.status import status
from tunesmith.cli.train import train
from tunesmith.cli.up import up
from tunesmith.cli.usage import usage
from tunesmith.cli.users import app as users
from tunesmith.errors import DependencyError, PlatformError

app = typer.Typer(
    name="tunesmith",
    help="Documents and examples in, a served, cited, measured assistant out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(data, name="data")
app.command()(ingest)
app.command()(search)
app.command()(train)
app.command()(plan)
app.command()(evaluate)
app.command()(quickstart)
app.command()(up)
app.command()(down)
app.command()(restart)
app.command()(status)
app.command()(ask)
app.command()(usage)
app.command()(doctor)
app.add_typer(jobs, name="jobs")
app.add_typer(keys, name="keys")
app.add_typer(models, name="models")
app.add_typer(deploy, name="deploy")
app.add_typer(projects, name="projects")
app.add_typer(users, name="users")
app.add_typer(recipes, name="recipes")


def main() -> None:
    """Run the command line; a user's error becomes one line and an exit code."""
    try:
        app()
    except PlatformError as error:
        print(f"error: {error.message}", file=sys.stderr)
        sys.exit(error.exit_code)
    except ModuleNotFoundError as error:
        sys.exit(_say_what_is_missing(error))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)


def _say_what_is_missing(error: ModuleNotFoundError) -> int:
    """A client or deploy install has no engines; a module of our own that is missing is a fault of ours."""
    if not error.name or error.name.startswith("tunesmith"):
        raise error
    print(
        f"error: the Python package {error.name} is not installed, and this command needs it. "
        "Install the engines: `make install` in a checkout of Tunesmith.",
        file=sys.stderr,
    )
    return DependencyError.exit_code
