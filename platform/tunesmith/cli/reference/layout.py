"""The layout tree of README.md: folders in reading order, captioned by their own docstrings."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

from tunesmith.errors import ConfigError

OPENING, CLOSING = "<!-- layout -->", "<!-- /layout -->"

# What has no docstring of its own. The packages stand between the two halves.
_ABOVE = (
    ("Makefile", "every command below, in one page"),
    ("pyproject.toml", "the package, its extras, the import contracts, the rules of the checks"),
    ("platform/", "Python source root; never an __init__.py here: it would shadow the module of that name"),
    ("platform/requirements/", "the two hashed locks, cpu and cuda, and the script that installs one"),
    ("platform/tunesmith/", "the package, in reading order"),
)
_DATA = {"config": ("recipes/", "YAML that runs; recipes/tiny/ runs every verb on a laptop CPU")}
_BELOW = (
    (
        "charts/tunesmith/",
        "the chart: control plane, and the pod templates of Ray clusters; values.yaml documents it",
    ),
    ("charts/generate/", "what makes the chart's schema and README, and manifests/, with the real helm"),
    ("manifests/", "what a cluster gets, scenario by scenario; rendered, never edited"),
    (
        "tests/",
        "unit/ mirrors the package; contracts/ one suite per protocol; flows/ real engines; faults/; bench/",
    ),
    ("docs/", "a page per flow, decisions/, generated reference/"),
)
_WIDTH = 28


def render_readme(readme: str, *, root: Path) -> str:
    """Put the layout tree as it is now between its marks.

    Args:
        readme: the README as it stands.
        root: top folder of the checkout.

    Returns:
        The README with the tree replaced.

    Raises:
        ConfigError: the marks are missing.
    """
    before, opening, rest = readme.partition(OPENING)
    _, closing, after = rest.partition(CLOSING)
    if not opening or not closing:
        raise ConfigError(
            f"README.md has no {OPENING} ... {CLOSING}. Put the two lines where the layout belongs."
        )
    return f"{before}{OPENING}\n\n```text\n{render_layout(root)}\n```\n\n{CLOSING}{after}"


def render_layout(root: Path) -> str:
    """Draw the tree.

    Args:
        root: top folder of the checkout.

    Returns:
        One line a folder: its name, indented by depth, and its caption.
    """
    entries = [(name, caption) for name, caption in _ABOVE if (root / name).exists()]
    for package in _reading_order(root):
        entries.append(_package_entry(root, package))
        if package in _DATA:
            name, caption = _DATA[package]
            entries.append((f"platform/tunesmith/{name}", caption))
    entries += [(name, caption) for name, caption in _BELOW if (root / name).exists()]
    return "\n".join(_line(path, caption) for path, caption in entries)


def _reading_order(root: Path) -> list[str]:
    """Packages from the bottom layer to the top one: each uses only what stands above it in the tree."""
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    layers = settings["tool"]["importlinter"]["contracts"][0]["layers"]
    return [name.strip() for layer in reversed(layers) for name in layer.split("|")]


def _package_entry(root: Path, package: str) -> tuple[str, str]:
    folder = root / "platform" / "tunesmith" / package
    source = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
    name = f"{package}/" if folder.is_dir() else source.name
    docstring = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) or ""
    return f"platform/tunesmith/{name}", docstring.splitlines()[0].rstrip(".")


def _line(path: str, caption: str) -> str:
    parts = path.rstrip("/").split("/")
    name = "  " * (len(parts) - 1) + parts[-1] + ("/" if path.endswith("/") else "")
    return f"{name:<{_WIDTH}}{caption}"
