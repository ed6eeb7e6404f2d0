"""The chart's README.md: every value in a table, from values.yaml alone."""

from __future__ import annotations

import json
from typing import Any

from generate.values import Value

_OPENING = """\
# Tunesmith's chart

<!-- Generated from values.yaml by `make chart`; write there. -->

The control plane of Tunesmith (gateway, controller, indexer, database migration, first key) and the pod templates
from which the controller makes RayServices and RayJobs. How to install it, and what it needs:
[docs/deploy.md](../../docs/deploy.md). Values files for whole scenarios: [ci/](ci).

```sh
helm install tunesmith charts/tunesmith --namespace tunesmith --values my-values.yaml --timeout 15m
```
"""


def render_readme(root: Value) -> str:
    """Write the page.

    Args:
        root: the values.

    Returns:
        Markdown.
    """
    sections = [_section(child) for child in root.children if child.children]
    bare = [child for child in root.children if not child.children]
    return "\n".join([_OPENING, "## Values\n", _table(bare), *sections])


def _section(value: Value) -> str:
    return f"\n### {value.name}\n\n{value.description}\n\n{_table(value.leaves())}"


def _table(leaves: list[Value]) -> str:
    rows = "\n".join(f"| `{leaf.name}` | {_cell(leaf.default)} | {leaf.description} |" for leaf in leaves)
    return f"| value | default | what it is |\n| --- | --- | --- |\n{rows}\n"


def _cell(default: Any) -> str:
    text = json.dumps(default, ensure_ascii=False)
    return f"`{text}`" if len(text) <= 60 else "see values.yaml"
