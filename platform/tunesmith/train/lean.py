"""Ray Train's TorchTrainer without the helper processes that a run of ours does not use.

Each helper is a Python process that imports Ray: seconds of CPU at every start, on a machine whose two cores are
the workers'. Left out: the shards of Ray Data (rows are read from a file), and, in a cluster that lives and dies
with the run, the cleaner of its placement group (which also needs a dashboard to ask).
"""

from __future__ import annotations

import os
from typing import Any

from ray.train.torch import TorchTrainer

_NEVER_USED = ("DatasetsCallback",)
_FOR_SHARED_CLUSTERS = ("PlacementGroupCleanerCallback",)


class LeanTorchTrainer(TorchTrainer):  # type: ignore[misc]
    """A TorchTrainer with fewer helpers.

    Args:
        own_cluster: the cluster was started for this run and ends with it.
        **settings: as for TorchTrainer.
    """

    def __init__(self, *, own_cluster: bool, **settings: Any) -> None:
        self._unused = (*_NEVER_USED, *(_FOR_SHARED_CLUSTERS if own_cluster else ()))
        if own_cluster:
            # Nobody takes a node of this cluster away, so nobody needs to watch for it.
            os.environ["RAY_TRAIN_ENABLE_PREEMPTION_WATCHER"] = "0"
        super().__init__(**settings)

    def _create_default_callbacks(self) -> list[Any]:
        callbacks = super()._create_default_callbacks()
        return [callback for callback in callbacks if type(callback).__name__ not in self._unused]
