"""/v1/organization/usage and /v1/organization/audit_logs: what was used, and who changed what."""

from __future__ import annotations

import time
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema
from starlette.concurrency import run_in_threadpool

from tunesmith.errors import ConfigError
from tunesmith.gateway.auth import Authenticator
from tunesmith.gateway.body import check_fields
from tunesmith.gateway.organisation.shared import AdminPageFields, read_lists, readable_projects
from tunesmith.stores.audit import AuditEvent, AuditLog
from tunesmith.stores.database import Database
from tunesmith.stores.keys import ApiKey
from tunesmith.stores.principals import Principals
from tunesmith.stores.usage import HOUR, GroupBy, UsageKind, UsageLine, UsageStore

_WIDTHS = {"1h": HOUR, "1d": 24 * HOUR}
_LISTS = {"group_by", "project_ids", "user_ids", "api_key_ids", "models", "event_types"}


class UsageFields(BaseModel):
    """The query of a report of usage."""

    model_config = ConfigDict(extra="ignore")
    start_time: int = Field(ge=0, le=2**40)
    """Unix seconds."""
    end_time: int | None = Field(None, ge=0, le=2**40)
    """Unix seconds; unset: now."""
    bucket_width: Annotated[
        Literal["1m", "1h", "1d"], WithJsonSchema({"type": "string", "enum": ["1h", "1d"]})
    ] = "1d"
    """Length of one line."""
    group_by: list[GroupBy] = []
    """A result for each value of these."""
    project_ids: list[str] | None = None
    """Only these."""
    user_ids: list[str] = []
    """Only these."""
    api_key_ids: list[str] = []
    """Only these."""
    models: list[str] = []
    """Only these."""
    limit: int | None = Field(None, ge=1, le=168)
    """Most lines on a page."""
    page: str | None = Field(None, pattern=r"^\d{1,12}$")
    """Where the page begins, as the page before said."""


class AuditFields(AdminPageFields):
    """The query of the audit log."""

    event_types: list[str] = Field(default_factory=list)
    """Only these."""
    project_ids: list[str] = Field(default_factory=list)
    """Only of these projects."""


def report_routes(*, authenticate: Authenticator, database: Database) -> APIRouter:
    """Usage and the audit log.

    Args:
        authenticate: who calls.
        database: keeps both.

    Returns:
        Their routes.
    """
    router = APIRouter()
    administers = authenticate.needs("administer")

    async def usage(request: Request, key: ApiKey, kind: UsageKind) -> dict[str, Any]:
        fields = check_fields(read_lists(request, _LISTS), UsageFields, strict=False)
        fields.project_ids = await run_in_threadpool(readable_projects, database, key, fields.project_ids)
        return await run_in_threadpool(usage_page, UsageStore(database), fields, kind)

    @router.get("/v1/organization/usage/completions")
    async def read_completions_usage(
        request: Request,
        key: ApiKey = Depends(administers),  # noqa: B008
    ) -> dict[str, Any]:
        return await usage(request, key, "completions")

    @router.get("/v1/organization/usage/embeddings")
    async def read_embeddings_usage(
        request: Request,
        key: ApiKey = Depends(administers),  # noqa: B008
    ) -> dict[str, Any]:
        return await usage(request, key, "embeddings")

    @router.get("/v1/organization/audit_logs")
    async def list_audit_events(
        request: Request,
        key: ApiKey = Depends(authenticate.needs_organisation),  # noqa: B008
    ) -> dict[str, Any]:
        fields = check_fields(read_lists(request, _LISTS), AuditFields, strict=False)
        return await run_in_threadpool(audit_page, database, key.organisation_id, fields)

    return router


def usage_page(store: UsageStore, fields: UsageFields, kind: UsageKind) -> dict[str, Any]:
    """A page of usage.

    Args:
        store: the usage.
        fields: what is asked for.
        kind: which usage.

    Returns:
        The JSON object.

    Raises:
        ConfigError: by the minute: usage is counted by the hour.
    """
    if fields.bucket_width == "1m":
        raise ConfigError(
            "bucket_width=1m is not served: usage is counted by the hour. Use 1h or 1d.",
            param="bucket_width",
            code="invalid_value",
        )
    width = _WIDTHS[fields.bucket_width]
    first = int(fields.page) if fields.page else fields.start_time // width * width
    until = fields.end_time or int(time.time()) + 1
    count = fields.limit or (7 if fields.bucket_width == "1d" else 24)
    starts = range(first, until, width)
    shown = starts[:count]
    lines = store.report(
        start=first,
        end=min(until, shown[-1] + width) if shown else first,
        kind=kind,
        width=width,
        group_by=fields.group_by,
        only={
            "project_id": fields.project_ids,
            "user_id": fields.user_ids or None,
            "api_key_id": fields.api_key_ids or None,
            "model": fields.models or None,
        },
    )
    data = [
        {
            "object": "bucket",
            "start_time": start,
            "end_time": start + width,
            "results": [usage_object(line, kind) for line in lines if line.start == start],
        }
        for start in shown
    ]
    more = len(starts) > len(shown)
    return {
        "object": "page",
        "data": data,
        "has_more": more,
        "next_page": str(shown[-1] + width) if more else None,
    }


def usage_object(line: UsageLine, kind: UsageKind) -> dict[str, Any]:
    """One result of a report as the OpenAI API shows it.

    Args:
        line: what was used.
        kind: which usage.

    Returns:
        The JSON object; null for what was not grouped by.
    """
    by = {name: line.group.get(name) for name in ("project_id", "user_id", "api_key_id", "model")}
    counted: dict[str, Any] = {
        "object": f"organization.usage.{kind}.result",
        "input_tokens": line.used.input_tokens,
        "num_model_requests": line.used.requests,
    }
    if kind == "completions":
        counted |= {"output_tokens": line.used.output_tokens}
    return counted | by


def audit_page(database: Database, organisation_id: str, fields: AuditFields) -> dict[str, Any]:
    """A page of the audit log, newest first.

    Args:
        database: keeps the log.
        organisation_id: whose log.
        fields: what is asked for.

    Returns:
        The JSON object.
    """
    events = AuditLog(database, organisation_id).list(
        limit=fields.limit + 1,
        after=fields.after,
        project_ids=fields.project_ids,
        types=fields.event_types,
    )
    page, principals = events[: fields.limit], Principals(database, organisation_id)
    return {
        "object": "list",
        "data": [audit_object(event, principals) for event in page],
        "first_id": page[0].id if page else None,
        "last_id": page[-1].id if page else None,
        "has_more": len(events) > len(page),
    }


def audit_object(event: AuditEvent, principals: Principals) -> dict[str, Any]:
    """A line of the audit log as the OpenAI API shows it.

    Args:
        event: what happened.
        principals: who they are.

    Returns:
        The JSON object; under the name of its type, the resource and what was said of it.
    """
    who = principals.get(event.actor.principal_id)
    user = {"id": who.id} | ({"email": who.email} if who.email else {})
    actor: dict[str, Any] = {"type": "session", "session": {"user": user}}
    if event.actor.key_id:
        actor = {
            "type": "api_key",
            "api_key": {"id": event.actor.key_id, "type": who.kind, who.kind: user},
        }
    shown = {
        "id": event.id,
        "type": event.type,
        "effective_at": event.at,
        "actor": actor,
        event.type: {"id": event.resource_id, "data": dict(event.details)},
        "request_id": event.actor.request_id,
    }
    return shown | ({"project": {"id": event.project_id}} if event.project_id else {})
