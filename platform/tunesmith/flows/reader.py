"""How well a reader reads: invented sources it was never trained on, through the real engine.

`python -m tunesmith.flows.reader MODEL` prints the figures of a model card:

    new names       entities and values that no training example held
    new phrasings   the same, and statements and questions worded as no training example was
"""

from __future__ import annotations

import argparse
import json
import os
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from tunesmith.assets import model_source
from tunesmith.datasets.reading.conversation import Conversation, ConversationMaker, Shape
from tunesmith.evaluate.intervals import Interval, wilson
from tunesmith.rag.prompt import ABSTENTION

# What retrieval puts before a reader: few short chunks, the closest first.
SHAPES = {
    name: Shape(
        split="evaluation", held_out_phrasings=held_out, max_sources=3, max_sentences=2, max_questions=1
    )
    for name, held_out in (("new names", False), ("new phrasings", True))
}
_CONFIDENCE = 0.95
_NUMBER = re.compile(r" \[\d+\]$")


@dataclass(frozen=True, slots=True)
class ReadingScore:
    """Shares between 0 and 1, each with its Wilson interval of 95%; None where nothing was asked.

    Attributes:
        values: answerable questions whose value is exact, whatever source it names.
        source_numbers: exact values that also carry the right source number.
        abstentions: unanswerable questions that were refused.
        false_abstentions: answerable questions that were refused.
    """

    values: Interval | None
    source_numbers: Interval | None
    abstentions: Interval | None
    false_abstentions: Interval | None


def make_questions(shape: Shape, *, count: int, seed: int) -> list[Conversation]:
    """Make conversations of one question each.

    Args:
        shape: which side of the splits.
        count: how many.
        seed: the seed.

    Returns:
        The conversations.
    """
    maker = ConversationMaker(shape, seed=seed)
    return [maker.make() for _ in range(count)]


def score(conversations: Sequence[Conversation], answers: Sequence[str]) -> ReadingScore:
    """Compare answers with what the sources say.

    Args:
        conversations: one question each.
        answers: the decoded text for each.

    Returns:
        The shares.
    """
    pairs = [
        (conversation.turns[0], answer.strip())
        for conversation, answer in zip(conversations, answers, strict=True)
    ]
    answerable = [(turn, answer) for turn, answer in pairs if turn.value is not None]
    exact = [(turn, answer) for turn, answer in answerable if _NUMBER.sub("", answer) == turn.value]
    return ReadingScore(
        values=_share([_NUMBER.sub("", answer) == turn.value for turn, answer in answerable]),
        source_numbers=_share([answer == turn.answer for turn, answer in exact]),
        abstentions=_share([answer == ABSTENTION for turn, answer in pairs if turn.value is None]),
        false_abstentions=_share([answer == ABSTENTION for _, answer in answerable]),
    )


def _share(found: Sequence[bool]) -> Interval | None:
    return wilson(sum(found), len(found), confidence=_CONFIDENCE) if found else None


def measure(model: str, *, count: int, seed: int) -> dict[str, ReadingScore]:
    """Ask a model through vLLM, greedily.

    Args:
        model: a shipped model's name, a folder or a Hugging Face name.
        count: questions of each shape.
        seed: seed of the questions.

    Returns:
        Scores by shape.
    """
    from vllm import LLM, SamplingParams

    engine = LLM(model_source(model), enforce_eager=True, max_model_len=2048, seed=0)
    sampling = SamplingParams(temperature=0, max_tokens=48)
    scores = {}
    for name, shape in SHAPES.items():
        conversations = make_questions(shape, count=count, seed=seed)
        prompts = [
            [{"role": message.role, "content": message.content} for message in conversation.messages()[:-1]]
            for conversation in conversations
        ]
        outputs = engine.chat(prompts, sampling, use_tqdm=False)
        scores[name] = score(conversations, [output.outputs[0].text for output in outputs])
    return scores


def main() -> None:
    """Print the scores of a model as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("--count", type=int, default=1000, help="questions of each kind")
    parser.add_argument("--seed", type=int, default=2027)
    arguments = parser.parse_args()
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
    scores = measure(arguments.model, count=arguments.count, seed=arguments.seed)
    print(json.dumps({name: asdict(value) for name, value in scores.items()}, indent=1))


if __name__ == "__main__":
    main()
