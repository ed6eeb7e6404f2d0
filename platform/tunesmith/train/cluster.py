"""The Ray cluster at hand: the one this process is told of, the running platform's, or one of its own."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from tunesmith.config.home import Home
from tunesmith.config.train import ResourcesConfig
from tunesmith.errors import UnavailableError
from tunesmith.stores.platform_file import read_running


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
    address = cluster_address(home)
    # Not closed: Ray's loggers hold on to the stream they find when they are made.
    chatter = log.open("a", encoding="utf-8", buffering=1)
    with redirect_stdout(chatter), redirect_stderr(chatter):
        import ray  # only now: Ray reads its environment as it is imported

        temporary = (
            None if address else Path(tempfile.mkdtemp(prefix="ts-"))
        )  # short: Ray puts sockets below it
        try:
            _connect(address, resources, temporary)
            if "RAY_CLUSTER_NAME" not in os.environ:  # set by KubeRay, whose clusters may grow when asked
                check_capacity(ray.cluster_resources(), resources)
            yield address is None
        finally:
            ray.shutdown()
            if temporary:
                shutil.rmtree(temporary, ignore_errors=True)


def cluster_address(home: Home) -> str | None:
    """Where the cluster is; the platform's own also needs its token in this process's environment.

    Args:
        home: the installation.

    Returns:
        `RAY_ADDRESS` (also set inside a Ray job), else the running platform's, else None: start one.
    """
    told = os.environ.get("RAY_ADDRESS")
    if told:
        return told
    running = read_running(home)
    if running is None:
        return None
    os.environ.update(running.ray_environment())
    return running.ray_address


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
        ray.init(address=address, **quiet)
    except ConnectionError as error:
        raise UnavailableError(
            f"The Ray cluster at {address} does not answer: {' '.join(str(error).split())[:200]}. "
            "Start it, or unset RAY_ADDRESS to train on this machine."
        ) from error
