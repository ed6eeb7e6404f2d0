"""`tunesmith up`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tunesmith.cli.terminal import HomeOption, JsonOption, print_json
from tunesmith.config.home import Home

if TYPE_CHECKING:
    from tunesmith.config.serve import ServeConfig


def up(
    home: HomeOption = None,
    port: Annotated[int | None, typer.Option(help="Port of the API; 0 takes a free one. [8000]")] = None,
    model: Annotated[
        str | None, typer.Option(help="Base model: shipped, a folder, or organization/name.")
    ] = None,
    recipe: Annotated[str | None, typer.Option(help="A serve recipe.")] = None,
    overrides: Annotated[list[str], typer.Option("--set", help="path.to.field=value; repeatable.")] = [],  # noqa: B006
    as_json: JsonOption = False,
) -> None:
    """Start the whole platform on this machine; returns when everything answers."""
    flags = {"port": port, "model": model}
    given = [f"{name}={value}" for name, value in flags.items() if value is not None]
    config = _config(recipe, [*overrides, *given])

    from tunesmith.cli.up_progress import UpProgress
    from tunesmith.flows.up import bring_up

    platform = bring_up(Home.locate(home), config, progress=UpProgress())
    if as_json:
        print_json({"base_url": platform.base_url, "api_key_file": str(platform.api_key_file)})
    else:
        typer.echo(f"Ready: {platform.base_url}  (model {platform.model}, key in {platform.api_key_file})")


def _config(recipe: str | None, overrides: list[str]) -> ServeConfig:
    from tunesmith.config.recipe import apply_override, load_recipe, validate
    from tunesmith.config.serve import ServeConfig

    if recipe:
        return load_recipe(recipe, ServeConfig, overrides)
    document: dict[str, Any] = {}
    for override in overrides:
        apply_override(document, override)
    return validate(document, ServeConfig, where="tunesmith up")
