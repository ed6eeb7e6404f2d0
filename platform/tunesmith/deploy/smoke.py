"""`helm test`: the whole way on a running release, through the official client: `python -m tunesmith.deploy.smoke`.

    wait until it serves -> upload a document -> ask -> check the citation
    upload examples -> train -> ask the new version -> tidy up

It knows the address and a key, nothing else, as any program of a user does.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import httpx
import openai

DOCUMENT = (
    "# Leave at Wexcombe\n\nFull-time staff at Wexcombe receive 29 days of leave each year. "
    "Requests go to the team lead.\n"
)
QUESTION = "How many days of leave do full-time staff at Wexcombe receive?"
_FACT = "29 days"
_FILE = "leave-at-wexcombe.md"
_POLL_SECONDS = 2.0
_SECONDS_TO_SERVE = 900.0
"""A first install downloads the weights before anything can be asked."""


class SmokeError(Exception):
    """A step did not do what it promises; says which and what came instead."""


def main() -> None:
    """Run every step against OPENAI_BASE_URL with OPENAI_API_KEY."""
    try:
        client = openai.OpenAI(max_retries=10)
        wait_until_served(str(client.base_url))
        run(client)
    except (SmokeError, openai.OpenAIError) as error:
        sys.exit(f"failed: {error}")


def wait_until_served(base_url: str, *, seconds: float = _SECONDS_TO_SERVE) -> None:
    """Wait until everything behind the gateway answers.

    Args:
        base_url: the release's, with `/v1`.
        seconds: how long it may take.

    Raises:
        SmokeError: it does not; says which part.
    """
    deadline, said = time.monotonic() + seconds, ""
    while True:
        try:
            answer = httpx.get(httpx.URL(base_url).join("/readyz"), timeout=10)
            if answer.is_success:
                return
            said = answer.text[:400]
        except httpx.HTTPError as error:
            said = str(error) or type(error).__name__
        if time.monotonic() > deadline:
            raise SmokeError(f"it does not serve after {seconds:g} s: {said}")
        time.sleep(_POLL_SECONDS)


def run(client: Any, *, seconds: float = 1500, say: Callable[[str], None] = print) -> None:
    """Walk the whole way, and take away what was made.

    Args:
        client: an OpenAI client of the release.
        seconds: how long training may take.
        say: told each step.

    Raises:
        SmokeError: a step failed.
    """
    tidy: list[Callable[[], object]] = []
    try:
        base = client.models.list().data[0].id
        say(f"{base} is served")
        store = _index(client, tidy)
        say("a document was uploaded and indexed")
        _ask(client, base, store)
        say("an answer cites it")
        tuned = _train(client, base, seconds, tidy)
        say(f"{tuned} was trained")
        _ask(client, tuned, store, must_know=False)
        say(f"{tuned} answers under its name")
    finally:
        for undo in reversed(tidy):
            undo()


def _index(client: Any, tidy: list[Callable[[], object]]) -> str:
    file = client.files.create(file=(_FILE, DOCUMENT.encode()), purpose="assistants")
    tidy.append(lambda: client.files.delete(file.id))
    store = client.vector_stores.create(name=f"helm-test-{int(time.time())}", file_ids=[file.id])
    tidy.append(lambda: client.vector_stores.delete(store.id))
    seen = _wait(
        lambda: client.vector_stores.retrieve(store.id), lambda found: found.status == "completed", 300
    )
    if seen.file_counts.completed != 1:
        raise SmokeError(f"the document was not indexed: {seen.file_counts}")
    return str(store.id)


def _ask(client: Any, model: str, store: str, *, must_know: bool = True) -> None:
    search = {"type": "file_search", "vector_store_ids": [store]}
    response = client.responses.create(model=model, input=QUESTION, temperature=0, tools=[search])
    if response.status != "completed":
        raise SmokeError(f"{model} did not answer: {response.status}, {response.error}")
    if not must_know:
        return
    message = next(item for item in response.output if item.type == "message")
    cited = [one for one in message.content[0].annotations if one.filename == _FILE]
    if _FACT not in response.output_text or not cited:
        raise SmokeError(
            f"{model} was asked {QUESTION!r} and answered {response.output_text!r} with the citations {cited}; "
            f"expected {_FACT!r} and a citation of {_FILE}"
        )


def _train(client: Any, base: str, seconds: float, tidy: list[Callable[[], object]]) -> str:
    turns = [{"role": "user", "content": "Colour?"}, {"role": "assistant", "content": "blue"}]
    lines = (json.dumps({"messages": turns}) + "\n").encode() * 32
    file = client.files.create(file=("examples.jsonl", lines), purpose="fine-tune")
    tidy.append(lambda: client.files.delete(file.id))
    knobs = {"tunesmith": {"set": {"max_steps": 4, "sequence_length": 128, "packing": False}}}
    job = client.fine_tuning.jobs.create(
        model=base, training_file=file.id, suffix="helm-test", extra_body=knobs
    )
    ended = _wait(
        lambda: client.fine_tuning.jobs.retrieve(job.id),
        lambda found: found.status in ("succeeded", "failed", "cancelled"),
        seconds,
        give_up=lambda: client.fine_tuning.jobs.cancel(job.id),
    )
    if ended.status != "succeeded":
        raise SmokeError(f"the job {job.id} ended as {ended.status}: {getattr(ended.error, 'message', '')}")
    tidy.append(lambda: client.models.delete(ended.fine_tuned_model))
    return str(ended.fine_tuned_model)


def _wait(
    look: Callable[[], Any],
    until: Callable[[Any], bool],
    seconds: float,
    give_up: Callable[[], object] = lambda: None,
) -> Any:
    deadline = time.monotonic() + seconds
    while not until(seen := look()):
        if time.monotonic() > deadline:
            give_up()
            raise SmokeError(f"{seen.id} is still {seen.status} after {seconds:g} s")
        time.sleep(_POLL_SECONDS)
    return seen


if __name__ == "__main__":
    main()
