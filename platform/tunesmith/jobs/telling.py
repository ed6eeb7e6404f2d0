"""From what an attempt notes to what the owner of a job is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tunesmith.records import EventLevel


@dataclass(frozen=True, slots=True)
class Told:
    """One thing to tell; see `JobEvent`, which it becomes once it is numbered."""

    message: str
    level: EventLevel = "info"
    type: Literal["message", "metrics"] = "message"
    data: Mapping[str, Any] = field(default_factory=dict)
    created_at: int | None = None


MOST_CHARACTERS = 4000
"""Of one message: what a program or a file's author wrote into an error has no end of its own."""


def cut(message: str) -> str:
    """Shorten a message that is too long to be read.

    Args:
        message: any text.

    Returns:
        The text, or its beginning with a word on what is left out.
    """
    if len(message) <= MOST_CHARACTERS:
        return message
    return f"{message[:MOST_CHARACTERS]} ... ({len(message) - MOST_CHARACTERS} more characters)"


def tell_of(event: Mapping[str, Any]) -> Told | None:
    """Put an attempt's event into words.

    Args:
        event: as the attempt wrote it (`jobs.events`).

    Returns:
        What to tell; None where it is nobody's business.
    """
    at = int(event["time"]) if "time" in event else None
    match event["type"]:
        case "prepared":
            message = (
                f"Training data packed: {event['num_examples']} examples, {event['num_tokens']} tokens, "
                f"{event['num_steps']} steps"
            )
            if measured_on := event.get("num_validation_examples"):
                message += f"; measured on {measured_on} examples"
            return Told(message, created_at=at)
        case "waiting":
            return Told(f"Waiting for {event['message']}", created_at=at)
        case "reference":
            return Told(
                f"Computing the reference log-probabilities of {event['num_pairs']} pairs", created_at=at
            )
        case "engine":
            return Told(_engine(event), created_at=at)
        case "step":
            data = {"step": event["step"], **shown_metrics(event["values"])}
            return Told(_step(event), type="metrics", data=data, created_at=at)
        case "checkpoint":
            return Told(f"Checkpoint created at step {event['step']}", created_at=at)
        case "failed":
            return Told(f"A worker failed: {event['message']}", level="warn", created_at=at)
        case _:
            return None


def _engine(event: Mapping[str, Any]) -> str:
    what = f"{event['engine']}, ZeRO {event['zero_stage']}, {event['world_size']} workers"
    if event["resumed_from"]:
        return f"Fine-tuning goes on from step {event['resumed_from']} ({what})"
    return f"Fine-tuning started ({what})"


def _step(event: Mapping[str, Any]) -> str:
    values = event["values"]
    said = f"Step {event['step']}: training loss={values['loss']:.4f}"
    return f"{said}, validation loss={values['valid_loss']:.4f}" if "valid_loss" in values else said


_SHOWN = {
    "loss": "train_loss",
    "mean_token_accuracy": "train_mean_token_accuracy",
    "valid_loss": "valid_loss",
    "valid_mean_token_accuracy": "valid_mean_token_accuracy",
}
"""The OpenAI API's names of what is measured at a step, in its order."""


def shown_metrics(values: Mapping[str, float]) -> dict[str, float]:
    """What was measured at a step, by the names of the OpenAI API.

    Args:
        values: as the attempt noted them.

    Returns:
        First what that API has a name for; the rest under ours.
    """
    known = {name: values[ours] for ours, name in _SHOWN.items() if ours in values}
    return known | {name: value for name, value in values.items() if name not in _SHOWN}
