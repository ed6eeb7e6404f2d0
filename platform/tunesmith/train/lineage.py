"""Where a version comes from, put together when its run has ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import tunesmith
from tunesmith.config.train import TrainConfig
from tunesmith.errors import TrainingError
from tunesmith.records import Job, Lineage, StepMetrics
from tunesmith.train.publish import base_name
from tunesmith.train.start import parent_of


def lineage_of(config: TrainConfig, job: Job, data_hash: str, curve: Sequence[StepMetrics]) -> Lineage:
    """Put together what is needed to make a version again.

    Args:
        config: the resolved recipe.
        job: the job that made it.
        data_hash: hash of its data.
        curve: what was measured, one entry a step.

    Returns:
        The lineage.

    Raises:
        TrainingError: there was not a single step.
    """
    return Lineage(
        base=base_name(config),
        data_hash=data_hash,
        config=config.model_dump(mode="json"),
        seed=config.seed,
        metrics=_final_metrics(job, curve),
        code_version=tunesmith.__version__,
        job_id=job.id,
        parent=parent_of(config),
    )


def _final_metrics(job: Job, curve: Sequence[StepMetrics]) -> Mapping[str, float]:
    if not curve:
        raise TrainingError(
            f"{job.id} ended without a single step. Look at its logs: `tunesmith jobs logs {job.name}`."
        )
    last = curve[-1]
    seconds = sum(step.values.get("seconds", 0.0) for step in curve)
    return {
        "steps": last.step,
        "loss": _mean_loss(curve[-10:]),
        "first_loss": _mean_loss(curve[:10]),
        "tokens": last.values["tokens"],
        "tokens_per_second": round(last.values["tokens"] / seconds, 1) if seconds else 0.0,
        "seconds": round(seconds, 1),
        **{name: value for name, value in last.values.items() if name.startswith("valid_")},
    }


def _mean_loss(steps: Sequence[StepMetrics]) -> float:
    return round(sum(step.values["loss"] for step in steps) / len(steps), 4)
