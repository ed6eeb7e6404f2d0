"""Notes in the audit log what a request has done to a resource, before it is answered."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection

from tunesmith.gateway.organisation.shared import actor_of
from tunesmith.stores.audit import AuditLog
from tunesmith.stores.database import Database
from tunesmith.stores.keys import ApiKey


class Auditor:
    """Writes lines of the audit log for the routes.

    Args:
        database: keeps the log.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def __call__(self, request: HTTPConnection, key: ApiKey, type: str, resource_id: str) -> None:
        """Note what was done.

        Args:
            request: the request that did it.
            key: the key that it came with.
            type: what was done: `file.deleted`.
            resource_id: to what.
        """
        log = AuditLog(self._database, key.organisation_id)
        await run_in_threadpool(
            log.record, type, resource_id, actor=actor_of(request, key), project_id=key.project_id
        )
