"""`make soak`: many kills, one after another, and a table of them that a later call goes on with."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from kills import Case, Ended, draw_cases, run_case
from live_platform import LivePlatform, running_platform

from tunesmith.stores.atomic import write_atomic

_WHOLE = "whole"
_COLUMNS = ("case", "seed", "victim", "phase drawn", "phase hit", "attempts", "seconds", "verdict")
_LONGEST_VERDICT = 300


@dataclass(frozen=True, slots=True)
class Report:
    """A Markdown page whose table holds all that is known of a series.

    Attributes:
        path: the page.
        seed: of the series.
    """

    path: Path
    seed: int

    def rows(self) -> list[tuple[str, ...]]:
        """The rows of this series that stand there."""
        if not self.path.exists():
            return []
        lines = self.path.read_text(encoding="utf-8").splitlines()
        rows = [
            tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines if line[:1] == "|"
        ]
        return [row for row in rows if len(row) == len(_COLUMNS) and row[1] == str(self.seed)]

    def add(self, row: tuple[str, ...]) -> None:
        """Add one row, and count again."""
        rows = [*self.rows(), row]
        write_atomic(self.path, _page(rows, self.seed))


def main() -> int:
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    parser.add_argument("--cases", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--report", type=Path, required=True, help="where it exists, it is gone on with")
    parser.add_argument("--defects", type=Path, default=Path("build/soak"), help="logs of what went wrong")
    asked = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # told to end, it takes its platform down first
    report = Report(asked.report, asked.seed)
    done = {int(row[0]) for row in report.rows()}
    left = [case for case in draw_cases(asked.cases, asked.seed) if case.number not in done]
    for case, row in _run_all(left, asked.defects):
        report.add(row)
        print(f"{case.number}/{asked.cases}: {' | '.join(row[2:])}", flush=True)
    rows = report.rows()
    print(f"{_count(rows)}: {report.path}")
    return 0 if all(row[-1] == _WHOLE for row in rows) else 1


def _run_all(cases: Sequence[Case], defects: Path) -> Iterator[tuple[Case, tuple[str, ...]]]:
    """Run on one platform; after a defect on a fresh one, for the next case shall not pay for it."""
    with ExitStack() as stack:
        platform: LivePlatform | None = None
        for case in cases:
            platform = platform or stack.enter_context(running_platform())
            began = time.monotonic()
            try:
                yield case, _row(case, run_case(platform, case))
            except Exception as error:  # the series goes on: one defect shall not hide the next
                traceback.print_exc()
                _keep(platform, defects / f"seed-{case.seed}-case-{case.number}")
                yield case, _defect(case, error, time.monotonic() - began)
                stack.close()
                platform = None


def _row(case: Case, ended: Ended) -> tuple[str, ...]:
    told = (
        ended.hit,
        case.phase,
        ended.phase,
        ", ".join(map(str, ended.attempts)),
        f"{ended.seconds:.1f}",
        _WHOLE,
    )
    return (str(case.number), str(case.seed), *told)


def _defect(case: Case, error: Exception, seconds: float) -> tuple[str, ...]:
    verdict = " ".join(f"{type(error).__name__}: {error}".replace("|", "/").split())[:_LONGEST_VERDICT]
    return (str(case.number), str(case.seed), case.victim, case.phase, "", "", f"{seconds:.1f}", verdict)


def _keep(platform: LivePlatform, folder: Path) -> None:
    """Put logs, database and what the attempts noted aside; the home goes with its platform."""
    shutil.rmtree(folder, ignore_errors=True)
    home = platform.home
    shutil.copytree(home.run / "logs", folder / "logs")
    for path in home.root.glob("metadata.sqlite3*"):
        shutil.copy(path, folder)
    for path in home.objects.glob("projects/*/jobs/*/attempt-*"):
        kept = folder / path.parent.name / path.name
        kept.mkdir(parents=True)
        for file in (*path.glob("*.log"), *path.glob("*.json*")):
            shutil.copy(file, kept)


def _page(rows: Sequence[tuple[str, ...]], seed: int) -> str:
    lines = [
        "# Soak: kill -9 in a job's life",
        "",
        f"`make soak SOAK_SEED={seed}`, {time.strftime('%Y-%m-%d', time.gmtime())}: {_count(rows)}.",
        "",
        "A case asks for a job through the API, kills one part of the platform at a moment that the seed chooses,",
        "follows the job to its end, and requires: one job under its id, `succeeded`; events numbered without a gap",
        "and never told otherwise than before; each step measured and told once, in order; one version, one result",
        "file, and an answer under its name; no process left. An attempt that is `gone` was lost, one that `waits` had",
        "its cluster end under it.",
        "",
        f"| {' | '.join(_COLUMNS)} |",
        f"|{' --- |' * len(_COLUMNS)}",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]
    return "\n".join(lines) + "\n"


def _count(rows: Sequence[tuple[str, ...]]) -> str:
    whole = sum(row[-1] == _WHOLE for row in rows)
    victims = Counter(row[2].partition(" (")[0] for row in rows)
    told = ", ".join(f"{count} of the {victim}" for victim, count in victims.items())
    return f"{len(rows)} cases ({told}), {whole} whole, {len(rows) - whole} with a defect"


if __name__ == "__main__":
    sys.exit(main())
