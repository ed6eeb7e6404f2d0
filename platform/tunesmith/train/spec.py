"""What a driver tells its workers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tunesmith.config.train import TrainConfig
from tunesmith.train.prepare import Prepared


@dataclass(frozen=True, slots=True)
class LoopSpec:
    """All that a worker needs to know.

    Attributes:
        config: the resolved recipe.
        prepared: the training set.
        attempt_folder: events, logs, checkpoints and the export of this attempt; on storage that all nodes share.
        num_steps: optimizer steps of the whole run.
    """

    config: TrainConfig
    prepared: Prepared
    attempt_folder: Path
    num_steps: int

    @property
    def events(self) -> Path:
        """The attempt's event file."""
        return self.attempt_folder / "events.jsonl"

    @property
    def job_folder(self) -> Path:
        """The job's folder, with all its attempts."""
        return self.attempt_folder.parent
