"""How BM25 cuts text into words: a collection's analyzer in Milvus's terms, part of its schema version."""

from __future__ import annotations

from typing import Any

# Words that stand in every English text. Written out because Milvus Lite knows no named lists.
_STOP_WORDS = """
    a an and are as at be but by for from had has have he her his i if in into is it its not of on or our she
    so such that the their them then there these they this to was we were what when where which who will with
    you your do does did how can could should would many much any some
"""

ANALYZER: dict[str, Any] = {
    "tokenizer": "standard",
    "filter": ["lowercase", {"type": "stop", "stop_words": _STOP_WORDS.split()}],
}
"""Words in lower case without the most common English ones; the same on Milvus and on Milvus Lite."""
