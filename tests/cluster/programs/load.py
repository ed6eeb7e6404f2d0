"""Ask all the time, as users do, and count what fails: `SECONDS`. Each second it says the count so far, as JSON.

Nothing is asked twice: a request that fails has failed.
"""

import json
import sys
import time
from typing import Any

import openai

PAUSE_SECONDS = 0.2


def load(client: Any, seconds: float, say: Any = print) -> dict[str, Any]:
    """Ask until the time is up."""
    counts: dict[str, Any] = {"asked": 0, "failed": 0, "last": ""}
    deadline, told = time.monotonic() + seconds, 0.0
    model = client.models.list().data[0].id
    while time.monotonic() < deadline:
        for ask in (client.models.list, lambda: complete(client, model)):
            counts["asked"] += 1
            try:
                ask()
            except openai.OpenAIError as error:
                counts["failed"] += 1
                counts["last"] = f"{type(error).__name__}: {error}"[:200]
        if time.monotonic() - told > 1:
            say(json.dumps(counts))
            told = time.monotonic()
        time.sleep(PAUSE_SECONDS)
    say(json.dumps(counts))
    return counts


def complete(client: Any, model: str) -> None:
    """One short answer, streamed to its end."""
    messages = [{"role": "user", "content": "Colour?"}]
    with client.chat.completions.create(model=model, messages=messages, max_tokens=4, stream=True) as stream:
        for _ in stream:
            pass


if __name__ == "__main__":
    load(openai.OpenAI(max_retries=0), float(sys.argv[1]))
