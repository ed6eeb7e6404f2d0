"""Recipes and overrides: every fault told, none as a traceback."""

from __future__ import annotations

from typing import Any

import pytest

from tunesmith.config.recipe import apply_override
from tunesmith.errors import ConfigError


def test_override_sets_a_value_of_yaml() -> None:
    document: dict[str, Any] = {"method": {"type": "lora"}}
    apply_override(document, "method.rank=8")
    apply_override(document, "resources.num_workers=2")
    assert document == {"method": {"type": "lora", "rank": 8}, "resources": {"num_workers": 2}}


@pytest.mark.parametrize(
    ("override", "reason"),
    [
        ("name=[x", "not valid YAML"),
        ("name=2026-13-45", "not valid YAML"),
        ("name", 'has no "="'),
        ("method.type.x=1", "type is a value, not a group"),
    ],
)
def test_wrong_override_is_told(override: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason) as told:
        apply_override({"method": {"type": "lora"}}, override)
    assert override in told.value.message
    assert len(told.value.message.splitlines()) == 1
