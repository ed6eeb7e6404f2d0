"""The HTTP edge, put together from what is passed in."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Callable

from fastapi import FastAPI
from starlette.types import ASGIApp

from tunesmith.gateway.aliases import alias_routes
from tunesmith.gateway.auth import Authenticator
from tunesmith.gateway.chat import chat_routes
from tunesmith.gateway.embeddings import embedding_routes
from tunesmith.gateway.errors import install_error_handlers
from tunesmith.gateway.health import Readiness, health_routes
from tunesmith.gateway.metrics import Metrics, metrics_routes
from tunesmith.gateway.models import model_routes
from tunesmith.gateway.names import Names
from tunesmith.gateway.trace import TraceMiddleware
from tunesmith.gateway.upstream import Upstream
from tunesmith.stores.database import Database
from tunesmith.stores.keys import KeyStore
from tunesmith.stores.registry import Registry


def build_app(
    *, database: Database, upstream: Upstream, base: str, embedder: str, readiness: Readiness
) -> ASGIApp:
    """Build the gateway.

    Args:
        database: keys, versions, aliases and stores.
        upstream: the data plane; closed with the app.
        base: name of the served base model.
        embedder: name of the served embedder.
        readiness: what the controller last said.

    Returns:
        The app; nothing outside it is touched before its first request.
    """
    metrics = Metrics()
    authenticate = Authenticator(KeyStore(database))
    names = Names(lambda project_id: Registry(database, project_id), base=base, started_at=int(time.time()))
    # No /docs and no /openapi.json: closed by default.
    app = FastAPI(title="Tunesmith", openapi_url=None, lifespan=_closing(upstream))
    for router in (
        health_routes(readiness),
        metrics_routes(metrics),
        model_routes(authenticate=authenticate, names=names),
        alias_routes(authenticate=authenticate, names=names, database=database),
        embedding_routes(authenticate=authenticate, embedder=embedder, upstream=upstream, metrics=metrics),
        chat_routes(
            authenticate=authenticate, names=names, database=database, upstream=upstream, metrics=metrics
        ),
    ):
        app.include_router(router)
    install_error_handlers(app)
    # Outermost, so that the answer to an unexpected failure carries the request's id too.
    return TraceMiddleware(app, metrics=metrics)


def _closing(upstream: Upstream) -> Callable[[FastAPI], contextlib.AbstractAsyncContextManager[None]]:
    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await upstream.close()

    return lifespan
