"""Which documents a search may find, said of their attributes. Read at the HTTP edge, obeyed by the vector store.

{"type": "and", "filters": [{"type": "eq", "key": "team", "value": "hr"},
                            {"type": "gte", "key": "year", "value": 2026}]}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tunesmith.errors import ConfigError

AttributeValue = str | float | bool
"""What an attribute may be; int stands with float."""

_EQUAL = ("eq", "ne")
_ORDERED = ("gt", "gte", "lt", "lte")
_LISTED = ("in", "nin")
_JOINED = ("and", "or")
_MAX_DEPTH = 8
_MAX_COMPARISONS = 256
_MAX_KEY = 64
"""Letters of an attribute's name, here and where attributes are set."""
_LARGEST = 2**63
"""Numbers stay below it: Milvus reads whole ones of 64 bits."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One attribute held against a value.

    A value is only ever compared with one of its own kind: text, number, or boolean. A document without the attribute,
    or with one of another kind, is not equal to it, and neither more nor less: `ne` and `nin` let it through.

    Attributes:
        type: `eq`, `ne`, `gt`, `gte`, `lt`, `lte`, `in` or `nin`.
        key: the attribute's name.
        value: what it is compared with; several for `in` and `nin`.
    """

    type: str
    key: str
    value: AttributeValue | tuple[AttributeValue, ...]


@dataclass(frozen=True, slots=True)
class Compound:
    """Several filters, all (`and`) or some (`or`) of which must hold."""

    type: str
    filters: tuple[AttributeFilter, ...]


AttributeFilter = Comparison | Compound


def parse_filter(given: Any, *, param: str = "filters") -> AttributeFilter:
    """Read a filter as the OpenAI API writes it.

    Args:
        given: parsed JSON.
        param: name of the request's field, for errors.

    Returns:
        The filter.

    Raises:
        ConfigError: it is none; says where and why.
    """
    found = _parse(given, param, depth=1)
    if _num_comparisons(found) > _MAX_COMPARISONS:
        raise _fault(param, f"holds more than {_MAX_COMPARISONS} comparisons. Ask for less at a time")
    return found


def _parse(given: Any, where: str, *, depth: int) -> AttributeFilter:
    if not isinstance(given, Mapping):
        raise _fault(where, "is no object with type, key and value, or type and filters")
    if depth > _MAX_DEPTH:
        raise _fault(where, f"lies more than {_MAX_DEPTH} deep. Say it in fewer levels")
    if given.get("type") in _JOINED:
        return _compound(given, where, depth)
    if given.get("type") in (*_EQUAL, *_ORDERED, *_LISTED):
        return _comparison(given, where)
    known = ", ".join((*_EQUAL, *_ORDERED, *_LISTED, *_JOINED))
    raise _fault(f"{where}.type", f"is {given.get('type')!r}, which is none of {known}")


def _compound(given: Mapping[str, Any], where: str, depth: int) -> Compound:
    _require_only(given, ("type", "filters"), where)
    parts = given.get("filters")
    if not isinstance(parts, list) or not parts:
        raise _fault(f"{where}.filters", "must be a list with at least one filter")
    parsed = [_parse(part, f"{where}.filters.{place}", depth=depth + 1) for place, part in enumerate(parts)]
    return Compound(given["type"], tuple(parsed))


def _comparison(given: Mapping[str, Any], where: str) -> Comparison:
    _require_only(given, ("type", "key", "value"), where)
    kind, key = given["type"], given.get("key")
    value: Any = given.get("value")
    if not isinstance(key, str) or not 0 < len(key) <= _MAX_KEY:
        raise _fault(f"{where}.key", f"must be a text of 1 to {_MAX_KEY} letters")
    if kind in _LISTED:
        if not isinstance(value, list) or not all(map(_is_value, value)):
            raise _fault(
                f"{where}.value", f"must be a list of texts or numbers, for that is what {kind} takes"
            )
        return Comparison(kind, key, tuple(value))
    if not _is_value(value):
        raise _fault(f"{where}.value", "must be a text, a number or a boolean")
    if kind in _ORDERED and isinstance(value, bool):
        raise _fault(
            f"{where}.value", f"is a boolean, of which none is greater. Use eq or ne in place of {kind}"
        )
    return Comparison(kind, key, value)


def _require_only(given: Mapping[str, Any], fields: tuple[str, ...], where: str) -> None:
    for name in given:
        if name not in fields:
            raise _fault(f"{where}.{name}", f"is not known; there are {', '.join(fields)}")


def _is_value(value: Any) -> bool:
    if isinstance(value, float | int):
        return abs(value) < _LARGEST  # which no NaN is
    return isinstance(value, str)


def _num_comparisons(given: AttributeFilter) -> int:
    if isinstance(given, Compound):
        return sum(map(_num_comparisons, given.filters))
    return max(1, len(given.value)) if isinstance(given.value, tuple) else 1


def _fault(where: str, what: str) -> ConfigError:
    return ConfigError(f"Invalid value for '{where}': it {what}.", param=where, code="invalid_value")


def filter_schema(itself: Mapping[str, Any]) -> dict[str, Any]:
    """Say as a JSON schema what `parse_filter` reads; how deep and how much at once has no words there.

    Args:
        itself: a reference to this schema, for the filters that a compound holds.

    Returns:
        The schema.
    """
    number = {"type": "number", "exclusiveMinimum": -_LARGEST, "exclusiveMaximum": _LARGEST}
    text, flag = {"type": "string"}, {"type": "boolean"}
    key = {"type": "string", "minLength": 1, "maxLength": _MAX_KEY}
    some = {"type": "array", "items": {"anyOf": [text, number, flag]}, "maxItems": _MAX_COMPARISONS}
    return {
        "description": f"At most {_MAX_DEPTH} deep, with at most {_MAX_COMPARISONS} comparisons.",
        "anyOf": [
            _closed(_EQUAL, key=key, value={"anyOf": [text, number, flag]}),
            _closed(_ORDERED, key=key, value={"anyOf": [text, number]}),
            _closed(_LISTED, key=key, value=some),
            _closed(_JOINED, filters={"type": "array", "items": dict(itself), "minItems": 1}),
        ],
    }


def _closed(types: tuple[str, ...], **fields: Any) -> dict[str, Any]:
    properties = {"type": {"type": "string", "enum": list(types)}, **fields}
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
