"""What a database has to be besides its tables: reached, told of, migrated once. The stores' own suites run on both."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Float, text

from tunesmith.config.home import Home
from tunesmith.errors import ConfigError, DependencyError, StorageError
from tunesmith.stores.database import Base, Database, ProjectRow, lock_name


def _new_database(postgres: str, name: str) -> str:
    server = Database(postgres)
    with server._engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(
            text(f"CREATE DATABASE {name} TEMPLATE template0")
        )
    server.close()
    return postgres.rpartition("/")[0] + f"/{name}"


def test_the_environment_names_the_database(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TUNESMITH_DATABASE_URL", "postgresql://db/tunesmith")
    assert Home(tmp_path).database_url == "postgresql://db/tunesmith"
    monkeypatch.delenv("TUNESMITH_DATABASE_URL")
    assert Home(tmp_path).database_url == f"sqlite:///{tmp_path}/metadata.sqlite3"


def test_many_open_a_new_database_and_it_is_migrated_once(postgres: str, tmp_path: Path) -> None:
    url = _new_database(postgres, "fresh")
    program = "import sys; from tunesmith.stores.database import migrate; migrate(sys.argv[1])"
    started = [subprocess.Popen([sys.executable, "-c", program, url], env=_environment()) for _ in range(3)]
    assert [process.wait(90) for process in started] == [0, 0, 0]
    database = Database(url)
    with database.session() as session:
        assert [row.id for row in session.query(ProjectRow)] == ["default"]
    database.close()


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def test_the_migrations_make_what_the_rows_say(metadata: Database) -> None:
    with metadata._engine.connect() as connection:
        found = compare_metadata(MigrationContext.configure(connection), Base.metadata)
    assert [change for change in found if not _of_no_meaning(change)] == []


def _of_no_meaning(change: Any) -> bool:
    """FLOAT is the double of either database."""
    return isinstance(change, list) and all(
        step[0] in ("modify_default", "modify_comment") or isinstance(step[-1], Float) for step in change
    )


def test_a_server_that_is_away_is_told_without_its_password() -> None:
    database = Database("postgresql://tunesmith:secret@127.0.0.1:9/tunesmith?connect_timeout=2")
    with (
        pytest.raises(StorageError, match="Check that the server runs") as told,
        database.session() as session,
    ):
        session.get(ProjectRow, "default")
    assert "secret" not in str(told.value)


@pytest.mark.parametrize("url", ["nonsense", "mysql://host/name"])
def test_a_url_of_another_kind_is_told(url: str) -> None:
    with pytest.raises(ConfigError, match="postgresql://"):
        Database(url)


def test_a_missing_package_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "psycopg", None)
    with pytest.raises(DependencyError, match=r"Install tunesmith\[cluster\]"):
        Database("postgresql://host/name")


def test_a_connection_that_the_server_closed_is_opened_again(postgres: str) -> None:
    database, other = Database(postgres), Database(postgres)
    with database.session() as session:
        (pid,) = session.execute(text("SELECT pg_backend_pid()")).one()
    with other.session() as session:
        session.execute(text(f"SELECT pg_terminate_backend({pid})"))
    with database.session() as session:
        assert session.execute(text("SELECT 1")).scalar() == 1
    database.close()
    other.close()


def test_what_a_database_cannot_keep_is_the_askers_fault(postgres: str) -> None:
    database = Database(postgres)
    with pytest.raises(ConfigError, match="cannot be kept"), database.session() as session:
        session.add(ProjectRow(id="a\x00b", created_at=1))
    database.close()


def test_what_is_done_under_one_name_follows_one_another(metadata: Database) -> None:
    def count_up(_number: int) -> None:
        with metadata.session() as session:
            lock_name(session, "count")
            row = session.get_one(ProjectRow, "acme", populate_existing=True)
            row.created_at += 1

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(count_up, range(40)))
    with metadata.session() as session:
        assert session.get_one(ProjectRow, "acme").created_at == 41
