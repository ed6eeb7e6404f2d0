"""A scan (checkov) finds nothing but what is excused in the objects, with a reason, and what values mend."""

from __future__ import annotations

import copy
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from rendering import Objects, pod_templates, render_objects

from generate.manifests import SCENARIOS
from generate.registry import ROOT

pytestmark = pytest.mark.timeout(400)  # the first scan on a machine fetches the scanner
CHECKOV = "checkov==3.3.30"
DIGESTS = [
    word
    for flavour in ("cpu", "cuda")
    for word in ("--set", f"image.digests.{flavour}=sha256:{'0123456789abcdef' * 4}")
]
BY_DIGEST = {"CKV_K8S_15", "CKV_K8S_43"}
"""Tags instead of digests, and IfNotPresent beside a tag: who pushes an image knows its digest, the chart does not."""
RAY = {"CKV_K8S_8", "CKV_K8S_9", "CKV_K8S_35"}
"""Of the pods of Ray clusters: KubeRay adds both probes, and the stores' clients read credentials there."""

Found = dict[str, set[tuple[str, str]]]
"""By file: kind and name of an object, with the check that it fails."""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Found:
    """One scan of all: the defaults as they are and without their excuses, each scenario with digests."""
    folder = tmp_path_factory.mktemp("scanned")
    _write(folder / "default.yaml", render_objects())
    _write(folder / "bare.yaml", tuple(_without_excuses(obj) for obj in render_objects()))
    for scenario in SCENARIOS:
        _write(folder / scenario.name, render_objects("--values", str(scenario), *DIGESTS))
    return _scan(folder)


def _scan(folder: Path) -> Found:
    tool = ["sh", str(ROOT / "platform" / "requirements" / "tool.sh"), CHECKOV]
    options = ["--framework", "kubernetes", "--skip-download", "--output", "json", "--compact", "--quiet"]
    done = subprocess.run(
        [*tool, "checkov", "--directory", str(folder), *options], capture_output=True, text=True, check=False
    )
    assert done.stdout.startswith("{"), done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert told["summary"]["parsing_errors"] == 0
    found: Found = {path.name: set() for path in folder.iterdir()}
    for each in told["results"]["failed_checks"]:
        kind, _, name = each["resource"].split(".")
        found[Path(each["file_path"]).name].add((f"{kind}/{name}", each["check_id"]))
    return found


def _write(path: Path, objects: Objects) -> None:
    pods = [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {**pod["metadata"], "name": f"ray-{Path(name).stem}", "namespace": "tunesmith"},
            "spec": pod["spec"],
        }
        for name, pod in pod_templates(objects).items()
    ]
    path.write_text(yaml.safe_dump_all([*objects, *pods]), encoding="utf-8")


def _without_excuses(obj: dict[str, Any]) -> dict[str, Any]:
    bare = copy.deepcopy(obj)
    for name in excuses(obj):
        del bare["metadata"]["annotations"][name]
    return bare


def excuses(obj: dict[str, Any]) -> dict[str, str]:
    annotations = obj["metadata"].get("annotations") or {}
    return {name: value for name, value in annotations.items() if name.startswith("checkov.io/")}


def of_ray(found: set[tuple[str, str]]) -> set[tuple[str, str]]:
    return {(name, check) for name, check in found if name.startswith("Pod/ray-")}


def test_with_digests_a_scan_finds_nothing(found: Found) -> None:
    left = {scenario.stem: found[scenario.name] - of_ray(found[scenario.name]) for scenario in SCENARIOS}
    assert left == {scenario.stem: set() for scenario in SCENARIOS}


def test_on_the_default_values_only_digests_are_missed(found: Found) -> None:
    left = found["default.yaml"] - of_ray(found["default.yaml"])
    assert {check for _, check in left} == BY_DIGEST


def test_a_pod_of_ray_lacks_only_what_its_operator_adds(found: Found) -> None:
    for scenario in SCENARIOS:
        assert {check for _, check in of_ray(found[scenario.name])} == RAY


def test_nothing_is_excused_that_would_pass(found: Found) -> None:
    excused = {
        (f"{obj['kind']}/{obj['metadata']['name']}", reason.split("=")[0])
        for obj in render_objects()
        for reason in excuses(obj).values()
    }
    assert excused
    assert excused == {
        (name, check)
        for name, check in found["bare.yaml"] - of_ray(found["bare.yaml"])
        if check not in BY_DIGEST
    }


def test_every_excuse_says_why(objects: Objects) -> None:
    for obj in objects:
        for reason in excuses(obj).values():
            check, _, why = reason.partition("=")
            assert check.startswith("CKV_")
            assert len(why.split()) >= 4
            assert "=" not in why, "checkov splits there"
