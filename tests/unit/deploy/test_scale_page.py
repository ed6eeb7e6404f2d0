"""The tables of docs/scale.md are what its commands print."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tunesmith.cli.main import app

PAGE = Path(__file__).parents[3] / "docs" / "scale.md"
SHOWN = re.findall(
    r"```text\n\$ tunesmith (deploy [^\n]+)\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.S
)


@pytest.mark.parametrize(("command", "table"), SHOWN, ids=[command for command, _ in SHOWN])
def test_a_table_of_the_page(command: str, table: str) -> None:
    printed = CliRunner().invoke(app, command.split()).output
    assert [line.rstrip() for line in printed.strip().splitlines()] == [
        line.rstrip() for line in table.strip().splitlines()
    ]


def test_the_page_shows_both_commands() -> None:
    assert {command.split()[1] for command, _ in SHOWN} == {"capacity", "simulate"}
