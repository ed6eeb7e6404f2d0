"""/v1/organization/costs: what tokens and hours of training cost, by day, project, key and line item.

Prices are those of the configuration at the moment of asking; nothing is billed. Hours of training belong to a project,
not to a key.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from tunesmith.config.serve import PricesConfig
from tunesmith.gateway.auth import Authenticator
from tunesmith.gateway.body import check_fields
from tunesmith.gateway.organisation.shared import read_lists, readable_projects
from tunesmith.jobs.costs import DAY, Cost, costs_of
from tunesmith.stores.database import Database
from tunesmith.stores.keys import ApiKey

CostGroup = Literal["project_id", "line_item", "api_key_id"]
_UNITS: dict[str, str] = {
    "input tokens": "tokens",
    "output tokens": "tokens",
    "training": "duration_hours",
}


class CostFields(BaseModel):
    """The query of a report of costs."""

    model_config = ConfigDict(extra="ignore")
    start_time: int = Field(ge=0, le=2**40)
    """Unix seconds."""
    end_time: int | None = Field(None, ge=0, le=2**40)
    """Unix seconds; unset: now."""
    bucket_width: Literal["1d"] = "1d"
    """Length of one line."""
    group_by: list[CostGroup] = []
    """A result for each value of these."""
    project_ids: list[str] | None = None
    """Only these."""
    api_key_ids: list[str] = []
    """Only what these keys used."""
    limit: int = Field(7, ge=1, le=180)
    """Most days on a page."""
    page: str | None = Field(None, pattern=r"^\d{1,12}$")
    """Where the page begins, as the page before said."""


def cost_routes(*, authenticate: Authenticator, database: Database, prices: PricesConfig) -> APIRouter:
    """Costs.

    Args:
        authenticate: who calls.
        database: keeps what was used.
        prices: what it costs.

    Returns:
        Their route.
    """
    router = APIRouter()

    @router.get("/v1/organization/costs")
    async def read_costs(
        request: Request,
        key: ApiKey = Depends(authenticate.needs("administer")),  # noqa: B008
    ) -> dict[str, Any]:
        query = read_lists(request, {"group_by", "project_ids", "api_key_ids"})
        fields = check_fields(query, CostFields, strict=False)
        fields.project_ids = await run_in_threadpool(readable_projects, database, key, fields.project_ids)
        return await run_in_threadpool(cost_page, database, prices, fields)

    return router


def cost_page(database: Database, prices: PricesConfig, fields: CostFields) -> dict[str, Any]:
    """A page of costs.

    Args:
        database: keeps what was used.
        prices: what it costs.
        fields: what is asked for.

    Returns:
        The JSON object.
    """
    first = int(fields.page) if fields.page else fields.start_time // DAY * DAY
    until = fields.end_time or int(time.time()) + 1
    starts = range(first, until, DAY)
    shown = starts[: fields.limit]
    costs = costs_of(
        database, prices, shown, project_ids=fields.project_ids, api_key_ids=fields.api_key_ids or None
    )
    more = len(starts) > len(shown)
    return {
        "object": "page",
        "data": [
            {
                "object": "bucket",
                "start_time": start,
                "end_time": start + DAY,
                "results": _results([cost for cost in costs if cost.start == start], fields.group_by, prices),
            }
            for start in shown
        ],
        "has_more": more,
        "next_page": str(shown[-1] + DAY) if more else None,
    }


def _results(
    costs: Sequence[Cost], group_by: Sequence[CostGroup], prices: PricesConfig
) -> list[dict[str, Any]]:
    groups: defaultdict[tuple[str | None, ...], list[Cost]] = defaultdict(list)
    for cost in costs:
        groups[tuple(getattr(cost, name) for name in group_by)].append(cost)
    return [_result(dict(zip(group_by, values, strict=True)), of, prices) for values, of in groups.items()]


def _result(
    group: dict[CostGroup, str | None], costs: Sequence[Cost], prices: PricesConfig
) -> dict[str, Any]:
    item = group.get("line_item")
    return {
        "object": "organization.costs.result",
        "amount": {"value": sum(cost.amount for cost in costs), "currency": prices.currency},
        "line_item": item,
        "project_id": group.get("project_id"),
        "api_key_id": group.get("api_key_id"),
        "quantity": sum(cost.quantity for cost in costs) if item else None,
        "quantity_unit": _UNITS[item] if item else None,
    }
