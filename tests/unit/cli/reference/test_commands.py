from __future__ import annotations

import typer

from tunesmith.cli.reference.commands import render_commands


def test_groups_stand_before_their_commands() -> None:
    app, jobs = typer.Typer(name="tool", rich_markup_mode=None), typer.Typer(help="Jobs.")

    @app.callback()
    def top() -> None:
        """Do things."""

    @jobs.command("ls")
    def ls(limit: int = 5) -> None:
        """List them."""

    @jobs.command("show")
    def show(name: str) -> None:
        """Show one."""

    app.add_typer(jobs, name="jobs")
    text = render_commands(app)
    headings = [line for line in text.splitlines() if line.startswith("## ")]
    assert headings == ["## `tool`", "## `tool jobs`", "## `tool jobs ls`", "## `tool jobs show`"]
    assert "--limit" in text
    assert "List them." in text
