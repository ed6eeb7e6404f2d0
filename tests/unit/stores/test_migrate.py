from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tunesmith.errors import ConfigError, UnavailableError
from tunesmith.stores.database import is_migrated
from tunesmith.stores.migrate import VARIABLE, migrate_named


def test_it_can_run_twice(tmp_path: Path, migrated_database: Path) -> None:
    url = f"sqlite:///{tmp_path / 'copy.sqlite3'}"
    (tmp_path / "copy.sqlite3").write_bytes(migrated_database.read_bytes())
    assert migrate_named({VARIABLE: url}) == url
    tables = sqlite3.connect(tmp_path / "copy.sqlite3").execute("select name from sqlite_master").fetchall()
    assert ("api_keys",) in tables


def test_a_database_is_migrated_once(tmp_path: Path, migrated_database: Path) -> None:
    url = f"sqlite:///{tmp_path / 'metadata.sqlite3'}"
    assert not is_migrated(url)
    assert list(tmp_path.iterdir()) == [], "to ask makes nothing"
    (tmp_path / "metadata.sqlite3").write_bytes(migrated_database.read_bytes())
    assert is_migrated(url), "the newest file is the head of the migrations"
    with contextlib.closing(sqlite3.connect(tmp_path / "metadata.sqlite3")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0021'")
        connection.commit()
    assert not is_migrated(url)


def test_a_home_that_is_migrated_imports_no_alembic(tmp_path: Path) -> None:
    code = "import sys; from tunesmith.config.home import Home; from tunesmith.stores.database import *"
    code += f"; open_home_database(Home.locate({str(tmp_path)!r})); print('alembic' in sys.modules)"
    said = [
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.strip()
        for _ in range(2)
    ]
    assert said == ["True", "False"]


@pytest.mark.parametrize(("url", "said"), [("", "is not set"), ("postgres", "is no database URL")])
def test_a_missing_or_broken_url_is_said(url: str, said: str) -> None:
    with pytest.raises(ConfigError, match=f"{VARIABLE} {said}. Set it to postgresql"):
        migrate_named({VARIABLE: url})


def test_a_database_that_does_not_answer_is_one_line_without_its_password() -> None:
    url = "postgresql+psycopg://me:hunter2@127.0.0.1:1/db?connect_timeout=1"
    with pytest.raises(UnavailableError) as caught:
        migrate_named({VARIABLE: url})
    assert "could not be migrated" in caught.value.message
    assert "hunter2" not in caught.value.message
    assert "\n" not in caught.value.message
