"""Routes that the OpenAI API has and this one has not, each with the way out: a program learns it from the answer."""

from __future__ import annotations

import re
from collections.abc import Mapping

WAYS_OUT: Mapping[str, str] = {
    r"\w+ /(assistants|threads)": "Use /v1/responses: a file_search tool, or an alias that binds stores, answers from "
    "documents, and previous_response_id goes on with a conversation.",
    r"\w+ /conversations": "Go on with a conversation by previous_response_id of /v1/responses.",
    r"\w+ /(audio|images|videos|realtime|live)": "Models served here read and write text: /v1/chat/completions and "
    "/v1/responses, whole or as a stream.",
    r"\w+ /(containers|skills|agents|vaults|chatkit)": "No code is run for a request. Send your tools as functions to "
    "/v1/responses, and run what is called.",
    r"\w+ /evals": "Measure models with `tunesmith evaluate`, which compares them with and without retrieval.",
    r"\w+ /fine_tuning/alpha": "There is no trainer for graders: use the methods supervised and dpo.",
    r"\w+ /fine_tuning/checkpoints": "Nothing has to be permitted: the version that a job ends in, and its "
    "checkpoints, answer to every key of its project.",
    r"\w+ /chat/completions": "Chat completions are not kept to be read back: /v1/responses keeps its answers.",
    r"POST /responses/compact": "Send the turns that matter as input.",
    r"POST /responses/input_tokens": "The usage of an answer says how many tokens its input had.",
    r"\w+ /(webhook_endpoints|webhook_event_types)": "Nothing is called back: ask for a job or a batch again until it "
    "has ended.",
    r"\w+ /(safety|content_provenance_checks|decisions)": "Ask a chat model for its verdict with a JSON schema, or "
    "send the request to another service.",
    r"\w+ /organization/(projects/[^/]+/)?spend_\w+": "Nothing is billed. /v1/organization/costs says what usage comes "
    "to, and the rate_limits of a project bound it.",
    r"\w+ /organization/usage": "Counted are /v1/organization/usage/completions and /embeddings; all of it is in "
    "/v1/organization/costs.",
    r"\w+ /(organization|projects)": "Of the administration there are projects, their users, service_accounts, "
    "api_keys and rate_limits; users, admin_api_keys, usage, costs and audit_logs.",
}
"""By method and path under /v1, as a regular expression that the path may go on from; the first that fits counts."""
_PATTERNS = tuple(
    (re.compile(route.replace(" ", " /v1", 1) + "(/.*)?"), way_out) for route, way_out in WAYS_OUT.items()
)


def way_out_of(method: str, path: str) -> str | None:
    """What to do instead of a request that the OpenAI API answers and this one does not.

    Args:
        method: HTTP method.
        path: path of the request, with `/v1`; the app has no route for both.

    Returns:
        A sentence; None where the OpenAI API has no such route either, as far as is known.
    """
    return next((way_out for pattern, way_out in _PATTERNS if pattern.fullmatch(f"{method} {path}")), None)
