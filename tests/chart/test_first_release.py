"""Who installed the chart as it first was can upgrade: its values are still taken, and nothing that is fixed changes.

`first_release/` holds the values of the first chart's scenarios, and of what it made from them the fields that an API
server lets nobody change. Helm sends such a change all the same, and the upgrade fails halfway.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from rendering import Objects, render_objects

from generate.helm import run_helm
from generate.manifests import CHART, template

FIRST = Path(__file__).parent / "first_release"
FIXED_FIELDS: dict[str, dict[str, Any]] = json.loads(
    (FIRST / "fixed_fields.json").read_text(encoding="utf-8")
)
SCENARIOS = sorted(FIXED_FIELDS)
# What the first chart took and today's refuses, with what its sentence asks for.
_GPUS = "config.jobs.gpus_per_worker=1"
MENDED = {
    "gpu-one-node": (_GPUS,),
    "highly-available": ("serving.upgrade.gatewayUrl=http://{service}-gateway-istio.tunesmith.svc", _GPUS),
    "mixed-gpu-pools": ("training.autoscaler.enabled=false", _GPUS),
    "several-tenants": (_GPUS,),
}
# What an API server refuses to change, by kind: the way to it.
_FIXED = {
    "Deployment": ("spec", "selector"),
    "Service": ("spec", "clusterIP"),
    "PersistentVolumeClaim": ("spec", "storageClassName"),
    "RoleBinding": ("roleRef",),
    "PriorityClass": ("value",),
}


def fixed(objects: Objects) -> dict[str, Any]:
    """The fields of objects that no upgrade may change, by kind, namespace and name; hooks are made anew each time."""
    found = {}
    for obj in objects:
        if obj["kind"] in _FIXED and "helm.sh/hook" not in (obj["metadata"].get("annotations") or {}):
            value: Any = obj
            for key in _FIXED[obj["kind"]]:
                value = value.get(key) if value else None
            name = f"{obj['kind']}/{obj['metadata'].get('namespace', 'tunesmith')}/{obj['metadata']['name']}"
            found[name] = value
    return found


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("version", ["4.1.4", "3.18.0"])
def test_an_upgrade_changes_nothing_that_is_fixed(scenario: str, version: str) -> None:
    settings = [word for setting in MENDED.get(scenario, ()) for word in ("--set", setting)]
    today = fixed(render_objects("--values", str(FIRST / f"{scenario}.yaml"), *settings, version=version))
    first = FIXED_FIELDS[scenario]
    assert first
    assert set(first) <= set(today), "what goes away takes its data or its clients along"
    assert {name: today[name] for name in first} == first


@pytest.mark.parametrize("scenario", MENDED)
def test_what_is_refused_since_then_says_what_to_do(scenario: str) -> None:
    with pytest.raises(RuntimeError, match="of the values contradict") as caught:
        template("--values", str(FIRST / f"{scenario}.yaml"))
    for setting in MENDED[scenario]:
        assert setting.partition("=")[0] in str(caught.value)
    assert str(caught.value).count("\n- ") == len(MENDED[scenario])


def test_values_that_were_kept_whole_are_refused_by_what_they_lack(tmp_path: Path) -> None:
    """`helm upgrade --reuse-values` hands today's templates the first chart's defaults, which know no indexer."""
    chart = tmp_path / "tunesmith"
    for path in (path for path in CHART.rglob("*") if path.is_file()):
        copy = chart / path.relative_to(CHART)
        copy.parent.mkdir(parents=True, exist_ok=True)
        text = path.read_text(encoding="utf-8")
        copy.write_text(
            text.partition("\nindexer:")[0] if path.name == "values.yaml" else text, encoding="utf-8"
        )
    done = run_helm("4.1.4", ["template", "tunesmith", str(chart)])
    assert done.returncode != 0
    assert "missing property 'indexer'" in done.stderr or "'indexer'" in done.stderr, done.stderr
    assert "nil pointer" not in done.stderr
