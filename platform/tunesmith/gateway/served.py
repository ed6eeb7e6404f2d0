"""What of a request is served. The engine passes over fields that it does not know, and nobody would learn it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tunesmith.errors import ConfigError

_ENGINE_ALONE = frozenset(
    {
        "chat_template",
        "ec_transfer_params",
        "kv_transfer_params",
        "media_io_kwargs",
        "mm_processor_kwargs",
        "priority",
        "prompt_embeds",
        "request_id",
        "vllm_xargs",
    }
)
"""Fields of vLLM's own that reach beyond the one answer: into other requests, other hosts, or its code."""


@dataclass(frozen=True, slots=True)
class Unserved:
    """An OpenAI field that would change the answer, and that the platform has nothing for.

    Attributes:
        way_out: what to do instead.
        harmless: values that ask for nothing.
    """

    way_out: str
    harmless: tuple[Any, ...] = (False,)


def served_fields(body: Mapping[str, Any], unserved: Mapping[str, Unserved]) -> dict[str, Any]:
    """Refuse what would be passed over although it matters, and drop what says nothing.

    Args:
        body: the request's fields.
        unserved: OpenAI fields of this route that are not served.

    Returns:
        The body without nulls and without harmless values of unserved fields.

    Raises:
        ConfigError: names the first field at fault.
    """
    for name, value in body.items():
        if name in _ENGINE_ALONE:
            raise ConfigError(
                f"Unknown parameter: '{name}'. It is the engine's own, and closed. Leave it out.",
                param=name,
                code="unknown_parameter",
            )
        if name in unserved and value is not None and value not in unserved[name].harmless:
            raise ConfigError(
                f"{name}={str(value)[:80]} is not served here. {unserved[name].way_out}",
                param=name,
                code="unsupported_parameter",
            )
    return {name: value for name, value in without_nulls(body).items() if name not in unserved}


def without_nulls(record: Mapping[str, Any]) -> dict[str, Any]:
    """Drop what is null: to the engine it is not the same as what was left out, to the OpenAI schema neither.

    Args:
        record: a JSON object.

    Returns:
        Its other fields; those inside of values stay as they are.
    """
    return {name: value for name, value in record.items() if value is not None}


def complete_usage(usage: Mapping[str, Any]) -> dict[str, Any]:
    """Bring the counts of an answer into the OpenAI schema.

    Args:
        usage: of the engine.

    Returns:
        The same without nulls; of the prompt's details what the schema knows, the tokens from the prefix cache.
    """
    counts = without_nulls(usage)
    if details := counts.pop("prompt_tokens_details", None):
        counts["prompt_tokens_details"] = {
            "audio_tokens": 0,
            "cached_tokens": details.get("cached_tokens") or 0,
        }
    return counts
