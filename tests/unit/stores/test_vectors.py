from __future__ import annotations

import re

import pytest

from tunesmith.errors import ConfigError
from tunesmith.stores.vectors import StoreRecord, collection_name, shared_collection


def record(name: str, collection: str = "c", embedder: str = "e") -> StoreRecord:
    return StoreRecord(f"vs_{name}", "acme", name, collection, embedder)


def test_a_scope_names_project_and_store() -> None:
    assert record("faq").scope == "acme/vs_faq"


@pytest.mark.parametrize("embedder", ["all-MiniLM-L6-v2", "BAAI/bge-m3", "/models/我的 model", "x" * 300])
def test_a_collection_name_is_what_milvus_takes(embedder: str) -> None:
    assert re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,254}", collection_name(embedder))


def test_embedders_of_one_base_name_have_collections_of_their_own() -> None:
    assert collection_name("one/bge-m3") != collection_name("two/bge-m3")
    assert collection_name("one/bge-m3") == collection_name("one/bge-m3")


def test_stores_of_one_collection_are_searched_together() -> None:
    assert shared_collection([record("a"), record("b")]) == "c"


def test_stores_of_several_collections_are_told_with_their_embedders() -> None:
    with pytest.raises(ConfigError, match=r'"a" \(e5\), "b" \(bge\)'):
        shared_collection([record("a", "c1", "e5"), record("b", "c2", "bge")])
