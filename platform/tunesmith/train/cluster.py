"""The Ray cluster at hand: the one this process is told of, the running platform's, or one of its own."""

from __future__ import annotations

import logging
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tunesmith.config.home import Home
from tunesmith.config.serve import ServeConfig
from tunesmith.config.train import ResourcesConfig
from tunesmith.errors import UnavailableError
from tunesmith.stores.platform_file import RAY_PATIENCE, ProcessId, read_running

_SECONDS_TO_ANSWER = 10
_TOO_SLOW = "timed out during startup"
"""How Ray says that a busy machine did not bring its node up in time."""
TOO_SMALL = "cluster_too_small"
"""Code of the error of a run that the cluster can never hold: to try again is no way out."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A Ray cluster that a run may join.

    Attributes:
        address: `host:port` or another address of Ray's; None: none yet, one is started for the run.
        environment: variables to set before joining; the platform's own cluster asks for its token.
        training_cpus: on the platform's cluster, the CPUs that serving leaves to training; None elsewhere.
        head: on the platform's cluster, the process of its head; None elsewhere.
    """

    address: str | None
    environment: Mapping[str, str] = field(default_factory=dict)
    training_cpus: float | None = None
    head: ProcessId | None = None

    def not_joined(self, reason: str) -> str:
        """Say that the cluster could not be joined, and the way out.

        Args:
            reason: what was met.

        Returns:
            Two sentences.
        """
        if self.address is None:
            return f"Ray does not start on this machine: {reason}. `tunesmith doctor` looks for the cause."
        at = f"at {self.address} does not answer: {reason}."
        if self.training_cpus is None:
            return f"The Ray cluster {at} Start it, or unset RAY_ADDRESS to train on this machine."
        return (
            f"The platform's Ray cluster {at} Start the platform anew (`tunesmith down`, `tunesmith up`), "
            "or train without it after `tunesmith down`."
        )


@contextmanager
def ray_session(home: Home, resources: ResourcesConfig, *, log: Path) -> Iterator[bool]:
    """Be connected to Ray while the block runs; a cluster started for it ends with it.

    Args:
        home: the installation; its running platform is used if there is one.
        resources: what the run needs; an own cluster has that many logical CPUs.
        log: where Ray's own words go: it prints the death of a worker to stdout, whatever its log level.

    Yields:
        Whether the cluster was started for the block.

    Raises:
        UnavailableError: the cluster does not answer, or can never hold the workers.
    """
    cluster = find_cluster(home)
    # Not closed: Ray's loggers hold on to the stream they find when they are made.
    chatter = log.open("a", encoding="utf-8", buffering=1)
    with redirect_stdout(chatter), redirect_stderr(chatter), _settings_of_ray(cluster):
        import ray  # only now: Ray reads its environment as it is imported

        # A short path: Ray puts sockets below it.
        temporary = None if cluster.address else Path(tempfile.mkdtemp(prefix="ts-"))
        try:
            _connect(cluster, resources, temporary, log)
            if "RAY_CLUSTER_NAME" not in os.environ:  # set by KubeRay, whose clusters may grow when asked
                check_capacity(ray.cluster_resources(), resources, training_cpus=cluster.training_cpus)
            yield cluster.address is None
        finally:
            ray.shutdown()
            if temporary:
                shutil.rmtree(temporary, ignore_errors=True)


def find_cluster(home: Home) -> Cluster:
    """Where the cluster is, and what a program needs to join it.

    Args:
        home: the installation.

    Returns:
        The one at `RAY_ADDRESS` (also set inside a Ray job), else the running platform's, else one of its own.
    """
    told = os.environ.get("RAY_ADDRESS")
    running = read_running(home)
    if running and told in (None, running.ray_address):
        budget = ServeConfig.model_validate(running.config).budget
        # Whoever is told of the platform's address, a job on its cluster, is told how to join too.
        environment = {} if told else running.ray_environment()
        head = running.pids.get("ray")
        return Cluster(running.ray_address, environment, training_cpus=budget.training_cpus, head=head)
    return Cluster(told)


