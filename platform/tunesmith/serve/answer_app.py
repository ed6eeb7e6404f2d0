"""The HTTP surface of the retrieval deployment. Loads neither ray nor an engine."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from tunesmith.serve.answer_request import AnswerRequest
from tunesmith.serve.answering import Answerer, EngineRefusal
from tunesmith.serve.event_stream import EventStream
from tunesmith.serve.http_app import create_app
from tunesmith.serve.search_request import DocumentRequest, SearchRequest
from tunesmith.serve.searching import Searcher


def answer_app(answerer: Answerer, searcher: Searcher) -> FastAPI:
    """The HTTP surface.

    Args:
        answerer: what answers.
        searcher: what finds.

    Returns:
        The application.
    """
    app = create_app("Answers with checked citations")

    @app.exception_handler(EngineRefusal)
    async def refused(_: Request, error: EngineRefusal) -> JSONResponse:
        return JSONResponse(error.body, status_code=error.status)

    @app.post("/v1/chat/completions")
    async def answer(request: AnswerRequest, http: Request) -> Response:
        if not request.stream:
            return JSONResponse(await answerer.complete(request, http.headers))
        events = answerer.stream(request, http.headers)
        first = await anext(events)
        return EventStream(first, events)

    @app.post("/v1/search")
    async def search(request: SearchRequest) -> Response:
        return JSONResponse(await searcher.search(request))

    @app.post("/v1/document")
    async def document(request: DocumentRequest) -> Response:
        return JSONResponse(await searcher.document(request))

    return app
