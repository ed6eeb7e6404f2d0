"""vLLM's parser of tool calls where none is configured. Heavy: only a replica of the engine imports this."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vllm.entrypoints.generate.base.protocol import DeltaMessage, ExtractedToolCallInformation
from vllm.exceptions import VLLMValidationError
from vllm.tool_parsers import ToolParser, ToolParserManager

_NAME = "tunesmith_forced"

FORCED_CALLS: dict[str, Any] = {"enable_auto_tool_choice": True, "tool_call_parser": _NAME}
"""Arguments of vLLM that put it in the place of a model's own parser."""


class ForcedCalls(ToolParser):  # type: ignore[misc]
    """Reads the calls that a request forces, of any model, and refuses to look for others.

    vLLM decodes a call that is forced (`required`, a function's name) to the JSON schema of the functions, and reads it
    as JSON: that needs nothing of the model, but a parser to be there. What a model writes when it may choose has
    a form of its own, which somebody must name.
    """

    def adjust_request(self, request: Any) -> Any:
        """Prepare a request; vLLM calls this for each that has tools.

        Args:
            request: a chat request.

        Returns:
            The request, bound to the schema of the call that it forces.

        Raises:
            VLLMValidationError: it leaves it to the model whether to call.
        """
        if request.tools and request.tool_choice == "auto":
            raise VLLMValidationError("tool_choice auto requires --tool-call-parser", parameter="tool_choice")
        return super().adjust_request(request)

    def extract_tool_calls(self, model_output: str, request: Any) -> ExtractedToolCallInformation:  # noqa: ARG002
        """Read an answer without a forced call: it is text.

        Args:
            model_output: the answer.
            request: a chat request.

        Returns:
            The answer as text.
        """
        return ExtractedToolCallInformation(tools_called=False, tool_calls=[], content=model_output)

    def extract_tool_calls_streaming(
        self,
        previous_text: str,  # noqa: ARG002
        current_text: str,  # noqa: ARG002
        delta_text: str,
        previous_token_ids: Sequence[int],  # noqa: ARG002
        current_token_ids: Sequence[int],  # noqa: ARG002
        delta_token_ids: Sequence[int],  # noqa: ARG002
        request: Any,  # noqa: ARG002
    ) -> DeltaMessage | None:
        """Read a piece of an answer without a forced call: it is text.

        Args:
            previous_text: before the piece.
            current_text: with it.
            delta_text: the piece.
            previous_token_ids: before it.
            current_token_ids: with it.
            delta_token_ids: of it.
            request: a chat request.

        Returns:
            The piece as text.
        """
        return DeltaMessage(content=delta_text) if delta_text else None


def register_forced_calls() -> None:
    """Make vLLM know this parser by its name."""
    ToolParserManager.register_lazy_module(_NAME, __name__, ForcedCalls.__name__)


def parse_only_tools(chat: Any) -> None:
    """Have vLLM read answers for calls where the request has tools, and pass all others on unread.

    Args:
        chat: vLLM's handler of chat requests.
    """
    make = chat._make_parser

    def make_for_tools(request: Any, *rest: Any) -> Any:
        return make(request, *rest) if request.tools else None

    chat._make_parser = make_for_tools
