"""What an API server's refusal means, in our own words: one line, with the way out."""

from __future__ import annotations

import json
from typing import Any

from tunesmith.errors import (
    AuthenticationError,
    ConfigError,
    ConflictError,
    DependencyError,
    NotFoundError,
    PermissionDeniedError,
    PlatformError,
    UnavailableError,
)

GONE = "gone"
"""Code of the error of a watch, or of a page, that began too long ago: list anew."""
EXISTS = "already_exists"
"""Code of the error of a creation that another one was faster at."""
NO_KIND = "no_such_kind"
"""Code of the error of a kind that the server does not serve."""


def error_of(status: int, body: bytes, *, what: str, server: str) -> PlatformError:
    """Turn an answer that is no success into an error.

    Args:
        status: HTTP status.
        body: what came with it; a `Status` object, mostly.
        what: what was asked for, as `create rayjobs/a in ns`.
        server: its address.

    Returns:
        The error.
    """
    said = _said(body)
    message = said.get("message") or body[:200].decode(errors="replace").strip()
    reason = said.get("reason", "")
    match status:
        case 401:
            return AuthenticationError(
                f"{server} does not accept the credentials of this context: expired, or revoked. Sign in again "
                "with your provider's command, or choose another context with --context.",
                code="unauthorized",
            )
        case 403:
            return PermissionDeniedError(
                f"Forbidden: {what}: {message}. Have an administrator of the cluster grant it "
                "(`tunesmith doctor --cluster` lists what is needed), or use a namespace of your own.",
                code="quota_exceeded" if "exceeded quota" in message else "forbidden",
            )
        case 404 if message.startswith("namespaces ") and "namespaces/" not in what:
            return DependencyError(
                f"{what}: the namespace does not exist. Make it (`kubectl create namespace NAME`), or name another one "
                "with --namespace.",
                code="no_namespace",
            )
        case 404 if reason != "NotFound" or not said.get("details", {}).get("name"):
            return DependencyError(
                f"{server} knows no such kind or namespace: {what}. Install what serves it (KubeRay for ray.io, Kueue "
                "for kueue.x-k8s.io), or mend the namespace: `tunesmith doctor --cluster`.",
                code=NO_KIND,
            )
        case 404:
            return NotFoundError(f"Not there: {what}.")
        case 409:
            return ConflictError(
                f"{what}: {message}. Somebody else changed it; look at it and try again.",
                code=EXISTS if reason == "AlreadyExists" else "conflict",
            )
        case 410:
            return ConflictError(f"{what}: {message}. List anew.", code=GONE)
        case 400 | 422 if "unknown field" in message:
            return ConfigError(
                f"{server} refuses {what}: {message}. It knows another version of this kind than this release: "
                "`tunesmith doctor --cluster`.",
                code="invalid",
            )
        case 400 | 413 | 415 | 422:
            return ConfigError(f"{server} refuses {what}: {message}", code="invalid")
        case _:
            return UnavailableError(f"{server} answers {status} to {what}: {message}. Try again later.")


def _said(body: bytes) -> dict[str, Any]:
    try:
        said = json.loads(body)
    except ValueError:
        return {}
    return said if isinstance(said, dict) and said.get("kind") == "Status" else {}
