from types import SimpleNamespace
from typing import Any

import pytest

from tunesmith.errors import ModelNotFoundError
from tunesmith.evaluate.tuned import find_tuned


class Registry:
    """Two versions of one run, and an alias of the first."""

    def versions(self) -> list[Any]:
        lineage = SimpleNamespace(config={"name": "handbook-lora"})
        named = [("ft:1", None), ("ft:2", None), ("ft:2:ckpt-step-5", 5)]
        return [SimpleNamespace(name=name, step=step, lineage=lineage) for name, step in named]

    def alias(self, name: str) -> Any:
        return SimpleNamespace(name=name, model="ft:1") if name == "support" else None


@pytest.mark.parametrize(
    ("name", "version"), [("ft:1", "ft:1"), ("handbook-lora", "ft:2"), ("support", "ft:1")]
)
def test_a_version_is_found_by_name_run_and_alias(name: str, version: str) -> None:
    assert find_tuned(name, Registry()) == version  # type: ignore[arg-type]


def test_an_unknown_name_lists_what_there_is() -> None:
    with pytest.raises(ModelNotFoundError, match="ft:1, ft:2"):
        find_tuned("nothing", Registry())  # type: ignore[arg-type]
