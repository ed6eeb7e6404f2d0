"""The checkpoints of a fine-tuning job: models that answer, with what was measured where they were taken."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tunesmith.errors import ConfigError
from tunesmith.jobs.requests import JobRequests
from tunesmith.jobs.store import JobStore
from tunesmith.jobs.telling import shown_metrics
from tunesmith.records import Job, ModelVersion
from tunesmith.stores.database import Database
from tunesmith.stores.registry import Registry

_MEASURED = ("train_loss", "train_mean_token_accuracy", "valid_loss", "valid_mean_token_accuracy")
_ON_THE_WHOLE_FILE = ("valid_loss", "valid_mean_token_accuracy")
"""Every measurement is one on the whole validation file; the hosted API has others too."""


def checkpoint_page(
    database: Database, project_id: str, job_id: str, *, after: str | None, limit: int
) -> tuple[list[dict[str, Any]], bool]:
    """A page of a job's checkpoints, newest first.

    Args:
        database: the metadata database.
        project_id: whose job.
        job_id: the job.
        after: id of the checkpoint that the page starts after.
        limit: checkpoints on a page.

    Returns:
        The JSON objects, and whether more follow.

    Raises:
        NotFoundError: the project has no such job.
        ConfigError: there is no checkpoint `after`.
    """
    job = JobRequests(database, project_id).job(job_id)
    versions = Registry(database, project_id).checkpoints(job_id)
    ids = [_checkpoint_id(job, version) for version in versions]
    if after is not None and after not in ids:
        raise ConfigError(
            f"'{after[:100]}' is not a checkpoint of {job_id}. Send the id of the last one of the page before.",
            param="after",
            code="invalid_value",
        )
    start = ids.index(after) + 1 if after is not None else 0
    page = versions[start : start + limit]
    steps = {version.step for version in page if version.step is not None}
    curve = {each.step: each.values for each in JobStore(database, project_id).metrics(job_id, steps=steps)}
    shown = [checkpoint_object(job, version, curve.get(version.step or 0, {})) for version in page]
    return shown, start + limit < len(versions)


def checkpoint_object(job: Job, version: ModelVersion, values: Mapping[str, float]) -> dict[str, Any]:
    """A checkpoint as the OpenAI API shows it.

    Args:
        job: its job.
        version: the model that answers.
        values: what was measured at its step.

    Returns:
        The JSON object.
    """
    shown = shown_metrics(values)
    metrics = {name: shown[name] for name in _MEASURED if name in shown}
    whole = {f"full_{name}": shown[name] for name in _ON_THE_WHOLE_FILE if name in shown}
    return {
        "object": "fine_tuning.job.checkpoint",
        "id": _checkpoint_id(job, version),
        "created_at": version.created_at,
        "fine_tuned_model_checkpoint": version.name,
        "fine_tuning_job_id": job.id,
        "step_number": version.step,
        "metrics": {"step": version.step, **metrics, **whole},
    }


def _checkpoint_id(job: Job, version: ModelVersion) -> str:
    return f"ftckpt-{job.id.removeprefix('ftjob-')}-{version.step}"
