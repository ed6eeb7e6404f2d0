"""`tunesmith ask`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tunesmith.cli.terminal import HomeOption, JsonOption, print_json, require_running
from tunesmith.config.home import Home

if TYPE_CHECKING:
    from tunesmith.flows.ask import CitedAnswer


def ask(
    question: Annotated[str, typer.Argument(help="A question.")],
    store: Annotated[
        list[str], typer.Option("--store", help="Vector store to answer from; repeatable.")
    ] = [],  # noqa: B006
    model: Annotated[str | None, typer.Option(help="Base, version or alias. [the base]")] = None,
    top_k: Annotated[int | None, typer.Option(help="Sources shown to the model.")] = None,
    withhold: Annotated[
        bool, typer.Option("--withhold", help="Refuse where no source supports the answer.")
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask the running platform; the answer comes with its checked citations."""
    running = require_running(Home.locate(home))

    from tunesmith.flows.ask import ask_platform

    answer = ask_platform(running, question, stores=store, model=model, top_k=top_k, withhold=withhold)
    if as_json:
        print_json(answer.as_json())
    else:
        _show(answer)


def _show(answer: CitedAnswer) -> None:
    typer.echo(answer.text)
    if answer.withheld is not None:
        typer.echo(f"  withheld, for no source supports it: {answer.withheld}")
    for text in answer.unsupported:
        typer.echo(f"  unsupported: {text}")
    for citation in answer.citations:
        mark = "" if citation["status"] == "verified" else f" ({citation['status']})"
        typer.echo(
            f"[{citation['number']}] {citation['document']}{mark}: {' '.join(citation['text'].split())}"
        )
