"""Names of Ray's job API as the gateway takes them: of packages, and of submissions, which begin with their project."""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncIterator

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field

from tunesmith.errors import ConfigError, NotFoundError, TooLargeError
from tunesmith.stores.keys import ApiKey

MAX_PACKAGE_BYTES = 512 * 2**20
"""Largest working directory that is taken; Ray's own limit."""
# What Ray's client calls a package: after its content, but a wheel by its own name.
_PACKAGE = re.compile(
    r"_ray_pkg_[0-9a-f]{8,64}\.(zip|jar|tar\.gz|tgz|tar\.xz|tar\.bz2)|[A-Za-z0-9][A-Za-z0-9_.+-]{0,199}\.whl"
)
_SUBMISSION = re.compile(r"[A-Za-z0-9_-]{1,64}")
# Of no project's id a part, so that no project's prefix begins another's.
_SEPARATOR = "."


class SubmissionFields(BaseModel):
    """What `ray job submit` sends; whoever takes it says what else may stand in it."""

    model_config = ConfigDict(extra="allow")
    entrypoint: str = Field(min_length=1, max_length=100_000)
    """The command."""
    submission_id: str | None = None
    """Its name; Ray's own shape of one where it is left out."""
    job_id: str | None = None
    """The same, by its older name."""
    metadata: dict[str, str] = {}
    """What is noted with it."""

    def new_id(self, key: ApiKey) -> str:
        """Name the submission.

        Args:
            key: the caller's.

        Returns:
            Its id, with the project before it.

        Raises:
            ConfigError: the name that was sent is none.
        """
        prefix = _prefix(key)
        name = (self.submission_id or self.job_id or f"raysubmit_{secrets.token_hex(8)}").removeprefix(prefix)
        if not _SUBMISSION.fullmatch(name):
            raise ConfigError(
                f"submission_id='{name[:80]}' has other characters than letters, digits, _ and -, or more than 64.",
                param="submission_id",
                code="invalid_value",
            )
        return prefix + name

    def noted(self, key: ApiKey) -> dict[str, str]:
        """Whose it is, beside what was sent.

        Args:
            key: the caller's.

        Returns:
            The metadata.
        """
        return self.metadata | {"tunesmith_project": key.project_id, "tunesmith_key": key.id}


def checked_package(name: str) -> str:
    """Check a package's name, of which files are made.

    Args:
        name: as the client sent it.

    Returns:
        It.

    Raises:
        ConfigError: it is none.
    """
    if not _PACKAGE.fullmatch(name):
        raise ConfigError(
            f"'{name[:80]}' is no package as `ray job submit` names them: _ray_pkg_HASH.zip, or a wheel by its name.",
            param="name",
        )
    return name


async def bounded(request: Request) -> AsyncIterator[bytes]:
    """Read a package as it comes.

    Args:
        request: the upload.

    Yields:
        Its pieces.

    Raises:
        TooLargeError: it is larger than Ray takes.
    """
    taken = 0
    async for piece in request.stream():
        taken += len(piece)
        if taken > MAX_PACKAGE_BYTES:
            raise TooLargeError(
                f"The package is larger than {MAX_PACKAGE_BYTES // 2**20} MiB. Leave data out of the working directory "
                "(`excludes` in the runtime environment), and read it from the object store."
            )
        yield piece


def is_own(key: ApiKey, submission_id: str | None) -> bool:
    """Whether a submission is of the caller's project.

    Args:
        key: the caller's.
        submission_id: any id.

    Returns:
        True for one that the platform named.
    """
    prefix = _prefix(key)
    return bool(
        submission_id
        and submission_id.startswith(prefix)
        and _SUBMISSION.fullmatch(submission_id.removeprefix(prefix))
    )


def own_id(key: ApiKey, submission_id: str) -> str:
    """Check that a submission is of the caller's project.

    Args:
        key: the caller's.
        submission_id: any id.

    Returns:
        It.

    Raises:
        NotFoundError: it is not.
    """
    if not is_own(key, submission_id):
        raise absent(submission_id)
    return submission_id


def absent(submission_id: str) -> NotFoundError:
    """That there is no such submission.

    Args:
        submission_id: any id.

    Returns:
        The error.
    """
    return NotFoundError(
        f"Job {submission_id[:80]} does not exist. `ray job list` shows those of this project."
    )


def _prefix(key: ApiKey) -> str:
    return f"{key.project_id}{_SEPARATOR}"
