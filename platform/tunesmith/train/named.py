"""Adapters of checkpoints that become versions of their own, as the run went through them.

    attempt-0001/checkpoint-50/     the state of the run; pruned
    attempt-0001/adapter-at-50/     the adapter in it, complete or absent; the newest few of a job stay

A checkpoint belongs to the run, and most of it is optimizer. What answers under a name is a copy of its adapter.
"""

from __future__ import annotations

import secrets
import shutil
from pathlib import Path

from tunesmith.config.train import TrainConfig
from tunesmith.jobs.folders import ADAPTER_AT
from tunesmith.stores.atomic import sync_tree
from tunesmith.train.checkpoint import storage_errors

_OF_THE_RUN = shutil.ignore_patterns(
    "global_step*",
    "rng_state*",
    "*.pt",
    "*.pth",
    "*.bin",
    "*.py",
    "latest",
    "trainer_state.json",
    "COMPLETE.json",
    "README.md",
)


def num_named(config: TrainConfig) -> int:
    """How many checkpoints of a run become versions.

    Args:
        config: the recipe.

    Returns:
        None of them where the run registers a whole model: each would be as large as the base.
    """
    return config.num_checkpoints_named if config.method.registers == "adapter" else 0


def keep_adapter(checkpoint: Path, *, step: int, num_kept: int) -> None:
    """Copy the adapter out of a checkpoint that every rank has written, and take away those that are too many.

    Args:
        checkpoint: its folder, in the attempt's folder.
        step: its optimizer step.
        num_kept: how many of the job's stay.

    Raises:
        StorageError: there is no room.
    """
    if not num_kept:
        return
    attempt = checkpoint.parent
    draft = attempt / f"{ADAPTER_AT}{step}.{secrets.token_hex(4)}.partial"
    folder = attempt / f"{ADAPTER_AT}{step}"
    with storage_errors(draft):
        shutil.copytree(checkpoint, draft, ignore=_OF_THE_RUN)
        sync_tree(draft)
    shutil.rmtree(folder, ignore_errors=True)
    draft.replace(folder)
    # Of this attempt and earlier ones: one that everybody thought dead takes nothing from its successor.
    mine = [path for path in named_adapters(attempt.parent).values() if path.parent.name <= attempt.name]
    for old in mine[:-num_kept]:
        shutil.rmtree(old, ignore_errors=True)


def named_adapters(job_folder: Path) -> dict[int, Path]:
    """The adapters of a job's checkpoints that are kept.

    Args:
        job_folder: the job's folder; all its attempts count.

    Returns:
        Folder by step, in order; the newest attempt's, where two have one of the same step.
    """
    found = {}
    for folder in sorted(job_folder.glob(f"attempt-*/{ADAPTER_AT}*")):
        step = folder.name.removeprefix(ADAPTER_AT)
        if step.isdecimal():
            found[int(step)] = folder
    return dict(sorted(found.items()))
