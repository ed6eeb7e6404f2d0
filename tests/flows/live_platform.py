"""A platform that tests start and end as a user does: `tunesmith up`, `tunesmith down`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import openai
import psutil

from tunesmith.config.home import Home
from tunesmith.config.serve import ServeConfig
from tunesmith.stores.platform_file import RunningPlatform, read_running
from tunesmith.stores.state_file import PlatformState, read_state

UP_SECONDS = 540


@dataclass(frozen=True)
class LivePlatform:
    """A platform that was started by the command line."""

    base_url: str
    key: str
    home: Home

    @property
    def client(self) -> openai.OpenAI:
        return openai.OpenAI(base_url=self.base_url, api_key=self.key, max_retries=0, timeout=120)

    @property
    def record(self) -> RunningPlatform:
        record = read_running(self.home)
        assert record is not None
        return record

    @property
    def state(self) -> PlatformState:
        """What its controller last published."""
        state = read_state(self.record.state_file)
        assert state is not None
        return state

    @property
    def ray_cpus(self) -> float:
        """CPUs that its Ray head was started with."""
        config = ServeConfig.model_validate(self.record.config)
        return float(config.budget.total(config.max_awake))

    def command(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run `tunesmith ...` on this home."""
        done = tunesmith(*arguments, "--home", str(self.home.root))
        assert done.returncode == 0 or not check, done.stderr
        return done


def tunesmith(
    *arguments: str, timeout: float = 600, shell: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command line as a user does, in a shell that holds some variables more."""
    command = [str(Path(sys.executable).parent / "tunesmith"), *arguments]
    environment = {**os.environ, **(shell or {})}
    return subprocess.run(
        command, capture_output=True, text=True, timeout=timeout, check=False, env=environment
    )


def processes_of_instance(instance: str) -> list[str]:
    """Every process on the machine that carries an instance's id, whoever its parent is."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and instance in process.environ().values():
                found.append(f"{process.pid} {' '.join(process.cmdline())[:120]}")
        except psutil.Error:
            continue
    return found


@contextmanager
def running_platform(
    *arguments: str, home: Home | None = None, shell: Mapping[str, str] | None = None
) -> Iterator[LivePlatform]:
    """A platform, of the shipped model unless the arguments of `up` say more; on a home that is kept, if one is given.

    Down leaves no process and no record, or whoever started it fails.
    """
    folder = home.root if home else Path(tempfile.mkdtemp(prefix="ts-", dir="/tmp"))
    limit = f"ready_timeout_seconds={UP_SECONDS}"
    try:
        up = tunesmith(
            "up", "--home", str(folder), "--port", "0", "--json", "--set", limit, *arguments, shell=shell
        )
        assert up.returncode == 0, up.stderr
        told = json.loads(up.stdout)
        live = LivePlatform(told["base_url"], Path(told["api_key_file"]).read_text().strip(), Home(folder))
        instance = live.record.instance
        assert len(processes_of_instance(instance)) >= 4
        yield live
    finally:
        down = tunesmith("down", "--home", str(folder))
    assert down.returncode == 0, down.stderr
    assert processes_of_instance(instance) == []
    assert not Home(folder).platform_file.exists()
    assert "Nothing was running" in tunesmith("down", "--home", str(folder)).stdout
    if home is None:
        shutil.rmtree(folder)
