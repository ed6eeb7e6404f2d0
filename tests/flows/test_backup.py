"""Backups by the commands that stand in docs/operate.md and docs/deploy.md, on the stores of one machine."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from postgres_server import postgres_programs, running_postgres
from training import run_cli

from tunesmith.stores.database import Database, ProjectRow, migrate

PAGES = Path(__file__).parents[2] / "docs"


def _shell(command: str, page: str, **variables: str) -> None:
    """Run a command that stands on a page."""
    assert command in (PAGES / page).read_text(encoding="utf-8"), f"{page} says it otherwise"
    subprocess.run(
        ["bash", "-euc", command], env={**os.environ, **variables}, check=True, capture_output=True
    )


def _found(home: Path, question: str) -> list[str]:
    done = run_cli("search", question, "--store", "notes", "--json", env={"TUNESMITH_HOME": str(home)})
    assert done.returncode == 0, done.stderr
    return [hit["text"] for hit in json.loads(done.stdout)["hits"]]


def _ingest(home: Path, notes: Path) -> dict[str, list[str]]:
    done = run_cli("ingest", str(notes), "--store", "notes", "--json", env={"TUNESMITH_HOME": str(home)})
    assert done.returncode == 0, done.stderr
    report: dict[str, list[str]] = json.loads(done.stdout)
    return report


@pytest.mark.flow
@pytest.mark.slow
def test_a_home_comes_back_elsewhere_as_it_was(tmp_path: Path) -> None:
    home, other, notes = tmp_path / "home", tmp_path / "other", tmp_path / "notes"
    notes.mkdir()
    (notes / "lamp.md").write_text("The lamp costs 40 coins.", encoding="utf-8")
    _ingest(home, notes)
    there = {"TUNESMITH_HOME": str(home), "BACKUP": str(tmp_path / "tunesmith.tar")}
    _shell('tar -C "$TUNESMITH_HOME" --exclude=./run -cf "$BACKUP" .', "operate.md", **there)

    (notes / "lamp.md").write_text("The lamp costs 55 coins.", encoding="utf-8")
    assert _ingest(home, notes)["changed"] == ["lamp.md"]

    _shell(
        'mkdir -p "$TUNESMITH_HOME" && tar -C "$TUNESMITH_HOME" -xf "$BACKUP"',
        "operate.md",
        **{**there, "TUNESMITH_HOME": str(other)},
    )
    assert _found(other, "What does the lamp cost?") == ["The lamp costs 40 coins."]
    assert _ingest(other, notes)["changed"] == ["lamp.md"], "its catalogue is that of its vectors"


def test_a_database_comes_back_as_it_was_and_takes_the_newest_schema(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = postgres_programs()
    if programs is None:
        pytest.skip("no Postgres on this machine: install `postgresql`")
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    with running_postgres(programs) as url:
        place = url.replace("postgresql://", "postgresql+psycopg://")
        migrate(place)
        _add_project(place, "before")
        _shell('pg_dump "$URL" --format=custom --file=tunesmith.dump', "deploy.md", URL=url)
        _add_project(place, "after")
        _shell('pg_restore --clean --if-exists --dbname "$URL" tunesmith.dump', "deploy.md", URL=url)
        migrate(place)
        with Database(place).session() as session:
            projects = {row.id for row in session.query(ProjectRow)}
    assert "before" in projects
    assert "after" not in projects


def _add_project(url: str, project_id: str) -> None:
    with Database(url).session() as session:
        session.add(ProjectRow(id=project_id, created_at=1))
