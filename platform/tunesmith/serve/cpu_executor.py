"""vLLM's worker on CPU: inside the engine's process, and never longer alive than the replica."""

from __future__ import annotations

import os
import threading
import time

from vllm.v1.executor.uniproc_executor import UniProcExecutor

_POLL_SECONDS = 1.0


class CpuExecutor(UniProcExecutor):  # type: ignore[misc]
    """Runs the model in the engine's own process, and ends that process with its parent.

    On CPU vLLM starts a process for the worker so that it can pin its threads. Here threads are not pinned
    (OMP_NUM_THREADS bounds them), and that process would only import everything again.
    """

    def _init_executor(self) -> None:
        # A replica that is killed cannot end the engine's process; it would keep its memory for ever.
        threading.Thread(target=_exit_with, args=(os.getppid(),), daemon=True).start()
        super()._init_executor()


def _exit_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_POLL_SECONDS)
    os._exit(1)