@contextmanager
def _settings_of_ray(cluster: Cluster) -> Iterator[None]:
    """Set variables for one session: left behind, they would send the next one to a cluster that is gone."""
    settings = {**cluster.environment, **({} if cluster.address else RAY_PATIENCE)}
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        with _one_machine() if cluster.environment else nullcontext():
            yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _one_machine() -> Iterator[None]:
    """Have Ray take 127.0.0.1 for what it is.

    Ray asks `RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER` once, as it is imported; in a notebook or a test that was earlier.
    """
    from ray._private import ray_constants

    before = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before


def check_capacity(
    cluster: Mapping[str, float], resources: ResourcesConfig, *, training_cpus: float | None = None
) -> None:
    """Refuse a run that the cluster could never hold; it would wait for ever without a word.

    Args:
        cluster: all resources of the cluster, free or not.
        resources: what the run asks for.
        training_cpus: on the platform's cluster, the CPUs that serving leaves to training.

    Raises:
        UnavailableError: the cluster is too small; says which resource and the way out.
    """
    for name, each, needed in _needs(resources):
        held, whose, larger = cluster.get(name, 0.0), "The Ray cluster has", "Use a larger cluster"
        if name == "CPU" and training_cpus is not None:
            held, whose = training_cpus, "The platform keeps budget.training_cpus ="
            larger = "Start the platform with more (`tunesmith up --set budget.training_cpus=N`)"
        if needed > held:
            raise UnavailableError(
                f"{whose} {held:g} {name}s, and {resources.num_workers} workers of {each:g} need {needed:g}. {larger}, "
                f"or fewer with --set resources.num_workers=N or resources.{name.lower()}s_per_worker=N.",
                code=TOO_SMALL,
            )


def taken_for_now(free: Mapping[str, float], resources: ResourcesConfig) -> str | None:
    """See whether a run has to wait for another to end.

    Args:
        free: resources of the cluster that nobody holds.
        resources: what the run asks for.

    Returns:
        What it waits for, in words; None where it can begin.
    """
    short = [
        f"{needed:g} {name}s ({free.get(name, 0.0):g} free now)"
        for name, _, needed in _needs(resources)
        if needed > free.get(name, 0.0)
    ]
    return f"{' and '.join(short)}; the run begins as soon as they are" if short else None


def _needs(resources: ResourcesConfig) -> list[tuple[str, float, float]]:
    """Ray's name of each resource, how much of it a worker takes, and how much all of them."""
    each = (("CPU", resources.cpus_per_worker), ("GPU", resources.gpus_per_worker))
    return [(name, amount, amount * resources.num_workers) for name, amount in each]


def _connect(cluster: Cluster, resources: ResourcesConfig, temporary: Path | None, log: Path) -> None:
    import ray

    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        if cluster.address is None:
            cpus = max(1, round(resources.num_workers * resources.cpus_per_worker + 0.5))
            _start({"num_cpus": cpus, "_temp_dir": str(temporary), "include_dashboard": False, **quiet})
        else:
            _require_listener(cluster.address)
            ray.init(address=cluster.address, **quiet)
    except Exception as error:
        # Nothing narrower: Ray raises a bare Exception where a process of its own does not come up.
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UnavailableError(f"{cluster.not_joined(reason)} Ray's own words: {log}.") from error


def _start(settings: Mapping[str, Any]) -> None:
    """Start a cluster; once more where it was too slow: Ray waits 30 seconds for its node, which no setting moves."""
    import ray

    try:
        ray.init(address="local", **settings)
    except Exception as error:
        if _TOO_SLOW not in str(error):
            raise
        ray.init(address="local", **settings)


def require_cluster(home: Home) -> None:
    """Knock at the cluster that a run has joined.

    Args:
        home: the installation.

    Raises:
        UnavailableError: nothing answers there.
    """
    cluster = find_cluster(home)
    try:
        if cluster.address is not None:
            _require_listener(cluster.address)
    except OSError as error:
        raise UnavailableError(cluster.not_joined(error.strerror or str(error))) from error


def _require_listener(address: str) -> None:
    """Knock at `host:port` first: Ray itself tries a dead address for minutes, without a word."""
    host, colon, port = address.rpartition(":")
    if colon and port.isdecimal() and "://" not in address:
        socket.create_connection((host, int(port)), timeout=_SECONDS_TO_ANSWER).close()
