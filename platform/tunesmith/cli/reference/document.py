"""`docs/reference/openapi.json`: what `GET /v1/openapi.json` answers, from the routes themselves."""

from __future__ import annotations

import json

from tunesmith.gateway.app import build_app
from tunesmith.gateway.description.document import render_document
from tunesmith.gateway.openapi import routes_of
from tunesmith.gateway.upstream import Upstream
from tunesmith.stores.database import Database
from tunesmith.stores.objects import ObjectStore


def render_api() -> str:
    """Write the OpenAPI document.

    Returns:
        JSON, the same for the same code.
    """
    app = build_app(
        database=Database("sqlite://"),
        objects=ObjectStore("file:///nowhere"),
        upstream=Upstream("http://127.0.0.1:9"),
        base="",
        embedder="",
        readiness=lambda: None,
    )
    return json.dumps(render_document(routes_of(app)), indent=1, ensure_ascii=False) + "\n"
