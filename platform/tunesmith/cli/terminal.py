"""What several commands say in the same way: the `--home` option, JSON, tables, the running platform."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tunesmith.config.home import Home
from tunesmith.errors import UnavailableError

if TYPE_CHECKING:
    from tunesmith.stores.platform_file import RunningPlatform

HomeOption = Annotated[
    str | None, typer.Option("--home", help="Folder of the installation [TUNESMITH_HOME, ~/.tunesmith].")
]
ContextOption = Annotated[str | None, typer.Option("--context", help="Context of the kubeconfig.")]
NamespaceOption = Annotated[
    str | None, typer.Option("--namespace", "-n", help="Namespace [the context's own].")
]
ReleaseOption = Annotated[str, typer.Option("--release", help="Name of the Helm release.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def print_json(data: Any) -> None:
    """Print data for a program.

    Args:
        data: what `json` can write.
    """
    typer.echo(json.dumps(data, indent=2, ensure_ascii=False, default=str))


def print_table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print rows under a header, columns aligned.

    Args:
        header: names of the columns.
        rows: as many cells each.
    """
    cells = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    for row in cells:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def require_running(home: Home) -> RunningPlatform:
    """Find the platform that runs on a home.

    Args:
        home: the installation.

    Returns:
        Its record.

    Raises:
        UnavailableError: none runs.
    """
    from tunesmith.stores.platform_file import read_running

    running = read_running(home)
    if running is None:
        raise UnavailableError(
            f"No platform runs on {home.root}. Start it with `tunesmith up`.", code="not_running"
        )
    return running
