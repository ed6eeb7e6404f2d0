"""Files that lie in packages of the registries: fetched once, by their hash, into a cache folder."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tunesmith"


def cached(name: str, sha256: str, routes: Iterable[Callable[[Path], bytes]]) -> Path:
    """Find a file in the cache, or fetch it.

    Args:
        name: of the file in the cache.
        sha256: its hash.
        routes: ways to fetch it, tried in this order; each is given a folder of its own to work in.

    Returns:
        The file, whose hash is right.

    Raises:
        RuntimeError: no way led to it, or what came is not what was pinned.
    """
    path = CACHE / name
    if not (path.exists() and _sha256(path.read_bytes()) == sha256):
        content = _fetch(name, routes)
        if _sha256(content) != sha256:
            raise RuntimeError(f"{name} is not the one whose hash is pinned here.")
        _write(path, content)
    return path


def pip_download(requirement: str, sha256: str, folder: Path) -> Path:
    """Download one package from PyPI.

    Args:
        requirement: name and version.
        sha256: hash of the wheel or archive.
        folder: where to put it.

    Returns:
        It.

    Raises:
        FileNotFoundError: there is no pip.
    """
    pinned = folder / "requirements.txt"
    pinned.write_text(f"{requirement} --hash=sha256:{sha256}\n", encoding="utf-8")
    options = ["--no-deps", "--require-hashes", "--no-cache-dir", "--quiet"]
    _run([*_pip(), "download", *options, "--dest", str(folder), "-r", str(pinned)])
    (found,) = [path for path in folder.iterdir() if path != pinned]
    return found


def npm_pack(requirement: str, folder: Path) -> Path:
    """Download one package from npm.

    Args:
        requirement: name and version.
        folder: where to put it.

    Returns:
        Its archive.
    """
    _run(["npm", "pack", "--silent", "--pack-destination", str(folder), requirement])
    return next(folder.glob("*.tgz"))


def _fetch(name: str, routes: Iterable[Callable[[Path], bytes]]) -> bytes:
    failures = []
    for route in routes:
        with tempfile.TemporaryDirectory() as folder:
            try:
                return route(Path(folder))
            except (OSError, subprocess.CalledProcessError) as error:
                failures.append(str(getattr(error, "stderr", "") or error).strip()[-300:])
    raise RuntimeError(f"{name} could not be fetched: {' | '.join(failures)}")


def _pip() -> list[str]:
    # .venv has no pip: it was made by uv, whose own environment has one.
    for python in (str(ROOT / ".uv/bin/python"), sys.executable, "python3"):
        if (
            shutil.which(python)
            and subprocess.run([python, "-m", "pip", "-V"], capture_output=True).returncode == 0
        ):
            return [python, "-m", "pip", "--disable-pip-version-check"]
    raise FileNotFoundError("no Python with pip was found")


def _run(command: Sequence[str]) -> None:
    subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as draft:
        draft.write(content)
    Path(draft.name).replace(path)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
