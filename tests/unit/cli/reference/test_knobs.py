from __future__ import annotations

from typing import Literal

from pydantic import Field

from tunesmith.cli.reference.knobs import render_knobs
from tunesmith.config.strict import StrictModel
from tunesmith.config.train import TrainConfig


class Warm(StrictModel):
    """Warm start."""

    rate: float = Field(0.5, gt=0, le=1)
    """Share | of it."""


class Sample(StrictModel):
    """A sample."""

    verb: Literal["sample"] = "sample"
    name: str
    """Its name."""
    warm: Warm = Warm()
    """How it begins."""
    stages: tuple[Warm, ...] = ()
    """One after the other."""


def test_fields_carry_type_bounds_default_and_docstring() -> None:
    text = render_knobs([Sample])
    assert "## `sample`" in text
    assert "| `name` | string | required | Its name. |" in text
    assert "| `stages` | list of Warm | `[]` | One after the other. |" in text
    assert "| `stages[].rate` |" in text
    assert r"| `warm.rate` | number > 0, <= 1 | `0.5` | Share \| of it. |" in text


def test_each_variant_of_a_union_is_listed() -> None:
    text = render_knobs([TrainConfig])
    assert "**`method`** (lora)" in text
    assert "**`method`** (scratch)" in text
    assert "`method.rank`" in text
    assert "`method.hidden_size`" in text


def test_no_field_is_without_meaning() -> None:
    rows = [row.split(" | ") for row in render_knobs([TrainConfig]).splitlines() if row.startswith("| `")]
    silent = [row[0] for row in rows if row[3].strip(" |") == "" and not row[0].endswith(("verb`", "type`"))]
    assert not silent
