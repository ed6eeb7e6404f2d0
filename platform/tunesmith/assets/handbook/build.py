"""Build the handbook: `python -m tunesmith.assets.handbook.build [--output FOLDER]`.

Halden Loom Works is invented; so are all its facts.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tunesmith.assets.handbook.pages import JANUARY, JULY, Edition, make_page, render_page
from tunesmith.assets.handbook.questions import Question, Update, list_updates, split_questions
from tunesmith.assets.handbook.source import SOURCE_PATH, Document, Handbook, load_handbook

QUESTIONS_FOLDER = "questions"
GENERATED_FOLDERS = (JANUARY.name, JULY.name, QUESTIONS_FOLDER)


@dataclass(frozen=True)
class BuildCounts:
    """How much a build has written.

    Attributes:
        documents: Documents of the January edition.
        revised_documents: Documents of the July edition.
        facts: Facts in the source.
        train: Rows of `train.jsonl`.
        evaluation: Rows of `evaluation.jsonl`.
        updates: Rows of `updates.jsonl`.
    """

    documents: int
    revised_documents: int
    facts: int
    train: int
    evaluation: int
    updates: int


def build(output: Path, source: Path = SOURCE_PATH) -> BuildCounts:
    """Write both editions and the question files, replacing an earlier build.

    Args:
        output: Folder that receives the generated folders.
        source: The hand-written source file.

    Returns:
        What was written.

    Raises:
        SourceError: If the source breaks a rule of the handbook.
    """
    handbook = load_handbook(source)
    revised = [document for document in handbook.documents if document.is_revised]
    _clear(output)
    _write_edition(output, JANUARY, handbook.documents, handbook.notice)
    _write_edition(output, JULY, revised, handbook.notice)
    train, evaluation, updates = _write_questions(output / QUESTIONS_FOLDER, handbook)
    return BuildCounts(
        documents=len(handbook.documents),
        revised_documents=len(revised),
        facts=len(handbook.facts),
        train=train,
        evaluation=evaluation,
        updates=updates,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line.

    Args:
        arguments: The arguments, or None for those of the process.
    """
    parser = argparse.ArgumentParser(description="Build the sample handbook from facts.yaml.")
    parser.add_argument(
        "--output", type=Path, default=SOURCE_PATH.parent, help="folder to write to (default: this package)"
    )
    options = parser.parse_args(arguments)
    for name, count in asdict(build(options.output)).items():
        print(f"{name}: {count}")


def _clear(output: Path) -> None:
    for name in GENERATED_FOLDERS:
        shutil.rmtree(output / name, ignore_errors=True)


def _write_edition(output: Path, edition: Edition, documents: Iterable[Document], notice: str) -> None:
    for document in documents:
        target = output / edition.name / document.path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(render_page(make_page(document, edition, notice)))


def _write_questions(folder: Path, handbook: Handbook) -> tuple[int, int, int]:
    split = split_questions(handbook)
    updates = list_updates(handbook)
    folder.mkdir(parents=True, exist_ok=True)
    _write_rows(folder / "train.jsonl", split.train)
    _write_rows(folder / "evaluation.jsonl", split.evaluation)
    _write_rows(folder / "updates.jsonl", updates)
    return len(split.train), len(split.evaluation), len(updates)


def _write_rows(path: Path, rows: Iterable[Question | Update]) -> None:
    lines = [json.dumps(asdict(row), ensure_ascii=False) for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
