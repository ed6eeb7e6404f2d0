"""/v1/vector_stores: sets of documents that can be searched, and the search itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Depends, Request
from starlette.concurrency import run_in_threadpool

from tunesmith.gateway.auditing import Auditor
from tunesmith.gateway.auth import Authenticator
from tunesmith.gateway.body import check_fields, read_object, while_connected
from tunesmith.gateway.metrics import Metrics
from tunesmith.gateway.paging import page_object, read_page
from tunesmith.gateway.request_record import record_of
from tunesmith.gateway.upstream import Upstream
from tunesmith.gateway.vector_stores.object import search_page, store_object
from tunesmith.gateway.vector_stores.request import (
    SearchFields,
    StoreFields,
    StorePageFields,
    StoreUpdateFields,
    attachment,
)
from tunesmith.stores.database import Database
from tunesmith.stores.documents import DocumentCatalog
from tunesmith.stores.keys import ApiKey
from tunesmith.stores.store_files import StoreFiles
from tunesmith.stores.vector_stores import StoreChanges, VectorStoreRecord, VectorStores
from tunesmith.stores.vectors import StoreRecord

_STORES = "/v1/vector_stores"
_SEARCH = "/answer/v1/search"


def vector_store_routes(
    *, authenticate: Authenticator, database: Database, upstream: Upstream, metrics: Metrics, embedder: str
) -> APIRouter:
    """The vector stores resource.

    Args:
        authenticate: who calls.
        database: knows the stores.
        upstream: the data plane, which searches.
        metrics: where searches are counted.
        embedder: name of the served embedder.

    Returns:
        Its routes.
    """
    router, audit = APIRouter(), Auditor(database)

    def stores(key: ApiKey) -> VectorStores:
        return VectorStores(database, key.project_id)

    @router.post(_STORES)
    async def create_store(
        request: Request,
        key: ApiKey = Depends(authenticate.needs("train")),  # noqa: B008
    ) -> dict[str, Any]:
        fields = check_fields(await read_object(request), StoreFields)
        return store_object(await run_in_threadpool(_create, database, stores(key), fields, embedder))

    @router.get(_STORES)
    async def list_stores(
        request: Request,
        key: ApiKey = Depends(authenticate.needs("read")),  # noqa: B008
    ) -> dict[str, Any]:
        query = read_page(request, StorePageFields)
        page = await run_in_threadpool(stores(key).list, **query.model_dump())
        return page_object([store_object(record) for record in page.items], has_more=page.has_more)

    @router.get(_STORES + "/{store_id}")
    async def retrieve_store(
        store_id: str,
        key: ApiKey = Depends(authenticate.needs("read")),  # noqa: B008
    ) -> dict[str, Any]:
        return store_object(await run_in_threadpool(stores(key).get, store_id))

    @router.post(_STORES + "/{store_id}")
    async def update_store(
        request: Request,
        store_id: str,
        key: ApiKey = Depends(authenticate.needs("train")),  # noqa: B008
    ) -> dict[str, Any]:
        body = await read_object(request)
        changes = _changes(body, check_fields(body, StoreUpdateFields))
        return store_object(await run_in_threadpool(stores(key).update, store_id, changes))

    @router.delete(_STORES + "/{store_id}")
    async def delete_store(
        request: Request,
        store_id: str,
        key: ApiKey = Depends(authenticate.needs("train")),  # noqa: B008
    ) -> dict[str, Any]:
        deleted = await run_in_threadpool(stores(key).delete, store_id)
        await audit(request, key, "vector_store.deleted", deleted)
        return {"id": deleted, "object": "vector_store.deleted", "deleted": True}

    @router.post(_STORES + "/{store_id}/search")
    async def search_store(
        request: Request,
        store_id: str,
        key: ApiKey = Depends(authenticate.needs("use", limited=True)),  # noqa: B008
    ) -> dict[str, Any]:
        fields = check_fields(await read_object(request), SearchFields)
        store = await run_in_threadpool(_opened, database, key.project_id, store_id)
        tally = metrics.tally(record_of(request), embedder)
        body = _search_body(fields, store)
        found = await while_connected(request, upstream.post(_SEARCH, body, tally=tally))
        return search_page(fields.queries, found["hits"], store)

    return router


def _create(
    database: Database, stores: VectorStores, fields: StoreFields, embedder: str
) -> VectorStoreRecord:
    made = stores.create(
        embedder=embedder,
        name=fields.name or "",
        description=fields.description,
        metadata=fields.metadata,
        expires_after_days=fields.expires_after.days if fields.expires_after else None,
    )
    if not fields.file_ids:
        return made
    wanted = [attachment(file_id, None, fields.chunking_strategy) for file_id in fields.file_ids]
    try:
        StoreFiles(database, made.store).attach_batch(wanted)
    except BaseException:
        # A file that is not there: nobody was told of the store, so nobody would delete it.
        stores.delete(made.id)
        raise
    return stores.get(made.id)


def _changes(body: Mapping[str, Any], fields: StoreUpdateFields) -> StoreChanges:
    return StoreChanges(
        name=fields.name,
        metadata=(fields.metadata or {}) if "metadata" in body else None,
        expires_after_days=fields.expires_after.days if fields.expires_after else None,
        expires_never="expires_after" in body and fields.expires_after is None,
    )


def _opened(database: Database, project_id: str, store_id: str) -> StoreRecord:
    # Looked up as the resource first: its 404 names the field that the client sent.
    stores = VectorStores(database, project_id)
    store = DocumentCatalog(database, project_id).store(stores.get(store_id).id)
    stores.touch([store])
    return store


def _search_body(fields: SearchFields, store: StoreRecord) -> dict[str, Any]:
    return {
        "queries": fields.queries,
        "vector_stores": [asdict(store)],
        "max_num_results": fields.max_num_results,
        "filters": fields.filters,
        "score_threshold": fields.ranking_options.score_threshold,
    }
