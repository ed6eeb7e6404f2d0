"""The engine deployment: vLLM's OpenAI surface over HTTP, and the same by handle for `/answer`.

This file is imported where the application is built, in the proxy and in every caller, so it stays light:
vLLM is loaded in the replica alone.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any

from ray import serve
from ray.serve import Application
from ray.serve.config import RequestRouterConfig
from ray.serve.handle import DeploymentHandle

from tunesmith.serve.accelerator import has_gpu
from tunesmith.serve.applications import ENGINE
from tunesmith.serve.first_token import FIRST_TOKEN
from tunesmith.serve.options import EngineOptions, ReplicaOptions
from tunesmith.serve.split_prefill import SplitPrefill

if TYPE_CHECKING:
    from starlette.types import ASGIApp

PREFILL = "prefill"
"""Name of the deployment that reads prompts, where the engine does not read its own."""

_FIRST_TOKEN_POLICY = "tunesmith.serve.first_token:FirstTokenPolicy"
_PREFIX_ROUTER = "tunesmith.serve.prefix_router.PrefixRouter"


@serve.ingress()
class Engine:
    """One replica of the engine.

    The replica is its own HTTP ingress: a request takes one hop from Serve's proxy to vLLM's own handlers.
    """

    def __init__(self, options: EngineOptions, *, gpu: bool, prefill: DeploymentHandle | None = None) -> None:
        self._options = options
        self._gpu = gpu
        self._prefill = prefill

    async def __serve_build_asgi_app__(self) -> ASGIApp:
        """Start the engine and give Serve its HTTP surface; the replica is ready when this returns."""
        from tunesmith.serve.vllm_server import VllmServer

        self._server = await VllmServer.start(self._options, gpu=self._gpu, split=self._split())
        return await self._server.asgi_app()

    def _split(self) -> SplitPrefill | None:
        prefill = self._options.replicas.prefill
        if self._prefill is None or prefill is None:
            return None
        return SplitPrefill(self._prefill, patience_seconds=prefill.patience_seconds)

    async def chat(
        self, body: dict[str, Any], headers: dict[str, str]
    ) -> AsyncGenerator[dict[str, Any] | str, None]:
        """Run one chat completion for a caller inside the data plane.

        Args:
            body: an OpenAI chat completion request.
            headers: name the span above the engine's own; empty where nothing is traced.

        Yields:
            With `stream` the server-sent events as text, each with its blank line, the last one
            `data: [DONE]`; otherwise one completion. An error is a single `{"error": ..., "status": ...}`.
        """
        async for piece in self._server.chat(body, headers):
            yield piece

    async def record_autoscaling_stats(self) -> dict[str, float]:
        """What Serve's autoscaler gets to know of this replica, beside the requests in it."""
        return {FIRST_TOKEN: self._server.first_token_seconds()}

    async def check_health(self) -> None:
        """Fail when the engine is dead, so that Serve replaces the replica."""
        await self._server.check_health()


class Prefill:
    """One replica that reads prompts, and keeps what it has read until a replica of the engine has fetched it."""

    async def __init__(self, options: EngineOptions, *, gpu: bool) -> None:  # type: ignore[misc]  # Serve waits for it
        from tunesmith.serve.vllm_server import VllmServer

        self._server = await VllmServer.start(options, gpu=gpu, reads_alone=True)

    async def read(self, route: str, body: dict[str, Any]) -> dict[str, Any] | None:
        """Read a prompt.

        Args:
            route: of an OpenAI request.
            body: the request.

        Returns:
            What another engine needs to fetch the cache, for its connector; None where that needs nothing.

        Raises:
            ConfigError: the engine refuses the request; says why.
        """
        return await self._server.read(route, body)

    async def check_health(self) -> None:
        """Fail when the engine is dead, so that Serve replaces the replica."""
        await self._server.check_health()


def build(args: dict[str, Any]) -> Application:
    """Build the application `engine`; Serve calls this with the document's `args`.

    Args:
        args: fields of EngineOptions.

    Returns:
        The application.
    """
    options = EngineOptions.model_validate(args)
    gpu = has_gpu() if options.replicas.gpu is None else options.replicas.gpu
    replica = {
        "max_ongoing_requests": options.engine.max_num_seqs * 8,
        "max_queued_requests": options.max_queued,
        "health_check_timeout_s": 60,
        "ray_actor_options": {"num_cpus": options.num_cpus},
        "placement_group_bundles": replica_bundles(options, gpu=gpu),
        "placement_group_strategy": "PACK",
    }
    engine = serve.deployment(
        Engine, name=ENGINE, **replica, **replica_count(options), **replica_choice(options)
    )
    if options.replicas.prefill is None:
        return engine.bind(options, gpu=gpu)
    readers = options.replicas.prefill.replicas
    prefill = serve.deployment(Prefill, name=PREFILL, num_replicas=readers, **replica)
    return engine.bind(options, gpu=gpu, prefill=prefill.bind(options, gpu=gpu))


def replica_bundles(options: EngineOptions, *, gpu: bool) -> list[dict[str, float]]:
    """What a replica holds: one bundle a GPU, packed onto as few nodes as can be; the first one is the replica's own.

    Args:
        options: the engine.
        gpu: whether it runs on GPUs.

    Returns:
        Bundles of a placement group.
    """
    if not gpu:
        return [{"CPU": options.num_cpus}]
    gpus = options.replicas.tensor_parallel_size * options.replicas.pipeline_parallel_size
    return [{"CPU": options.num_cpus, "GPU": 1.0}, *({"GPU": 1.0} for _ in range(gpus - 1))]


def replica_choice(options: EngineOptions) -> dict[str, Any]:
    """Which replica a request goes to, where that is not Serve's own choice.

    Args:
        options: the engine.

    Returns:
        Options of the deployment.
    """
    if options.replicas.routing == "shortest":
        return {}
    return {"request_router_config": RequestRouterConfig(request_router_class=_PREFIX_ROUTER)}


def replica_count(options: EngineOptions) -> dict[str, Any]:
    """A fixed number of replicas, or bounds and what drives them: requests in a replica, waiting ones with them, and
    the time to the first token where that has a target.

    Args:
        options: the engine.

    Returns:
        Options of the deployment.
    """
    replicas = options.replicas
    if replicas.min_replicas == replicas.max_replicas:
        return {"num_replicas": replicas.max_replicas}
    return {
        "autoscaling_config": {
            "min_replicas": replicas.min_replicas,
            "max_replicas": replicas.max_replicas,
            "target_ongoing_requests": replicas.target_ongoing_requests,
            # A model takes minutes to load: what was started for a burst stays for the next one.
            "upscale_delay_s": 10,
            "downscale_delay_s": 300,
            **_policy(replicas),
        }
    }


def _policy(replicas: ReplicaOptions) -> dict[str, Any]:
    if replicas.target_first_token_seconds is None:
        return {}
    told = {"target_seconds": replicas.target_first_token_seconds}
    return {"policy": {"policy_function": _FIRST_TOKEN_POLICY, "policy_kwargs": told}}
