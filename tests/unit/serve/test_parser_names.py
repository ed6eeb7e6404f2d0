from __future__ import annotations

from typing import Any

import pytest

from tunesmith.config.serve import EngineConfig
from tunesmith.errors import ConfigError
from tunesmith.serve.parser_names import check_parser_names

KNOWN: dict[str, Any] = {"tool_call": ["mistral", "hermes"], "reasoning": ["qwen3"]}


@pytest.mark.parametrize(
    "knobs",
    [{}, {"tool_call_parser": "hermes"}, {"tool_call_parser": "mistral", "reasoning_parser": "qwen3"}],
)
def test_parsers_of_vllm_are_taken(knobs: dict[str, str]) -> None:
    check_parser_names(EngineConfig(**knobs), **KNOWN)


@pytest.mark.parametrize(
    ("knob", "known"), [("tool_call_parser", "hermes, mistral"), ("reasoning_parser", "qwen3")]
)
def test_an_unknown_one_is_named_beside_those_that_there_are(knob: str, known: str) -> None:
    with pytest.raises(ConfigError, match=rf"engine\.{knob}=herms .* {known}\."):
        check_parser_names(EngineConfig(**{knob: "herms"}), **KNOWN)
