"""The pod templates that the chart mounts into the controller; they exist once, and nothing else makes pods."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tunesmith.config.clusters import ClustersConfig
from tunesmith.config.recipe import validate
from tunesmith.errors import ConfigError

CLUSTERS = "clusters.yaml"
"""The file that names the others."""


@dataclass(frozen=True, slots=True)
class ClusterTemplates:
    """What Ray clusters are made from.

    Attributes:
        config: shapes of the clusters.
        pods: PodTemplateSpec by file name.
    """

    config: ClustersConfig
    pods: Mapping[str, Mapping[str, Any]]

    def pod(self, file: str) -> dict[str, Any]:
        """Take a copy of a template, to be filled in.

        Args:
            file: its file name.

        Returns:
            The PodTemplateSpec.
        """
        return copy.deepcopy(dict(self.pods[file]))


def read_templates(folder: Path) -> ClusterTemplates:
    """Read the mounted folder.

    Args:
        folder: where the ConfigMap is mounted.

    Returns:
        The templates.

    Raises:
        ConfigError: a file is missing or wrong; says every fault.
    """
    try:
        files = {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.yaml"))}
    except OSError as error:
        raise ConfigError(f"{folder} cannot be read: {error.strerror}. The chart mounts it there.") from error
    return parse_templates(files, where=str(folder))


def parse_templates(files: Mapping[str, str], *, where: str) -> ClusterTemplates:
    """Parse the files of a ConfigMap `<release>-pod-templates`.

    Args:
        files: text by file name.
        where: what to call them in a message.

    Returns:
        The templates.

    Raises:
        ConfigError: a file is missing or wrong; says every fault.
    """
    if CLUSTERS not in files:
        raise ConfigError(
            f"{where} holds no {CLUSTERS}. Install or upgrade the release: `tunesmith deploy install`."
        )
    documents = {name: _parse(name, text, where) for name, text in files.items()}
    config = validate(documents.pop(CLUSTERS), ClustersConfig, where=f"{where}/{CLUSTERS}")
    faults = [fault for file in _named(config) if (fault := _fault(file, documents.get(file)))]
    if faults:
        raise ConfigError.from_faults(where, faults)
    return ClusterTemplates(config, documents)


def _parse(name: str, text: str, where: str) -> dict[str, Any]:
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(
            f"{where}/{name}: not valid YAML: {' '.join(str(error).split())}. Render the chart again."
        ) from error
    if not isinstance(document, dict):
        raise ConfigError(
            f"{where}/{name}: not a mapping but {type(document).__name__}. Render the chart again."
        )
    return document


def _named(config: ClustersConfig) -> list[str]:
    shapes = (config.serving, config.training)
    groups = [group.template for shape in shapes for group in shape.worker_groups]
    return [*(shape.head.template for shape in shapes), *groups, config.training.submitter.template]


def _fault(file: str, template: Mapping[str, Any] | None) -> str | None:
    if template is None:
        return f"{file}: {CLUSTERS} names it, and it is not there. Render the chart again."
    if not template.get("spec", {}).get("containers"):
        return f"{file}: a pod template without containers. Ray's container comes first."
    return None
