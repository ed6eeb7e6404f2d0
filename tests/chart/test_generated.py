"""What is generated from the chart is fresh."""

from __future__ import annotations

from generate.manifests import SCENARIOS
from generate.pages import chart_pages, manifest_pages
from generate.registry import ROOT


def test_schema_and_readme_are_fresh() -> None:
    stale = [path.name for path, text in chart_pages().items() if path.read_text(encoding="utf-8") != text]
    assert not stale, "run `make chart`"


def test_manifests_are_fresh_and_complete() -> None:
    pages = manifest_pages()
    lying = {path for scenario in SCENARIOS for path in (ROOT / "manifests" / scenario.stem).rglob("*.yaml")}
    assert lying == set(pages), "run `make chart`"
    stale = [path for path, text in pages.items() if path.read_text(encoding="utf-8") != text]
    assert not stale, "run `make chart`"
