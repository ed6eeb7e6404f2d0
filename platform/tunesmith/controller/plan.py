"""From a config to a platform: every port, path and token chosen once, and the parts that follow."""

from __future__ import annotations

import secrets
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tunesmith.config.home import Home
from tunesmith.config.serve import ServeConfig
from tunesmith.controller.ports import LOOPBACK, free_ports
from tunesmith.controller.probes import answers_http, answers_tcp, touched_lately
from tunesmith.controller.processes import HOME, INSTANCE, PART
from tunesmith.controller.supervise import Part
from tunesmith.stores.atomic import write_atomic
from tunesmith.stores.platform_file import RAY_PATIENCE, RunningPlatform

_RAY_PORTS = (
    "ray",
    "dashboard",
    "dashboard_agent",
    "dashboard_agent_grpc",
    "dashboard_metrics",
    "runtime_env",
    "ray_metrics",
)
_TRUSTED = frozenset({"gateway", "indexer"})
"""What opens the database and the object store. On Ray submissions run too, and they inherit what its head holds."""
LISTENING_REPLICAS = {
    # On the loopback, as Serve's proxy does. One that ends stays until the gateway has heard of it.
    "RAY_SERVE_ENABLE_DIRECT_INGRESS": "1",
    "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "5",
}
# Ray's socket paths are up to 67 characters longer than its temp folder; the kernel takes at most 107 bytes.
_LONGEST_TEMP_DIR = 38


def plan_platform(home: Home, config: ServeConfig) -> RunningPlatform:
    """Choose everything that a start of the platform needs.

    Args:
        home: the installation.
        config: the resolved config; its port 0 becomes a free one.

    Returns:
        A record without processes.

    Raises:
        StorageError: the home cannot be written.
    """
    ports = free_ports((*_RAY_PORTS, "serve", "milvus", "gateway"))
    gateway_port = config.port or ports["gateway"]
    token_file = home.run / "ray.token"
    write_atomic(token_file, secrets.token_urlsafe(32))
    return RunningPlatform(
        instance=secrets.token_hex(8),
        home=home.root,
        base_url=f"http://{LOOPBACK}:{gateway_port}/v1",
        api_key_file=home.admin_key_file,
        model=config.served_bases[0].model,
        ray_address=f"{LOOPBACK}:{ports['ray']}",
        ray_dashboard=f"http://{LOOPBACK}:{ports['dashboard']}",
        ray_token_file=token_file,
        ray_temp_dir=_ray_temp_dir(home),
        serve_url=f"http://{LOOPBACK}:{ports['serve']}",
        milvus_uri=config.milvus_uri or f"http://{LOOPBACK}:{ports['milvus']}",
        config=config.model_dump(mode="json"),
        ports={**ports, "gateway": gateway_port},
    )


def _ray_temp_dir(home: Home) -> Path:
    inside = home.run / "ray"
    if len(str(inside).encode()) <= _LONGEST_TEMP_DIR:
        return inside
    return Path(tempfile.mkdtemp(prefix="ts-", dir="/tmp"))


def plan_parts(platform: RunningPlatform) -> tuple[Part, ...]:
    """The processes that the controller keeps running.

    Args:
        platform: the planned platform.

    Returns:
        Ray head, vector store (unless it is someone else's), gateway and indexer.
    """
    config = ServeConfig.model_validate(platform.config)
    vectors = () if config.milvus_uri else (_vector_server(platform),)
    return (_ray_head(platform, config), *vectors, _gateway(platform), _indexer(platform))


def part_environment(platform: RunningPlatform, part: str) -> dict[str, str]:
    """The variables by which a part and its children are found again.

    Args:
        platform: the platform that it belongs to.
        part: the part's name.

    Returns:
        Instance, home and part.
    """
    return {INSTANCE: platform.instance, HOME: str(platform.home), PART: part, "PYTHONUNBUFFERED": "1"}


