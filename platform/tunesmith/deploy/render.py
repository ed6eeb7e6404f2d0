"""Manifests without a cluster: of a release, or of one recipe."""

from __future__ import annotations

from collections.abc import Sequence

import yaml

from tunesmith.config.recipe import load_recipe
from tunesmith.config.train import TrainConfig
from tunesmith.deploy.helm import Helm, Release
from tunesmith.deploy.own_objects import full_name
from tunesmith.deploy.recipe_run import find_templates, recipe_run


def render_release(release: Release) -> str:
    """Render the chart.

    Args:
        release: which, with its values.

    Returns:
        Manifests.

    Raises:
        DependencyError: there is no helm.
        ConfigError: a value is wrong.
    """
    return Helm.find().render(release)


def render_recipe(recipe: str, overrides: Sequence[str], release: Release) -> str:
    """Render the ConfigMap and the RayJob of a recipe, from the pods that the release's values describe.

    Args:
        recipe: a file, or a shipped recipe's name.
        overrides: `path=value` each, of the recipe.
        release: whose values.

    Returns:
        Manifests.

    Raises:
        DependencyError: there is no helm.
        ConfigError: recipe or values are wrong, or no worker group holds the run.
    """
    config = load_recipe(recipe, TrainConfig, overrides)
    objects = [document for document in yaml.safe_load_all(render_release(release)) if document]
    templates = find_templates(objects, where="the chart")
    return recipe_run(
        config, templates, release=full_name(release.name), namespace=release.namespace
    ).manifests()
