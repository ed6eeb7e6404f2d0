"""The official Python SDK, method by method: each is served, or answers with an OpenAI error that says the way out."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tunesmith.stores.database import Database
from tunesmith.stores.keys import KeyStore

from .openapi import Spec
from .sdk import Ear, methods_of, text_of
from .sdk_surface import LOCAL, SOCKETS, second_names, served, why_not

METHODS = tuple(methods_of(openai.OpenAI(api_key="none", base_url="http://127.0.0.1:9/v1")))
HERE = {*served(), *second_names(METHODS), *LOCAL}
ELSEWHERE = tuple(name for name in METHODS if name not in HERE and not name.endswith(f".{SOCKETS}"))


@pytest.fixture
def client(gateway_url: str, database: Database, loaded_spec: Spec | None) -> Iterator[openai.OpenAI]:
    key = KeyStore(database).create("default", "chief", role="administer", of_organisation=True)
    with Ear(loaded_spec).client(api_key=key, admin_api_key=key, base_url=f"{gateway_url}/v1") as opened:
        yield opened


def test_every_method_of_the_sdk_has_its_place() -> None:
    assert len(METHODS) > 300
    assert served() <= set(METHODS)
    assert [name for name in ELSEWHERE if why_not(name) is None] == []


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_is_not_served_says_so_in_the_openai_shape_with_the_way_out(client: openai.OpenAI) -> None:
    told = {}
    for name in ELSEWHERE:
        try:
            _call(client, name)
        except openai.APIStatusError as error:
            text = text_of(error)
            # The path is served, by another method of HTTP.
            if error.status_code not in (404, 405) or str(why_not(name)) not in text:
                told[name] = f"{error.status_code} {text}"
        except Exception as error:
            told[name] = repr(error)
        else:
            told[name] = "was answered"
    assert not told, "\n".join(f"{name}: {what}" for name, what in told.items())


def _call(client: openai.OpenAI, name: str) -> None:
    method: Any = client
    for part in name.split("."):
        method = getattr(method, part)
    parameters = inspect.signature(method).parameters
    required = {
        name
        for name, one in parameters.items()
        if one.default is one.empty and one.kind is not one.VAR_KEYWORD
    }
    # A method of several forms checks by itself that one of them is complete.
    forms = inspect.getclosurevars(inspect.unwrap(method, stop=_has_forms)).nonlocals.get("variants", ((),))
    made = method(**{name: _something(str(parameters[name].annotation)) for name in required | {*forms[0]}})
    if hasattr(made, "__enter__"):
        with contextlib.ExitStack() as stack:
            list(stack.enter_context(made))


def _has_forms(function: Any) -> bool:
    return "variants" in function.__code__.co_freevars


def _something(annotation: str) -> Any:
    """A value of about the right type: enough for the SDK to make a request of it."""
    if "File" in annotation or annotation.endswith(".Video"):
        return (
            [("a.bin", b"a")] if annotation.startswith(("Iterable", "List", "Sequence")) else ("a.bin", b"a")
        )
    if annotation.startswith(("Iterable", "List", "Sequence")):
        return ["a"]
    return 1 if annotation.startswith(("int", "float")) else "a"
