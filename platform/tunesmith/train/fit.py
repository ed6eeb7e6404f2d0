"""Run the training loop on Ray workers, and take in what they tell while they run."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from tunesmith.config.home import Home
from tunesmith.errors import PlatformError, StorageError, TrainingError
from tunesmith.train.cluster import ray_session
from tunesmith.train.loop import LoopSpec, train_loop_per_worker

_POLL_SECONDS = 0.5


def fit(spec: LoopSpec, *, home: Home, job_id: str, take_in: Callable[[], Mapping[str, Any] | None]) -> None:
    """Train until the workers have left their weights in the attempt's folder.

    A worker that dies is replaced by Ray Train, and the group goes on from the newest complete checkpoint; an
    error of ours (a full disk, bad data) would come again, so the first `failed` event ends the run.

    Args:
        spec: the run.
        home: the installation.
        job_id: the job; also the name of the Ray Train run.
        take_in: reads new events into the database; returns a `failed` event if there was one.

    Raises:
        TrainingError: the workers failed too often.
        StorageError: a worker could not write.
        UnavailableError: no Ray cluster answers.
    """
    outcome: list[BaseException | None] = []
    with ray_session(home, spec.config.resources):
        trainer = _trainer(spec, job_id)
        thread = threading.Thread(target=_run, args=(trainer, outcome), daemon=True)
        thread.start()
        while thread.is_alive():
            thread.join(_POLL_SECONDS)
            _raise_told(take_in())
    _raise_told(take_in())
    if outcome[0] is not None:
        reason = " ".join(str(outcome[0]).split())[-300:]
        raise TrainingError(
            f"The workers failed more than {spec.config.resources.max_failures} times: {reason} "
            f"Their logs: {spec.attempt_folder}/worker-*.log. The same command goes on from the last checkpoint."
        ) from outcome[0]


def _run(trainer: Any, outcome: list[BaseException | None]) -> None:
    from ray.exceptions import RayError
    from ray.train import TrainingFailedError

    try:
        trainer.fit()
        outcome.append(None)
    except (TrainingFailedError, RayError) as error:
        outcome.append(error)


def _trainer(spec: LoopSpec, job_id: str) -> Any:
    from ray.train import FailureConfig, LoggingConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    resources = spec.config.resources
    on_gpu = resources.gpus_per_worker > 0
    per_worker = {"CPU": resources.cpus_per_worker} | ({"GPU": resources.gpus_per_worker} if on_gpu else {})
    return TorchTrainer(
        train_loop_per_worker,
        train_loop_config={"spec": spec},
        torch_config=TorchConfig(backend="nccl" if on_gpu else "gloo"),
        scaling_config=ScalingConfig(
            num_workers=resources.num_workers, use_gpu=on_gpu, resources_per_worker=per_worker
        ),
        run_config=RunConfig(
            name=job_id,
            storage_path=str(spec.job_folder.parent),
            failure_config=FailureConfig(max_failures=resources.max_failures),
            logging_config=LoggingConfig(log_level="ERROR"),
        ),
    )


def _raise_told(event: Mapping[str, Any] | None) -> None:
    if event is None:
        return
    kind: type[PlatformError] = StorageError if event["error"] == "StorageError" else TrainingError
    raise kind(f"{event['message']} The same command goes on from the last checkpoint.")
