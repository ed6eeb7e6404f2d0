"""/v1/vector_stores/{id}/files and /file_batches: what a store holds. The indexer does what is asked for here."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from tunesmith.errors import ConfigError
from tunesmith.gateway.auth import Authenticator
from tunesmith.gateway.body import check_fields, read_object, while_connected
from tunesmith.gateway.metrics import Metrics
from tunesmith.gateway.paging import page_object, read_page
from tunesmith.gateway.request_record import record_of
from tunesmith.gateway.upstream import Upstream
from tunesmith.gateway.vector_stores.object import batch_object, content_page, file_object
from tunesmith.gateway.vector_stores.request import AttributeFields, BatchFields, FileFields, FilePageFields
from tunesmith.stores.database import Database
from tunesmith.stores.documents import DocumentCatalog
from tunesmith.stores.keys import ApiKey
from tunesmith.stores.store_files import FileBatch, StoreFile, StoreFiles
from tunesmith.stores.vector_stores import VectorStores
from tunesmith.stores.vectors import StoreRecord

_FILES = "/v1/vector_stores/{store_id}/files"
_BATCHES = "/v1/vector_stores/{store_id}/file_batches"
_DOCUMENT = "/answer/v1/document"
_POLL = {"openai-poll-after-ms": "500"}
"""How long the official clients' poll helpers wait before they look again."""


class Shelf:
    """A store of a project, opened by its id for requests about its files.

    Args:
        database: knows the stores.
        embedder: name of the served embedder.
    """

    def __init__(self, database: Database, embedder: str) -> None:
        self._database = database
        self._embedder = embedder

    def store(self, project_id: str, store_id: str) -> StoreRecord:
        """Look a store up.

        Args:
            project_id: whose stores count.
            store_id: its id or name.

        Returns:
            The store, also one that has expired.

        Raises:
            NotFoundError: the project has none.
        """
        return VectorStores(self._database, project_id).get(store_id).store

    def files(self, project_id: str, store_id: str) -> tuple[StoreRecord, StoreFiles]:
        """Open a store to look into it.

        Args:
            project_id: whose stores count.
            store_id: its id or name.

        Returns:
            The store and its files.

        Raises:
            NotFoundError: the project has none.
        """
        store = self.store(project_id, store_id)
        return store, StoreFiles(self._database, store)

    def open(self, project_id: str, store_id: str) -> tuple[StoreRecord, StoreFiles]:
        """Open a store to attach files to it.

        Args:
            project_id: whose stores count.
            store_id: its id or name.

        Returns:
            The store and its files.

        Raises:
            NotFoundError: the project has none.
            ConfigError: it has expired, or was filled by another embedder than the served one.
        """
        store = self.store(project_id, store_id)
        store = DocumentCatalog(self._database, project_id).store(store.id)
        if store.embedder != self._embedder:
            raise ConfigError(
                f'The vector store "{store.name}" was filled by embedder "{store.embedder}", but "{self._embedder}" is '
                "served. Start the platform with that embedder, or attach the file to a new store.",
                param="vector_store_id",
            )
        VectorStores(self._database, project_id).touch([store])
        return store, StoreFiles(self._database, store)


