"""Every generated file with its text, for writing and for checking."""

from __future__ import annotations

from pathlib import Path

from generate.manifests import CHART, SCENARIOS, scenario_pages
from generate.readme import render_readme
from generate.registry import ROOT
from generate.schema import render_schema
from generate.values import read_values

DASHBOARD = ROOT / "platform" / "tunesmith" / "assets" / "dashboards" / "tunesmith.json"


def chart_pages() -> dict[Path, str]:
    """Render what lies beside values.yaml.

    Returns:
        The schema, the README, and the program's own dashboard: a chart reads no file outside its folder.
    """
    values = read_values(CHART / "values.yaml")
    return {
        CHART / "values.schema.json": render_schema(values),
        CHART / "README.md": render_readme(values),
        CHART / "dashboards" / DASHBOARD.name: DASHBOARD.read_text(encoding="utf-8"),
    }


def manifest_pages() -> dict[Path, str]:
    """Render all scenarios.

    Returns:
        The files of manifests/ but its examples.
    """
    return {path: text for values in SCENARIOS for path, text in scenario_pages(values).items()}
