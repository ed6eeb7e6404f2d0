"""The Serve config document: which applications run, with which options. Loads neither ray nor an engine.

The controller PUTs it to the Ray dashboard (`/api/serve/applications/`); doing so again changes nothing.

    /engine   vLLM: the base model and its adapters, OpenAI surface
    /embed    embeddings
    /answer   retrieval, prompt, /engine by handle, citation check
"""

from __future__ import annotations

from typing import Any

from tunesmith.assets import model_source
from tunesmith.config.home import Home
from tunesmith.config.serve import BaseConfig, ServeConfig
from tunesmith.serve.options import AnswerOptions, EmbedderOptions, EngineOptions, ReplicaOptions

_LOGGING = {"logging_config": {"log_level": "WARNING", "enable_access_log": False}}

ENGINE = "engine"
"""Name of the application, of its deployment and of its route."""
EMBED = "embed"
"""Name of the application, of its deployment and of its route."""
ANSWER = "answer"
"""Name of the application, of its deployment and of its route."""


def serve_applications(
    config: ServeConfig, *, home: Home, milvus_uri: str | None, http_port: int
) -> dict[str, Any]:
    """Describe everything that Ray Serve runs for one home.

    Args:
        config: the platform's knobs.
        home: the installation.
        milvus_uri: the running Milvus; `config.milvus_uri` wins.
        http_port: port of Serve's proxy on 127.0.0.1.

    Returns:
        A document in the schema of `PUT /api/serve/applications/`, JSON-ready.
    """
    return {
        "proxy_location": "HeadOnly",
        "http_options": {"host": "127.0.0.1", "port": http_port},
        **_LOGGING,
        "applications": _applications(
            config, BaseConfig(model=config.model), ReplicaOptions(), home=home, milvus_uri=milvus_uri
        ),
    }


def cluster_applications(
    config: ServeConfig, base: BaseConfig, *, home: Home, milvus_uri: str, gpu: bool
) -> dict[str, Any]:
    """Describe what the RayService of one base runs: the same applications as on one machine.

    Args:
        config: the platform's knobs.
        base: the base.
        home: the installation, as the pods see it.
        milvus_uri: the running Milvus; `config.milvus_uri` wins.
        gpu: whether its worker group has GPUs.

    Returns:
        A `serveConfigV2`. Proxies run on every node that has a replica, and listen to the pod network.
    """
    replicas = ReplicaOptions(gpu=gpu, **base.model_dump(include=set(ReplicaOptions.model_fields) - {"gpu"}))
    return {
        "proxy_location": "EveryNode",
        "http_options": {"host": "0.0.0.0", "port": 8000},
        **_LOGGING,
        "applications": _applications(config, base, replicas, home=home, milvus_uri=milvus_uri),
    }


def _applications(
    config: ServeConfig, base: BaseConfig, replicas: ReplicaOptions, *, home: Home, milvus_uri: str | None
) -> list[dict[str, Any]]:
    cpus = config.budget.retrieval_cpus / 2
    knobs = base.engine or config.engine
    engine = EngineOptions(
        model=base.model,
        source=model_source(base.model),
        home_root=str(home.root),
        num_cpus=config.budget.engine_cpus,
        engine=knobs,
        replicas=replicas,
        max_queued=config.load.max_queued,
    )
    embedder = EmbedderOptions(model=config.embedder, num_cpus=cpus, max_queued=config.load.max_queued)
    answer = AnswerOptions(
        home_root=str(home.root),
        milvus_uri=config.milvus_uri or milvus_uri,
        embedder=config.embedder,
        num_cpus=cpus,
        retrieval=config.retrieval,
        max_queued=config.load.max_queued,
    )
    environment = _environment(knobs.num_threads)
    return [
        _application(ENGINE, "tunesmith.serve.engine:build", engine.model_dump(), environment),
        _application(EMBED, "tunesmith.serve.embedder:build", embedder.model_dump(), environment),
        _application(ANSWER, "tunesmith.serve.answer:build", answer.model_dump(), environment),
    ]


def _application(
    name: str, import_path: str, args: dict[str, Any], environment: dict[str, str]
) -> dict[str, Any]:
    return {
        "name": name,
        "route_prefix": f"/{name}",
        "import_path": import_path,
        "args": args,
        "runtime_env": {"env_vars": environment},
    }


def _environment(num_threads: int) -> dict[str, str]:
    # One environment for all applications: Ray keeps a pool of worker processes for each distinct one.
    return {
        "OMP_NUM_THREADS": str(num_threads),
        # The CPU build pins its threads to cores by itself otherwise, also to those that training uses.
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        # Lets vLLM ask for an adapter when it misses one. Its load and unload routes are not mounted.
        "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_LOGGING_LEVEL": "WARNING",
        "TOKENIZERS_PARALLELISM": "false",
    }
