"""What the chart tells gateway, controller and indexer by environment variables."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import yaml

from tunesmith.config.home import Home
from tunesmith.config.recipe import validate
from tunesmith.config.serve import ServeConfig
from tunesmith.errors import ConfigError

TEMPLATES = "TUNESMITH_TEMPLATES"
"""Set in a cluster, and there alone: the folder of the pod templates."""


@dataclass(frozen=True, slots=True)
class ClusterSettings:
    """A release, as one of its pods sees it.

    Attributes:
        home: scratch space of the pod; database and object store are named by variables of their own.
        namespace: where the release lies.
        release: its full name, prefix of all that it makes.
        templates: folder of the pod templates.
        milvus_uri: the vector store.
        gateway_url: address of the release's own gateway, without `/v1`.
        config: what the program does.
        serve_url: address of a served base, with `{service}` for its RayService; empty: that of its own Service.
    """

    home: Home
    namespace: str
    release: str
    templates: Path
    milvus_uri: str
    gateway_url: str
    config: ServeConfig
    serve_url: str = ""


def runs_in_cluster() -> bool:
    """Whether the chart started this process."""
    return TEMPLATES in os.environ


def read_settings() -> ClusterSettings:
    """Read the variables and the mounted configuration.

    Returns:
        The settings.

    Raises:
        ConfigError: one is missing, or the configuration is wrong; says all that is.
    """
    names = (
        TEMPLATES,
        "TUNESMITH_CONFIG",
        "TUNESMITH_NAMESPACE",
        "TUNESMITH_DATABASE_URL",
        "TUNESMITH_OBJECTS_URL",
    )
    faults = [f"{name}: not set. The chart sets it." for name in names if not os.environ.get(name)]
    if faults:
        raise ConfigError.from_faults("The environment", faults)
    path = Path(os.environ["TUNESMITH_CONFIG"])
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(
            f"{path} cannot be read: {' '.join(str(error).split())}. The chart mounts it."
        ) from error
    config = validate(document, ServeConfig, where=str(path))
    milvus_uri = config.milvus_uri or os.environ.get("TUNESMITH_MILVUS_URI")
    if not milvus_uri:
        raise ConfigError("TUNESMITH_MILVUS_URI: not set. Set milvus.uri in the chart's values.")
    release = os.environ.get("TUNESMITH_RELEASE") or "tunesmith"
    return ClusterSettings(
        home=Home.locate(),
        namespace=os.environ["TUNESMITH_NAMESPACE"],
        release=release,
        gateway_url=os.environ.get("TUNESMITH_GATEWAY_URL") or f"http://{release}-gateway:8000",
        templates=Path(os.environ[TEMPLATES]),
        milvus_uri=milvus_uri,
        config=_with_drain(config),
        serve_url=os.environ.get("TUNESMITH_SERVE_URL", ""),
    )


def _with_drain(config: ServeConfig) -> ServeConfig:
    """Let a gateway that ends wait for answers as long as its pod may, unless the configuration says how long."""
    seconds = os.environ.get("TUNESMITH_DRAIN_SECONDS")
    if not seconds or "drain_seconds" in config.load.model_fields_set:
        return config
    load = config.load.model_copy(update={"drain_seconds": float(seconds)})
    return config.model_copy(update={"load": load})
