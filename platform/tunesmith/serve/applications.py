"""The Serve config document: which applications run, with which options. Loads neither ray nor an engine.

The controller PUTs it to the Ray dashboard (`/api/serve/applications/`); doing so again changes nothing.

    /engine   vLLM: the base model and its adapters, OpenAI surface; /engine-... for each further base
    /embed    embeddings
    /answer   retrieval, prompt, /engine by handle, citation check
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tunesmith.assets import model_source, same_base
from tunesmith.config.home import Home
from tunesmith.config.serve import BaseConfig, EngineConfig, ServeConfig
from tunesmith.records import ModelVersion
from tunesmith.serve.options import (
    AnswerOptions,
    EmbedderOptions,
    EngineOptions,
    ReplicaOptions,
    RetrievalReplicas,
)

_LOGGING = {"logging_config": {"log_level": "WARNING", "enable_access_log": False}}

ENGINE = "engine"
"""Name of the application, of its deployment and of its route, for the default base."""
EMBED = "embed"
"""Name of the application, of its deployment and of its route."""
ANSWER = "answer"
"""Name of the application, of its deployment and of its route."""


@dataclass(frozen=True, slots=True)
class Hosted:
    """A base as its engine is told of it.

    Attributes:
        base: its name and knobs.
        source: what vLLM loads: a folder or a Hugging Face name.
        version: key of its files, where it is a version: the replica pulls them, and serves no adapters beside it.
    """

    base: BaseConfig
    source: str
    version: str | None = None

    @classmethod
    def configured(cls, base: BaseConfig) -> Hosted:
        """A base that the configuration names.

        Args:
            base: how it is served.

        Returns:
            The base.
        """
        return cls(base, model_source(base.model))

    @classmethod
    def tuned(cls, version: ModelVersion, home: Home, config: ServeConfig) -> Hosted:
        """A version that is a whole model: by one replica, under its own name, as the base that it was made from.

        Args:
            version: of kind `full`.
            home: the installation, as the engine sees it.
            config: the platform's knobs.

        Returns:
            The base.
        """
        own = {
            "model": version.name,
            "stand_ins": (),
            "min_replicas": 1,
            "max_replicas": 1,
            "prefill": None,
        }
        base = base_config(config, version.base).model_copy(update=own)
        return cls(base, str(home.objects / version.path), version.path)


def base_config(config: ServeConfig, model: str) -> BaseConfig:
    """How a base is served.

    Args:
        config: the platform's knobs.
        model: a base, however it is written.

    Returns:
        What is configured for it; the defaults where nothing is.
    """
    return next(
        (base for base in config.served_bases if same_base(base.model, model)), BaseConfig(model=model)
    )


def engine_knobs(config: ServeConfig, model: str) -> EngineConfig:
    """What the engine of a base is started with, and those of whole models that were made from it.

    Args:
        config: the platform's knobs.
        model: a base, however it is written.

    Returns:
        Its own knobs, else the platform's.
    """
    return base_config(config, model).engine or config.engine


def engine_name(model: str, *, default: str) -> str:
    """Name of a base's engine where several share one Ray Serve.

    Args:
        model: the base.
        default: the base that the platform was started with first.

    Returns:
        Name of the application, which is its route too.
    """
    if model == default:
        return ENGINE
    return f"{ENGINE}-{hashlib.sha256(model.encode()).hexdigest()[:12]}"


def is_engine(application: str) -> bool:
    """Whether an application is a base's engine.

    Args:
        application: its name.

    Returns:
        Whether `engine_name` made it.
    """
    return application == ENGINE or application.startswith(f"{ENGINE}-")


def serve_applications(
    config: ServeConfig,
    *,
    home: Home,
    milvus_uri: str | None,
    http_port: int,
    hosted: Sequence[Hosted] | None = None,
) -> dict[str, Any]:
    """Describe everything that Ray Serve runs for one home.

    Args:
        config: the platform's knobs.
        home: the installation.
        milvus_uri: the running Milvus; `config.milvus_uri` wins.
        http_port: port of Serve's proxy on 127.0.0.1.
        hosted: the bases that are in memory; all that are configured if unset.

    Returns:
        A document in the schema of `PUT /api/serve/applications/`, JSON-ready.
    """
    if hosted is None:
        hosted = [Hosted.configured(base) for base in config.served_bases]
    default = config.served_bases[0].model
    replicas = RetrievalReplicas(num_replicas=config.retrieval_replicas)
    engines = [
        _engine(config, each, ReplicaOptions(), name=engine_name(each.base.model, default=default), home=home)
        for each in hosted
    ]
    return {
        "proxy_location": "HeadOnly",
        "http_options": {"host": "127.0.0.1", "port": http_port},
        **_LOGGING,
        "applications": [*engines, *_retrieval(config, replicas, home=home, milvus_uri=milvus_uri)],
    }


def cluster_applications(
    config: ServeConfig, hosted: Hosted, *, home: Home, milvus_uri: str, gpu: bool
) -> dict[str, Any]:
    """Describe what the RayService of one base runs: the same applications as on one machine.

    Args:
        config: the platform's knobs.
        hosted: the base.
        home: the installation, as the pods see it.
        milvus_uri: the running Milvus; `config.milvus_uri` wins.
        gpu: whether its worker group has GPUs.

    Returns:
        A `serveConfigV2`. Proxies run on every node that has a replica, and listen to the pod network.
    """
    told = hosted.base.model_dump(include=set(ReplicaOptions.model_fields) - {"gpu"})
    engine = _engine(config, hosted, ReplicaOptions(gpu=gpu, **told), name=ENGINE, home=home)
    # Serve moves no replica that runs: the first pod to come would keep all of them.
    apart = 1 if config.retrieval_replicas > 1 else None
    replicas = RetrievalReplicas(num_replicas=config.retrieval_replicas, max_replicas_per_node=apart)
    return {
        "proxy_location": "EveryNode",
        "http_options": {"host": "0.0.0.0", "port": 8000},
        **_LOGGING,
        "applications": [engine, *_retrieval(config, replicas, home=home, milvus_uri=milvus_uri)],
    }


def _engine(
    config: ServeConfig, hosted: Hosted, replicas: ReplicaOptions, *, name: str, home: Home
) -> dict[str, Any]:
    knobs = hosted.base.engine or config.engine
    options = EngineOptions(
        model=hosted.base.model,
        source=hosted.source,
        home_root=str(home.root),
        num_cpus=config.budget.engine_cpus,
        engine=knobs,
        version=hosted.version,
        replicas=replicas,
        max_queued=config.load.max_queued,
    )
    return _application(
        name, "tunesmith.serve.engine:build", options.model_dump(), _environment(knobs.num_threads)
    )


def _retrieval(
    config: ServeConfig, replicas: RetrievalReplicas, *, home: Home, milvus_uri: str | None
) -> list[dict[str, Any]]:
    cpus = config.budget.retrieval_cpus / 2
    embedder = EmbedderOptions(
        model=config.embedder, num_cpus=cpus, max_queued=config.load.max_queued, replicas=replicas
    )
    answer = AnswerOptions(
        home_root=str(home.root),
        milvus_uri=config.milvus_uri or milvus_uri,
        embedder=config.embedder,
        num_cpus=cpus,
        retrieval=config.retrieval,
        max_queued=config.load.max_queued,
        replicas=replicas,
    )
    first = config.served_bases[0].engine or config.engine
    environment = _environment(first.num_threads)
    return [
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
        # Our code never blocks a replica's loop: handing each piece of an answer from thread to thread would cost
        # more than making it.
        "RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD": "0",
        "OMP_NUM_THREADS": str(num_threads),
        # The CPU build pins its threads to cores by itself otherwise, also to those that training uses.
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        # Lets vLLM ask for an adapter when it misses one. Its load and unload routes are not mounted.
        "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_LOGGING_LEVEL": "WARNING",
        "TOKENIZERS_PARALLELISM": "false",
    }
