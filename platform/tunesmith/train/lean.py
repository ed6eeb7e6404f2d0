"""Ray Train's TorchTrainer without the helper processes that a run of ours does not use.

Each helper is a Python process that imports Ray: seconds of CPU at every start, on a machine whose two cores are
the workers'. Left out: the shards of Ray Data (rows are read from a file); in a cluster that lives and dies with the
run, the cleaner of its placement group (which also needs a dashboard to ask) and the watcher for nodes that are taken
away; on one machine, whoever started the cluster, the coordinator that would ask an autoscaler for nodes.
"""

from __future__ import annotations

import os
from typing import Any

from ray.train.torch import TorchTrainer
from ray.train.v2._internal.execution.scaling_policy import FixedScalingPolicy

_NEVER_USED = ("DatasetsCallback",)
_FOR_SHARED_CLUSTERS = ("PlacementGroupCleanerCallback",)
_OF_ITS_OWN = {
    # Nobody takes a node of this cluster away, so nobody needs to watch for it.
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    # Asked on one machine: a run that is over, or has lost a worker, is seen to be so within half a second.
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.5",
}


class FixedClusterPolicy(FixedScalingPolicy):  # type: ignore[misc]
    """As many workers as were asked for, in a cluster without an autoscaler."""

    def after_controller_start(self, train_run_context: Any) -> None:
        """Start no coordinator."""

    def _maybe_send_resource_request(self) -> None:
        """Ask nobody for nodes."""


class LeanTorchTrainer(TorchTrainer):  # type: ignore[misc]
    """A TorchTrainer with fewer helpers.

    Args:
        own_cluster: the cluster was started for this run and ends with it.
        fixed: the cluster is this machine, whose nodes nobody can make more of; an own one always is.
        **settings: as for TorchTrainer.
    """

    def __init__(self, *, own_cluster: bool, fixed: bool, **settings: Any) -> None:
        self._fixed = fixed or own_cluster
        self._unused = (*_NEVER_USED, *(_FOR_SHARED_CLUSTERS if own_cluster else ()))
        if own_cluster:
            for name, value in _OF_ITS_OWN.items():
                os.environ.setdefault(name, value)
        super().__init__(**settings)

    def _create_default_callbacks(self) -> list[Any]:
        callbacks = super()._create_default_callbacks()
        return [callback for callback in callbacks if type(callback).__name__ not in self._unused]

    def _initialize_and_run_controller(self, **settings: Any) -> Any:
        if self._fixed:
            settings["scaling_policy"] = FixedClusterPolicy(self.scaling_config)
        return super()._initialize_and_run_controller(**settings)
