"""manifests/: what the cluster gets for each scenario of the chart's ci/ folder."""

from __future__ import annotations

import functools
import re
from pathlib import Path

from generate.helm import run_helm
from generate.registry import ROOT

CHART = ROOT / "charts" / "tunesmith"
SCENARIOS = sorted((CHART / "ci").glob("*.yaml"))
KUBERNETES = "1.36.0"
KNOWN = ("ray.io/v1", "monitoring.coreos.com/v1", "gateway.networking.k8s.io/v1", "kueue.x-k8s.io/v1beta2")
"""What a cluster with all prerequisites knows."""

_SOURCE = re.compile(r"^# Source: tunesmith/templates/(?P<path>\S+)\n", re.MULTILINE)
_SEPARATOR = re.compile(r"^---\n", re.MULTILINE)
_HEADER = "# Rendered from charts/tunesmith/ci/{scenario} by `make chart`; never edit.\n"


@functools.cache
def template(*arguments: str, version: str = "4.1.4") -> str:
    """Render the chart for a cluster that has everything.

    Args:
        *arguments: of `helm template`: `--values FILE`, `--set a=b`.
        version: of helm.

    Returns:
        The objects, hooks included.

    Raises:
        RuntimeError: helm refuses; its words.
    """
    fixed = ["template", "tunesmith", str(CHART), "--namespace", "tunesmith", "--kube-version", KUBERNETES]
    known = [word for api in KNOWN for word in ("--api-versions", api)]
    done = run_helm(version, [*fixed, *known, *arguments])
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout


def scenario_pages(values: Path) -> dict[Path, str]:
    """Render one scenario, a file for each template.

    Args:
        values: its values file.

    Returns:
        Files under manifests/SCENARIO/.
    """
    pages: dict[Path, str] = {}
    for document in _SEPARATOR.split(template("--values", str(values))):
        source = _SOURCE.search(document)
        if source is None:
            continue
        path = ROOT / "manifests" / values.stem / source["path"]
        body = "---\n" + _SOURCE.sub("", document).strip("\n") + "\n"
        pages[path] = pages.get(path, _HEADER.format(scenario=values.name)) + body
    return pages
