"""`tunesmith data`: look at training data, and build it."""

from __future__ import annotations

import json
from typing import Annotated

import typer

app = typer.Typer(help="Look at training data, and build it.", no_args_is_help=True)


@app.command()
def validate(
    file: Annotated[str, typer.Argument(help="Chat JSONL.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print summary and faults as JSON.")] = False,
) -> None:
    """Check every line; say all faults at once."""
    from tunesmith.datasets.chat import describe_faults, read_chat, summarize
    from tunesmith.errors import DataError

    chat = read_chat(file)
    if as_json:
        faults = [{"line": fault.line, "reason": fault.reason} for fault in chat.faults]
        print(json.dumps({"file": file, "valid": not faults, **summarize(chat.examples), "faults": faults}))
        raise typer.Exit(1 if faults else 0)
    if chat.faults:
        count = len(chat.faults)
        raise DataError(f"{file} has {count} bad line{'s' if count != 1 else ''}:\n{describe_faults(chat.faults)}")
    counts = summarize(chat.examples)
    print(f"{file}: {counts['conversations']} conversations, {counts['learned_turns']} learned turns, no faults.")
