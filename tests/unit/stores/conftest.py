"""A migrated database and a folder of objects."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tunesmith.config.home import Home
from tunesmith.stores.database import Database, ProjectRow, open_home_database
from tunesmith.stores.objects import ObjectStore


@pytest.fixture(scope="session")
def migrated_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database, made once; each test gets a copy."""
    home = Home(tmp_path_factory.mktemp("migrated"))
    open_home_database(home).close()
    return home.root / "metadata.sqlite3"


@pytest.fixture
def metadata(tmp_path: Path, migrated_database: Path) -> Iterator[Database]:
    """The projects `default` and `acme`, and nothing else."""
    shutil.copy(migrated_database, tmp_path)
    opened = Database(Home(tmp_path).database_url)
    with opened.session() as session:
        session.add(ProjectRow(id="acme", created_at=1))
    yield opened
    opened.close()


@pytest.fixture
def objects(tmp_path: Path) -> ObjectStore:
    return ObjectStore(f"file://{Home(tmp_path).objects}")
