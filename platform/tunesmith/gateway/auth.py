"""Who calls, and whether that is enough: the bearer key of a request, looked up and remembered for a moment.

Every route says which role it takes, where it takes its key:

    @router.delete("/v1/things/{id}")
    async def delete_thing(id: str, key: ApiKey = Depends(authenticate.needs("train"))) -> dict[str, Any]:
        Things(database, key.project_id).delete(id)

`key.project_id` is the project that the request acts in; a store that is given it finds nothing of any other, so that
what another project owns is a 404 like what does not exist. The roles are told in `stores/roles.py`. A route without a
role fails `tests/unit/gateway/test_roles.py`.
"""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from dataclasses import replace

from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection

from tunesmith.errors import AuthenticationError, PermissionDeniedError, RateLimitError
from tunesmith.gateway.limits import Limiter
from tunesmith.gateway.request_record import record_of
from tunesmith.records import ProjectRole
from tunesmith.stores.keys import ApiKey, KeyStore
from tunesmith.stores.projects import no_project
from tunesmith.stores.roles import covers

REMEMBERED_SECONDS = 2.0
"""A revoked key works at most this much longer."""
_REMEMBERED_KEYS = 1000


class Authenticator:
    """Turns a request into the key it came with. As a dependency of its own it takes the role `train`.

    Args:
        keys: the key store.
        limiter: bounds what is asked of models; unset, nothing does.
    """

    def __init__(self, keys: KeyStore, limiter: Limiter | None = None) -> None:
        self._keys = keys
        self.limiter = limiter
        self._remembered: OrderedDict[tuple[bytes, str], tuple[float, ApiKey]] = OrderedDict()

    def needs(self, role: ProjectRole, *, limited: bool = False) -> Needs:
        """What a route depends on.

        Args:
            role: the least role that it takes in the project of the request.
            limited: whether it asks a model, and counts against the limits of project and key.

        Returns:
            A FastAPI dependency that gives the caller's key, and refuses one that may not.
        """
        return Needs(self, role, limited=limited)

    def needs_in_project(self, role: ProjectRole) -> NeedsInProject:
        """What a route depends on whose path names the project: `/v1/organization/projects/{project_id}/...`.

        Args:
            role: the least role that it takes in that project.

        Returns:
            A FastAPI dependency that gives the caller's key; the organisation's administrators always come through.
        """
        return NeedsInProject(self, role)

    @property
    def needs_organisation(self) -> NeedsOrganisation:
        """What a route depends on that is for administrators of the organisation alone."""
        return NeedsOrganisation(self)

    async def __call__(self, request: HTTPConnection) -> ApiKey:
        """Verify the request's key, and that it may train.

        Args:
            request: the request.

        Returns:
            The key's record, with the project that the request acts in.

        Raises:
            AuthenticationError: no key, or one that opens nothing (any more).
            PermissionDeniedError: its role is less.
        """
        return await self.needs("train")(request)

    async def verify(self, request: HTTPConnection) -> ApiKey:
        """Verify the request's key, whatever it may do.

        Args:
            request: the request; its headers `Authorization`, `OpenAI-Project` and `OpenAI-Organization` are read.

        Returns:
            The key's record, with the project that the request acts in.

        Raises:
            AuthenticationError: no key, or one that opens nothing (any more), or not the project named.
        """
        scheme, _, secret = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not secret.strip():
            raise AuthenticationError(
                "You did not provide an API key. Send it as `Authorization: Bearer KEY`; "
                "`tunesmith keys create` makes one."
            )
        key = await self._verify(secret.strip(), request.headers.get("openai-project", ""))
        organisation = request.headers.get("openai-organization")
        if organisation and organisation != key.organisation_id:
            raise AuthenticationError(
                f"The header OpenAI-Organization is '{organisation[:80]}', and this key is not of that organisation. "
                "Leave the header out.",
                code="mismatched_organization",
            )
        record = record_of(request)
        record.project_id, record.key_id, record.principal_id = key.project_id, key.id, key.principal_id
        return key

    async def _verify(self, secret: str, project: str) -> ApiKey:
        remembered = hashlib.sha256(secret.encode()).digest(), project
        verified_at, key = self._remembered.get(remembered, (0.0, None))
        if key is None or time.monotonic() - verified_at > REMEMBERED_SECONDS:
            self._remembered.pop(remembered, None)
            key = await run_in_threadpool(self._open, secret, project)
            self._remembered[remembered] = (time.monotonic(), key)
            while len(self._remembered) > _REMEMBERED_KEYS:
                self._remembered.popitem(last=False)
        return key

    async def require_project(self, key: ApiKey, project_id: str) -> None:
        """Make sure that a key may administer a project that is not its own.

        Args:
            key: the caller's.
            project_id: the project, archived ones too.

        Raises:
            NotFoundError: there is no such project, or the key does not administer the organisation.
        """
        if not key.of_organisation or not await run_in_threadpool(
            self._keys.is_known, project_id, key.organisation_id
        ):
            raise no_project(project_id)

    def _open(self, secret: str, project: str) -> ApiKey:
        key = self._keys.verify(secret)
        if not project or project == key.project_id:
            return key
        if not key.of_organisation or not self._keys.is_open(project, key.organisation_id):
            # The same words whether there is such a project or not.
            raise AuthenticationError(
                f"The header OpenAI-Project is '{project[:80]}', and this key does not open that project. Leave the "
                "header out, or use a key of the project.",
                code="mismatched_project",
            )
        return replace(key, project_id=project)


