"""The metadata database of a home, open for one command."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tunesmith.config.home import Home

if TYPE_CHECKING:
    from tunesmith.stores.database import Database


@contextlib.contextmanager
def home_database(home: str | None) -> Iterator[Database]:
    """Open the database of a home, and close it.

    Args:
        home: folder of the installation; None: where it is by default.

    Yields:
        The database, migrated.
    """
    from tunesmith.stores.database import open_home_database

    database = open_home_database(Home.locate(home))
    try:
        yield database
    finally:
        database.close()
