"""The Ray cluster at hand: the one this process is told of, the running platform's, or one of its own."""

from __future__ import annotations

import logging
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from tunesmith.config.home import Home
from tunesmith.config.train import ResourcesConfig
from tunesmith.errors import UnavailableError
from tunesmith.stores.platform_file import read_running

_SECONDS_TO_ANSWER = 10


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
    address, settings = find_cluster(home)
    # Not closed: Ray's loggers hold on to the stream they find when they are made.
    chatter = log.open("a", encoding="utf-8", buffering=1)
    with redirect_stdout(chatter), redirect_stderr(chatter), _settings_of_ray(settings):
        import ray  # only now: Ray reads its environment as it is imported

        # A short path: Ray puts sockets below it.
        temporary = None if address else Path(tempfile.mkdtemp(prefix="ts-"))
        try:
            _connect(address, resources, temporary)
            if "RAY_CLUSTER_NAME" not in os.environ:  # set by KubeRay, whose clusters may grow when asked
                check_capacity(ray.cluster_resources(), resources)
            yield address is None
        finally:
            ray.shutdown()
            if temporary:
                shutil.rmtree(temporary, ignore_errors=True)


def find_cluster(home: Home) -> tuple[str | None, Mapping[str, str]]:
    """Where the cluster is, and what a program needs in its environment to join it.

    Args:
        home: the installation.

    Returns:
        `RAY_ADDRESS` (also set inside a Ray job), else the running platform's address, else None: start one.
        Then the variables to set: the platform's own cluster asks for its token.
    """
    told = os.environ.get("RAY_ADDRESS")
    running = None if told else read_running(home)
    if running is None:
        return told, {}
    return running.ray_address, running.ray_environment()


@contextmanager
def _settings_of_ray(settings: Mapping[str, str]) -> Iterator[None]:
    """Set variables for one session: left behind, they would send the next one to a cluster that is gone."""
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        with _one_machine() if settings else nullcontext():
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


def check_capacity(cluster: Mapping[str, float], resources: ResourcesConfig) -> None:
    """Refuse a run that the cluster could never hold; it would wait for ever without a word.

    Args:
        cluster: all resources of the cluster, free or not.
        resources: what the run asks for.

    Raises:
        UnavailableError: the cluster is too small; says which resource and the way out.
    """
    workers = resources.num_workers
    for name, field, each in (
        ("CPU", "cpus_per_worker", resources.cpus_per_worker),
        ("GPU", "gpus_per_worker", resources.gpus_per_worker),
    ):
        held = cluster.get(name, 0.0)
        if each * workers > held:
            raise UnavailableError(
                f"The Ray cluster has {held:g} {name}s, and {workers} workers of {each:g} need {each * workers:g}. "
                f"Use a larger cluster, or fewer with --set resources.num_workers=N or resources.{field}=N."
            )


def _connect(address: str | None, resources: ResourcesConfig, temporary: Path | None) -> None:
    import ray

    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address is None:
        cpus = max(1, round(resources.num_workers * resources.cpus_per_worker + 0.5))
        ray.init(address="local", num_cpus=cpus, _temp_dir=str(temporary), include_dashboard=False, **quiet)
        return
    try:
        _require_listener(address)
        ray.init(address=address, **quiet)
    except (ConnectionError, TimeoutError, socket.gaierror) as error:
        raise UnavailableError(
            f"The Ray cluster at {address} does not answer: {' '.join(str(error).split())[:200]}. "
            "Start it, or unset RAY_ADDRESS to train on this machine."
        ) from error


def _require_listener(address: str) -> None:
    """Knock at `host:port` first: Ray itself tries a dead address for minutes, without a word."""
    host, colon, port = address.rpartition(":")
    if colon and port.isdecimal() and "://" not in address:
        socket.create_connection((host, int(port)), timeout=_SECONDS_TO_ANSWER).close()
