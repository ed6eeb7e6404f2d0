"""The named checkpoints of a job, put beside its version as versions of their own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from tunesmith.config.home import Home
from tunesmith.config.train import TrainConfig
from tunesmith.records import Job, ModelVersion, StepMetrics
from tunesmith.stores.registry import Registry
from tunesmith.train.lineage import lineage_of
from tunesmith.train.named import named_adapters
from tunesmith.train.publish import publish


def publish_checkpoints(
    folder: Path,
    *,
    config: TrainConfig,
    job: Job,
    data_hash: str,
    curve: Sequence[StepMetrics],
    home: Home,
    registry: Registry,
    hidden: bool = False,
) -> Iterator[ModelVersion]:
    """Put each into a folder of its own and register it; again for the same job changes nothing.

    Args:
        folder: the job's folder.
        config: the recipe.
        job: the job.
        data_hash: hash of its data.
        curve: what was measured, one entry a step.
        home: the installation.
        registry: the project's registry.
        hidden: engines may load them, but their names wait for their proofs.

    Yields:
        The versions, by step.

    Raises:
        StorageError: a folder cannot be written.
    """
    for step, adapter in named_adapters(folder).items():
        until = [each for each in curve if each.step <= step]
        yield publish(
            adapter,
            config=config,
            job=job,
            lineage=lineage_of(config, job, data_hash, until),
            home=home,
            registry=registry,
            step=step,
            hidden=hidden,
        )
