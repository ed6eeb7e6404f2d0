"""How much of everything a load takes. Each figure is one formula, and the formula is told beside it.

Let r be requests a second, p prompt tokens, c the share of them that is cached, a answer tokens, u the utilisation.

    replica seconds of an answer   s = p (1 - c) / prefill + a / decode
    engine replicas                ceil(r s / u)                         work that comes in = work that is done
    answers under way              r (p (1 - c) / prefill + a t)         Little's law, t seconds between tokens
    bytes of a chunk in memory     d b + 8 M + 8 w                       vector, HNSW's links, BM25's terms
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from tunesmith.config.capacity import CapacityConfig

_DAY = 86400.0
_GIB = 2.0**30


@dataclass(frozen=True, slots=True)
class Need:
    """How much of one thing.

    Attributes:
        what: the thing.
        amount: how much of it.
        unit: of what.
        formula: how it was found, with the numbers in it.
    """

    what: str
    amount: float
    unit: str
    formula: str


def capacity(config: CapacityConfig) -> list[Need]:
    """Compute everything.

    Args:
        config: load, speeds, stores.

    Returns:
        Serving, retrieval, ingest, training, traffic, in this order.
    """
    return [*_serving(config), *_retrieval(config), *_training(config), *_traffic(config)]


def replica_seconds(config: CapacityConfig) -> float:
    """What one answer costs one replica.

    Args:
        config: load and speeds.

    Returns:
        Seconds of a replica that does nothing else.
    """
    load, speeds = config.load, config.speeds
    prefill = load.prompt_tokens * (1 - load.cached_share) / speeds.prefill_tokens_per_second
    return prefill + load.answer_tokens / speeds.decode_tokens_per_second


def _serving(config: CapacityConfig) -> list[Need]:
    load, speeds, rate = config.load, config.speeds, config.load.requests_per_second
    cost = replica_seconds(config)
    replicas = _ceil(rate * cost / config.utilisation)
    prefill = load.prompt_tokens * (1 - load.cached_share) / speeds.prefill_tokens_per_second
    under_way = rate * (prefill + load.answer_tokens * speeds.seconds_per_answer_token)
    gateways = max(2, _ceil(rate / speeds.gateway_requests_per_second / config.utilisation))
    gpus = replicas * speeds.gpus_per_replica
    return [
        Need("engine replicas", replicas, "", f"ceil({rate:g}/s x {cost:.3f} s / {config.utilisation:g})"),
        Need("serving GPUs", gpus, "", f"{replicas} x {speeds.gpus_per_replica}"),
        Need("answers under way", _ceil(under_way), "", f"{rate:g}/s x {under_way / rate:.2f} s"),
        Need(
            "gateways",
            gateways,
            "",
            f"max(2, ceil({rate:g} / {speeds.gateway_requests_per_second:g} / {config.utilisation:g}))",
        ),
    ]


def _retrieval(config: CapacityConfig) -> list[Need]:
    load, stores, speeds = config.load, config.stores, config.speeds
    each = (
        stores.dimensions * stores.bytes_per_dimension + 8 * stores.graph_degree + 8 * stores.terms_per_chunk
    )
    memory = load.chunks * each * stores.vector_replicas / _GIB
    nodes = _ceil(memory / (stores.vector_node_gib * config.utilisation)) if load.chunks else 0
    disk = load.chunks * (each + load.chunk_characters) / _GIB
    embedding = load.new_chunks_per_day / speeds.embedded_chunks_per_second / 3600
    return [
        Need(
            "vectors in memory",
            memory,
            "GiB",
            f"{load.chunks:g} chunks x {each} bytes x {stores.vector_replicas}",
        ),
        Need(
            "Milvus query nodes",
            nodes,
            "",
            f"ceil({memory:.1f} GiB / ({stores.vector_node_gib:g} GiB x {config.utilisation:g}))",
        ),
        Need("vectors on disk", disk, "GiB", f"{load.chunks:g} x ({each} + {load.chunk_characters} bytes)"),
        Need(
            "embedding",
            embedding,
            "hours a day",
            f"{load.new_chunks_per_day:g} / {speeds.embedded_chunks_per_second:g}/s",
        ),
    ]


def _training(config: CapacityConfig) -> list[Need]:
    load, speeds = config.load, config.speeds
    hours = load.jobs_per_day * load.tokens_per_job / speeds.trained_tokens_per_second / 3600
    gpus = _ceil(hours / 24 / config.utilisation)
    return [
        Need(
            "training GPU hours",
            hours,
            "a day",
            f"{load.jobs_per_day:g} jobs x {load.tokens_per_job:g} / {speeds.trained_tokens_per_second:g}/s",
        ),
        Need("training GPUs", gpus, "", f"ceil({hours:.1f} h / 24 h / {config.utilisation:g})"),
    ]


def _traffic(config: CapacityConfig) -> list[Need]:
    load, stores = config.load, config.stores
    starts = stores.replica_starts_per_day * stores.model_gib
    checkpoints = load.jobs_per_day * stores.checkpoints_per_job * stores.checkpoint_gib
    daily = starts + checkpoints
    return [
        Need(
            "object store traffic",
            daily,
            "GiB a day",
            f"{stores.replica_starts_per_day:g} starts x {stores.model_gib:g} + "
            f"{load.jobs_per_day:g} jobs x {stores.checkpoints_per_job} x {stores.checkpoint_gib:g} GiB",
        ),
        Need("mean of it", daily * _GIB * 8 / _DAY / 1e6, "Mbit/s", f"{daily:.0f} GiB / {_DAY:.0f} s"),
    ]


def _ceil(amount: float) -> int:
    """The next whole number; what is one but for the rounding of floats stays."""
    return math.ceil(round(amount, 9))
