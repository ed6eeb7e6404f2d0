"""A fine-tuning job that says nothing of its workers, as `helm test` asks for one, finds pods in every scenario."""

from __future__ import annotations

import pytest
from ray_objects import serve_config, templates
from rendering import Objects

from tunesmith.gateway.fine_tuning.request import FineTuningFields, recipe_for
from tunesmith.kubernetes.placement import place_workers

METHODS = {"api/dpo": {"type": "dpo"}}


@pytest.mark.parametrize("recipe", ["api/supervised", "api/dpo", "api/full"])
def test_a_job_that_asks_for_nothing_has_a_place(objects: Objects, recipe: str) -> None:
    jobs = serve_config(objects).jobs
    config = recipe_for(
        FineTuningFields(model="base", training_file="file-1", method=METHODS.get(recipe)),
        job_id="ftjob-1",
        base="base",
        default_recipe=recipe,
        default_length=1024,
        resources=jobs.resources,
    )
    assert config.resources.num_workers <= jobs.max_workers
    place = place_workers(config.resources, templates(objects).config.training.worker_groups)
    assert bool(place.accelerators) == bool(config.resources.gpus_per_worker)