def _ray_head(platform: RunningPlatform, config: ServeConfig) -> Part:
    ports = platform.ports
    flags = {
        "--node-ip-address": LOOPBACK,
        "--port": ports["ray"],
        "--dashboard-host": LOOPBACK,
        "--dashboard-port": ports["dashboard"],
        "--dashboard-agent-listen-port": ports["dashboard_agent"],
        "--dashboard-agent-grpc-port": ports["dashboard_agent_grpc"],
        "--runtime-env-agent-port": ports["runtime_env"],
        "--metrics-export-port": ports["ray_metrics"],
        "--min-worker-port": 0,
        "--max-worker-port": 0,
        "--num-cpus": config.budget.total(config.max_awake, retrieval_replicas=config.retrieval_replicas),
        "--object-store-memory": int(config.budget.object_store_gib * 2**30),
        "--include-log-monitor": "false",
        "--temp-dir": platform.ray_temp_dir,
    }
    settings = platform.ray_environment()
    del settings["RAY_ADDRESS"]  # a head that is told an address would join it
    return _part(
        platform,
        "ray",
        [
            _script("ray"),
            "start",
            "--head",
            "--block",
            "--no-monitor",
            "--disable-usage-stats",
            *_words(flags),
        ],
        environment={
            **settings,
            **RAY_PATIENCE,
            # There is no other node that its work could move to.
            "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "0",
            **(LISTENING_REPLICAS if config.ask_replicas else {}),
            "DASHBOARD_METRIC_PORT": str(ports["dashboard_metrics"]),
            # Where vLLM's processes have their sockets, which it leaves behind; `down` removes the folder.
            "VLLM_RPC_BASE_PATH": str(platform.ray_temp_dir),
            "RAY_START_HOOK": "tunesmith.controller.ray_hook.leave_out_client_server",
        },
        probe_url=f"http://{LOOPBACK}:{ports['dashboard_agent']}/api/healthz",
        grace_seconds=15,
    )


def _vector_server(platform: RunningPlatform) -> Part:
    data = Home(platform.home).vectors
    flags = {"--data-dir": data, "--host": LOOPBACK, "--port": platform.ports["milvus"]}
    command = ["-m", "tunesmith.controller.interruptible", "milvus-lite", "server", *_words(flags)]
    return _part(platform, "milvus", [sys.executable, "-P", *command], probe_port=platform.ports["milvus"])


def _gateway(platform: RunningPlatform) -> Part:
    return _part(
        platform,
        "gateway",
        [sys.executable, "-P", "-m", "tunesmith.gateway", "--home", str(platform.home)],
        probe_url=f"http://{LOOPBACK}:{platform.ports['gateway']}/healthz",
        port=platform.ports["gateway"],
    )


def _indexer(platform: RunningPlatform) -> Part:
    return _part(
        platform,
        "indexer",
        [sys.executable, "-P", "-m", "tunesmith.ingest", "--home", str(platform.home)],
        probe=touched_lately(Home(platform.home).indexer_beat),
    )


def _part(
    platform: RunningPlatform,
    name: str,
    command: list[str],
    *,
    environment: dict[str, str] | None = None,
    probe_url: str | None = None,
    probe_port: int = 0,
    port: int | None = None,
    probe: Callable[[], bool] | None = None,
    grace_seconds: float = 8,
) -> Part:
    run = Home(platform.home).run
    token = platform.ray_token_file.read_text(encoding="ascii") if name == "ray" else None
    return Part(
        name=name,
        command=tuple(command),
        environment={**part_environment(platform, name), **(environment or {})},
        log=run / "logs" / f"{name}.log",
        folder=run,
        home=platform.home,
        probe=probe
        or (answers_http(probe_url, token=token) if probe_url else answers_tcp(LOOPBACK, probe_port)),
        grace_seconds=grace_seconds,
        port=port,
        trusted=name in _TRUSTED,
    )


def _words(flags: dict[str, object]) -> list[str]:
    return [str(word) for pair in flags.items() for word in pair]


def _script(name: str) -> str:
    # Beside the interpreter, whether or not the environment is activated.
    return str(Path(sys.executable).parent / name)
