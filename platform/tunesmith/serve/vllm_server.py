"""vLLM inside a replica, through `ray.serve.llm`. Heavy: only a replica of the engine imports this."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from prometheus_client import REGISTRY
from pydantic import ValidationError
from ray.llm._internal.common.callbacks.base import CallbackBase, CallbackConfig
from ray.llm._internal.serve.core.protocol import RawRequestInfo
from ray.llm._internal.serve.engines.vllm.vllm_engine import VLLMEngine
from ray.serve.llm import LLMConfig
from ray.serve.llm.deployment import LLMServer
from ray.serve.llm.openai_api_models import ChatCompletionRequest, CompletionRequest
from vllm.lora.request import LoRARequest
from vllm.lora.resolver import LoRAResolver, LoRAResolverRegistry
from vllm.reasoning import ReasoningParserManager
from vllm.tool_parsers import ToolParserManager

from tunesmith.errors import ConfigError, PlatformError
from tunesmith.serve.adapters import RegisteredAdapters
from tunesmith.serve.cpu_executor import CpuExecutor
from tunesmith.serve.disconnect import DisconnectOnCancel
from tunesmith.serve.engine_kwargs import engine_kwargs
from tunesmith.serve.first_token import FirstTokens
from tunesmith.serve.forced_calls import FORCED_CALLS, parse_only_tools, register_forced_calls
from tunesmith.serve.openai_errors import (
    OpenAIErrors,
    engine_error_body,
    is_error_event,
    platform_error_body,
    platform_error_response,
    refusal,
    rewrite_error_event,
    validation_error_body,
    validation_error_response,
)
from tunesmith.serve.options import EngineOptions
from tunesmith.serve.parser_names import check_parser_names
from tunesmith.serve.split_prefill import CHAT, ReadElsewhere, SplitPrefill
from tunesmith.stores.version_folders import VersionFolders

ROUTES = frozenset(
    {
        "/health",
        "/metrics",
        "/v1/models",
        "/v1/chat/completions",
        "/v1/completions",
        "/tokenize",
        "/detokenize",
    }
)
"""What is served of vLLM's routes; the others load adapters from any path, profile, sleep, scale."""

_PREFILL_PORTS, _ENGINE_PORTS = 20000, 22000


class VllmServer:
    """A running engine with its HTTP surface and its adapters.

    Args:
        server: a started server.
        options: what it was started from.
        split: has prompts read elsewhere, where this engine does not read its own.
    """

    def __init__(self, server: LLMServer, options: EngineOptions, split: SplitPrefill | None = None) -> None:
        self._server = server
        self._options = options
        self._split = split
        self._first_tokens = FirstTokens(REGISTRY.collect)

    @classmethod
    async def start(
        cls,
        options: EngineOptions,
        *,
        gpu: bool,
        split: SplitPrefill | None = None,
        reads_alone: bool = False,
    ) -> VllmServer:
        """Load the model and wait until the engine answers.

        Args:
            options: model, limits, home.
            gpu: whether the engine runs on the replica's GPU.
            split: has prompts read elsewhere, where this engine does not read its own.
            reads_alone: whether it reads prompts for other engines, and answers nobody.

        Returns:
            The running server.

        Raises:
            ConfigError: vLLM has no parser of the name that is configured, or engines that read prompts cannot be
                asked through its KV connector.
        """
        check_parser_names(
            options.engine,
            tool_call=ToolParserManager.list_registered(),
            reasoning=ReasoningParserManager.list_registered(),
        )
        if options.version:
            await asyncio.to_thread(VersionFolders(options.home).find, options.version)
        else:
            adapters = RegisteredAdapters(
                options.home, base=options.model, max_rank=options.engine.max_lora_rank
            )
            LoRAResolverRegistry.register_resolver("registry", _Resolver(adapters))
        register_forced_calls()
        server = _Server.sync_init(
            _llm_config(options, gpu=gpu, reads_alone=reads_alone),
            engine_cls=VLLMEngine if gpu else _CpuEngine,
        )
        await server.start()
        _check_protocol(server, options)
        if not options.engine.tool_call_parser and not options.engine.reasoning_parser:
            parse_only_tools(server.engine._oai_serving_chat)
        return cls(server, options, split)

    async def asgi_app(self) -> FastAPI:
        """vLLM's own application, cut down to `ROUTES`, with errors in OpenAI form."""
        app: FastAPI = await self._server.engine.build_asgi_app()
        app.router.routes[:] = [
            route for route in app.router.routes if getattr(route, "path", None) in ROUTES
        ]
        app.add_exception_handler(PlatformError, platform_error_response)
        app.add_exception_handler(RequestValidationError, validation_error_response)
        # vLLM builds the middleware stack early; without it Starlette builds it again at the first request.
        app.middleware_stack = None
        if self._split:
            app.add_middleware(ReadElsewhere, split=self._split)
        app.add_middleware(OpenAIErrors)
        app.add_middleware(DisconnectOnCancel)
        return app

    async def chat(
        self, body: dict[str, Any], headers: dict[str, str]
    ) -> AsyncGenerator[dict[str, Any] | str, None]:
        """Run one chat completion; see `Engine.chat`."""
        if self._split:
            body = await self._split.read(CHAT, body)
        try:
            request = ChatCompletionRequest.model_validate(body)
        except ValidationError as error:
            yield {**validation_error_body(error.errors()), "status": 400}
            return
        begun = False
        try:
            async for piece in await self._server.chat(request, RawRequestInfo(headers) if headers else None):
                for part in piece if isinstance(piece, list) else [piece]:
                    if not begun and isinstance(part, str) and is_error_event(part):
                        status, refused = refusal(part)
                        yield {**refused, "status": status}
                        return
                    begun = True
                    yield _piece(part)
        except PlatformError as error:
            yield {**platform_error_body(error), "status": error.http_status}

    async def read(self, route: str, body: dict[str, Any]) -> dict[str, Any] | None:
        """Read a prompt for another engine; see `Prefill.read`."""
        model, answer = (
            (ChatCompletionRequest, self._server.chat)
            if route == CHAT
            else (CompletionRequest, self._server.completions)
        )
        try:
            asked = model.model_validate(body)
        except ValidationError as error:
            raise ConfigError(f"{error.error_count()} fields of the request are wrong.") from error
        protocol = self._server._llm_config.kv_connector_backend
        read = await answer(protocol.prepare_prefill_request(request=asked, peer=None), None)
        where: dict[str, Any] | None = None
        async for piece in read:
            if refused := getattr(piece, "error", None):
                raise ConfigError(refused.message)
            where = getattr(piece, "kv_transfer_params", None) or where
        return where

    def first_token_seconds(self) -> float:
        """How long the first token takes just now; see `FirstTokens.slowest`."""
        return self._first_tokens.slowest()

    async def check_health(self) -> None:
        """Raise when the engine is dead."""
        await self._server.check_health()


