"""The record of the running platform: who it is, where it listens, which processes it has.

`tunesmith up` writes it, the controller keeps its process ids true, everything else reads it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

from tunesmith.config.home import Home
from tunesmith.errors import AuthenticationError
from tunesmith.stores.atomic import write_atomic

RAY_PATIENCE = {"RAY_worker_register_timeout_seconds": "600"}
"""For every Ray that starts here. By itself it gives up after 60 s on a worker that still imports, and asks for no
other: on a busy machine the run then waits for ever."""


@dataclass(frozen=True, slots=True)
class ProcessId:
    """A process that can be told from a later one with the same number.

    Attributes:
        pid: its number.
        started: seconds from the machine's boot to its start: no clock that is set meanwhile changes them.
        boot: which boot; empty where the system does not say.
    """

    pid: int
    started: float
    boot: str = ""

    @classmethod
    def of(cls, pid: int) -> ProcessId:
        """Look a living process up.

        Args:
            pid: its number.

        Returns:
            Number and start time.

        Raises:
            psutil.NoSuchProcess: it is gone already.
        """
        return cls(pid, _seconds_from_boot(psutil.Process(pid)), _boot())

    def alive(self) -> bool:
        """Whether this very process still runs (a zombie does not)."""
        try:
            process = psutil.Process(self.pid)
            # The system tells its boot in whole seconds.
            is_same = abs(_seconds_from_boot(process) - self.started) < 2 and self.boot in ("", _boot())
            return is_same and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False


def _seconds_from_boot(process: psutil.Process) -> float:
    # Both are told by today's clock, whatever it said when the process started.
    return process.create_time() - psutil.boot_time()


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


@dataclass(frozen=True, slots=True)
class RunningPlatform:
    """A platform that was started on this home.

    Attributes:
        instance: random id of this start; stands in the environment of each of its processes.
        home: the home folder.
        base_url: the API, `http://127.0.0.1:8000/v1`.
        api_key_file: file with a key for it.
        model: name of the served base model.
        ray_address: `127.0.0.1:PORT` of the Ray head.
        ray_dashboard: URL of its REST APIs (jobs, Serve).
        ray_token_file: file with the token that Ray asks for.
        ray_temp_dir: sessions, sockets and logs of Ray.
        serve_url: Ray Serve's own HTTP address; loopback, without keys, for the gateway alone.
        milvus_uri: the vector store.
        config: the resolved serve config.
        ports: further ports that were chosen once, by name.
        pids: the main process of each part; empty until the controller runs.
    """

    instance: str
    home: Path
    base_url: str
    api_key_file: Path
    model: str
    ray_address: str
    ray_dashboard: str
    ray_token_file: Path
    ray_temp_dir: Path
    serve_url: str
    milvus_uri: str
    config: Mapping[str, Any] = field(default_factory=dict)
    ports: Mapping[str, int] = field(default_factory=dict)
    pids: Mapping[str, ProcessId] = field(default_factory=dict)

    @property
    def state_file(self) -> Path:
        """JSON that the controller publishes: readiness, part by part."""
        return Home(self.home).run / "state.json"

    def api_key(self) -> str:
        """Read the administrator's key.

        Returns:
            The key.

        Raises:
            AuthenticationError: its file cannot be read.
        """
        try:
            return self.api_key_file.read_text(encoding="ascii").strip()
        except OSError as error:
            raise AuthenticationError(
                f"{self.api_key_file} cannot be read: {error.strerror}. "
                "`tunesmith down` and `tunesmith up` write it again."
            ) from error

    def ray_environment(self) -> dict[str, str]:
        """What a program must have in its environment, before it imports ray, to join this platform's Ray.

        Returns:
            Address, token and loopback settings, for `ray.init()` and for `ray job submit`.
        """
        return {
            "RAY_ADDRESS": self.ray_address,
            "RAY_API_SERVER_ADDRESS": self.ray_dashboard,
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(self.ray_token_file),
            # Ray's switch for "this cluster is one machine"; else it turns 127.0.0.1 into an outside address.
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
            "RAY_USAGE_STATS_ENABLED": "0",
        }

    def alive(self) -> bool:
        """Whether any of its recorded processes still runs."""
        return any(process.alive() for process in self.pids.values())


def write_running(platform: RunningPlatform) -> None:
    """Write the record in one step.

    Args:
        platform: the record; says itself which home it belongs to.

    Raises:
        StorageError: the home cannot be written.
    """
    text = json.dumps(asdict(platform), indent=2, default=str)
    write_atomic(Home(platform.home).platform_file, f"{text}\n")


def read_record(home: Home) -> RunningPlatform | None:
    """Read the record, whether or not its processes still live.

    Args:
        home: the installation.

    Returns:
        The record; None where there is none or it cannot be understood.
    """
    try:
        return _from_json(json.loads(home.platform_file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def read_running(home: Home) -> RunningPlatform | None:
    """Find the platform that runs on a home.

    Args:
        home: the installation.

    Returns:
        Its record; None where nothing was started or all its processes are dead.
    """
    platform = read_record(home)
    return platform if platform and platform.alive() else None


def _from_json(record: dict[str, Any]) -> RunningPlatform:
    fields = dict(record)
    for name in ("home", "api_key_file", "ray_token_file", "ray_temp_dir"):
        fields[name] = Path(record[name])
    fields["pids"] = {name: ProcessId(**process) for name, process in record["pids"].items()}
    return RunningPlatform(**fields)
