"""The database brought to the newest schema: `python -m tunesmith.stores.migrate`, before anything new runs.

Doing so again changes nothing. A cluster runs it as a hook of the release; on one machine `tunesmith up` needs none.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError, OperationalError

from tunesmith.errors import ConfigError, PlatformError, UnavailableError
from tunesmith.stores.database import migrate

VARIABLE = "TUNESMITH_DATABASE_URL"


def main() -> None:
    """Migrate the database that the environment names; an error is one line."""
    try:
        print(f"{migrate_named(os.environ)} is at the newest schema.")
    except PlatformError as error:
        print(f"error: {error.message}", file=sys.stderr)
        sys.exit(error.exit_code)


def migrate_named(environment: Mapping[str, str]) -> str:
    """Migrate the database that a variable names.

    Args:
        environment: holds TUNESMITH_DATABASE_URL.

    Returns:
        The URL, its password hidden.

    Raises:
        ConfigError: the variable is not set, or is no URL.
        UnavailableError: the database does not answer, or refuses.
    """
    url = environment.get(VARIABLE, "")
    try:
        told = make_url(url).render_as_string(hide_password=True)
    except ArgumentError as error:
        raise ConfigError(
            f"{VARIABLE} is {'no database URL' if url else 'not set'}. "
            "Set it to postgresql+psycopg://USER:PASSWORD@HOST:5432/NAME."
        ) from error
    try:
        migrate(url)
    except OperationalError as error:
        reason = " ".join(str(error.orig).split())
        raise UnavailableError(
            f"{told} could not be migrated: {reason}. Check host, user and password in the Secret that holds the URL."
        ) from error
    return told


if __name__ == "__main__":
    main()
