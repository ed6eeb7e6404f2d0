"""What was used on a day, and what it costs: tokens by project and key, hours of training by project."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from tunesmith.config.serve import PricesConfig
from tunesmith.jobs.quota import gpu_hours
from tunesmith.stores.database import Database
from tunesmith.stores.usage import HOUR, UsageLine, UsageStore

DAY = 24 * HOUR
"""Seconds."""
LineItem = Literal["input tokens", "output tokens", "training"]


@dataclass(frozen=True, slots=True)
class Cost:
    """What was used of one thing.

    Attributes:
        start: Unix seconds at which its day begins.
        line_item: what was used.
        project_id: by which project.
        api_key_id: with which key, if with one.
        quantity: tokens, or hours.
        amount: what that costs.
    """

    start: int
    line_item: LineItem
    project_id: str
    api_key_id: str | None
    quantity: float
    amount: float


def costs_of(
    database: Database,
    prices: PricesConfig,
    days: Sequence[int],
    *,
    project_ids: Sequence[str] | None = None,
    api_key_ids: Sequence[str] | None = None,
) -> list[Cost]:
    """Sum up what was used on some days.

    Args:
        database: keeps what was used.
        prices: what it costs.
        days: where each begins, Unix seconds, one after the other.
        project_ids: only of these projects, where not of all.
        api_key_ids: only with these keys, where not with all; training belongs to no key, and is left out then.

    Returns:
        One cost for each day, project, key and line item of which something was used.
    """
    if not days:
        return []
    lines = UsageStore(database).report(
        start=days[0],
        end=days[-1] + DAY,
        group_by=("project_id", "api_key_id"),
        only={"project_id": project_ids, "api_key_id": api_key_ids},
    )
    costs = [cost for line in lines for cost in _of_tokens(line, prices) if cost.quantity]
    if api_key_ids is not None:
        return costs
    trained = gpu_hours(database, [(day, day + DAY) for day in days], project_ids=project_ids)
    return costs + [
        Cost(day, "training", project, None, hours, hours * prices.gpu_hour)
        for day, by_project in zip(days, trained, strict=True)
        for project, hours in sorted(by_project.items())
    ]


def _of_tokens(line: UsageLine, prices: PricesConfig) -> Iterator[Cost]:
    whose = line.group["project_id"], line.group["api_key_id"]
    read, written = line.used.input_tokens, line.used.output_tokens
    yield Cost(line.start, "input tokens", *whose, read, read * prices.million_input_tokens / 1e6)
    yield Cost(line.start, "output tokens", *whose, written, written * prices.million_output_tokens / 1e6)