class _Server(LLMServer):  # type: ignore[misc]
    """`LLMServer` without its usage report: that starts an actor which imports vLLM once more, and waits for it."""

    async def _start_engine(self) -> None:
        await self.engine.start()


class _CpuEngine(VLLMEngine):  # type: ignore[misc]
    """An engine of one process, `CpuExecutor`; `ray.serve.llm` has no setting for it."""

    def _start_async_llm_engine(self, engine_args: Any, config: Any, placement_group: Any) -> Any:
        config.parallel_config.distributed_executor_backend = CpuExecutor
        return super()._start_async_llm_engine(engine_args, config, placement_group)


class _LoadedByEngine(CallbackBase):  # type: ignore[misc]
    """Leaves the download of a model to vLLM: Ray would start a task on every node that imports vLLM for it."""

    async def on_before_node_init(self) -> None:
        self.ctx.run_init_node = False


class _Resolver(LoRAResolver):  # type: ignore[misc]
    def __init__(self, adapters: RegisteredAdapters) -> None:
        self._adapters = adapters

    async def resolve_lora(self, base_model_name: str, lora_name: str) -> LoRARequest | None:  # noqa: ARG002
        folder = await asyncio.to_thread(self._adapters.find, lora_name)
        # vLLM gives the request an id of its own, one per name for the life of the replica.
        return LoRARequest(lora_name, 1, str(folder)) if folder else None


def _llm_config(options: EngineOptions, *, gpu: bool, reads_alone: bool = False) -> LLMConfig:
    # Engines on one node must not offer their caches at one port; each adds its rank, and the GPUs before it.
    ports = {"NIXL_SIDE_CHANNEL_PORT_BASE": _PREFILL_PORTS if reads_alone else _ENGINE_PORTS}
    return LLMConfig(
        model_loading_config={"model_id": options.model, "model_source": options.source},
        accelerator_config={"kind": "gpu" if gpu else "cpu"},
        engine_kwargs=FORCED_CALLS | engine_kwargs(options, gpu=gpu),
        experimental_configs={"stream_batching_interval_ms": 0, **ports},
        callback_config=CallbackConfig(callback_class=_LoadedByEngine),
        # Ray's own metrics exporter would take the place of vLLM's, which /metrics serves.
        log_engine_metrics=False,
    )


def _check_protocol(server: LLMServer, options: EngineOptions) -> None:
    """Refuse connectors by which the reader must be known before it is asked: Serve chooses it."""
    protocol = server._llm_config.kv_connector_backend
    if protocol and (protocol.requires_peer_binding or protocol.concurrent_handoff):
        prefill = options.replicas.prefill
        raise ConfigError(
            f"bases[].prefill.connector={prefill.connector if prefill else None}: it needs to know the replica that "
            "reads before it is asked. Take NixlConnector, or LMCacheConnectorV1."
        )


def _piece(part: Any) -> dict[str, Any] | str:
    if isinstance(part, str):
        return rewrite_error_event(part) if is_error_event(part) else part
    body: dict[str, Any] = json.loads(part.model_dump_json())
    if "error" in body:
        status = body["error"]["code"]
        return {**engine_error_body(body["error"], status=status), "status": status}
    return body
