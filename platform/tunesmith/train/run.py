"""`tunesmith train`: validate, prepare, fit, publish."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tunesmith.config.home import Home
from tunesmith.config.train import TrainConfig
from tunesmith.datasets.sources import hash_data, hash_validation, load_data
from tunesmith.engines.lean_transformers import pass_over_unused
from tunesmith.errors import PlatformError, StaleAttemptError, StorageError
from tunesmith.jobs.folders import EXPORT, WRITES_PROOF, attempt_folder, job_folder, lock_folder
from tunesmith.jobs.lock import hold_name
from tunesmith.jobs.store import JobStore
from tunesmith.records import DEFAULT_PROJECT, Job, ModelVersion
from tunesmith.stores.database import open_home_database
from tunesmith.stores.registry import Registry
from tunesmith.stores.version_folders import VersionFolders
from tunesmith.train.base import hash_tokenizer, settle_base
from tunesmith.train.checkpoint_versions import publish_checkpoints
from tunesmith.train.fit import fit
from tunesmith.train.follow import Follower, Watcher
from tunesmith.train.lineage import lineage_of
from tunesmith.train.named import named_adapters
from tunesmith.train.prepare import Prepared, prepare
from tunesmith.train.proof import write_proof
from tunesmith.train.publish import publish
from tunesmith.train.spec import LoopSpec
from tunesmith.train.start import located, parent_of, with_shape
from tunesmith.train.steps import num_steps

# How a run is watched and kept may change between two starts of the same run; what it computes may not.
_NOT_IN_FINGERPRINT = {
    "checkpoint_every_steps",
    "num_checkpoints_kept",
    "num_checkpoints_named",
    "resources.max_failures",
}


@dataclass(frozen=True, slots=True)
class TrainResult:
    """How a run ended.

    Attributes:
        version: the registered version.
        job: the finished job.
        trained: False where the run had succeeded before and nothing was done.
    """

    version: ModelVersion
    job: Job
    trained: bool


def run_training(config: TrainConfig, *, home: Home, watcher: Watcher, fresh: bool = False) -> TrainResult:
    """Train a model and register it; started again under the same name, go on where it stopped.

    Args:
        config: the recipe.
        home: the installation.
        watcher: whom to show progress.
        fresh: begin anew under a name that was used before.

    Returns:
        The registered version.

    Raises:
        PlatformError: bad data, a missing model, a full disk, or workers that failed too often.
    """
    database = open_home_database(home)
    jobs, registry = JobStore(database, DEFAULT_PROJECT), Registry(database, DEFAULT_PROJECT)
    config = with_shape(settle_base(config), registry.version)
    with hold_name(lock_folder(home), config.name):
        data_hash = hash_data(config.data)
        fingerprint = fingerprint_of(config, data_hash, hash_tokenizer(config))
        known = None if fresh else jobs.resumable(config.name, fingerprint=fingerprint)
        if known and known.state == "succeeded" and known.model:
            return TrainResult(registry.version(known.model), known, trained=False)
        pass_over_unused()
        prepared = _prepare(config, home, fingerprint, watcher, fresh=fresh)
        job = jobs.begin_attempt(
            config.name, fingerprint=fingerprint, config=config.model_dump(mode="json"), fresh=fresh
        )
        with _told_to_job(jobs, job):
            export = _train(config, prepared, job, jobs, registry, home, watcher)
            if os.environ.get(WRITES_PROOF):
                write_proof(config, export, named_adapters(export.parent.parent).values())
            jobs.set_state(job.id, job.fence, "publishing")
            curve = jobs.metrics(job.id)
            lineage = lineage_of(config, job, data_hash, curve)
            version = publish(export, config=config, job=job, lineage=lineage, home=home, registry=registry)
            for _ in publish_checkpoints(
                export.parent.parent,
                config=config,
                job=job,
                data_hash=data_hash,
                curve=curve,
                home=home,
                registry=registry,
            ):
                pass
            job = jobs.set_state(job.id, job.fence, "succeeded", model=version.name)
            return TrainResult(version, job, trained=True)


def fingerprint_of(config: TrainConfig, data_hash: str, tokenizer_hash: str) -> str:
    """Hash what must stay equal for a run to be resumed, and for prepared rows to be used again.

    Args:
        config: the recipe.
        data_hash: hash of its data, or of what makes it.
        tokenizer_hash: hash of the base's tokenizer and chat template.

    Returns:
        SHA-256, hex.

    Raises:
        DataError: the validation file cannot be read.
    """
    document = config.model_dump(mode="json")
    for path in _NOT_IN_FINGERPRINT:
        *parents, leaf = path.split(".")
        target = document
        for key in parents:
            target = target[key]
        del target[leaf]
    parts = [document, data_hash, tokenizer_hash]
    if parent_of(config) is None:
        document["method"].pop("start_from", None)
    if config.validation is None:
        del document["validation"]  # runs of earlier releases knew of none, and go on
    else:
        parts.append(hash_validation(config))
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _prepare(config: TrainConfig, home: Home, fingerprint: str, watcher: Watcher, *, fresh: bool) -> Prepared:
    folder = home.objects / "projects" / DEFAULT_PROJECT / "prepared" / fingerprint[:16]
    watcher.event({"type": "preparing"})
    load = partial(load_data, config)
    prepared = prepare(config, load, folder, fresh=fresh)
    steps = num_steps(config, num_rows=prepared.num_rows)
    watcher.event({"type": "prepared", "prepared": prepared, "num_steps": steps})
    return prepared


def _for_workers(config: TrainConfig, home: Home, registry: Registry) -> TrainConfig:
    parent = parent_of(config)
    return located(config, VersionFolders(home).find(registry.path(parent))) if parent else config


def _train(
    config: TrainConfig,
    prepared: Prepared,
    job: Job,
    jobs: JobStore,
    registry: Registry,
    home: Home,
    watcher: Watcher,
) -> Path:
    follower = Follower(jobs, job, job_folder(home, job), watcher)
    follower.take_in_earlier()
    folder = attempt_folder(job_folder(home, job), job.fence)
    folder.mkdir(parents=True, exist_ok=True)
    steps = num_steps(config, num_rows=prepared.num_rows)
    spec = LoopSpec(_for_workers(config, home, registry), prepared, folder, steps)
    watcher.event({"type": "starting", "job": job, "folder": folder})
    fit(spec, home=home, job_id=job.id, take_in=follower.take_in)
    return folder / EXPORT


@contextmanager
def _told_to_job(jobs: JobStore, job: Job) -> Iterator[None]:
    """Write whatever ends a run into its job before it goes on to the user."""
    try:
        yield
    except BaseException as error:
        # Where the disk is full, or a newer attempt has taken over, the job keeps the state it has.
        with suppress(StorageError, StaleAttemptError):
            jobs.set_state(job.id, job.fence, "failed", error=_say(error))
        raise


def _say(error: BaseException) -> str:
    match error:
        case PlatformError():
            return error.message
        case KeyboardInterrupt() | SystemExit():  # Ctrl-C; SIGTERM, as `ray job stop` sends it
            return "Interrupted. The same command goes on."
        case _:
            return " ".join(f"{type(error).__name__}: {error}".split())[:500]
