from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tunesmith.cli.main import app
from tunesmith.config.recipe import shipped_recipes
from tunesmith.errors import ConflictError


def run(*arguments: str):
    return CliRunner().invoke(app, ["recipes", *arguments])


def test_every_shipped_recipe_is_listed_and_without_faults():
    listed = json.loads(run("ls", "--json").stdout)
    assert [one["name"] for one in listed] == shipped_recipes()
    checked = run("check", *shipped_recipes())
    assert checked.exit_code == 0
    assert checked.stdout.count("no faults") == len(listed)
    assert "tiny/handbook-lora" in run("ls").stdout


def test_a_copy_is_the_recipe_and_replaces_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert run("cp", "tiny/handbook-lora").stdout == "handbook-lora.yaml\n"
    assert "verb: train" in Path("handbook-lora.yaml").read_text()
    again = run("cp", "tiny/handbook-lora")
    assert isinstance(again.exception, ConflictError)
    assert "handbook-lora.yaml exists" in again.exception.message


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("verb: train\nlearning_rat: 1\n", "learning_rat: unknown key"),
        ("verb: bake\n", "verb='bake' is none of ingest"),
        ("- 1\n", "a recipe is a mapping"),
        ("verb: [\n", "not valid YAML"),
    ],
)
def test_faults_are_told_of_each_recipe(tmp_path: Path, text: str, reason: str):
    bad = tmp_path / "bad.yaml"
    bad.write_text(text)
    done = run("check", str(bad), "tiny/ingest-handbook")
    assert done.exit_code == 1
    assert reason in done.stderr
    assert "tiny/ingest-handbook: a recipe of ingest, no faults." in done.stdout
