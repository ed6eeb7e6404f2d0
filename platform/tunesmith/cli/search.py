"""`tunesmith search`: what retrieval finds for a question, without a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tunesmith.cli.terminal import HomeOption, JsonOption, print_json

if TYPE_CHECKING:
    from tunesmith.records import Hit


def search(
    question: Annotated[str, typer.Argument(help="A question, or words.")],
    store: Annotated[str, typer.Option(help="Vector store.")] = "documents",
    top_k: Annotated[int, typer.Option(min=1, max=1000, help="Hits wanted.")] = 4,
    milvus_uri: Annotated[str | None, typer.Option(help="A Milvus server. [the home's own]")] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Search a store by meaning and by words."""
    from tunesmith.config.home import Home
    from tunesmith.ingest.search import search_store

    hits = search_store(question, store=store, top_k=top_k, home=Home.locate(home), milvus_uri=milvus_uri)
    if as_json:
        print_json({"store": store, "question": question, "hits": [_as_json(hit) for hit in hits]})
        return
    for number, hit in enumerate(hits, 1):
        chunk = hit.chunk
        typer.echo(f"[{number}] {chunk.document}:{chunk.start}-{chunk.end}  {chunk.title}  ({hit.score:.4f})")
        typer.echo(f"    {' '.join(chunk.text.split())}")
    if not hits:
        typer.echo(f'Nothing found in "{store}".')


def _as_json(hit: Hit) -> dict[str, Any]:
    chunk = hit.chunk
    return {
        "document": chunk.document,
        "title": chunk.title,
        "start": chunk.start,
        "end": chunk.end,
        "text": chunk.text,
        "score": hit.score,
        "chunk_id": chunk.id,
    }
