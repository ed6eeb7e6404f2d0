"""Who calls: the bearer key of a request, looked up and remembered for a moment."""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from tunesmith.errors import AuthenticationError
from tunesmith.gateway.request_record import record_of
from tunesmith.stores.keys import ApiKey, KeyStore

REMEMBERED_SECONDS = 2.0
"""A revoked key works at most this much longer."""
_REMEMBERED_KEYS = 1000


class Authenticator:
    """A FastAPI dependency that turns a request into the key it came with.

    Args:
        keys: the key store.
    """

    def __init__(self, keys: KeyStore) -> None:
        self._keys = keys
        self._remembered: OrderedDict[bytes, tuple[float, ApiKey]] = OrderedDict()

    async def __call__(self, request: Request) -> ApiKey:
        """Verify the request's key.

        Args:
            request: the request; its `Authorization` header is read.

        Returns:
            The key's record, with its project.

        Raises:
            AuthenticationError: no key, or one that is unknown or revoked.
        """
        scheme, _, secret = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not secret.strip():
            raise AuthenticationError(
                "You did not provide an API key. Send it as `Authorization: Bearer KEY`; "
                "`tunesmith keys create` makes one."
            )
        key = await self._verify(secret.strip())
        record_of(request).project_id = key.project_id
        return key

    async def _verify(self, secret: str) -> ApiKey:
        digest = hashlib.sha256(secret.encode()).digest()
        verified_at, key = self._remembered.get(digest, (0.0, None))
        if key is None or time.monotonic() - verified_at > REMEMBERED_SECONDS:
            self._remembered.pop(digest, None)
            key = await run_in_threadpool(self._keys.verify, secret)
            self._remembered[digest] = (time.monotonic(), key)
            while len(self._remembered) > _REMEMBERED_KEYS:
                self._remembered.popitem(last=False)
        return key
