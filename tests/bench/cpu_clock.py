"""What a server's processes spend: CPU seconds by what each of them is. Unlike time, it hardly feels the neighbours."""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Sequence

import psutil

_KINDS = (
    (r"tunesmith\.gateway", "gateway"),
    (r"^ray::ServeReplica:engine:engine|^ray::ServeReplica:plain:LLMServer", "engine's replica"),
    (r"^ray::ServeReplica:plain:OpenAiIngress", "ingress replicas"),
    (r"^ray::ProxyActor", "Ray Serve's proxy"),
    (r"^VLLM::(EngineCore|Worker)|multiprocessing\.spawn", "engine core"),
    (r"^VLLM::APIServer|vllm\.entrypoints", "API server"),
)
_OTHER = "the rest"


class CpuClock:
    """CPU seconds since it was made.

    Args:
        processes: whose; those that start later are not seen.
    """

    def __init__(self, processes: Sequence[psutil.Process]) -> None:
        self._started = {process: _seconds(process) for process in processes}
        self._kinds = {process: _kind(process) for process in processes}

    def read(self) -> Counter[str]:
        """Seconds by the kind of process."""
        spent: Counter[str] = Counter()
        for process, before in self._started.items():
            spent[self._kinds[process]] += max(0.0, _seconds(process) - before)
        return spent


def _seconds(process: psutil.Process) -> float:
    with contextlib.suppress(psutil.Error):
        times = process.cpu_times()
        return float(times.user + times.system)
    return 0.0


def _kind(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.Error):
        command = " ".join(process.cmdline())
        return next((kind for pattern, kind in _KINDS if re.search(pattern, command)), _OTHER)
    return _OTHER
