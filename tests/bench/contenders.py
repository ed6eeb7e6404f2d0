"""Three servers of one model with the same flags: a bare vLLM server, the platform, plain `ray.serve.llm`.

Each is started at once and waited for later, so that they can start side by side:

    with start_bare_vllm(contest) as bare, start_platform(contest) as platform:
        contenders = [bare(), platform()]
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
from serving_plane import free_port

from tunesmith.config.home import Home
from tunesmith.config.serve import EngineConfig, ServeConfig
from tunesmith.serve.applications import serve_applications
from tunesmith.serve.engine_kwargs import engine_kwargs
from tunesmith.serve.options import EngineOptions

START_SECONDS = 360
_SCRIPTS = Path(sys.executable).parent


@dataclass(frozen=True)
class Contest:
    """What all of them serve.

    Attributes:
        model: a shipped model, or a folder.
        engine: knobs of vLLM, the same for all.
        folder: for homes, logs and sockets; a short path.
    """

    model: str
    engine: EngineConfig
    folder: Path

    @property
    def config(self) -> ServeConfig:
        """The platform's knobs."""
        return ServeConfig(model=self.model, engine=self.engine, port=0)

    @property
    def _application(self) -> dict[str, Any]:
        home = Home(self.folder / "home")
        document = serve_applications(self.config, home=home, milvus_uri=None, http_port=0)
        engine: dict[str, Any] = document["applications"][0]
        return engine

    @property
    def options(self) -> EngineOptions:
        """The engine as the platform starts it."""
        return EngineOptions.model_validate(self._application["args"])

    @property
    def environment(self) -> dict[str, str]:
        """The variables that the platform gives its engine."""
        variables: dict[str, str] = self._application["runtime_env"]["env_vars"]
        return {**os.environ, **variables, "RAY_USAGE_STATS_ENABLED": "0", "RAY_DEDUP_LOGS": "0"}


@dataclass(frozen=True)
class Contender:
    """A server that answers.

    Attributes:
        name: in the table.
        url: of its chat completions.
        model: its name of the model.
        key: API key.
        processes: finds all of its processes.
    """

    name: str
    url: str
    model: str
    key: str
    processes: Callable[[], Sequence[psutil.Process]]


class DidNotStart(Exception):
    """A server that cannot be measured here, and why."""


@contextlib.contextmanager
def start_bare_vllm(
    contest: Contest, *, name: str = "bare vLLM", further: Sequence[str] = ()
) -> Iterator[Callable[[], Contender]]:
    """Start vLLM's server with the flags that the platform gives its engine.

    By its module: the command `vllm` asks for a package of its own name, and the one for CPU is called otherwise.

    Args:
        contest: what to serve.
        name: in the table.
        further: more flags.
    """
    port, options = free_port(), contest.options
    flags = _words(engine_kwargs(options, gpu=False))
    served = ["--model", options.source, "--served-model-name", options.model, "--host", "127.0.0.1"]
    command = [
        sys.executable,
        "-m",
        "vllm.entrypoints.openai.api_server",
        *served,
        "--port",
        str(port),
        *flags,
        *further,
        "--disable-uvicorn-access-log",
    ]
    log = name.replace(" ", "-")
    with _running(log, command, contest) as process:

        def ready() -> Contender:
            url = f"http://127.0.0.1:{port}"
            _wait(f"{url}/health", process, contest.folder / f"{log}.log")
            return Contender(
                name, f"{url}/v1/chat/completions", options.model, "none", lambda: _family(process)
            )

        yield ready


@contextlib.contextmanager
def start_plain_ray(contest: Contest) -> Iterator[Callable[[], Contender]]:
    """Start `ray.serve.llm` as its documentation has it."""
    port, options = free_port(), contest.options
    told = {"options": options.model_dump(), "port": port, "ray_folder": str(contest.folder / "ray")}
    command = [sys.executable, str(Path(__file__).with_name("plain_ray_serve.py")), json.dumps(told)]
    with _running("ray", command, contest) as process:

        def ready() -> Contender:
            url = f"http://127.0.0.1:{port}/v1"
            _wait(f"{url}/models", process, contest.folder / "ray.log")
            return Contender(
                "ray.serve.llm", f"{url}/chat/completions", options.model, "none", lambda: _family(process)
            )

        yield ready


@contextlib.contextmanager
def start_platform(
    contest: Contest, *, name: str = "platform", source: Path | None = None, settings: Sequence[str] = ()
) -> Iterator[Callable[[], Contender]]:
    """`tunesmith up`, and `tunesmith down` at the end.

    Args:
        contest: what to serve.
        name: in the table.
        source: another checkout to start it from.
        settings: further knobs, `load.tries=1`.
    """
    home, tunesmith = Home(contest.folder / name), str(_SCRIPTS / "tunesmith")
    environment = {**os.environ, **({"PYTHONPATH": str(source / "platform")} if source else {})}
    knobs = contest.engine.model_dump(exclude_defaults=True)
    given = [f"engine.{knob}={json.dumps(value)}" for knob, value in knobs.items()]
    given += [f"ready_timeout_seconds={START_SECONDS}", *settings]
    up = ["up", "--home", str(home.root), "--model", contest.model, "--port", "0", "--json"]
    words = [word for setting in given for word in ("--set", setting)]
    told, log = contest.folder / f"{name}.json", contest.folder / f"{name}.log"
    with told.open("wb") as output, log.open("wb") as errors:
        process = subprocess.Popen([tunesmith, *up, *words], env=environment, stdout=output, stderr=errors)

    def ready() -> Contender:
        if process.wait(START_SECONDS + 60):
            raise DidNotStart(log.read_text()[-1000:])
        said = json.loads(told.read_text())
        key = Path(said["api_key_file"]).read_text().strip()
        url = f"{said['base_url']}/chat/completions"
        return Contender(name, url, contest.model, key, lambda: _of_home(home.root))

    try:
        yield ready
    finally:
        process.terminate()
        process.wait(60)
        down = [tunesmith, "down", "--home", str(home.root)]
        subprocess.run(down, env=environment, stdout=subprocess.DEVNULL, check=False, timeout=120)


@contextlib.contextmanager
def short_folder() -> Iterator[Path]:
    """A folder whose path is short enough for Ray's sockets; gone at the end."""
    with tempfile.TemporaryDirectory(prefix="ts-bench-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@contextlib.contextmanager
def _running(name: str, command: list[str], contest: Contest) -> Iterator[subprocess.Popen[bytes]]:
    with (contest.folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(command, env=contest.environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        family = _family(process)
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(40)
        for member in family:  # what it left behind, by its identity
            with contextlib.suppress(psutil.Error):
                member.kill()
        process.wait(20)


def _family(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    with contextlib.suppress(psutil.Error):
        parent = psutil.Process(process.pid)
        return [parent, *parent.children(recursive=True)]
    return []


def _of_home(root: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get("TUNESMITH_HOME") == str(root):
                found.append(process)
    return found


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(url, timeout=5, trust_env=False).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.5)
    raise DidNotStart(log.read_text(errors="replace")[-1500:])


def _words(kwargs: dict[str, Any]) -> list[str]:
    """Arguments as flags: `enable_lora=True` is `--enable-lora`."""
    words = []
    for name, value in kwargs.items():
        flag = f"--{name.replace('_', '-')}"
        told = [] if value is True else [json.dumps(value) if isinstance(value, dict) else str(value)]
        words += [flag, *told]
    return words
