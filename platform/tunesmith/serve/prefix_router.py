"""Ray Serve's router for replicas of an engine: to the one that read a prompt's beginning before, while it has room.

Ray's own `ConsistentHashRouter` keeps to a replica until it refuses. One system prompt that everybody uses would then
fill a single replica's line while the others stand idle. Here a replica may have a bounded share more to do than
the others (consistent hashing with bounded loads, arXiv:1608.01350); past that, the next on the ring is asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from ray.serve._private.request_router.common import PendingRequest
from ray.serve._private.request_router.replica_wrapper import RunningReplica
from ray.serve.experimental.consistent_hash_router import ConsistentHashRouter

_SHARE = 1.25
"""What a replica may have to do, of what it would have if all had the same."""
_SLACK = 4
"""Requests more than the mean that are never too many: with a few in all, shares say nothing."""
_ALL = 1_000_000

_Replica = TypeVar("_Replica")


class PrefixRouter(ConsistentHashRouter):  # type: ignore[misc]
    """Orders the replicas for a request: those with room by the ring, then the others, the idlest first."""

    def initialize_state(self, **kwargs: Any) -> None:
        """Make the ring; every replica is on each request's list."""
        super().initialize_state(num_fallback_replicas=_ALL, **kwargs)

    async def choose_replicas(
        self, candidate_replicas: list[RunningReplica], pending_request: PendingRequest | None = None
    ) -> list[list[RunningReplica]]:
        """Order the replicas; see `ray.serve.request_router.RequestRouter.choose_replicas`."""
        ranked: list[list[RunningReplica]] = await super().choose_replicas(
            candidate_replicas, pending_request
        )
        if any(len(rank) != 1 for rank in ranked):
            return ranked  # there was no request to order them for
        replicas = [replica for (replica,) in ranked]
        loads = {replica.replica_id: self._load(replica) for replica in replicas}
        order = within_bounds([replica.replica_id for replica in replicas], loads)
        by_id = {replica.replica_id: replica for replica in replicas}
        return [[by_id[replica_id]] for replica_id in order]

    def _load(self, replica: RunningReplica) -> int:
        return self._replica_queue_len_cache.get(replica.replica_id) or 0


def within_bounds(ring: Sequence[_Replica], loads: Mapping[_Replica, int]) -> list[_Replica]:
    """Order replicas by the ring, but those last that have more to do than their share.

    Args:
        ring: replicas in the ring's order, from a request's place on it.
        loads: requests that each has, running or waiting.

    Returns:
        The same replicas: those within bounds in the ring's order, then the others, the one with the least to do first.
    """
    if not ring:
        return []
    mean = sum(loads[replica] for replica in ring) / len(ring)
    most = max(mean * _SHARE, mean + _SLACK)
    full = sorted((replica for replica in ring if loads[replica] > most), key=lambda replica: loads[replica])
    return [*(replica for replica in ring if loads[replica] <= most), *full]
