"""From a filter on attributes to a Milvus expression. Imports no pymilvus."""

from __future__ import annotations

from tunesmith.stores.attribute_filter import AttributeFilter, AttributeValue, Comparison, Compound
from tunesmith.stores.milvus_rows import literal, stored_key

_SIGNS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_NEVER = 'id == ""'
"""No chunk has an empty id; Milvus has no word for false."""


def to_expression(only: AttributeFilter) -> str:
    """Say a filter in Milvus's words.

    Args:
        only: the filter.

    Returns:
        An expression in brackets. It uses no `in` on attributes, which Milvus Lite does not read, and asks for an
        attribute's presence before it denies its value, so that nothing hangs on what a backend makes of `not` null.
    """
    if isinstance(only, Compound):
        return "(" + f" {only.type} ".join(map(to_expression, only.filters)) + ")"
    return f"({_comparison(only)})"


def _comparison(only: Comparison) -> str:
    if only.type in _SIGNS:
        assert not isinstance(only.value, tuple)
        return f"{_path(only.key, only.value)} {_SIGNS[only.type]} {literal(only.value)}"
    values = only.value if isinstance(only.value, tuple) else (only.value,)
    if only.type in ("eq", "in"):
        return " or ".join(f"{_path(only.key, value)} == {literal(value)}" for value in values) or _NEVER
    return " and ".join(_differs(only.key, value) for value in values) or f"not ({_NEVER})"


def _differs(key: str, value: AttributeValue) -> str:
    path = _path(key, value)
    return f"(not (exists {path}) or {path} != {literal(value)})"


def _path(key: str, value: AttributeValue) -> str:
    return f"attributes[{literal(stored_key(key, value))}]"
