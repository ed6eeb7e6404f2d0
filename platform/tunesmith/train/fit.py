"""Run the training loop on Ray workers, and take in what they tell while they run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

from tunesmith.config.home import Home
from tunesmith.errors import StorageError, TrainingError, UnavailableError
from tunesmith.jobs.events import append_event
from tunesmith.jobs.folders import ADAPTER, EXPORT
from tunesmith.stores.platform_file import ProcessId
from tunesmith.train.cluster import find_cluster, ray_session, require_cluster, taken_for_now
from tunesmith.train.head import leave_for_sure, require_head, require_it_was_not_the_head
from tunesmith.train.loop import train_loop_per_worker
from tunesmith.train.merge import is_merged, merge_adapter
from tunesmith.train.spec import LoopSpec

_POLL_SECONDS = 0.5


def fit(spec: LoopSpec, *, home: Home, job_id: str, take_in: Callable[[], Mapping[str, Any] | None]) -> None:
    """Train until the workers have left their weights in the attempt's folder.

    A worker that dies is replaced by Ray Train, and the group goes on from the newest complete checkpoint; what would
    come again (a full disk, a run that has diverged, a base that cannot be loaded) is told as a `failed` event, and
    the first of these ends the run.

    Args:
        spec: the run.
        home: the installation.
        job_id: the job; also the name of the Ray Train run.
        take_in: reads new events into the database; returns a `failed` event if there was one.

    Raises:
        TrainingError: the workers failed too often.
        StorageError: a worker could not write.
        UnavailableError: no Ray cluster answers, or none that could ever hold the workers.
    """
    head = find_cluster(home).head
    with ray_session(home, spec.config.resources, log=spec.attempt_folder / "ray.log") as own_cluster:
        if not own_cluster:
            _tell_if_waiting(spec)
        # In a thread of its own: this one reads events, and leaves at the first that says the run cannot go on.
        trainer = _trainer(spec, job_id, own_cluster=own_cluster, fixed=head is not None)
        running = ThreadPoolExecutor(max_workers=1).submit(trainer.fit)
        while not running.done():
            wait([running], timeout=_POLL_SECONDS)
            _raise_told(take_in())
            _require_head(head)
    _raise_told(take_in())
    if running.exception() is not None and not own_cluster:
        require_it_was_not_the_head(head)
        require_cluster(home)
    _raise_failed(spec, running.exception())
    if is_merged(spec.config):
        merge_adapter(spec.config, spec.attempt_folder / ADAPTER, spec.attempt_folder / EXPORT)


def _require_head(head: ProcessId | None) -> None:
    try:
        require_head(head)
    except UnavailableError:
        leave_for_sure()  # the trainer may wait for its workers for ever, and Ray for its head
        raise


def _tell_if_waiting(spec: LoopSpec) -> None:
    """Say so where another run has the workers' places; else a person sees nothing happen, for hours it may be."""
    import ray

    taken = taken_for_now(ray.available_resources(), spec.config.resources)
    if taken:
        append_event(spec.events, "waiting", message=taken)


def _raise_failed(spec: LoopSpec, error: BaseException | None) -> None:
    if error is None:
        return
    reason = " ".join(str(error).split())[-300:]
    raise TrainingError(
        f"The workers failed more than {spec.config.resources.max_failures} times: {reason} "
        f"Their logs: {spec.attempt_folder}/worker-*.log. The same command goes on from the last checkpoint."
    ) from error


def _trainer(spec: LoopSpec, job_id: str, *, own_cluster: bool, fixed: bool) -> Any:
    from ray.train import FailureConfig, LoggingConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig

    from tunesmith.train.lean import LeanTorchTrainer

    resources = spec.config.resources
    on_gpu = resources.gpus_per_worker > 0
    per_worker = {"CPU": resources.cpus_per_worker} | ({"GPU": resources.gpus_per_worker} if on_gpu else {})
    return LeanTorchTrainer(
        own_cluster=own_cluster,
        fixed=fixed,
        train_loop_per_worker=train_loop_per_worker,
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
    if event["error"] == "StorageError":
        raise StorageError(f"{event['message']} The same command goes on from the last checkpoint.")
    raise TrainingError(event["message"])
