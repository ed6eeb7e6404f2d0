"""From exported weights to a registered version: a folder that is complete or absent, then a name."""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tunesmith.assets import canonical_base
from tunesmith.config.home import Home
from tunesmith.config.train import ScratchConfig, TrainConfig
from tunesmith.errors import StorageError
from tunesmith.records import CHECKPOINT, Job, Lineage, ModelVersion
from tunesmith.stores.atomic import sync, sync_tree
from tunesmith.stores.registry import Registry
from tunesmith.stores.version_folders import MANIFEST, VersionFolders

_SECONDS_TO_PUBLISH = 3600.0
"""A folder that is older and still not whole is nobody's."""
_NAME_DIGITS = 10
"""Of the job's id: a million versions of one suffix meet with a chance of a half."""


def version_name(config: TrainConfig, job: Job, step: int | None = None) -> str:
    """Name of the version that a job makes: `ft:<base>:<project>:<suffix>:<10 hex>`.

    Args:
        config: the recipe.
        job: the job.
        step: of a checkpoint, its step, which stands behind it: `...:ckpt-step-50`.

    Returns:
        The same name whenever it is asked.
    """
    base = Path(base_name(config)).name
    name = f"ft:{base}:{job.project_id}:{config.suffix or config.name}:{_hex(job)[:_NAME_DIGITS]}"
    return name if step is None else f"{name}{CHECKPOINT}{step}"


def base_name(config: TrainConfig) -> str:
    """Name of the base: the recipe's `model`, as every part calls it; a model made from scratch is its own base.

    Args:
        config: the recipe.

    Returns:
        The name.
    """
    if isinstance(config.method, ScratchConfig):
        return config.suffix or config.name
    return canonical_base(config.model)


def publish(
    export: Path,
    *,
    config: TrainConfig,
    job: Job,
    lineage: Lineage,
    home: Home,
    registry: Registry,
    step: int | None = None,
    hidden: bool = False,
) -> ModelVersion:
    """Put the weights into a folder of their own, here and in a bucket if the object store is one, and register them.

    Again for the same job changes nothing.

    Args:
        export: safetensors and JSON as the workers left them.
        config: the recipe.
        job: the job.
        lineage: where the version comes from.
        home: the installation.
        registry: the project's registry.
        step: of a checkpoint, its step.
        hidden: engines may load it, but its name waits for its proof.

    Returns:
        The registered version.

    Raises:
        StorageError: the folder, or the bucket of the object store, cannot be written.
    """
    key = f"projects/{job.project_id}/models/{_hex(job)}" + (f"-step-{step}" if step is not None else "")
    version = ModelVersion(
        name=version_name(config, job, step),
        project_id=job.project_id,
        base=base_name(config),
        kind=config.method.registers,
        path=key,
        created_at=int(time.time()),
        lineage=lineage,
    )
    try:
        _place(export, home.objects / key, version)
    except OSError as error:
        raise StorageError(
            f"{home.objects / key} cannot be written: {_reason(error)}. Free some disk space."
        ) from error
    VersionFolders(home).push(key)
    return registry.register(version, hidden=hidden)


def _reason(error: OSError) -> str:
    """Why a file could not be written; shutil collects it as (from, to, why) of each file."""
    if isinstance(error, shutil.Error):
        return str(error.args[0][0][2])
    return error.strerror or str(error)


def _place(export: Path, folder: Path, version: ModelVersion) -> None:
    if (folder / MANIFEST).exists():
        return
    _sweep_partials(folder)
    # Of a name of its own: another controller that took this one for dead may be at it too.
    partial = folder.with_name(f"{folder.name}.{secrets.token_hex(4)}.partial")
    try:
        _fill(partial, export, version)
        partial.replace(folder)
    except OSError:
        # What is half there would only take the room that the next try needs.
        shutil.rmtree(partial, ignore_errors=True)
        if not (folder / MANIFEST).exists():  # else another one was faster
            raise
    sync(folder.parent)


def _fill(partial: Path, export: Path, version: ModelVersion) -> None:
    shutil.copytree(export, partial, ignore=shutil.ignore_patterns("README.md", "*.bin", "*.pt", "*.pth"))
    _settle_config(partial, version)
    files = {
        str(path.relative_to(partial)): _describe(path)
        for path in sorted(partial.rglob("*"))
        if path.is_file()
    }
    manifest = {"name": version.name, "base": version.base, "kind": version.kind, "files": files}
    _write_json(partial / MANIFEST, manifest | {"lineage": asdict(version.lineage)})
    sync_tree(partial)


def _sweep_partials(folder: Path) -> None:
    """Take away what killed publishers left of this version."""
    for partial in folder.parent.glob(f"{folder.name}.*.partial"):
        with suppress(FileNotFoundError):  # it has just become the version, or another one sweeps
            if partial.stat().st_mtime < time.time() - _SECONDS_TO_PUBLISH:
                shutil.rmtree(partial, ignore_errors=True)


def _settle_config(folder: Path, version: ModelVersion) -> None:
    """Write into the configuration what the weights are: bfloat16, on a base known by its name."""
    if version.kind == "adapter":
        _merge_json(folder / "adapter_config.json", {"base_model_name_or_path": version.base})
    else:
        _merge_json(folder / "config.json", {"dtype": "bfloat16"})


def _describe(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def _merge_json(path: Path, values: dict[str, Any]) -> None:
    _write_json(path, json.loads(path.read_text(encoding="utf-8")) | values)


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def _hex(job: Job) -> str:
    return job.id.removeprefix("ftjob-")
