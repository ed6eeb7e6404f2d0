from __future__ import annotations

from pathlib import Path

import pytest

from tunesmith.cli.reference.layout import render_layout, render_readme
from tunesmith.errors import ConfigError

PYPROJECT = """
[[tool.importlinter.contracts]]
layers = ["cli", "left | right", "errors"]
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    package = tmp_path / "platform" / "tunesmith"
    for name in ("cli", "left", "right"):
        (package / name).mkdir(parents=True)
        (package / name / "__init__.py").write_text(f'"""Caption of {name}."""\n')
    (package / "errors.py").write_text('"""Every error.\n\nMore."""\n')
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    return tmp_path


def test_packages_stand_in_reading_order_with_their_captions(checkout: Path) -> None:
    lines = [line.split(maxsplit=1) for line in render_layout(checkout).splitlines()]
    packages = lines[[name for name, _ in lines].index("tunesmith/") + 1 :]
    assert packages == [
        ["errors.py", "Every error"],
        ["left/", "Caption of left"],
        ["right/", "Caption of right"],
        ["cli/", "Caption of cli"],
    ]


def test_a_folder_that_is_not_there_is_not_drawn(checkout: Path) -> None:
    assert "docs/" not in render_layout(checkout)
    (checkout / "docs").mkdir()
    assert "docs/" in render_layout(checkout)


def test_only_what_stands_between_the_marks_changes(checkout: Path) -> None:
    text = render_readme("above\n<!-- layout -->\nold\n<!-- /layout -->\nbelow\n", root=checkout)
    assert text.startswith("above\n")
    assert text.endswith("\nbelow\n")
    assert "old" not in text
    assert "Caption of left" in text
    assert render_readme(text, root=checkout) == text


def test_a_readme_without_the_marks_is_refused(checkout: Path) -> None:
    with pytest.raises(ConfigError, match="<!-- layout -->"):
        render_readme("no marks", root=checkout)
