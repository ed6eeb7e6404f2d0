"""`tunesmith usage`: what was used, by project, model and day."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Annotated

import typer

from tunesmith.cli.terminal import HomeOption, JsonOption, print_json, print_table
from tunesmith.config.home import Home

_DAY = 86_400


def usage(
    project: Annotated[str | None, typer.Option("--project", help="Only this one, by id or name.")] = None,
    days: Annotated[int, typer.Option("--days", min=1, help="Days (UTC), today included.")] = 30,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show requests and tokens by project, model and day."""
    from tunesmith.stores.database import open_home_database
    from tunesmith.stores.projects import Projects
    from tunesmith.stores.usage import UsageStore

    database = open_home_database(Home.locate(home))
    try:
        only = [Projects(database).find(project).id] if project else []
        end = (int(time.time()) // _DAY + 1) * _DAY
        lines = UsageStore(database).report(
            start=end - days * _DAY, end=end, group_by=("project_id", "model"), only={"project_id": only}
        )
    finally:
        database.close()
    shown = [{"day": _day(line.start), **line.group, **asdict(line.used)} for line in lines]
    if as_json:
        print_json(shown)
    else:
        header = ("DAY", "PROJECT", "MODEL", "REQUESTS", "INPUT TOKENS", "OUTPUT TOKENS")
        print_table(header, [tuple(line.values()) for line in shown])


def _day(at: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(at))
