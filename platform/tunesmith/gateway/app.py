"""The HTTP edge, put together from what is passed in."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import partial

from fastapi import FastAPI
from starlette.types import ASGIApp

from tunesmith.config.serve import EngineConfig, JobsConfig, LoadConfig, PricesConfig
from tunesmith.gateway.aliases import alias_routes
from tunesmith.gateway.auditing import Auditor
from tunesmith.gateway.auth import Authenticator
from tunesmith.gateway.batches import batch_routes
from tunesmith.gateway.chat import chat_routes
from tunesmith.gateway.completions import completion_routes
from tunesmith.gateway.drain import Draining
from tunesmith.gateway.embeddings import embedding_routes
from tunesmith.gateway.errors import install_error_handlers
from tunesmith.gateway.feedback import feedback_routes
from tunesmith.gateway.files.routes import file_routes
from tunesmith.gateway.files.uploads import upload_routes
from tunesmith.gateway.fine_tuning.metrics import JobMetrics
from tunesmith.gateway.fine_tuning.routes import EngineOf, fine_tuning_routes
from tunesmith.gateway.health import Readiness, health_routes
from tunesmith.gateway.limits import Limiter
from tunesmith.gateway.meter import Meter, MeterMiddleware
from tunesmith.gateway.metrics import Metrics, metrics_routes
from tunesmith.gateway.models import model_routes
from tunesmith.gateway.moderations import moderation_routes
from tunesmith.gateway.names import Names
from tunesmith.gateway.openapi import openapi_routes
from tunesmith.gateway.organisation.costs import cost_routes
from tunesmith.gateway.organisation.keys import organisation_key_routes
from tunesmith.gateway.organisation.projects import project_routes
from tunesmith.gateway.organisation.reports import report_routes
from tunesmith.gateway.organisation.users import member_routes, user_routes
from tunesmith.gateway.patience import PatienceMiddleware
from tunesmith.gateway.ray_api.dashboard import RayDashboard
from tunesmith.gateway.ray_api.jobs import ray_job_routes
from tunesmith.gateway.ray_api.submissions import submission_routes
from tunesmith.gateway.responses.routes import response_routes
from tunesmith.gateway.trace import TraceMiddleware
from tunesmith.gateway.upstream import Upstream
from tunesmith.gateway.vector_stores.files import file_batch_routes, vector_store_file_routes
from tunesmith.gateway.vector_stores.routes import vector_store_routes
from tunesmith.jobs.quota import require_gpu_hours
from tunesmith.jobs.submissions import SubmissionStore
from tunesmith.stores.database import Database
from tunesmith.stores.files import FileStore
from tunesmith.stores.keys import KeyStore
from tunesmith.stores.limits import Limits, LimitStore
from tunesmith.stores.objects import ObjectStore
from tunesmith.stores.registry import Registry
from tunesmith.stores.usage import UsageStore
from tunesmith.telemetry.traces import NoTracer, Tracer


def build_app(
    *,
    database: Database,
    objects: ObjectStore,
    upstream: Upstream,
    base: str,
    embedder: str,
    readiness: Readiness,
    jobs: JobsConfig | None = None,
    engine: EngineOf | None = None,
    load: LoadConfig | None = None,
    draining: Draining | None = None,
    ray: RayDashboard | None = None,
    submissions: SubmissionStore | None = None,
    tracer: Tracer | None = None,
    limits: Limits | None = None,
    prices: PricesConfig | None = None,
    others: Sequence[str] = (),
    stand_ins: Mapping[str, str] | None = None,
    metrics: Metrics | None = None,
) -> ASGIApp:
    """Build the gateway.

    Args:
        database: keys, versions, aliases and stores.
        objects: bytes of files.
        upstream: the data plane; closed with the app.
        base: name of the default base.
        embedder: name of the served embedder.
        readiness: what the controller last said.
        jobs: what fine-tuning jobs are made from.
        engine: what the engine of a base is started with; a job must fit it.
        load: how long a client may be silent.
        draining: set by the server when it ends.
        ray: the dashboard that `ray job submit` reaches, on one machine; closed with the app.
        submissions: keeps what it sends, in a release.
        tracer: makes spans; closed with the app.
        limits: of projects for which nothing else was said.
        prices: what is reported as spent.
        others: names of further bases.
        stand_ins: further names, and the base that answers to each; those of `jobs` mean the default base if unset.
        metrics: what is counted, where a port of its own tells Prometheus; the API then tells administrators alone.

    Returns:
        The app; nothing outside it is touched before its first request.
    """
    scraped, metrics, jobs = metrics is None, metrics or Metrics(), jobs or JobsConfig()
    metrics.watch(upstream.admission)
    metrics.add(JobMetrics(database))
    tracer = tracer or NoTracer()
    keys, limiter = KeyStore(database), Limiter(LimitStore(database, limits or Limits()))
    authenticate = Authenticator(keys, limiter)
    administers = authenticate.needs_organisation
    meter = Meter(usage=UsageStore(database), keys=keys, limiter=limiter)
    names = Names(
        lambda project_id: Registry(database, project_id),
        base=base,
        started_at=int(time.time()),
        others=others,
        stand_ins=dict.fromkeys(jobs.stand_ins, base) if stand_ins is None else stand_ins,
    )
    ray_api = []
    if ray:
        ray_api = [ray_job_routes(administers=administers, dashboard=ray, audit=Auditor(database))]
    elif submissions:
        ray_api = [
            submission_routes(
                administers=administers,
                submissions=submissions,
                objects=objects,
                jobs=jobs,
                has_quota=partial(require_gpu_hours, database, LimitStore(database, limits or Limits())),
                audit=Auditor(database),
            )
        ]
    # No /docs and no /openapi.json for everybody: /v1/openapi.json needs a key.
    app = FastAPI(title="Tunesmith", openapi_url=None, lifespan=_closing(upstream, ray, meter, tracer))
    for router in (
        health_routes(readiness, draining or Draining()),
        metrics_routes(metrics, administers, scraped=scraped),
        model_routes(authenticate=authenticate, names=names, database=database),
        alias_routes(authenticate=authenticate, names=names, database=database),
        file_routes(authenticate=authenticate, database=database, objects=objects),
        upload_routes(authenticate=authenticate, database=database, objects=objects),
        batch_routes(authenticate=authenticate, database=database, objects=objects),
        moderation_routes(authenticate=authenticate),
        vector_store_routes(
            authenticate=authenticate,
            database=database,
            upstream=upstream,
            metrics=metrics,
            embedder=embedder,
        ),
        vector_store_file_routes(
            authenticate=authenticate,
            database=database,
            upstream=upstream,
            metrics=metrics,
            embedder=embedder,
        ),
        file_batch_routes(authenticate=authenticate, database=database, embedder=embedder),
        feedback_routes(authenticate=authenticate, database=database),
        fine_tuning_routes(
            authenticate=authenticate,
            names=names,
            database=database,
            find_file=lambda project_id, file_id: FileStore(database, objects, project_id).get(file_id),
            jobs=jobs,
            engine=engine or (lambda _: EngineConfig()),
            limits=LimitStore(database, limits or Limits()),
        ),
        embedding_routes(authenticate=authenticate, embedder=embedder, upstream=upstream, metrics=metrics),
        chat_routes(
            authenticate=authenticate, names=names, database=database, upstream=upstream, metrics=metrics
        ),
        response_routes(
            authenticate=authenticate, names=names, database=database, upstream=upstream, metrics=metrics
        ),
        completion_routes(authenticate=authenticate, names=names, upstream=upstream, metrics=metrics),
        project_routes(
            authenticate=authenticate, database=database, limits=LimitStore(database, limits or Limits())
        ),
        organisation_key_routes(authenticate=authenticate, database=database),
        user_routes(authenticate=authenticate, database=database),
        member_routes(authenticate=authenticate, database=database),
        report_routes(authenticate=authenticate, database=database),
        cost_routes(authenticate=authenticate, database=database, prices=prices or PricesConfig()),
        openapi_routes(authenticate=authenticate, routes=lambda: app.routes),
        *ray_api,
    ):
        # As they are: `include_router` would build every route a second time, to put a prefix before it.
        app.router.routes.extend(router.routes)
    install_error_handlers(app)
    # Outside the app, so that the answer to an unexpected failure carries the request's id too.
    metered = MeterMiddleware(app, meter=meter)
    traced = TraceMiddleware(metered, metrics=metrics, tracer=tracer)
    return PatienceMiddleware(traced, seconds=(load or LoadConfig()).client_seconds)


def _closing(
    upstream: Upstream, ray: RayDashboard | None, meter: Meter, tracer: Tracer
) -> Callable[[FastAPI], contextlib.AbstractAsyncContextManager[None]]:
    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await meter.close()
        await upstream.close()
        if ray:
            await ray.close()
        tracer.close()

    return lifespan
