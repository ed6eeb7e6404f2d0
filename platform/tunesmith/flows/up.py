"""Bring the platform of one home up, ready when the call returns."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

from tunesmith.config.home import Home
from tunesmith.config.serve import ServeConfig
from tunesmith.controller.credentials import keep_database_url
from tunesmith.controller.plan import part_environment, plan_platform
from tunesmith.controller.ports import require_free
from tunesmith.controller.processes import start_process, sweep
from tunesmith.errors import ConflictError, StorageError, UnavailableError
from tunesmith.flows.base_model import require_models
from tunesmith.flows.down import clear_record
from tunesmith.records import DEFAULT_PROJECT
from tunesmith.stores.database import open_home_database
from tunesmith.stores.keys import KeyStore, ensure_admin_key
from tunesmith.stores.platform_file import RunningPlatform, read_record, read_running, write_running
from tunesmith.stores.state_file import PartState, PlatformState, read_state

_POLL_SECONDS = 0.2
_LOG_LINES = 15

Progress = Callable[[PlatformState], None]


def bring_up(home: Home, config: ServeConfig, *, progress: Progress = lambda _: None) -> RunningPlatform:
    """Start the platform and wait until everything answers.

    Args:
        home: the installation; made if need be.
        config: the resolved config.
        progress: told the state of the parts while waiting.

    Returns:
        The running platform.

    Raises:
        ConflictError: a platform runs on this home already, or the port is taken; nothing was started.
        ModelNotFoundError: the base model is not there; nothing was started.
        StorageError: the home cannot be written.
        UnavailableError: a part did not become ready; names it with the end of its log, and all was stopped.
    """
    with _starting(home):
        _require_not_running(home)
        config = require_models(config)
        platform = _orphaned(home, config) or _plan_anew(home, config)
        try:
            _wait_until_ready(platform, _start_controller(platform), config.ready_timeout_seconds, progress)
        except BaseException:
            sweep(home.root, grace_seconds=10)
            clear_record(home)
            raise
    return read_running(home) or platform


@contextlib.contextmanager
def _starting(home: Home) -> Iterator[None]:
    try:
        home.make()
        home.run.mkdir(exist_ok=True)
        lock = (home.run / "up.lock").open("w")
    except OSError as error:
        raise StorageError(
            f"{home.run} cannot be written: {error.strerror}. Set TUNESMITH_HOME elsewhere."
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConflictError(
                f"Another `tunesmith up` is just starting a platform on {home.root}. "
                "Wait for it, or choose another --home.",
                code="already_starting",
            ) from error
        yield


def _require_not_running(home: Home) -> None:
    running = read_running(home)
    if running and "controller" in running.pids and running.pids["controller"].alive():
        raise ConflictError(
            f"A platform already runs on {home.root}: {running.base_url}. "
            f"Use it, or stop it with `tunesmith down --home {home.root}`.",
            code="already_running",
        )


def _orphaned(home: Home, config: ServeConfig) -> RunningPlatform | None:
    """A platform whose controller alone died: a new one takes its parts over while they go on serving."""
    platform = read_running(home)
    if platform is None or platform.config != config.model_dump(mode="json"):
        return None
    _ensure_key(home)
    Home(platform.home).run.joinpath("state.json").unlink(missing_ok=True)
    return platform


def _plan_anew(home: Home, config: ServeConfig) -> RunningPlatform:
    # What a crash left behind goes first: processes without a controller, a record, half a Ray session.
    if read_record(home):
        sweep(home.root)
        clear_record(home)
    if config.port:
        require_free(config.port)
    shutil.rmtree(home.run / "logs", ignore_errors=True)
    _ensure_key(home)
    platform = plan_platform(home, config)
    keep_database_url(home)
    write_running(platform)
    return platform


def _ensure_key(home: Home) -> None:
    database = open_home_database(home)
    ensure_admin_key(home, KeyStore(database), DEFAULT_PROJECT)
    database.close()


def _start_controller(platform: RunningPlatform) -> subprocess.Popen[bytes]:
    run = Home(platform.home).run
    return start_process(
        [sys.executable, "-P", "-m", "tunesmith.controller", "--home", str(platform.home)],
        environment=part_environment(platform, "controller"),
        log=run / "logs" / "controller.log",
        folder=run,
    )


def _wait_until_ready(
    platform: RunningPlatform, controller: subprocess.Popen[bytes], timeout_seconds: float, progress: Progress
) -> None:
    deadline = time.monotonic() + timeout_seconds
    while True:
        state = read_state(platform.state_file)
        if state and state.instance == platform.instance:
            progress(state)
            if state.ready:
                return
            _require_hope(platform, state)
        if controller.poll() is not None:
            raise _failure(platform, "controller", f"ended with exit code {controller.returncode}")
        if time.monotonic() > deadline:
            part = _first_unready(state)
            raise _failure(platform, part.name, f"is not ready after {timeout_seconds:.0f} s: {part.message}")
        time.sleep(_POLL_SECONDS)


def _require_hope(platform: RunningPlatform, state: PlatformState) -> None:
    for part in state.parts:
        if part.condition == "failed":
            raise _failure(platform, part.name, f"failed: {part.message}")


def _first_unready(state: PlatformState | None) -> PartState:
    unready = [part for part in state.parts if part.condition != "ready"] if state else []
    return unready[0] if unready else PartState("controller", "starting", "has not said anything")


def _failure(platform: RunningPlatform, part: str, what: str) -> UnavailableError:
    log = Home(platform.home).run / "logs" / f"{part}.log"
    tail = ""
    if log.is_file():
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_LINES:]
        tail = "\n".join([f"\nThe end of {log}:", *(f"  {line}" for line in lines)])
    return UnavailableError(f"The part {part} {what.strip(': ')}. Everything was stopped again.{tail}")
