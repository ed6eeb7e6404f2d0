"""`tunesmith train --attempt FOLDER`: one attempt at a job that a controller drives.

The folder is all that an attempt knows: its order lies there, and there it notes what happens. It needs no database
and no key, so that it may run anywhere that sees the object store.

    attempt-0002/order.json      the job, its recipe, the files that the recipe names
    attempt-0002/events.jsonl    prepared, engine, step, checkpoint ... and, as the last word, ended
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from tunesmith.config.home import Home
from tunesmith.config.train import FileDataConfig, TrainConfig
from tunesmith.datasets.sources import hash_data, load_data
from tunesmith.engines.lean_transformers import pass_over_unused
from tunesmith.errors import PlatformError, StaleAttemptError, StorageError, UnavailableError
from tunesmith.jobs.events import append_event, read_events
from tunesmith.jobs.folders import EXPORT, PREPARED, attempt_folder, lock_folder
from tunesmith.jobs.lock import hold_name
from tunesmith.jobs.order import AttemptOrder, read_order
from tunesmith.stores.version_folders import VersionFolders
from tunesmith.train.base import hash_tokenizer, settle_base
from tunesmith.train.cluster import TOO_SMALL
from tunesmith.train.fit import fit
from tunesmith.train.named import named_adapters
from tunesmith.train.prepare import Prepared, prepare
from tunesmith.train.proof import write_proof
from tunesmith.train.run import fingerprint_of
from tunesmith.train.spec import LoopSpec
from tunesmith.train.start import located, parent_of
from tunesmith.train.steps import num_steps

Note = Callable[..., None]


def run_attempt(folder: Path, *, home: Home) -> None:
    """Train as the order says, and leave the weights in the attempt's folder.

    Args:
        folder: the attempt's folder.
        home: the installation.

    Raises:
        PlatformError: the attempt failed; its last word says so too.
    """
    order = read_order(folder)
    note: Note = partial(append_event, folder / "events.jsonl")
    with hold_name(lock_folder(home), order.job_id), _last_word(note):
        pass_over_unused()
        config = settle_base(recipe_of(order, home))
        data_hash = hash_data(config.data)
        prepared = _prepare(config, data_hash, folder.parent)
        steps = num_steps(config, num_rows=prepared.num_rows)
        note(
            "prepared",
            num_examples=prepared.num_examples,
            num_tokens=prepared.num_tokens,
            num_validation_examples=prepared.num_validation_examples,
            num_rows=prepared.num_rows,
            num_steps=steps,
            data_hash=data_hash,
        )
        spec = LoopSpec(config, prepared, folder, steps)
        fit(spec, home=home, job_id=order.job_id, take_in=_Failures(folder, order).look)
        write_proof(config, folder / EXPORT, named_adapters(folder.parent).values())
        note("ended", outcome="trained")


def recipe_of(order: AttemptOrder, home: Home) -> TrainConfig:
    """The recipe, with the files that it names by their ids, and a version that it goes on from, where they lie.

    Args:
        order: the order.
        home: the installation.

    Returns:
        The recipe.
    """
    config = TrainConfig.model_validate(order.config)

    def path_of(named: str) -> dict[str, str]:
        return {"path": str(home.objects / order.files[named]) if named in order.files else named}

    changed: dict[str, Any] = {}
    if isinstance(config.data, FileDataConfig):
        changed["data"] = config.data.model_copy(update=path_of(config.data.path))
    if config.validation:
        changed["validation"] = config.validation.model_copy(update=path_of(config.validation.path))
    config = config.model_copy(update=changed)
    parent = parent_of(config)
    return located(config, VersionFolders(home).find(order.files[parent])) if parent else config


def _prepare(config: TrainConfig, data_hash: str, job_folder: Path) -> Prepared:
    fingerprint = fingerprint_of(config, data_hash, hash_tokenizer(config))
    folder = job_folder / PREPARED / fingerprint[:16]
    return prepare(config, partial(load_data, config), folder)


class _Failures:
    """Looks for a worker's failure, and for a successor, while the workers run.

    Args:
        folder: the attempt's folder.
        order: its order.
    """

    def __init__(self, folder: Path, order: AttemptOrder) -> None:
        self._events = folder / "events.jsonl"
        self._successor = attempt_folder(folder.parent, order.fence + 1)
        self._fence = order.fence
        self._cursor = 0

    def look(self) -> Mapping[str, Any] | None:
        """Read on.

        Returns:
            A `failed` event, if one is among the new ones.

        Raises:
            StaleAttemptError: a later attempt has begun.
        """
        if self._successor.exists():
            raise StaleAttemptError(f"Attempt {self._fence} was replaced: {self._successor} exists.")
        batch = read_events(self._events, self._cursor)
        self._cursor = batch.cursor
        return next((event for event in batch.events if event["type"] == "failed"), None)


@contextmanager
def _last_word(note: Note) -> Iterator[None]:
    """Say how it ended, unless it was told to end: what is interrupted goes on in the next attempt."""
    try:
        yield
    except StaleAttemptError:
        raise
    except PlatformError as error:
        with suppress(StorageError):
            note(
                "ended",
                outcome="failed",
                message=error.message,
                code=error.code or error.default_code or "training_failed",
                param=error.param,
                again=isinstance(error, UnavailableError) and error.code != TOO_SMALL,
            )
        raise
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:500]
        with suppress(StorageError):
            note("ended", outcome="failed", message=reason, code="training_failed", param=None, again=False)
        raise
