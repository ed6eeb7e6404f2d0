"""Each scenario of the chart's ci/ folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from rendering import Objects, render_objects

from generate.manifests import SCENARIOS


@pytest.fixture(params=SCENARIOS, ids=lambda path: path.stem)
def scenario(request: pytest.FixtureRequest) -> Path:
    return request.param


@pytest.fixture
def objects(scenario: Path) -> Objects:
    return render_objects("--values", str(scenario))
