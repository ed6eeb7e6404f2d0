"""A job that hunts for what is not its own, and notes where it found what: `python hunter.py [words of a driver]`.

What a test plants is called `planted-NAME-HEX`; an API key looks as they all do. What was found is told by its digest,
for a report that held it would be one more place where it stands. Needs nothing but Python.

    given   what every program is handed: environment, command line, working folder, and the folders that its words name
    reach   what the same Unix user can read besides: the home, and the environments of other processes
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

LOOT = re.compile(rb"planted-\w+-[0-9a-f]{8,}|sk-ts-[\w-]{20,}")
REPORT = "found.json"
SAID = "hunted: "


def hunt(words: list[str]) -> dict[str, dict[str, list[str]]]:
    """Look everywhere.

    Args:
        words: the command line, without Python and this file.

    Returns:
        What was found, by place, under `given` and `reach`.
    """
    home = Path(_after(words, "--home") or os.environ.get("TUNESMITH_HOME", ""))
    attempt = _after(words, "--attempt")
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        given = dict(_of_process("self")) | {
            f"child {place}": text for place, text in _of_process(str(child.pid))
        }
        child.communicate(b"\n")
    given |= {f"working folder {place}": text for place, text in _of_folder(Path.cwd())}
    if attempt:
        given |= {f"job {place}": text for place, text in _of_folder(Path(attempt).parent)}
        given |= {f"files {path}": Path(home, "objects", path).read_bytes() for path in _files(Path(attempt))}
    reach = {f"home {place}": text for place, text in _of_folder(home)}
    for process in Path("/proc").glob("[0-9]*"):
        reach |= {f"process {process.name} {place}": text for place, text in _of_process(process.name)}
    return {"given": _loot(given), "reach": _loot(reach)}


def digest(loot: str) -> str:
    """How a secret is called in a report.

    Args:
        loot: the secret.

    Returns:
        16 hexadecimal digits.
    """
    return hashlib.sha256(loot.encode()).hexdigest()[:16]


def _after(words: list[str], flag: str) -> str | None:
    return words[words.index(flag) + 1] if flag in words else None


def _files(attempt: Path) -> list[str]:
    return list(json.loads((attempt / "order.json").read_text(encoding="utf-8"))["files"].values())


def _of_process(pid: str) -> Iterator[tuple[str, bytes]]:
    for what in ("environ", "cmdline"):
        try:
            yield what, Path("/proc", pid, what).read_bytes()
        except OSError:
            continue  # gone meanwhile, or another user's


def _of_folder(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        try:
            if path.is_file() and path.name != REPORT:
                yield str(path.relative_to(folder)), path.read_bytes()
        except OSError:
            continue


def _loot(places: dict[str, bytes]) -> dict[str, list[str]]:
    found = {
        place: sorted({digest(loot.decode()) for loot in LOOT.findall(text)})
        for place, text in places.items()
    }
    return {place: loot for place, loot in found.items() if loot}


if __name__ == "__main__":
    report = json.dumps(hunt(sys.argv[1:]))
    folder = _after(sys.argv, "--attempt")
    if folder:
        Path(folder, f"{REPORT}.draft").write_text(report, encoding="utf-8")
        Path(folder, f"{REPORT}.draft").rename(Path(folder, REPORT))
    else:
        print(SAID + report)
