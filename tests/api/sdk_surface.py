"""What the official SDKs can do, method by method: what is served here, and what is not, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

SERVED: Mapping[str, str] = {
    "batches": "cancel create list retrieve",
    "chat.completions": "create parse stream",
    "completions": "create",
    "embeddings": "create",
    "files": "content create delete list retrieve retrieve_content wait_for_processing",
    "fine_tuning.jobs": "cancel create list list_events pause resume retrieve",
    "fine_tuning.jobs.checkpoints": "list",
    "models": "delete list retrieve",
    "responses": "cancel create delete parse retrieve stream",
    "responses.input_items": "list",
    "uploads": "cancel complete create upload_file_chunked",
    "uploads.parts": "create",
    "vector_stores": "create delete list retrieve search update",
    "vector_stores.file_batches": "cancel create create_and_poll list_files poll retrieve upload_and_poll",
    "vector_stores.files": "content create create_and_poll delete list poll retrieve update upload upload_and_poll",
    "admin.organization.admin_api_keys": "create delete list retrieve",
    "admin.organization.audit_logs": "list",
    "admin.organization.projects": "archive create list retrieve update",
    "admin.organization.projects.api_keys": "delete list retrieve",
    "admin.organization.projects.rate_limits": "list_rate_limits update_rate_limit",
    "admin.organization.projects.service_accounts": "create delete list retrieve",
    "admin.organization.projects.service_accounts.api_keys": "create",
    "admin.organization.projects.users": "create delete list retrieve update",
    "admin.organization.usage": "completions costs embeddings",
    "admin.organization.users": "delete list retrieve update",
}
"""By resource of the Python SDK: the methods that a live platform answers."""

WITHOUT_ENGINE = ("admin.", "files.", "fine_tuning.", "models.", "uploads.")
"""Resources that the gateway answers by itself."""

WITH_ENGINE = ("batches.", "chat.", "completions.", "embeddings.", "responses.", "vector_stores.")
"""Resources that need what stands behind it."""

SAME: Mapping[str, str] = {
    "beta.chat.completions": "chat.completions",
    "beta.responses": "responses",
}
"""Second names in the SDK for routes that are called under their first one."""

LOCAL = (
    "beta.agents.environments.files.prepare",
    "beta.agents.environments.files.prepare_directory",
    "beta.agents.environments.files.upload",
    "beta.agents.sessions.artifacts.for_result",
    "webhooks.unwrap",
    "webhooks.verify_signature",
)
"""What the SDK does without a request, or after a look at local files or at what only the hosted API could say; the
methods beneath are tried."""

SOCKETS = "connect"
"""A method of this name opens a websocket, and there is none here: streams are server-sent events."""

NOT_SERVED: Mapping[str, str] = {
    "admin.organization": "Of the administration there are projects",
    "admin.organization.projects.spend_alerts": "Nothing is billed",
    "admin.organization.projects.spend_limit": "Nothing is billed",
    "admin.organization.spend_alerts": "Nothing is billed",
    "admin.organization.spend_limit": "Nothing is billed",
    "admin.organization.usage": "Counted are",
    "audio": "read and write text",
    "beta.agents": "No code is run",
    "beta.assistants": "Use /v1/responses",
    "beta.chat.completions": "/v1/responses keeps",
    "beta.chatkit": "No code is run",
    "beta.realtime": "read and write text",
    "beta.responses.compact": "Send the turns that matter",
    "beta.responses.input_tokens": "The usage of an answer",
    "beta.threads": "Use /v1/responses",
    "chat.completions": "/v1/responses keeps",
    "containers": "No code is run",
    "content_provenance_checks": "JSON schema",
    "conversations": "previous_response_id",
    "decisions": "JSON schema",
    "evals": "tunesmith evaluate",
    "fine_tuning.alpha": "no trainer for graders",
    "fine_tuning.checkpoints": "answer to every key",
    "images": "read and write text",
    "live": "read and write text",
    "moderations": "Ask a chat model",
    "realtime": "read and write text",
    "responses.compact": "Send the turns that matter",
    "responses.input_tokens": "The usage of an answer",
    "safety": "JSON schema",
    "skills": "No code is run",
    "videos": "read and write text",
    "webhooks": "Nothing is called back",
}
"""Methods, or resources with all that is not `SERVED` of them, and a piece of the way out that their answer says; the
longest name that fits a method counts."""


def served(resources: Iterable[str] = ("",)) -> set[str]:
    """Every method that is served.

    Args:
        resources: only those whose name begins so.

    Returns:
        Names such as `fine_tuning.jobs.create`.
    """
    begins = tuple(resources)
    names = {f"{resource}.{method}" for resource, methods in SERVED.items() for method in methods.split()}
    return {name for name in names if name.startswith(begins)}


def plain(method: str) -> str:
    """A method's name as all languages have it.

    Args:
        method: `fineTuning.jobs.listEvents` or `fine_tuning.jobs.list_events`.

    Returns:
        `finetuning.jobs.listevents`.
    """
    return method.replace("_", "").lower()


def second_names(methods: Iterable[str]) -> dict[str, str]:
    """Those methods that are another name for a served one.

    Args:
        methods: of the SDK.

    Returns:
        The served method by its second name.
    """
    known = {plain(method) for method in served()}
    return {
        method: first
        for method in methods
        for second, name in SAME.items()
        if plain(method).startswith(f"{second}.")
        and (first := name + plain(method).removeprefix(second)) in known
    }


def why_not(method: str) -> str | None:
    """What the answer to a method that is not served says.

    Args:
        method: of the SDK.

    Returns:
        A piece of the way out; None if nothing was said about the method.
    """
    fitting = [name for name in NOT_SERVED if f"{plain(method)}.".startswith(f"{plain(name)}.")]
    return NOT_SERVED[max(fitting, key=len)] if fitting else None