def vector_store_file_routes(
    *, authenticate: Authenticator, database: Database, upstream: Upstream, metrics: Metrics, embedder: str
) -> APIRouter:
    """The files of vector stores.

    Args:
        authenticate: who calls.
        database: knows stores and files.
        upstream: the data plane, which reads documents back.
        metrics: where requests to it are counted.
        embedder: name of the served embedder.

    Returns:
        Its routes.
    """
    router = APIRouter()
    shelf = Shelf(database, embedder)

    @router.post(_FILES)
    async def attach_file(
        request: Request,
        store_id: str,
        key: ApiKey = Depends(authenticate.needs("train")),  # noqa: B008
    ) -> JSONResponse:
        fields = check_fields(await read_object(request), FileFields)

        def attach() -> JSONResponse:
            store, files = shelf.open(key.project_id, store_id)
            return _polled(files.attach(fields.attachment()), store)

        return await run_in_threadpool(attach)

    @router.get(_FILES)
    async def list_files(
        request: Request,
        store_id: str,
        key: ApiKey = Depends(authenticate.needs("read")),  # noqa: B008
    ) -> dict[str, Any]:
        return await run_in_threadpool(
            _list, shelf, key.project_id, store_id, read_page(request, FilePageFields)
        )

    @router.get(_FILES + "/{file_id}")
    async def retrieve_file(
        store_id: str,
        file_id: str,
        key: ApiKey = Depends(authenticate.needs("read")),  # noqa: B008
    ) -> JSONResponse:
        def retrieve() -> JSONResponse:
            store, files = shelf.files(key.project_id, store_id)
            return _polled(files.get(file_id), store)

        return await run_in_threadpool(retrieve)

    @router.post(_FILES + "/{file_id}")
    async def update_file(
        request: Request,
        store_id: str,
        file_id: str,
        key: ApiKey = Depends(authenticate.needs("train")),  # noqa: B008
    ) -> dict[str, Any]:
        fields = check_fields(await read_object(request), AttributeFields)

        def update() -> dict[str, Any]:
            store, files = shelf.files(key.project_id, store_id)
            return file_object(files.set_attributes(file_id, fields.attributes or {}), store)

        return await run_in_threadpool(update)

    @router.delete(_FILES + "/{file_id}")
    async def detach_file(
        store_id: str,
        file_id: str,
        key: ApiKey = Depends(authenticate.needs("train")),  # noqa: B008
    ) -> dict[str, Any]:
        def detach() -> dict[str, Any]:
            shelf.files(key.project_id, store_id)[1].detach(file_id)
            return {"id": file_id, "object": "vector_store.file.deleted", "deleted": True}

        return await run_in_threadpool(detach)

    @router.get(_FILES + "/{file_id}/content")
    async def read_file(
        request: Request,
        store_id: str,
        file_id: str,
        key: ApiKey = Depends(authenticate.needs("read")),  # noqa: B008
    ) -> dict[str, Any]:
        def find() -> dict[str, Any]:
            store, files = shelf.files(key.project_id, store_id)
            return {"vector_store": asdict(store), "document": files.get(file_id).path}

        tally, document = metrics.tally(record_of(request), embedder), await run_in_threadpool(find)
        read = await while_connected(request, upstream.post(_DOCUMENT, document, tally=tally))
        return content_page(read["texts"])

    return router


def file_batch_routes(*, authenticate: Authenticator, database: Database, embedder: str) -> APIRouter:
    """The batches in which files were attached.

    Args:
        authenticate: who calls.
        database: knows stores and files.
        embedder: name of the served embedder.

    Returns:
        Its routes.
    """
    router = APIRouter()
    shelf = Shelf(database, embedder)

    @router.post(_BATCHES)
    async def create_batch(
        request: Request,
        store_id: str,
        key: ApiKey = Depends(authenticate.needs("train")),  # noqa: B008
    ) -> JSONResponse:
        fields = check_fields(await read_object(request), BatchFields)

        def create() -> JSONResponse:
            store, files = shelf.open(key.project_id, store_id)
            return _polled(files.attach_batch(fields.attachments()), store)

        return await run_in_threadpool(create)

    @router.get(_BATCHES + "/{batch_id}")
    async def retrieve_batch(
        store_id: str,
        batch_id: str,
        key: ApiKey = Depends(authenticate.needs("read")),  # noqa: B008
    ) -> JSONResponse:
        def retrieve() -> JSONResponse:
            store, files = shelf.files(key.project_id, store_id)
            return _polled(files.batch(batch_id), store)

        return await run_in_threadpool(retrieve)

    @router.post(_BATCHES + "/{batch_id}/cancel")
    async def cancel_batch(
        store_id: str,
        batch_id: str,
        key: ApiKey = Depends(authenticate.needs("train")),  # noqa: B008
    ) -> JSONResponse:
        def cancel() -> JSONResponse:
            store, files = shelf.files(key.project_id, store_id)
            return _polled(files.cancel_batch(batch_id), store)

        return await run_in_threadpool(cancel)

    @router.get(_BATCHES + "/{batch_id}/files")
    async def list_batch(
        request: Request,
        store_id: str,
        batch_id: str,
        key: ApiKey = Depends(authenticate.needs("read")),  # noqa: B008
    ) -> dict[str, Any]:
        query = read_page(request, FilePageFields)
        return await run_in_threadpool(_list, shelf, key.project_id, store_id, query, batch_id=batch_id)

    return router


def _list(
    shelf: Shelf, project_id: str, store_id: str, query: FilePageFields, *, batch_id: str | None = None
) -> dict[str, Any]:
    store, files = shelf.files(project_id, store_id)
    page = files.list(
        limit=query.limit,
        order=query.order,
        after=query.after,
        before=query.before,
        status=query.filter,
        batch_id=batch_id,
    )
    return page_object([file_object(file, store) for file in page.items], has_more=page.has_more)


def _polled(shown: StoreFile | FileBatch, store: StoreRecord) -> JSONResponse:
    body = batch_object(shown, store) if isinstance(shown, FileBatch) else file_object(shown, store)
    return JSONResponse(body, headers=_POLL)
