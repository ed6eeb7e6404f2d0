"""The judge itself: what it lets pass and what it does not."""

from __future__ import annotations

import pytest

from .openapi import Spec

FILE = {
    "id": "file-1",
    "object": "file",
    "bytes": 1,
    "created_at": 1,
    "filename": "a",
    "purpose": "batch",
    "status": "processed",
}


def test_a_right_answer_passes(spec: Spec) -> None:
    spec.check("GET", "/files/file-1", 200, FILE)
    spec.check("POST", "/files", 200, {**FILE, "purpose": "evals"})


@pytest.mark.parametrize("wrong", [{"bytes": "1"}, {"purpose": "fun"}, {"expires_at": None}, {"id": None}])
def test_a_wrong_value_is_told(spec: Spec, wrong: dict[str, object]) -> None:
    with pytest.raises(AssertionError, match=next(iter(wrong))):
        spec.check("GET", "/files/file-1", 200, {**FILE, **wrong})


def test_a_missing_key_is_told(spec: Spec) -> None:
    with pytest.raises(AssertionError, match="'first_id' is a required property"):
        spec.check("GET", "/files", 200, {"object": "list", "data": [], "has_more": False})


def test_an_error_has_all_its_keys(spec: Spec) -> None:
    error = {"message": "m", "type": "t", "param": None, "code": None}
    spec.check("GET", "/files", 400, {"error": error})
    with pytest.raises(AssertionError, match="'code' is a required property"):
        spec.check("GET", "/files", 400, {"error": {"message": "m", "type": "t", "param": None}})


def test_what_the_spec_does_not_know_is_told(spec: Spec) -> None:
    assert spec.knows("/files/file-1")
    assert not spec.knows("/aliases")
    with pytest.raises(AssertionError, match="no PATCH /files"):
        spec.check("PATCH", "/files", 200, {})
