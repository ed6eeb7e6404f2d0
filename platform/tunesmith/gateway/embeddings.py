"""POST /v1/embeddings: floats or base64, shortened on demand."""

from __future__ import annotations

import base64
import math
import struct
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema, field_validator

from tunesmith.errors import ConfigError, ModelNotFoundError
from tunesmith.gateway.auth import Authenticator
from tunesmith.gateway.body import check_fields, read_object, while_connected
from tunesmith.gateway.metrics import Metrics
from tunesmith.gateway.request_record import record_of
from tunesmith.gateway.upstream import Upstream
from tunesmith.stores.keys import ApiKey

_ROUTE = "/embed/v1/embeddings"
_MOST_INPUTS = 2048


_TEXT = {"type": "string", "minLength": 1}
_INPUT = {"anyOf": [_TEXT, {"type": "array", "items": _TEXT, "minItems": 1, "maxItems": _MOST_INPUTS}]}


class EmbeddingFields(BaseModel):
    """A request for embeddings."""

    model_config = ConfigDict(extra="ignore")
    model: str
    """The embedder."""
    input: Annotated[str | list[str], WithJsonSchema(_INPUT)] = Field(min_length=1)
    """One text or several."""
    encoding_format: Literal["float", "base64"] = "float"
    """Base64 is little-endian float32."""
    dimensions: int | None = Field(None, ge=1)
    """Keep this many leading numbers, at unit length again."""

    @field_validator("input", mode="before")
    @classmethod
    def _is_text(cls, value: Any) -> Any:
        texts = value if isinstance(value, list) else [value]
        if not all(isinstance(text, str) and text for text in texts):
            raise ValueError("must be a text or a list of texts, none of them empty; token ids are not taken")
        if len(texts) > _MOST_INPUTS:
            raise ValueError(f"holds {len(texts)} texts, at most {_MOST_INPUTS} are taken at a time")
        return value


def embedding_routes(
    *, authenticate: Authenticator, embedder: str, upstream: Upstream, metrics: Metrics
) -> APIRouter:
    """The embeddings resource.

    Args:
        authenticate: who calls.
        embedder: name of the served embedder.
        upstream: the data plane.
        metrics: where tokens are counted.

    Returns:
        Its route.
    """
    router = APIRouter()

    @router.post("/v1/embeddings")
    async def create_embeddings(
        request: Request,
        _key: ApiKey = Depends(authenticate.needs("use", limited=True)),  # noqa: B008
    ) -> JSONResponse:
        fields = check_fields(await read_object(request), EmbeddingFields)
        if fields.model != embedder:
            raise ModelNotFoundError(
                f"The model '{fields.model}' does not make embeddings here; '{embedder}' does.", param="model"
            )
        tally = metrics.tally(record_of(request), embedder)
        answer = await while_connected(
            request, upstream.post(_ROUTE, {"model": embedder, "input": fields.input}, tally=tally)
        )
        return JSONResponse({**answer, "data": [_encode(entry, fields) for entry in answer["data"]]})

    return router


def _encode(entry: dict[str, Any], fields: EmbeddingFields) -> dict[str, Any]:
    vector: Sequence[float] = entry["embedding"]
    if fields.dimensions is not None:
        vector = shorten(vector, fields.dimensions)
    return {**entry, "embedding": to_base64(vector) if fields.encoding_format == "base64" else vector}


def shorten(vector: Sequence[float], dimensions: int) -> list[float]:
    """Keep the leading numbers of an embedding and bring it back to unit length.

    Args:
        vector: the whole embedding.
        dimensions: how many numbers to keep.

    Returns:
        A vector of length 1 with `dimensions` numbers.

    Raises:
        ConfigError: the embedding is shorter.
    """
    if dimensions > len(vector):
        raise ConfigError(
            f"dimensions={dimensions} is more than the {len(vector)} that this model makes. "
            f"Use {len(vector)} or less.",
            param="dimensions",
            code="invalid_value",
        )
    kept = vector[:dimensions]
    length = math.sqrt(sum(number * number for number in kept)) or 1.0
    return [number / length for number in kept]


def to_base64(vector: Sequence[float]) -> str:
    """Pack an embedding as the official clients ask for it when told nothing.

    Args:
        vector: the numbers.

    Returns:
        Base64 of little-endian float32.
    """
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode("ascii")
