"""`docs/reference/cli.md`: the help of every command, as the terminal shows it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

_COLUMNS = 100


def render_commands(app: typer.Typer) -> str:
    """Write the help of every command of an application.

    Args:
        app: the application.

    Returns:
        Markdown: a heading and a block of help a command, groups before their own commands.
    """
    root: Any = typer.main.get_command(app)
    helps = _helps(root, root.make_context(root.name, [], resilient_parsing=True, terminal_width=_COLUMNS))
    sections = [f"## `{path}`\n\n```text\n{text}\n```" for path, text in helps]
    return "\n\n".join(["# Commands", *sections]) + "\n"


def _helps(command: Any, context: Any) -> Iterator[tuple[str, str]]:
    yield (
        context.command_path,
        "\n".join(line.rstrip() for line in command.get_help(context).splitlines()).strip(),
    )
    for name, child in getattr(command, "commands", {}).items():
        nested = child.make_context(name, [], parent=context, resilient_parsing=True, terminal_width=_COLUMNS)
        yield from _helps(child, nested)
