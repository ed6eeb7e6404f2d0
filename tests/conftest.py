"""What every test stands on: no model hub, a long limit for real engines, and no process left behind."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import psutil
import pytest
from postgres_server import postgres_programs, running_postgres
from sqlalchemy import Table, text
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tunesmith.config.home import Home
from tunesmith.stores import database
from tunesmith.stores.database import Base, Database, ProjectRow, migrate
from tunesmith.stores.objects import ObjectStore

FLOW_LIMIT_SECONDS = 600
GRACE_SECONDS = 20.0
MARK = "TUNESMITH_TEST_SESSION"
SHARED_FOLDERS = ("tests/flows/shared_platform", "tests/flows/shared_plane")
"""The flows that share what their folder starts: they run in one worker, so that it is started once."""
LONGEST_FIRST = (
    "tests/flows/shared_platform",
    "tests/faults/test_kills.py",
    "tests/flows/test_quickstart.py",
    "tests/flows/test_bases.py",
    "tests/flows/shared_plane",
    "tests/flows/test_train.py",
    "tests/flows/test_preference.py",
    "tests/chart/test_pods.py",
    "tests/api/test_schemathesis.py",
    "tests/flows/test_reader.py",
)
"""Begun first, so that no worker is left alone with one of them at the end; the others come as they were collected."""

# On a machine that does other things too, how long one example takes says nothing.
hypothesis.settings.register_profile("shared-machine", deadline=None)
hypothesis.settings.load_profile("shared-machine")

os.environ["HF_HUB_OFFLINE"] = "1"
# Inherited by every process a test starts, and by theirs, also when they leave our process group.
os.environ[MARK] = uuid.uuid4().hex
_EXTENSIONS = tempfile.TemporaryDirectory(prefix="tunesmith-extensions-")
os.environ["TORCH_EXTENSIONS_DIR"] = _EXTENSIONS.name


class FilesTogether(LoadScopeScheduling):
    """Gives workers whole files, whose fixtures are made once, in the order of collection."""

    def _split_scope(self, nodeid: str) -> str:
        return _scope(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> FilesTogether:
    """Keep files together, whatever `--dist` says."""
    config.option.loadscopereorder = False
    return FilesTogether(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give tests that start real engines the longer limit, and the first places of the run."""
    for item in items:
        if item.get_closest_marker("flow") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(FLOW_LIMIT_SECONDS))
    items.sort(key=_place)


@pytest.fixture(scope="session", autouse=True)
def no_process_is_left() -> Iterator[None]:
    """Fail the session if anything it started still runs when it ends; end it by its id."""
    yield
    deadline = time.monotonic() + GRACE_SECONDS
    while (left := _started_here()) and time.monotonic() < deadline:
        time.sleep(0.5)
    told = [_describe(process) for process in left]
    for process in left:
        process.kill()
    assert not told, "processes left behind (ended now):\n" + "\n".join(told)


@pytest.fixture(scope="session", autouse=True)
def nothing_is_compiled() -> Iterator[None]:
    """Fail the session if an engine compiled an extension: that takes minutes, and a compiler no user was asked for."""
    yield
    compiled = sorted(path.name for path in Path(_EXTENSIONS.name).rglob("*.so"))
    assert not compiled


@pytest.fixture(scope="session", autouse=True)
def tests_compute_in_one_thread() -> None:
    """Have torch use one thread where workers share the cores; what they start has its own settings.

    Threads that meet after each operator of a tiny model wait for whichever of them has no core: on a busy machine it
    takes five times as long.
    """
    if "PYTEST_XDIST_WORKER" in os.environ and "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


