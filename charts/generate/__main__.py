"""Write all that is generated from the chart: `PYTHONPATH=charts python -m generate`."""

from __future__ import annotations

import shutil
from pathlib import Path

from generate.manifests import SCENARIOS
from generate.pages import chart_pages, manifest_pages
from generate.registry import ROOT


def main() -> None:
    """Write the schema first: the manifests are rendered under it."""
    _write(chart_pages())
    manifests = manifest_pages()
    for scenario in SCENARIOS:
        shutil.rmtree(ROOT / "manifests" / scenario.stem, ignore_errors=True)
    _write(manifests)


def _write(pages: dict[Path, str]) -> None:
    for path, text in pages.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
