"""`tunesmith data`: look at training data, and build it."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from tunesmith.cli.terminal import HomeOption, JsonOption, print_json

app = typer.Typer(help="Look at training data, and build it.", no_args_is_help=True)
build = typer.Typer(help="Build a training set.", no_args_is_help=True)
app.add_typer(build, name="build")


@app.command()
def validate(
    file: Annotated[str, typer.Argument(help="Chat or preference JSONL; its first line says which.")],
    as_json: JsonOption = False,
) -> None:
    """Check every line; say all faults at once."""
    from tunesmith.datasets.chat import chat_lines, summarize
    from tunesmith.datasets.jsonl import Fault, describe_faults
    from tunesmith.datasets.preferences import holds_preferences, preference_lines, summarize_preferences
    from tunesmith.errors import DataError
    from tunesmith.records import Example, Preference

    of_pairs = holds_preferences(file)
    lines = list(preference_lines(file) if of_pairs else chat_lines(file))
    faults = [line for line in lines if isinstance(line, Fault)]
    pairs = [line for line in lines if isinstance(line, Preference)]
    counts = (
        summarize_preferences(pairs) if of_pairs else summarize([x for x in lines if isinstance(x, Example)])
    )
    if as_json:
        told = [{"line": fault.line, "reason": fault.reason} for fault in faults]
        kind = "preference" if of_pairs else "chat"
        print_json({"file": file, "format": kind, "valid": not faults, **counts, "faults": told})
        raise typer.Exit(1 if faults else 0)
    if faults:
        count = len(faults)
        raise DataError(f"{file} has {count} bad line{'s' if count != 1 else ''}:\n{describe_faults(faults)}")
    if of_pairs:
        print(f"{file}: {counts['pairs']} pairs of answers, no faults.")
    else:
        learned = counts["learned_turns"]
        print(f"{file}: {counts['conversations']} conversations, {learned} learned turns, no faults.")


@build.command()
def documents(
    store: Annotated[str | None, typer.Option(help="Vector store that the sources come from.")] = None,
    questions: Annotated[
        str | None, typer.Option(help="JSONL of questions with answers and evidence.")
    ] = None,
    out: Annotated[str, typer.Option(help="Chat JSONL to write.")] = "train.jsonl",
    recipe: Annotated[str | None, typer.Option(help="A recipe with more settings.")] = None,
    overrides: Annotated[
        list[str], typer.Option("--set", help="Override a field: path.to.field=value.")
    ] = [],  # noqa: B006
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Questions + retrieved sources -> grounded answers in the house form, with rows that must be refused."""
    from pathlib import Path

    from tunesmith.cli.progress import counted_progress
    from tunesmith.config.data import BuildDocumentsConfig
    from tunesmith.config.home import Home
    from tunesmith.config.recipe import apply_override, load_recipe, validate
    from tunesmith.datasets.build import build_from_documents

    named = [
        f"{key}={json.dumps(value)}" for key, value in (("store", store), ("questions", questions)) if value
    ]
    if recipe:
        config = load_recipe(recipe, BuildDocumentsConfig, [*named, *overrides])
    else:
        document: dict[str, object] = {}
        for override in (*named, *overrides):
            apply_override(document, override)
        config = validate(document, BuildDocumentsConfig, where="data build documents")
    with counted_progress("questions") as advance:
        made = build_from_documents(config, Path(out), home=Home.locate(home), on_question=advance)
    if as_json:
        print_json({"file": out, "rows": len(made.rows), **made.counts})
        return
    told = ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in made.counts.items())
    print(f"{out}: {len(made.rows)} conversations ({told}).")


@build.command()
def feedback(
    out: Annotated[str, typer.Option(help="Chat JSONL to write.")] = "feedback.jsonl",
    asked: Annotated[
        str | None, typer.Option(help="Only answers given under this name, an alias say.")
    ] = None,
    copies: Annotated[int, typer.Option(min=1, help="Lines of each correction.")] = 1,
    pairs: Annotated[
        bool,
        typer.Option("--pairs", help="Preference JSONL for dpo: each correction, preferred to its answer."),
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Answers that were rated up or corrected -> what the model shall say."""
    from pathlib import Path

    from tunesmith.config.home import Home
    from tunesmith.datasets.feedback import build_from_feedback
    from tunesmith.records import DEFAULT_PROJECT
    from tunesmith.stores.database import open_home_database
    from tunesmith.stores.feedback import FeedbackStore

    rated = FeedbackStore(open_home_database(Home.locate(home)), DEFAULT_PROJECT).rated(asked=asked)
    made = build_from_feedback(rated, Path(out), copies=copies, pairs=pairs)
    if as_json:
        print_json({"file": out, "rows": made.num_rows, **made.counts})
        return
    told = ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in made.counts.items())
    print(f"{out}: {made.num_rows} {'pairs of answers' if pairs else 'conversations'} ({told}).")


@build.command(name="pairs")
def build_pairs(
    file: Annotated[
        str, typer.Argument(help="Chat JSONL in the house form, as `data build documents` writes it.")
    ],
    out: Annotated[str, typer.Option(help="Preference JSONL to write.")] = "pairs.jsonl",
    seed: Annotated[int, typer.Option(help="Seed of every draw.")] = 17,
    as_json: JsonOption = False,
) -> None:
    """Conversations -> pairs for dpo: the answer in the house form, and one with a single thing wrong."""
    from pathlib import Path

    from tunesmith.datasets.contrast import build_contrast

    made = build_contrast(file, Path(out), seed=seed)
    if as_json:
        print_json({"file": out, "rows": made.num_pairs, **made.counts})
        return
    told = ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in made.counts.items())
    print(f"{out}: {made.num_pairs} pairs of answers ({told}).")
