"""`tunesmith train`: fine-tune a model and register it."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from tunesmith.cli.terminal import (
    ContextOption,
    HomeOption,
    JsonOption,
    NamespaceOption,
    ReleaseOption,
    print_json,
)

if TYPE_CHECKING:
    from tunesmith.config.home import Home
    from tunesmith.config.train import TrainConfig


def train(
    recipe: Annotated[str | None, typer.Argument(help="A recipe file, or a shipped recipe's name.")] = None,
    overrides: Annotated[
        list[str], typer.Option("--set", help="Override a field: path.to.field=value.")
    ] = [],  # noqa: B006
    fresh: Annotated[bool, typer.Option(help="Begin anew under a name that was used before.")] = False,
    on: Annotated[
        str | None, typer.Option("--on", help="`kubernetes`: in a cluster of its own, made by KubeRay.")
    ] = None,
    context: ContextOption = None,
    namespace: NamespaceOption = None,
    release: ReleaseOption = "tunesmith",
    attempt: Annotated[
        Path | None, typer.Option(help="An attempt's folder, as the controller starts it.", hidden=True)
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fine-tune on the Ray cluster at hand; the same command again goes on where it stopped."""
    from tunesmith.config.home import Home
    from tunesmith.config.recipe import load_recipe
    from tunesmith.config.train import TrainConfig
    from tunesmith.errors import ConfigError

    if on not in (None, "kubernetes"):
        raise ConfigError(f"--on {on}: it is `kubernetes`, or left out: the Ray cluster at hand.")
    signal.signal(signal.SIGTERM, _leave)
    if attempt is not None:
        _run_attempt(attempt, Home.locate(home))
        return
    if recipe is None:
        raise ConfigError(
            "Which recipe? `tunesmith train RECIPE`: a file, or the name of a shipped one (tiny/handbook-lora)."
        )
    config = load_recipe(recipe, TrainConfig, overrides)
    if on == "kubernetes":
        _train_on_kubernetes(config, context=context, namespace=namespace, release=release)
        return
    from tunesmith.train.run import run_training
    from tunesmith.train.watch import make_watcher

    watcher = make_watcher()
    try:
        result = run_training(config, home=Home.locate(home), watcher=watcher, fresh=fresh)
    finally:
        watcher.close()
    metrics = dict(result.version.lineage.metrics)
    if as_json:
        print_json({"model": result.version.name, "job": result.job.id, "trained": result.trained, **metrics})
        return
    if not result.trained:
        print(f'Run "{config.name}" has succeeded before; nothing to do. Start over with --fresh.')
    print(f"{result.version.name}  ({metrics['steps']:.0f} steps, loss {metrics['loss']:.4f})")


def _train_on_kubernetes(
    config: TrainConfig, *, context: str | None, namespace: str | None, release: str
) -> None:
    from tunesmith.deploy.submit import follow_run, submit_run
    from tunesmith.kubernetes.client import KubernetesClient
    from tunesmith.kubernetes.connection import connect

    client = KubernetesClient(connect(context=context, namespace=namespace, patience_seconds=10))
    name = submit_run(client, config, release=release)
    typer.echo(f"RayJob {name} in {client.namespace}; Ctrl-C leaves it running.")
    follow_run(client, name, say=typer.echo)


def _run_attempt(folder: Path, home: Home) -> None:
    from tunesmith.train.attempt import run_attempt

    # A place in the object store, or a folder of this machine.
    run_attempt(home.objects / folder, home=home)


def _leave(signum: int, _frame: FrameType | None) -> None:
    """Leave in order: the job is told, and Ray is left. Unasked, a process that is told to end just ends."""
    sys.exit(128 + signum)
