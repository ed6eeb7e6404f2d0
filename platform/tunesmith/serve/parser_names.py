"""Whether the parsers that the knobs name are any that vLLM has. Loads no engine: who calls knows the names."""

from __future__ import annotations

from collections.abc import Collection

from tunesmith.config.serve import EngineConfig
from tunesmith.errors import ConfigError


def check_parser_names(
    engine: EngineConfig, *, tool_call: Collection[str], reasoning: Collection[str]
) -> None:
    """Refuse a parser that vLLM does not have, before a model is loaded for it.

    Args:
        engine: the knobs.
        tool_call: the names of vLLM's parsers for tool calls.
        reasoning: those for reasoning.

    Raises:
        ConfigError: names the knob and the parsers that there are.
    """
    for knob, name, known in (
        ("tool_call_parser", engine.tool_call_parser, tool_call),
        ("reasoning_parser", engine.reasoning_parser, reasoning),
    ):
        if name is not None and name not in known:
            raise ConfigError(
                f"engine.{knob}={name} is no parser of the installed vLLM. There are {', '.join(sorted(known))}.",
                param=f"engine.{knob}",
            )
