"""The image fits the chart and KubeRay, as far as its Dockerfile says; building it needs a registry and a daemon."""

from __future__ import annotations

import importlib.util
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml
from rendering import Objects, pod_specs

from generate.manifests import CHART
from generate.registry import ROOT

TEXT = (ROOT / "Dockerfile").read_text(encoding="utf-8")
LAYERS = ROOT / "platform" / "requirements" / "image.sh"
INSTRUCTIONS = [
    (line.split(None, 1)[0], line.split(None, 1)[1])
    for line in re.sub(r"\\\n\s*(#[^\n]*\n\s*)*", " ", TEXT).splitlines()
    if line and not line.startswith("#")
]


def stages() -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    for word, rest in INSTRUCTIONS:
        if word == "FROM":
            found[rest.split(" AS ")[1]] = []
        if found:
            found[list(found)[-1]].append((word, rest))
    return found


def test_every_word_is_a_dockerfiles() -> None:
    known = {"ARG", "FROM", "COPY", "RUN", "ENV", "WORKDIR", "CMD", "USER"}
    assert {word for word, _ in INSTRUCTIONS} <= known, (
        "ADD and VOLUME have surprises; there is no need of them"
    )


def test_both_flavours_are_targets_on_a_base_that_can_be_chosen() -> None:
    assert {"cpu", "cuda"} <= set(stages())
    bases = [rest.split()[0] for word, rest in INSTRUCTIONS if word == "FROM"]
    assert set(bases) <= {"${BASE_IMAGE}", *stages()}
    (default,) = re.findall(r"^ARG BASE_IMAGE=(\S+)", TEXT, flags=re.MULTILINE)
    assert ":" in default
    assert not default.endswith(":latest")


@pytest.mark.parametrize("target", ["cpu", "cuda"])
def test_the_image_runs_as_the_charts_user(target: str) -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    context = values["podSecurityContext"]
    (user,) = (rest for word, rest in stages()[target] if word == "USER")
    assert user == f"{context['runAsUser']}:{context['runAsGroup']}"
    assert stages()[target][-1][0] == "USER", "nothing runs as root after it"
    assert f"--uid {context['runAsUser']} " in TEXT


def test_the_home_is_the_charts(objects: Objects) -> None:
    (home,) = re.findall(r"ENV HOME=(\S+)", TEXT)
    for pod in pod_specs(objects).values():
        told = {variable["name"]: variable.get("value") for variable in pod["spec"]["containers"][0]["env"]}
        assert told["HOME"] == home


def test_what_kuberay_asks_of_an_image_is_in_it() -> None:
    base = " ".join(rest for word, rest in stages()["base"] if word == "RUN")
    assert {"bash", "wget", "ca-certificates"} <= set(base.split())
    assert re.search(r"PATH=/opt/venv/bin:", TEXT), "`python` and `ray` are the virtual environment's"


def test_layers_leave_no_lists_of_packages_behind() -> None:
    for word, rest in INSTRUCTIONS:
        if word == "RUN" and "apt-get" in rest:
            assert "--no-install-recommends" in rest
            assert "rm -rf /var/lib/apt/lists/*" in rest


def test_no_address_of_a_registry_is_baked_in() -> None:
    assert not re.search(r"https?://", TEXT + LAYERS.read_text(encoding="utf-8"))


def test_what_is_copied_exists_and_reaches_the_build() -> None:
    let_in = re.findall(r"^!(\S+)", (ROOT / ".dockerignore").read_text(encoding="utf-8"), flags=re.MULTILINE)
    named = [path for word, rest in INSTRUCTIONS if word == "COPY" for path in shlex.split(rest)[:-1]]
    named += re.findall(r"--mount=type=bind,source=(\S+?),", TEXT)
    for path in named:
        assert (ROOT / path).exists(), path
        assert any(path == allowed or path.startswith(f"{allowed}/") for allowed in let_in), path


def test_the_layers_script_is_sound_shell_and_knows_both_locks() -> None:
    assert subprocess.run(["sh", "-n", str(LAYERS)], check=False).returncode == 0
    assert LAYERS.stat().st_mode & 0o111
    for target in ("cpu", "cuda"):
        layers = [rest.split("image.sh ")[1] for word, rest in stages()[target] if "image.sh" in rest]
        assert layers == [f"{target} engine", f"{target} packages", f"{target} tunesmith"]
        assert (ROOT / "platform" / "requirements" / f"{target}.txt").exists()


def test_the_bill_of_materials_is_made_of_the_images_lock() -> None:
    text = (LAYERS.parent / "sbom.sh").read_text(encoding="utf-8")
    assert subprocess.run(["sh", "-n", str(LAYERS.parent / "sbom.sh")], check=False).returncode == 0
    assert "--extra dev" not in text
    for flag in ("--override", "--constraints", "--python-platform"):
        assert flag in text
    assert (LAYERS.parent / "sbom.sh").stat().st_mode & 0o111


def test_every_command_of_the_chart_is_in_the_package(objects: Objects) -> None:
    modules = set()
    for pod in pod_specs(objects).values():
        command = pod["spec"]["containers"][0].get("command")
        if command:
            assert command[:3] == ["python", "-P", "-m"]
            modules.add(command[3])
    assert {
        "tunesmith.gateway",
        "tunesmith.controller",
        "tunesmith.ingest",
        "tunesmith.stores.migrate",
    } <= modules
    for module in modules:
        found = importlib.util.find_spec(module)
        assert found is not None
        runs = found.loader and Path(found.origin or "").with_name("__main__.py")
        text = Path(found.origin or "").read_text(encoding="utf-8")
        assert 'if __name__ == "__main__":' in text or (runs and runs.exists()), module
