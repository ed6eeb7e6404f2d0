from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from ray.serve.schema import ServeDeploySchema

from tunesmith.config.home import Home
from tunesmith.config.serve import BudgetConfig, EngineConfig, ServeConfig
from tunesmith.serve import answer, embedder, engine
from tunesmith.serve.applications import Hosted, cluster_applications, engine_name, serve_applications
from tunesmith.serve.options import AnswerOptions, EmbedderOptions, EngineOptions


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def _args(document: dict, name: str) -> dict:
    return next(app["args"] for app in document["applications"] if app["name"] == name)


def test_document_is_what_the_dashboard_takes(home: Home) -> None:
    document = serve_applications(ServeConfig(), home=home, milvus_uri="http://127.0.0.1:1", http_port=8123)
    sent = json.loads(json.dumps(document))
    schema = ServeDeploySchema.model_validate(sent)
    assert {app.name: app.route_prefix for app in schema.applications} == {
        "engine": "/engine",
        "embed": "/embed",
        "answer": "/answer",
    }


def test_listens_on_loopback_alone(home: Home) -> None:
    document = serve_applications(ServeConfig(), home=home, milvus_uri=None, http_port=8123)
    assert document["http_options"] == {"host": "127.0.0.1", "port": 8123}


def test_same_document_for_the_same_config(home: Home) -> None:
    first = serve_applications(ServeConfig(), home=home, milvus_uri=None, http_port=1)
    assert first == serve_applications(ServeConfig(), home=home, milvus_uri=None, http_port=1)


def test_args_come_back_as_options(home: Home) -> None:
    config = ServeConfig(model="org/some-model", engine=EngineConfig(max_loras=2, num_threads=3))
    document = json.loads(
        json.dumps(serve_applications(config, home=home, milvus_uri="http://m:1", http_port=1))
    )
    engine = EngineOptions.model_validate(_args(document, "engine"))
    assert (engine.model, engine.source, engine.engine.max_loras) == ("org/some-model", "org/some-model", 2)
    assert engine.home == home
    assert EmbedderOptions.model_validate(_args(document, "embed")).model == config.embedder
    assert AnswerOptions.model_validate(_args(document, "answer")).milvus_uri == "http://m:1"
    assert document["applications"][0]["runtime_env"]["env_vars"]["OMP_NUM_THREADS"] == "3"


def test_configured_milvus_wins_over_the_running_one(home: Home) -> None:
    config = ServeConfig(milvus_uri="http://milvus.example:19530")
    document = serve_applications(config, home=home, milvus_uri="http://127.0.0.1:1", http_port=1)
    assert _args(document, "answer")["milvus_uri"] == "http://milvus.example:19530"


def test_replicas_stay_inside_their_budget(home: Home) -> None:
    budget = BudgetConfig(engine_cpus=1.0, retrieval_cpus=0.5)
    document = serve_applications(ServeConfig(budget=budget), home=home, milvus_uri=None, http_port=1)
    assert _args(document, "engine")["num_cpus"] == 1.0
    assert _args(document, "embed")["num_cpus"] + _args(document, "answer")["num_cpus"] == 0.5


def test_each_base_has_an_engine_with_its_own_knobs_and_they_share_the_rest(home: Home) -> None:
    bases = [{"model": "one/a"}, {"model": "one/b", "engine": {"max_loras": 7}}]
    config = ServeConfig.model_validate({"bases": bases})
    document = serve_applications(config, home=home, milvus_uri=None, http_port=1)
    names = [app["name"] for app in document["applications"]]
    assert names == ["engine", engine_name("one/b", default="one/a"), "embed", "answer"]
    assert _args(document, names[0])["engine"]["max_loras"] == 4
    assert (_args(document, names[1])["model"], _args(document, names[1])["engine"]["max_loras"]) == (
        "one/b",
        7,
    )


def test_the_embedder_and_retrieval_have_as_many_replicas_as_configured(home: Home) -> None:
    config = ServeConfig(model="org/some-model", retrieval_replicas=3)
    alone = serve_applications(config, home=home, milvus_uri=None, http_port=1)
    assert _retrieval_deployments(alone) == [(3, None), (3, None)]
    assert config.budget.total(1, retrieval_replicas=3) == 5  # one engine, three of both, a training run
    base = Hosted.configured(config.served_bases[0])
    cluster = cluster_applications(config, base, home=home, milvus_uri="http://m:1", gpu=True)
    assert _retrieval_deployments(cluster) == [(3, 1), (3, 1)]
    once = cluster_applications(ServeConfig(), base, home=home, milvus_uri="http://m:1", gpu=True)
    assert _retrieval_deployments(once) == [(1, None), (1, None)]


def test_prompts_are_read_by_replicas_of_their_own_where_a_base_says_so_and_in_a_cluster_alone(
    home: Home,
) -> None:
    bases = [{"model": "org/a", "tensor_parallel_size": 2, "prefill": {"replicas": 3}}, {"model": "org/b"}]
    config = ServeConfig.model_validate({"bases": bases})
    split, whole = [
        cluster_applications(config, Hosted.configured(base), home=home, milvus_uri="http://m:1", gpu=True)
        for base in config.served_bases
    ]
    built = engine.build(_args(split, "engine"))
    prefill = built._bound_deployment.init_kwargs["prefill"]._bound_deployment
    assert (prefill.name, prefill.num_replicas) == ("prefill", 3)
    assert prefill._replica_config.placement_group_bundles == [{"CPU": 1.0, "GPU": 1.0}, {"GPU": 1.0}]
    assert "prefill" not in engine.build(_args(whole, "engine"))._bound_deployment.init_kwargs
    alone = serve_applications(config, home=home, milvus_uri=None, http_port=1)
    assert _args(alone, "engine")["replicas"]["prefill"] is None


def _retrieval_deployments(document: dict) -> list[tuple[int, int | None]]:
    """What Ray Serve makes of the applications."""
    built = [embedder.build(_args(document, "embed")), answer.build(_args(document, "answer"))]
    deployments = [app._bound_deployment for app in built]
    return [(each.num_replicas, each._replica_config.max_replicas_per_node) for each in deployments]


def test_loads_no_engine() -> None:
    code = (
        "import sys, tunesmith.serve.applications;"
        "sys.exit(bool({'ray', 'torch', 'vllm', 'transformers', 'pymilvus'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
