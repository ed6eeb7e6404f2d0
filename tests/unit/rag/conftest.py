from collections.abc import Callable

import pytest

from tunesmith.records import Chunk, Hit, Source


@pytest.fixture
def source() -> Callable[..., Source]:
    def make(
        number: int, text: str, *, document: str = "leave.md", title: str = "", start: int = 0
    ) -> Source:
        chunk = Chunk(f"{document}@{start}", document, title, 0, start, start + len(text), text)
        return Source(number, Hit(chunk, 1.0, "documents"))

    return make
