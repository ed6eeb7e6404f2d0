"""`tunesmith plan`: does it fit, how long, what does it cost."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from tunesmith.cli.terminal import HomeOption, JsonOption, print_json
from tunesmith.config.home import Home


def plan(
    recipe: Annotated[str, typer.Argument(help="A recipe file, or a shipped recipe's name.")],
    overrides: Annotated[
        list[str], typer.Option("--set", help="Override a field: path.to.field=value.")
    ] = [],  # noqa: B006
    memory: Annotated[float | None, typer.Option(help="Memory of each worker, GiB. [this machine's]")] = None,
    price: Annotated[float | None, typer.Option(help="Price of a worker's hour.")] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say beforehand whether a run fits, how long it takes and what it costs; exit 1 if it does not fit."""
    from tunesmith.config.recipe import load_recipe
    from tunesmith.config.train import TrainConfig
    from tunesmith.train.plan import plan_training

    config = load_recipe(recipe, TrainConfig, overrides)
    made = plan_training(config, home=Home.locate(home), memory_gib=memory)
    cost = None if price is None else round(made.worker_hours * price, 2)
    if as_json:
        print_json({**asdict(made), "fits": made.fits, "cost": cost})
    else:
        needed, given = made.memory_bytes / 2**30, made.available_bytes / 2**30
        of_pairs = config.objective.type == "dpo"
        what = "pairs of answers" if of_pairs else "conversations"
        rows = "" if of_pairs else f" in {made.num_rows} rows"
        typer.echo(f"data     {made.num_examples} {what}, {made.num_tokens} tokens{rows}")
        typer.echo(f"model    {made.parameters / 1e6:.1f}M parameters, {made.trainable / 1e6:.2f}M trained")
        typer.echo(f"steps    {made.num_steps}, {made.trained_tokens} tokens")
        typer.echo(f"device   {made.device}")
        typer.echo(
            f"memory   {needed:.1f} of {given:.1f} GiB a worker: {'fits' if made.fits else 'DOES NOT FIT'}"
        )
        typer.echo(
            f"time     {made.minutes:.1f} minutes at {made.tokens_per_second:.0f} tokens/s (by {made.speed_source})"
        )
        if of_pairs:
            typer.echo(
                f"         {made.reference_minutes:.1f} of them for the reference, before the first step"
            )
        typer.echo(f"cost     {made.worker_hours} worker hours" + ("" if cost is None else f", {cost}"))
    if not made.fits:
        raise typer.Exit(1)
