"""Every error a user can meet.

One tree. A message says what is wrong, with which value, and the way out. The HTTP edge turns an
error into an OpenAI error body by `http_status`, `type` and `code`; the command line prints the
message on one line and leaves with `exit_code` (1: the work failed, 2: it was asked wrongly).
"""

from __future__ import annotations

from collections.abc import Sequence


class PlatformError(Exception):
    """An error with a message for its user.

    Args:
        message: one sentence or two: what is wrong, with which value, and the way out.
        param: the request field or config path at fault, if there is one.
        code: a short machine-readable reason, if the class default is too broad.
    """

    http_status = 500
    exit_code = 1
    type = "server_error"
    default_code: str | None = None
    retry_after_seconds: int | None = None
    """After how long trying again makes sense; unset: it does not, or nobody knows."""

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code or self.default_code


class ConfigError(PlatformError):
    """A recipe, a flag or a request field is wrong; nothing was started."""

    http_status = 400
    exit_code = 2
    type = "invalid_request_error"

    @classmethod
    def from_faults(cls, where: str, faults: Sequence[str]) -> ConfigError:
        """Join all faults of one file or request into one error.

        Args:
            where: the file or request that holds the faults.
            faults: one line each, already in the form `path=value what. way out.`

        Returns:
            An error whose message has one line a fault.
        """
        lines = "\n".join(f"  {fault}" for fault in faults)
        return cls(f"{where} has {len(faults)} fault{'s' if len(faults) != 1 else ''}:\n{lines}")


class DataError(PlatformError):
    """Training or evaluation data is wrong; the message names file and line."""

    http_status = 400
    type = "invalid_request_error"
    default_code = "invalid_data"


class DocumentError(PlatformError):
    """One document cannot be read; an ingest reports it and goes on with the rest."""

    http_status = 400
    type = "invalid_request_error"
    default_code = "unreadable_document"


class AuthenticationError(PlatformError):
    """No API key, or one that is not known."""

    http_status = 401
    type = "authentication_error"
    default_code = "invalid_api_key"


class PermissionDeniedError(PlatformError):
    """Nobody may do this, with whichever key; or `insufficient_permissions`: not with this one."""

    http_status = 403
    type = "invalid_request_error"
    default_code = "permission_denied"


class NotFoundError(PlatformError):
    """The named thing does not exist in this project."""

    http_status = 404
    type = "invalid_request_error"
    default_code = "not_found"


class ModelNotFoundError(NotFoundError):
    """No model, version or alias has this name."""

    default_code = "model_not_found"


class ConflictError(PlatformError):
    """The request contradicts what exists: a second `up`, a busy port, a taken name."""

    http_status = 409
    type = "conflict_error"
    default_code = "conflict"


class StaleAttemptError(ConflictError):
    """A write came from an attempt that a later one has replaced; it changed nothing."""

    default_code = "stale_attempt"


class TooLargeError(PlatformError):
    """The request body is larger than the gateway reads."""

    http_status = 413
    type = "invalid_request_error"
    default_code = "request_too_large"


class RefusedError(PlatformError):
    """Another program, the engine or the API, refused a request; the message is its own.

    Args:
        message: what it said.
        status: its HTTP status, 4xx.
        param: the field that it names.
        code: its reason for a program.
    """

    type = "invalid_request_error"

    def __init__(
        self, message: str, *, status: int = 400, param: str | None = None, code: str | None = None
    ) -> None:
        super().__init__(message, param=param, code=code)
        self.http_status = status


class ClientGoneError(PlatformError):
    """The client closed its connection before the answer; nobody reads this."""

    http_status = 499
    default_code = "client_closed_request"


class TooManyRequestsError(PlatformError):
    """A caller asks for more at once than is its share; the others are still served."""

    http_status = 429
    type = "rate_limit_error"
    default_code = "too_many_requests_in_flight"
    retry_after_seconds = 1


class RateLimitError(TooManyRequestsError):
    """A project or a key has used up what it may ask for in a minute.

    Args:
        message: whose limit, which, and when to try again.
        unit: `requests` or `tokens`.
        retry_after_seconds: when to try again.
    """

    default_code = "rate_limit_exceeded"

    def __init__(self, message: str, *, unit: str, retry_after_seconds: int) -> None:
        super().__init__(message)
        self.type = unit
        self.retry_after_seconds = retry_after_seconds
        self.headers: dict[str, str] = {}


class InsufficientQuotaError(PlatformError):
    """A project has used up what it may have in a month; trying again does not help."""

    http_status = 429
    type = "insufficient_quota"
    default_code = "insufficient_quota"


class ClientSlowError(PlatformError):
    """The client took too long to send its request, or to read its answer."""

    http_status = 408
    type = "invalid_request_error"
    default_code = "client_too_slow"


class UnavailableError(PlatformError):
    """A part that should answer does not (yet); trying again later is right."""

    http_status = 503
    type = "server_error"
    default_code = "unavailable"
    retry_after_seconds = 2


class LostError(UnavailableError):
    """A request was lost with what worked on it, and nothing of its answer had come: it may be sent once more."""


class WakingError(UnavailableError):
    """A model is on its way into memory; the request that met this has called it."""

    default_code = "model_starting"
    retry_after_seconds = 10


class OverloadedError(UnavailableError):
    """A part has as much to do as it can hold; nothing was begun."""

    default_code = "overloaded"
    retry_after_seconds = 1


class LimitError(PlatformError):
    """A project has as much of something as it may have at once; more is possible when some of it has ended."""

    http_status = 429
    type = "rate_limit_error"
    default_code = "limit_reached"


class SlowError(PlatformError):
    """A part that should answer took too long."""

    http_status = 504
    default_code = "timeout"


class StorageError(PlatformError):
    """Bytes could not be written or read: a full disk, a missing mount, no permission."""

    http_status = 507
    type = "server_error"
    default_code = "storage"


class DependencyError(PlatformError):
    """A package, command or device that this verb needs is not installed here."""

    http_status = 500
    exit_code = 2
    type = "server_error"
    default_code = "missing_dependency"


class TrainingError(PlatformError):
    """A run ended without a version; the message says at which step and where its log is."""

    default_code = "training_failed"
