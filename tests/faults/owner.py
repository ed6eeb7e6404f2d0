"""The owner of a job: asks for it, follows it through the API whatever dies meanwhile, and believes nothing twice."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any, TypeVar

import openai
from live_platform import LivePlatform
from moments import EVERY_STEPS, MOST_SECONDS, NUM_STEPS

from tunesmith.records import FINAL_STATES

Answer = TypeVar("Answer")
MODEL = "tiny-reader"
_QUESTION = "What is the colour of the sign?"
_ANSWER = "blue blue blue"
_SECONDS_BETWEEN_LOOKS = 0.5


class Owner:
    """One program with the official client, and one job of its own.

    Args:
        platform: where the job runs.
        clients: all that are asked, in turn; by default the platform's own gateway.
    """

    def __init__(self, platform: LivePlatform, *clients: openai.OpenAI) -> None:
        self._clients = clients or (platform.client,)
        self._turn = 0
        self._status = ""
        self.events: list[dict[str, Any]] = []
        """All that was told, oldest first."""
        self.file_id, self.job_id = self._submit()

    def look(self) -> str:
        """Ask the next gateway for the job and its events; what was told once stays as it was told."""
        self._turn += 1
        status = str(self.ask(lambda client: client.fine_tuning.jobs.retrieve(self.job_id)).status)
        assert self._status not in FINAL_STATES or status == self._status, (
            f"{self._status}, and then {status}"
        )
        self._status, before, self.events = status, self.events, self._events()
        assert self.events[: len(before)] == before, (before, self.events)
        return status

    def follow(self) -> str:
        """Look until the job has ended; answers how."""
        deadline = time.monotonic() + MOST_SECONDS
        while (status := self.look()) not in FINAL_STATES:
            assert time.monotonic() < deadline, f"stuck: {status}, {self.messages()[-5:]}"
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        self.look()  # what was told with the end
        return status

    def messages(self) -> list[str]:
        return [event["message"] for event in self.events]

    def jobs(self) -> list[str]:
        """The jobs on its file: of each case, one."""
        listed = self.ask(lambda client: list(client.fine_tuning.jobs.list(limit=100)))
        return [job.id for job in listed if job.training_file == self.file_id]

    def results(self) -> list[bytes]:
        """The loss curves that came of the job."""

        def read(client: openai.OpenAI) -> list[bytes]:
            files = client.files.list(purpose="fine-tune-results")
            return [client.files.content(file.id).content for file in files if self.job_id in file.filename]

        return self.ask(read)

    def say(self, model: str) -> str:
        """Ask a version the question that it was trained on."""
        turns: list[Any] = [{"role": "user", "content": _QUESTION}]
        said = self.ask(
            lambda client: client.chat.completions.create(
                model=model, messages=turns, temperature=0, max_tokens=8
            )
        )
        return said.choices[0].message.content or ""

    def models(self) -> list[str]:
        return self.ask(lambda client: [model.id for model in client.models.list()])

    def ask(self, question: Callable[[openai.OpenAI], Answer]) -> Answer:
        """Ask until it is answered: while a gateway or an engine is on its way back, a client asks on."""
        deadline = time.monotonic() + MOST_SECONDS
        while True:
            try:
                return question(self._clients[self._turn % len(self._clients)])
            except (openai.APIConnectionError, openai.InternalServerError):
                if time.monotonic() > deadline:
                    raise
                self._turn += 1
                time.sleep(_SECONDS_BETWEEN_LOOKS)

    def _submit(self) -> tuple[str, str]:
        turns = [{"role": "user", "content": _QUESTION}, {"role": "assistant", "content": _ANSWER}]
        lines = (json.dumps({"messages": turns}) + "\n").encode() * 32
        knobs = {
            "max_steps": NUM_STEPS,
            "checkpoint_every_steps": EVERY_STEPS,
            "sequence_length": 64,
            "packing": False,
            "resources.num_workers": 1,
        }
        client = self._clients[0]
        file = client.files.create(file=("train.jsonl", lines), purpose="fine-tune")
        made = client.fine_tuning.jobs.create(
            training_file=file.id, model=MODEL, suffix="signs", extra_body={"tunesmith": {"set": knobs}}
        )
        return file.id, made.id

    def _events(self) -> list[dict[str, Any]]:
        listed = self.ask(lambda client: list(client.fine_tuning.jobs.list_events(self.job_id, limit=100)))
        return [event.to_dict() for event in reversed(listed)]