class Needs:
    """A dependency of a route: the caller's key, if its role is enough.

    Args:
        authenticator: who looks keys up.
        role: the least role.
        limited: whether it counts against limits.
    """

    def __init__(self, authenticator: Authenticator, role: ProjectRole, *, limited: bool = False) -> None:
        self._authenticator = authenticator
        self.role = role
        self.limited = limited

    async def __call__(self, request: HTTPConnection) -> ApiKey:
        """Let the caller in.

        Args:
            request: the request.

        Returns:
            The key's record, with the project that the request acts in.

        Raises:
            AuthenticationError: no key, or one that opens nothing (any more).
            PermissionDeniedError: its role is less.
            RateLimitError: its project, or the key itself, has nothing left for now.
        """
        key = await self._authenticator.verify(request)
        if not covers(key.role, self.role):
            raise PermissionDeniedError(
                f"This key has the role '{key.role}' in its project, and {_asked(request)} takes "
                f"'{self.role}'. Use another key: an administrator makes one with `tunesmith keys create --role "
                f"{self.role}`.",
                code="insufficient_permissions",
            )
        if self.limited and self._authenticator.limiter:
            await self._admit(request, key, self._authenticator.limiter)
        return key

    async def _admit(self, request: HTTPConnection, key: ApiKey, limiter: Limiter) -> None:
        try:
            record_of(request).headers |= await limiter.admit(key)
        except RateLimitError as error:
            record_of(request).headers |= error.headers
            raise


class NeedsOrganisation:
    """A dependency of a route: the caller's key, if it administers the organisation.

    Args:
        authenticator: who looks keys up.
    """

    role = "organisation"

    def __init__(self, authenticator: Authenticator) -> None:
        self._authenticator = authenticator

    async def __call__(self, request: HTTPConnection) -> ApiKey:
        """Let the caller in.

        Args:
            request: the request.

        Returns:
            The key's record.

        Raises:
            AuthenticationError: no key, or one that opens nothing (any more).
            PermissionDeniedError: it does not administer the organisation.
        """
        key = await self._authenticator.verify(request)
        if not key.of_organisation:
            raise PermissionDeniedError(
                f"{_asked(request)} is for administrators of the organisation. Use an administrator's key, such as the "
                "home's admin.key.",
                code="insufficient_permissions",
            )
        return key


class NeedsInProject:
    """A dependency of a route whose path names a project: the caller's key, if its role there is enough.

    Args:
        authenticator: who looks keys up.
        role: the least role.
    """

    def __init__(self, authenticator: Authenticator, role: ProjectRole) -> None:
        self._authenticator = authenticator
        self.role = role

    async def __call__(self, request: HTTPConnection) -> ApiKey:
        """Let the caller in.

        Args:
            request: the request; its path has a `project_id`.

        Returns:
            The key's record, with the project of the path.

        Raises:
            AuthenticationError: no key, or one that opens nothing (any more).
            PermissionDeniedError: its role is less.
            NotFoundError: there is no such project, or the key does not open it: nobody learns which.
        """
        key = await self._authenticator.verify(request)
        if not covers(key.role, self.role):
            raise PermissionDeniedError(
                f"This key has the role '{key.role}', and {_asked(request)} takes '{self.role}'. Use an "
                "administrator's key.",
                code="insufficient_permissions",
            )
        project_id: str = request.path_params["project_id"]
        if project_id == key.project_id:
            return key
        await self._authenticator.require_project(key, project_id)
        return replace(key, project_id=project_id)


def _asked(request: HTTPConnection) -> str:
    return f"{request.scope.get('method', 'GET')} {request.url.path}"
