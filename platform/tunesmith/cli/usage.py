"""`tunesmith usage`: what was used, by project, model and day; what it costs, by project and day."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from tunesmith.cli.home_database import home_database
from tunesmith.cli.terminal import HomeOption, JsonOption, print_json, print_table
from tunesmith.config.home import Home

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tunesmith.stores.database import Database

_DAY = 86_400


def usage(
    project: Annotated[str | None, typer.Option("--project", help="Only this one, by id or name.")] = None,
    days: Annotated[int, typer.Option("--days", min=1, help="Days (UTC), today included.")] = 30,
    costs: Annotated[
        bool,
        typer.Option("--costs", help="What tokens and hours of training cost, at the platform's prices."),
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show requests and tokens by project, model and day."""
    from tunesmith.stores.projects import Projects

    with home_database(home) as database:
        only = [Projects(database).find(project).id] if project else None
        end = (int(time.time()) // _DAY + 1) * _DAY
        starts = range(end - days * _DAY, end, _DAY)
        shown = (
            _costs(database, Home.locate(home), starts, only) if costs else _tokens(database, starts, only)
        )
    if as_json:
        print_json(shown)
        return
    header = ("PROJECT", "LINE ITEM", "QUANTITY", "AMOUNT", "CURRENCY") if costs else _TOKENS
    print_table(("DAY", *header), [tuple(line.values()) for line in shown])


_TOKENS = ("PROJECT", "MODEL", "REQUESTS", "INPUT TOKENS", "OUTPUT TOKENS")


def _tokens(database: Database, starts: range, only: Sequence[str] | None) -> list[dict[str, object]]:
    from tunesmith.stores.usage import UsageStore

    lines = UsageStore(database).report(
        start=starts.start, end=starts.stop, group_by=("project_id", "model"), only={"project_id": only}
    )
    return [{"day": _day(line.start), **line.group, **asdict(line.used)} for line in lines]


def _costs(
    database: Database, home: Home, starts: range, only: Sequence[str] | None
) -> list[dict[str, object]]:
    from tunesmith.config.serve import ServeConfig
    from tunesmith.jobs.costs import costs_of
    from tunesmith.stores.platform_file import read_record

    record = read_record(home)
    prices = ServeConfig.model_validate(record.config if record else {}).prices
    summed: dict[tuple[int, str, str], tuple[float, float]] = {}
    for cost in costs_of(database, prices, starts, project_ids=only):
        by = cost.start, cost.project_id, cost.line_item
        quantity, amount = summed.get(by, (0.0, 0.0))
        summed[by] = quantity + cost.quantity, amount + cost.amount
    return [
        {
            "day": _day(start),
            "project_id": project,
            "line_item": item,
            "quantity": round(quantity, 4),
            "amount": round(amount, 6),
            "currency": prices.currency,
        }
        for (start, project, item), (quantity, amount) in sorted(summed.items())
    ]


def _day(at: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(at))
