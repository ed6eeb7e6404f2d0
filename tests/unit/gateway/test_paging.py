from __future__ import annotations

from urllib.parse import urlencode

import pytest
from pydantic import Field
from starlette.requests import Request

from tunesmith.errors import ConfigError
from tunesmith.gateway.paging import PageFields, page_object, read_page


class LongFields(PageFields):
    limit: int = Field(10_000, ge=1, le=10_000)


def asked(**query: object) -> Request:
    return Request({"type": "http", "headers": [], "query_string": urlencode(query).encode()})


def test_a_page_has_its_defaults() -> None:
    assert read_page(asked(), PageFields).model_dump() == {"after": None, "limit": 20, "order": "desc"}
    assert read_page(asked(), LongFields).limit == 10_000


def test_a_page_is_what_was_asked_for() -> None:
    page = read_page(asked(after="x_1", limit=5, order="asc", unknown="passed over"), PageFields)
    assert page.model_dump() == {"after": "x_1", "limit": 5, "order": "asc"}


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 101}, "limit"),
        ({"limit": "x"}, "limit"),
        ({"order": "up"}, "order"),
    ],
)
def test_a_wrong_query_is_named(query: dict[str, object], param: str) -> None:
    with pytest.raises(ConfigError, match=f"'{param}'") as error:
        read_page(asked(**query), PageFields)
    assert error.value.param == param


def test_a_page_names_its_ends() -> None:
    shown = [{"id": "x_1"}, {"id": "x_2"}]
    assert page_object(shown, has_more=True) == {
        "object": "list",
        "data": shown,
        "first_id": "x_1",
        "last_id": "x_2",
        "has_more": True,
    }
    assert page_object([], has_more=False)["first_id"] == ""
