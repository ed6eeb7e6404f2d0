"""The fine-tuning resource, through the official client; no controller runs, so jobs stay as they are asked for."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest
from pydantic import ValidationError

from tunesmith.config.recipe import load_recipe
from tunesmith.config.serve import EngineConfig, JobsConfig
from tunesmith.config.train import DpoObjective, FullConfig, LoraConfig, TrainConfig
from tunesmith.gateway.app import build_app
from tunesmith.gateway.fine_tuning.request import FineTuningFields, recipe_for
from tunesmith.gateway.upstream import Upstream
from tunesmith.jobs.queue import JobQueue
from tunesmith.jobs.requests import JobRequests
from tunesmith.jobs.rows import begin
from tunesmith.jobs.store import JobStore
from tunesmith.jobs.telling import Told
from tunesmith.records import Alias, Lineage, ModelVersion
from tunesmith.stores.database import Database, JobRow, ProjectRow
from tunesmith.stores.keys import KeyStore
from tunesmith.stores.objects import ObjectStore
from tunesmith.stores.registry import Registry

LINE = b'{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}\n'
PAIR = {"training_file": "", "model": "gpt-4o-mini-2024-07-18"}


@pytest.fixture
def client(gateway_url: str, key: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{gateway_url}/v1", api_key=key, max_retries=0) as client:
        yield client


@pytest.fixture
def file_id(client: openai.OpenAI) -> str:
    return client.files.create(file=("train.jsonl", LINE), purpose="fine-tune").id


def _config(database: Database, job_id: str) -> TrainConfig:
    return TrainConfig.model_validate(JobRequests(database, "default").job(job_id).config)


def test_a_job_for_a_hosted_name_waits_for_its_controller(client, database, file_id):
    job = client.fine_tuning.jobs.create(training_file=file_id, model="gpt-4o-mini-2024-07-18")
    assert (job.status, job.model, job.training_file) == (
        "validating_files",
        "gpt-4o-mini-2024-07-18",
        file_id,
    )
    assert job.hyperparameters.n_epochs == "auto"
    assert (job.fine_tuned_model, job.finished_at, job.error, job.result_files) == (None, None, None, [])
    config = _config(database, job.id)
    assert (config.name, config.model, config.suffix) == (job.id, "tiny-reader", "tuned")


def test_hyperparameters_reach_the_recipe(client, database, file_id):
    hyperparameters = {"n_epochs": 7, "batch_size": 6, "learning_rate_multiplier": 0.5}
    job = client.fine_tuning.jobs.create(
        training_file=file_id,
        model="tiny-reader",
        suffix="Support Bot 2",
        seed=5,
        method={"type": "supervised", "supervised": {"hyperparameters": hyperparameters}},
        metadata={"team": "support", "tunesmith.method.rank": "8"},
        extra_body={"tunesmith": {"set": {"zero_stage": 1}}},
    )
    config = _config(database, job.id)
    assert (config.num_epochs, config.global_batch_size, config.learning_rate) == (7, 6, 5e-4)
    assert (config.resources.num_workers, config.micro_batch_size) == (2, 3)
    assert isinstance(config.method, LoraConfig)
    assert (config.method.rank, config.zero_stage, config.seed) == (8, 1, 5)
    assert config.suffix == "support-bot-2"
    assert job.method.supervised.hyperparameters.n_epochs == 7
    assert job.metadata["team"] == "support"


def test_a_job_may_train_every_weight_or_merge_its_adapter(client, database, file_id):
    asked = {"training_file": file_id, "model": "tiny-reader"}
    full = {"recipe": "api/full", "set": {"method.frozen_layers": 2}}
    job = client.fine_tuning.jobs.create(**asked, extra_body={"tunesmith": full})
    assert _config(database, job.id).method == FullConfig(frozen_layers=2)
    merged = {"set": {"method.merge": True, "method.rank": 128}}
    job = client.fine_tuning.jobs.create(**asked, extra_body={"tunesmith": merged})
    assert _config(database, job.id).method.registers == "full"


def test_dpo_has_its_own_recipe_and_shows_what_was_chosen(client, database, file_id):
    chosen = {"beta": 0.3, "n_epochs": 2, "learning_rate_multiplier": 2}
    job = client.fine_tuning.jobs.create(
        training_file=file_id,
        model="tiny-reader",
        method={"type": "dpo", "dpo": {"hyperparameters": chosen}},
        extra_body={"tunesmith": {"set": {"objective.loss": "ipo"}}},
    )
    shown = job.method.dpo.hyperparameters
    assert (job.method.type, job.method.supervised) == ("dpo", None)
    assert (shown.beta, shown.n_epochs, shown.batch_size) == (0.3, 2, "auto")
    config = _config(database, job.id)
    assert isinstance(config.objective, DpoObjective)
    assert (config.objective.beta, config.objective.loss) == (0.3, "ipo")
    assert (config.num_epochs, config.learning_rate) == (2, 1e-3)


def test_dpo_without_settings_is_all_auto(client, database, file_id):
    job = client.fine_tuning.jobs.create(training_file=file_id, model="tiny-reader", method={"type": "dpo"})
    assert job.method.dpo.hyperparameters.beta == "auto"
    assert _config(database, job.id).objective == DpoObjective()


def test_reinforcement_is_told_what_there_is_instead(client, file_id):
    with pytest.raises(openai.BadRequestError, match=r"'supervised' .* or 'dpo'") as told:
        client.fine_tuning.jobs.create(
            training_file=file_id,
            model="tiny-reader",
            method={"type": "reinforcement", "reinforcement": {"grader": {"type": "string_check"}}},
        )
    assert (told.value.code, told.value.param) == ("unsupported_method", "method.type")


def test_an_odd_batch_has_one_worker(client, database, file_id):
    job = client.fine_tuning.jobs.create(
        training_file=file_id, model="tiny-reader", hyperparameters={"batch_size": 5}
    )
    config = _config(database, job.id)
    assert (config.resources.num_workers, config.micro_batch_size, config.global_batch_size) == (1, 1, 5)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"training_file": "file-nowhere"}, "training_file"),
        ({"model": "nobody"}, "model"),
        ({"hyperparameters": {"n_epochs": 0}}, "hyperparameters.n_epochs.constrained-int"),
        (
            {"method": {"type": "dpo", "dpo": {"hyperparameters": {"beta": 0}}}},
            "method.dpo.hyperparameters.beta",
        ),
        (
            {"method": {"type": "dpo", "dpo": {"hyperparameters": {"beta": 3}}}},
            "method.dpo.hyperparameters.beta",
        ),
        ({"method": {"type": "dpo", "supervised": {}}}, "method.supervised"),
        ({"method": {"type": "supervised", "dpo": {}}}, "method.dpo"),
        ({"method": {"type": "dpo", "dp0": {}}}, "method.dp0"),
        ({"method": {"type": "dpo"}, "hyperparameters": {"n_epochs": 2}}, "hyperparameters"),
        (
            {"method": {"type": "dpo"}, "extra_body": {"tunesmith": {"recipe": "api/supervised"}}},
            "tunesmith.recipe",
        ),
        ({"extra_body": {"tunesmith": {"recipe": "api/dpo"}}}, "tunesmith.recipe"),
        ({"method": {"type": "reinforcement", "reinforcement": {}}}, "method.type"),
        ({"validation_file": "file-x"}, "validation_file"),
        (
            {"extra_body": {"tunesmith": {"set": {"validation.path": "/etc/passwd"}}}},
            "tunesmith.set.validation.path",
        ),
        (
            {"extra_body": {"tunesmith": {"set": {"method.start_from": "ft:tiny-reader:other:a:1"}}}},
            "tunesmith.set.method.start_from",
        ),
        ({"model": "ft:tiny-reader:other:a:1"}, "model"),
        ({"metadata": {f"k{n}": "v" for n in range(17)}}, "metadata"),
        ({"integrations": [{"type": "wandb"}] * 6}, "integrations"),
        ({"seed": -1}, "seed"),
        ({"suffix": ""}, "suffix"),
        ({"integrations": [{"type": "wandb", "wandb": {"project": "p"}}]}, "integrations"),
        ({"suffix": "x" * 65}, "suffix"),
        ({"extra_body": {"tunesmith": {"recipe": "/etc/passwd"}}}, "tunesmith.recipe"),
        ({"extra_body": {"tunesmith": {"recipe": "../../secret"}}}, "tunesmith.recipe"),
        ({"extra_body": {"tunesmith": {"set": {"data.path": "/etc/passwd"}}}}, "tunesmith.set.data.path"),
        ({"metadata": {"tunesmith.model": "/etc"}}, "tunesmith.set.model"),
        ({"extra_body": {"tunesmith": {"set": {"model=/etc #": 1}}}}, "tunesmith.set.model=/etc #"),
        ({"extra_body": {"tunesmith": {"set": {"method.type": "full"}}}}, "tunesmith.set.method.type"),
        ({"extra_body": {"tunesmith": {"recipe": "tiny/reader"}}}, "tunesmith.recipe"),
        ({"metadata": {"tunesmith.method.rank": "128"}}, "tunesmith.set.method.rank"),
        (
            {"extra_body": {"tunesmith": {"set": {"resources.num_workers": 4, "micro_batch_size": 2}}}},
            "tunesmith.set.resources.num_workers",
        ),
        ({"metadata": {"tunesmith.schedule": "{a: &a [x, x], b: [*a, *a]}"}}, "tunesmith.set"),
    ],
)
def test_what_is_wrong_is_told_with_its_field(client, file_id, fields, param):
    asked = {"training_file": file_id, "model": "tiny-reader", **fields}
    with pytest.raises(openai.APIStatusError) as told:
        client.fine_tuning.jobs.create(**asked)
    assert told.value.status_code in (400, 404)
    assert param is None or told.value.param.startswith(param.split(".constrained")[0])
    assert "/platform/" not in told.value.message, "no path of the machine"


def test_a_file_of_another_purpose_is_refused(client, file_id):
    other = client.files.create(file=("a.jsonl", LINE), purpose="batch").id
    with pytest.raises(openai.BadRequestError, match="purpose 'batch'"):
        client.fine_tuning.jobs.create(training_file=other, model="tiny-reader")
    with pytest.raises(openai.BadRequestError, match="purpose 'batch'") as told:
        client.fine_tuning.jobs.create(training_file=file_id, validation_file=other, model="tiny-reader")
    assert (told.value.param, told.value.code) == ("validation_file", "invalid_validation_file")


def test_what_a_job_is_measured_on_reaches_the_recipe_and_is_told_back(client, database, file_id):
    job = client.fine_tuning.jobs.create(
        training_file=file_id,
        validation_file=file_id,
        model="tiny-reader",
        seed=7,
        extra_body={"tunesmith": {"set": {"validation.every_steps": 3}}},
    )
    assert (job.validation_file, job.seed, job.integrations) == (file_id, 7, [])
    validation = _config(database, job.id).validation
    assert validation is not None
    assert (validation.path, validation.every_steps) == (file_id, 3)


PARENT = "ft:tiny-reader:default:first:0a1b2c"


@pytest.fixture
def parent(database) -> ModelVersion:
    config = load_recipe("api/supervised", TrainConfig, ["method.rank=4", "method.alpha=9"])
    lineage = Lineage("tiny-reader", "0" * 64, config.model_dump(mode="json"), 1, {}, "0.1.0", "ftjob-first")
    version = ModelVersion(
        PARENT, "default", "tiny-reader", "adapter", "projects/default/models/1", 1, lineage
    )
    return Registry(database, "default").register(version)


@pytest.mark.parametrize("name", [PARENT, "support"])
def test_training_goes_on_from_a_version_with_its_adapters_shape(client, database, file_id, parent, name):
    Registry(database, "default").set_alias(Alias("support", "default", PARENT))
    job = client.fine_tuning.jobs.create(training_file=file_id, model=name, method={"type": "dpo"})
    assert job.model == name
    config = _config(database, job.id)
    assert config.model == "tiny-reader"
    assert isinstance(config.method, LoraConfig)
    assert (config.method.start_from, config.method.rank, config.method.alpha) == (PARENT, 4, 9)
    with pytest.raises(openai.BadRequestError, match="has 4"):
        client.fine_tuning.jobs.create(
            training_file=file_id, model=name, extra_body={"tunesmith": {"set": {"method.rank": 8}}}
        )


def test_a_whole_model_is_not_gone_on_from_by_a_job(client, file_id, register):
    register("ft:tiny-reader:default:whole:1", kind="full")
    with pytest.raises(openai.BadRequestError, match="is a whole model") as told:
        client.fine_tuning.jobs.create(training_file=file_id, model="ft:tiny-reader:default:whole:1")
    assert told.value.param == "model"


def test_checkpoints_are_models_with_what_was_measured_where_they_were_taken(
    client, database, file_id, conforms
):
    job = client.fine_tuning.jobs.create(training_file=file_id, model="tiny-reader")
    registry = Registry(database, "default")
    lineage = Lineage("tiny-reader", "0" * 64, {}, 1, {}, "0.1.0", job.id)
    for step in (5, 10, 15):
        name = f"{PARENT}:ckpt-step-{step}"
        version = ModelVersion(name, "default", "tiny-reader", "adapter", f"models/{step}", step, lineage)
        registry.register(version, hidden=step == 15)
    jobs = JobStore(database, "default")
    with database.session() as session:
        begin(session, session.get(JobRow, job.id))
    values = {"loss": 0.5, "mean_token_accuracy": 0.75, "valid_loss": 1.5, "seconds": 2.0}
    jobs.take_in(job.id, 1, [{"type": "step", "step": 10, "values": values}])

    page = client.fine_tuning.jobs.checkpoints.list(job.id, limit=1)
    (newest,) = page.data
    conforms("FineTuningJobCheckpoint", newest.to_dict())
    assert newest.fine_tuned_model_checkpoint == f"{PARENT}:ckpt-step-10"
    assert (newest.step_number, newest.fine_tuning_job_id) == (10, job.id)
    measured = newest.metrics
    assert (measured.step, measured.train_loss, measured.train_mean_token_accuracy) == (10, 0.5, 0.75)
    assert (measured.valid_loss, measured.full_valid_loss, measured.valid_mean_token_accuracy) == (
        1.5,
        1.5,
        None,
    )
    assert page.has_more
    assert [each.step_number for each in client.fine_tuning.jobs.checkpoints.list(job.id, limit=1)] == [10, 5]
    assert newest.fine_tuned_model_checkpoint in [model.id for model in client.models.list()]
    with pytest.raises(openai.BadRequestError, match="is not a checkpoint of"):
        client.fine_tuning.jobs.checkpoints.list(job.id, after="ftckpt-x")
    client.models.delete(newest.fine_tuned_model_checkpoint)
    assert [each.step_number for each in client.fine_tuning.jobs.checkpoints.list(job.id)] == [5]


def test_a_running_job_says_when_it_will_have_ended(client, database, file_id):
    job = client.fine_tuning.jobs.create(training_file=file_id, model="tiny-reader")
    assert job.estimated_finish is None
    jobs = JobStore(database, "default")
    with database.session() as session:
        begin(session, session.get(JobRow, job.id))
    prepared = {"type": "prepared", "num_examples": 1, "num_tokens": 10, "num_steps": 100}
    step = {"type": "step", "step": 10, "values": {"loss": 0.5, "seconds": 2.0}}
    jobs.take_in(job.id, 1, [prepared, step])
    for told in (client.fine_tuning.jobs.retrieve(job.id), client.fine_tuning.jobs.list().data[0]):
        assert told.estimated_finish == pytest.approx(time.time() + 180, abs=3)


def test_lists_go_page_by_page_and_by_metadata(client, file_id):
    made = [
        client.fine_tuning.jobs.create(training_file=file_id, model="tiny-reader", metadata={"n": str(n % 2)})
        for n in range(5)
    ]
    assert {job.id for job in client.fine_tuning.jobs.list(limit=2)} == {job.id for job in made}
    page = client.fine_tuning.jobs.list(limit=2)
    assert (len(page.data), page.has_more) == (2, True)
    odd = client.fine_tuning.jobs.list(extra_query={"metadata[n]": "1"})
    assert {job.id for job in odd.data} == {made[1].id, made[3].id}


def test_events_come_newest_first_and_go_back_page_by_page(client, database, file_id):
    job = client.fine_tuning.jobs.create(training_file=file_id, model="tiny-reader")
    queue = JobQueue(database, owner="test")
    held = queue.hold(queue.due()[0])
    assert held is not None
    queue.advance(held, "queued", told=[Told("Files validated, moving job to queued state")])
    events = list(client.fine_tuning.jobs.list_events(job.id, limit=2))
    assert [event.message.split(":")[0] for event in events] == [
        "Files validated, moving job to queued state",
        "Validating training file",
        "Created fine-tuning job",
    ]


def test_a_waiting_job_pauses_resumes_and_is_cancelled_once(client, database, file_id):
    job = client.fine_tuning.jobs.create(training_file=file_id, model="tiny-reader")
    queue = JobQueue(database, owner="test")
    held = queue.hold(queue.due()[0])
    assert held is not None
    queue.advance(held, "queued")
    assert client.fine_tuning.jobs.pause(job.id).status == "paused"
    assert client.fine_tuning.jobs.resume(job.id).status == "queued"
    assert client.fine_tuning.jobs.cancel(job.id).status == "cancelled"
    with pytest.raises(openai.ConflictError, match="cannot be paused any more"):
        client.fine_tuning.jobs.pause(job.id)


def test_another_projects_job_is_not_there(client, database, gateway_url, file_id):
    job = client.fine_tuning.jobs.create(training_file=file_id, model="tiny-reader")
    with database.session() as session:
        session.add(ProjectRow(id="other", created_at=0))
    stranger = openai.OpenAI(
        base_url=f"{gateway_url}/v1", api_key=KeyStore(database).create("other", "test"), max_retries=0
    )
    for ask in (
        stranger.fine_tuning.jobs.retrieve,
        stranger.fine_tuning.jobs.cancel,
        stranger.fine_tuning.jobs.pause,
        stranger.fine_tuning.jobs.resume,
        stranger.fine_tuning.jobs.list_events,
        stranger.fine_tuning.jobs.checkpoints.list,
    ):
        with pytest.raises(openai.NotFoundError):
            ask(job.id)
    assert stranger.fine_tuning.jobs.list().data == []
    with pytest.raises(openai.BadRequestError, match="does not exist"):
        stranger.fine_tuning.jobs.create(training_file=file_id, model="tiny-reader")


@pytest.mark.parametrize("tail", ["9" * 30, "1²", "-1", "٣", "1 OR 1=1", ""])
def test_a_cursor_that_is_no_event_is_refused(client, file_id, tail):
    job = client.fine_tuning.jobs.create(training_file=file_id, model="tiny-reader")
    cursor = f"ftevent-{job.id.removeprefix('ftjob-')}-{tail}"
    with pytest.raises(openai.BadRequestError, match="is not an event of"):
        client.fine_tuning.jobs.list_events(job.id, after=cursor)


def test_rows_longer_than_the_engine_reads_are_refused_before_they_cost(client, database, file_id):
    with pytest.raises(openai.BadRequestError, match=r"sequence_length=4096 .* Use 2048 or less"):
        client.fine_tuning.jobs.create(
            training_file=file_id,
            model="tiny-reader",
            extra_body={"tunesmith": {"set": {"sequence_length": 4096}}},
        )


async def test_a_small_engine_shortens_the_rows_of_jobs_that_say_nothing_of_it(database, objects, key):
    async with _asgi(database, objects, key, engine=lambda _: EngineConfig(max_model_len=256)) as http:
        job = await _post_job(http)
        assert _config(database, job.json()["id"]).sequence_length == 256


async def test_what_a_job_may_ask_for_is_what_the_engine_of_its_own_base_reads(database, objects, key):
    reads = {"tiny-reader": 2048, "one/b": 256}
    async with _asgi(
        database,
        objects,
        key,
        others=["one/b"],
        engine=lambda base: EngineConfig(max_model_len=reads[base], max_lora_rank=reads[base] // 16),
    ) as http:
        for base, length in reads.items():
            job = await _post_job(http, model=base)
            assert _config(database, job.json()["id"]).sequence_length == min(length, 1024)
        rank = {"tunesmith": {"set": {"method.rank": 32}}}
        assert (await _post_job(http, model="tiny-reader", **rank)).status_code == 200
        refused = await _post_job(http, model="one/b", **rank)
        assert "method.rank=32 is more than the engine serves. Use 16 or less" in refused.text


async def test_a_project_has_no_more_active_jobs_than_it_may(database, objects, key):
    async with _asgi(database, objects, key, jobs=JobsConfig(max_active_per_project=2)) as http:
        first = await _post_job(http)
        await _post_job(http)
        refused = await _post_job(http)
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "too_many_active_jobs")
        await http.post(f"/v1/fine_tuning/jobs/{first.json()['id']}/cancel")
        assert (await _post_job(http)).status_code == 200


async def _post_job(http: httpx.AsyncClient, model: str = "tiny-reader", **fields: Any) -> httpx.Response:
    files = {"file": ("train.jsonl", LINE), "purpose": (None, "fine-tune")}
    file = (await http.post("/v1/files", files=files)).json()
    body = {"training_file": file["id"], "model": model, **fields}
    return await http.post("/v1/fine_tuning/jobs", json=body)


def _asgi(database: Database, objects: ObjectStore, key: str, **config: Any) -> httpx.AsyncClient:
    app = build_app(
        database=database,
        objects=objects,
        upstream=Upstream("http://127.0.0.1:9"),
        base="tiny-reader",
        embedder="mini",
        readiness=lambda: None,
        **config,
    )
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app),
        base_url="http://gateway",
        headers={"Authorization": f"Bearer {key}"},
    )


def test_what_the_platform_gives_every_job_is_laid_under_the_request() -> None:
    jobs = JobsConfig(num_workers=1, gpus_per_worker=1)
    plain = FineTuningFields(model="tiny-reader", training_file="file-1")
    asked = FineTuningFields(
        model="tiny-reader", training_file="file-1", tunesmith={"set": {"resources.num_workers": 2}}
    )
    made = [_recipe(fields, jobs) for fields in (plain, asked)]
    assert [(one.resources.num_workers, one.resources.gpus_per_worker) for one in made] == [(1, 1), (2, 1)]
    assert _recipe(plain, JobsConfig()).resources.gpus_per_worker == 0
    with pytest.raises(ValidationError, match=r"jobs\.num_workers=3 is more than jobs\.max_workers=2"):
        JobsConfig(num_workers=3)


def _recipe(fields: FineTuningFields, jobs: JobsConfig) -> TrainConfig:
    return recipe_for(
        fields,
        job_id="ftjob-1",
        base="tiny-reader",
        default_recipe=jobs.recipe,
        default_length=512,
        resources=jobs.resources,
    )