@pytest.fixture(scope="session")
def node_programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the programs in TypeScript, with the official SDK from its registry; installed once for all workers."""
    if shutil.which("npm") is None:
        pytest.skip("Node.js is not installed")
    ours = tmp_path_factory.getbasetemp()
    shared = ours.parent if "PYTEST_XDIST_WORKER" in os.environ else ours
    folder, install = shared / "node", ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock"]
    with (shared / "node.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "node_modules" / ".bin" / "tsx").exists():
            shutil.copytree(Path(__file__).with_name("node"), folder, dirs_exist_ok=True)
            done = subprocess.run(
                [*install, "--loglevel=error"],
                cwd=folder,
                capture_output=True,
                text=True,
                timeout=240,
                check=False,
            )
            assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URL of a migrated database on a real Postgres; skips only where the machine has no such program."""
    programs = postgres_programs()
    if programs is None:
        pytest.skip("no Postgres on this machine: install `postgresql`")
    with running_postgres(programs) as url:
        migrate(url)
        yield url


@pytest.fixture(scope="session")
def migrated_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite database, made once; each test gets a copy."""
    path = tmp_path_factory.mktemp("migrated") / "metadata.sqlite3"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session", autouse=True)
def new_databases_are_copies(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[None]:
    """A new SQLite database is a copy of one that was migrated once: to migrate takes longer than most tests do.

    In this process alone; what tests start migrates as ever, and `test_migrate.py` asks for it by name.
    """
    template = tmp_path_factory.mktemp("template") / "metadata.sqlite3"

    def copy_or_migrate(url: str) -> None:
        path = Path(url.removeprefix("sqlite:///"))
        if not url.startswith("sqlite:///") or path.exists():
            migrate(url)
            return
        if not template.exists():
            migrate(f"sqlite:///{template}")
        shutil.copyfile(template, path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "migrate", copy_or_migrate)
        yield


@pytest.fixture(scope="session")
def first_rows(postgres: str) -> dict[Table, list[dict[str, Any]]]:
    """What the migrations put into a new database, table by table."""
    database = Database(postgres)
    with database.session() as session:
        rows = {
            table: [dict(row) for row in session.execute(table.select()).mappings()]
            for table in Base.metadata.sorted_tables
        }
    database.close()
    return rows


@pytest.fixture(params=["sqlite", "postgres"])
def metadata(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A new database with the projects `default` and `acme`; in either kind, for both must do the same."""
    if request.param == "sqlite":
        opened = Database(Home(tmp_path).database_url)
        shutil.copy(request.getfixturevalue("migrated_database"), tmp_path)
    else:
        opened = Database(request.getfixturevalue("postgres"))
        first_rows = request.getfixturevalue("first_rows")
        with opened.session() as session:
            session.execute(text(f"TRUNCATE {', '.join(table.name for table in first_rows)} CASCADE"))
            for table, rows in first_rows.items():
                if rows:
                    session.execute(table.insert(), rows)
    with opened.session() as session:
        session.add(ProjectRow(id="acme", created_at=1))
    yield opened
    opened.close()


@pytest.fixture
def objects(tmp_path: Path) -> ObjectStore:
    """A folder of objects."""
    return ObjectStore(f"file://{Home(tmp_path).objects}")


def _scope(nodeid: str) -> str:
    file = nodeid.partition("::")[0]
    return next((folder for folder in SHARED_FOLDERS if file.startswith(f"{folder}/")), file)


def _place(item: pytest.Item) -> int:
    scope = _scope(item.nodeid)
    return LONGEST_FIRST.index(scope) if scope in LONGEST_FIRST else len(LONGEST_FIRST)


def _started_here() -> list[psutil.Process]:
    return [
        process
        for process in psutil.process_iter()
        if process.pid != os.getpid() and _bears_the_mark(process)
    ]


def _bears_the_mark(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE and process.environ().get(MARK) == os.environ[MARK]
    except psutil.Error:
        return False


def _describe(process: psutil.Process) -> str:
    try:
        return f"{process.pid}: {' '.join(process.cmdline())[:200]}"
    except psutil.Error:
        return f"{process.pid}: ended just now"
