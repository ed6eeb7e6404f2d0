"""`python -m tunesmith.cli.reference [--check]`: write the generated pages, or say which are stale."""

from __future__ import annotations

import sys
from pathlib import Path

from tunesmith.cli.reference.pages import render_pages


def main() -> int:
    """Write or check the pages of the checkout in the current folder.

    Returns:
        Exit code: 1 where `--check` found a stale page.
    """
    root = Path.cwd()
    stale = {path: text for path, text in render_pages(root).items() if _read(path) != text}
    for path, text in stale.items():
        if "--check" in sys.argv:
            print(f"{path.relative_to(root)} is stale. Run `make docs`.", file=sys.stderr)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return 1 if stale and "--check" in sys.argv else 0


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


if __name__ == "__main__":
    sys.exit(main())
