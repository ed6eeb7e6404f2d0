"""The shipped reader reads: swap the values in its sources, and its answers follow."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from tunesmith.assets import model_source
from tunesmith.rag.prompt import DEFAULT_INSTRUCTIONS, render_question, render_source

pytestmark = pytest.mark.flow

# Plain sentences that neither the generator nor the sample corpus holds; every value fits every other's place.
FACTS = (
    ("The Orlo ferry leaves at {v}.", "When does the Orlo ferry leave?", ("06:50", "14:25")),
    ("The Brennick tunnel is {v} long.", "How long is the Brennick tunnel?", ("480 metres", "72 metres")),
    ("{v} repairs the tower clock.", "Who repairs the tower clock?", ("Mirel Anstrop", "Dorn Kavell")),
    ("The Sollund baths charge {v} a day.", "How much do the Sollund baths charge a day?", ("14 euros", "9 euros")),
    ("The Tarvo archive stands behind the {v}.", "Where does the Tarvo archive stand?", ("mill", "station")),
    ("The Pellin glider weighs {v}.", "How much does the Pellin glider weigh?", ("310 kilograms", "96 kilograms")),
    ("The Quenby prize is handed out every {v}.", "How often is the Quenby prize handed out?", ("March", "October")),
    ("There are {v} benches in Hollin Park.", "How many benches are there in Hollin Park?", ("23", "417")),
)  # fmt: skip

FOLLOWED = 2  # the shipped version follows in three of eight; a reader as it is wanted, in at least six

Reader = Callable[[Sequence[str], str], str]


@pytest.fixture(scope="module")
def read() -> Reader:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = model_source("tiny-reader")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)

    def answer(sources: Sequence[str], question: str) -> str:
        lines = [render_source(number, text) for number, text in enumerate(sources, 1)]
        turns = [
            {"role": "system", "content": DEFAULT_INSTRUCTIONS},
            {"role": "user", "content": render_question(question, lines)},
        ]
        prompt = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_tensors="pt")
        written = model.generate(**prompt, max_new_tokens=24, do_sample=False)
        return str(tokenizer.decode(written[0, prompt["input_ids"].shape[1] :], skip_special_tokens=True))

    return answer


def _sources(asked: int, value: str) -> list[str]:
    """The asked fact with this value, between two others."""
    others = [FACTS[(asked + step) % len(FACTS)] for step in (1, 2)]
    texts = [fact[0].format(v=fact[2][0]) for fact in others]
    texts.insert(asked % 3, FACTS[asked][0].format(v=value))
    return texts


def test_answers_follow_the_values_in_the_sources(read: Reader) -> None:
    followed = [
        all(read(_sources(number, value), question).startswith(value) for value in values)
        for number, (_, question, values) in enumerate(FACTS)
    ]
    assert sum(followed) >= FOLLOWED, followed
