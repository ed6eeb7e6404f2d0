"""Helm, as a program that is run: its words come back as ours, one line long."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import tunesmith
from tunesmith.errors import ConfigError, DependencyError

_OLDEST = (3, 14)
_LONGEST = 600
ASSUMED_APIS = (
    "ray.io/v1",
    "monitoring.coreos.com/v1",
    "gateway.networking.k8s.io/v1",
    "kueue.x-k8s.io/v1beta2",
)
"""What a cluster that is not asked is taken to know: the chart refuses what the cluster does not."""


@dataclass(frozen=True, slots=True)
class Release:
    """A release of the chart, and how it is configured.

    Attributes:
        name: its name.
        namespace: where it lies.
        chart: folder or archive of the chart; None: the one that came with this package.
        values: files of values, the later ones win.
        settings: `path=value` each, over the files.
        context: the context of the kubeconfig.
    """

    name: str
    namespace: str
    chart: Path | None = None
    values: Sequence[Path] = ()
    settings: Sequence[str] = ()
    context: str | None = None

    @property
    def arguments(self) -> list[str]:
        """Chart and values, as helm takes them."""
        words = [str(find_chart(self.chart)), "--namespace", self.namespace]
        words += [word for path in self.values for word in ("--values", str(path))]
        return words + [word for setting in self.settings for word in ("--set", setting)]

    @property
    def at(self) -> list[str]:
        """The cluster, as helm takes it."""
        return ["--kube-context", self.context] if self.context else []


@dataclass(frozen=True, slots=True)
class Helm:
    """A helm that can be run.

    Attributes:
        binary: the program.
        version: major and minor.
    """

    binary: Path
    version: tuple[int, int] = field(default=(3, 14))

    @classmethod
    def find(cls) -> Helm:
        """Find helm: `TUNESMITH_HELM`, else on PATH.

        Returns:
            It, with its version.

        Raises:
            DependencyError: there is none, or it is too old.
        """
        found = os.environ.get("TUNESMITH_HELM") or shutil.which("helm")
        if not found:
            raise DependencyError(
                "helm is not on PATH. Install version 3.14 or newer (https://helm.sh/docs/intro/install), or name it "
                "in TUNESMITH_HELM."
            )
        told = _run([found, "version", "--template", "{{.Version}}"])
        numbers = re.match(r"v?(\d+)\.(\d+)", told.strip())
        version = (int(numbers[1]), int(numbers[2])) if numbers else (0, 0)
        if version < _OLDEST:
            raise DependencyError(f"{found} is helm {told.strip()}; 3.14 or newer is needed.")
        return cls(Path(found), version)

    def render(self, release: Release, *, known: Sequence[str] = ASSUMED_APIS) -> str:
        """Render the chart, without any cluster.

        Args:
            release: what to render.
            known: groups and versions of the API that the cluster serves.

        Returns:
            Manifests, as `kubectl apply` takes them.

        Raises:
            ConfigError: a value is wrong; says which.
        """
        apis = [word for api in known for word in ("--api-versions", api)]
        # The pod of `helm test` would run as soon as it is applied.
        return _run([str(self.binary), "template", release.name, "--skip-tests", *release.arguments, *apis])

    def put(self, arguments: Sequence[str], *, context: str | None) -> None:
        """Install or upgrade somebody else's chart, and wait until it is ready; what fails is taken back.

        Args:
            arguments: release, chart, and options.
            context: the context of the kubeconfig.

        Raises:
            ConfigError: it does not come up.
        """
        at = ["--kube-context", context] if context else []
        _run([str(self.binary), "upgrade", "--install", *arguments, "--wait", self._taking_back, *at])

    def install_command(self, release: Release, *, timeout_seconds: int) -> list[str]:
        """The words that install a release, or upgrade it; what fails is taken back.

        Args:
            release: what to install.
            timeout_seconds: how long everything may take to be ready.

        Returns:
            Program and arguments.
        """
        command = [str(self.binary), "upgrade", "--install", release.name, *release.arguments, *release.at]
        return [*command, "--wait", self._taking_back, "--timeout", f"{timeout_seconds}s"]

    @property
    def _taking_back(self) -> str:
        return "--rollback-on-failure" if self.version >= (4, 0) else "--atomic"

    def uninstall(self, release: Release) -> None:
        """Remove a release; one that is not there is fine.

        Args:
            release: which.

        Raises:
            ConfigError: helm cannot.
        """
        words = ["uninstall", release.name, "--namespace", release.namespace, "--wait", "--ignore-not-found"]
        _run([str(self.binary), *words, *release.at])

    def is_deployed(self, release: Release) -> bool:
        """Whether a release came up; one that failed, or that a killed helm has left in the middle, did not.

        Args:
            release: which.

        Returns:
            True where helm calls it deployed.

        Raises:
            ConfigError: helm cannot say.
        """
        words = ["status", release.name, "--namespace", release.namespace, "--output", "json", *release.at]
        try:
            told = json.loads(_run([str(self.binary), *words]))
        except ConfigError as error:
            if "release: not found" in error.message:
                return False
            raise
        return bool(told["info"]["status"] == "deployed")

    def manifest(self, release: Release) -> str | None:
        """What a release has put into the cluster.

        Args:
            release: which.

        Returns:
            Its manifests; None where it is not installed.

        Raises:
            ConfigError: helm cannot say.
        """
        try:
            return _run(
                [
                    str(self.binary),
                    "get",
                    "manifest",
                    release.name,
                    "--namespace",
                    release.namespace,
                    *release.at,
                ]
            )
        except ConfigError as error:
            if "release: not found" in error.message:
                return None
            raise


def find_chart(told: Path | None = None) -> Path:
    """Find the chart: the one named, else the one in this package, else the checkout's.

    Args:
        told: a folder or archive.

    Returns:
        Its path.

    Raises:
        ConfigError: there is none.
    """
    package = Path(tunesmith.__file__).parent
    for path in (
        [told] if told else [package / "deploy" / "chart", package.parents[1] / "charts" / "tunesmith"]
    ):
        if (path / "Chart.yaml").is_file() or path.is_file():
            return path
    raise ConfigError(f"{told or 'charts/tunesmith'} is no chart. Name its folder or archive with --chart.")


def say_error(stderr: str) -> str:
    """Put what helm printed into one line.

    Args:
        stderr: all of it.

    Returns:
        The error, without helm's own frame.
    """
    lines = [
        line
        for line in stderr.splitlines()
        if line.strip() and not line.startswith(("WARNING", "level=", "I0"))
    ]
    said = " ".join(" ".join(lines).split())
    said = re.sub(r'^Release "\S+" does not exist. Installing it now. ', "", said)
    # A `fail` of the chart comes with the way to its template; its user wants the sentence.
    said = re.sub(r"^.*error calling (?:fail|include|required): ", "", said)
    return re.sub(r"^(Error: )?((INSTALLATION|UPGRADE) FAILED: )?", "", said)[:_LONGEST]


def _run(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise DependencyError(
            f"{command[0]} cannot be run: {error.strerror}. Name helm in TUNESMITH_HELM."
        ) from error
    if done.returncode:
        raise ConfigError(f"helm {command[1]}: {say_error(done.stderr)}")
    return done.stdout
