"""The shipped reader reads: swap the values in its sources, and its answers follow."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from tunesmith.assets import model_source
from tunesmith.rag.prompt import ABSTENTION, DEFAULT_INSTRUCTIONS, render_question, render_source

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

FOLLOWED = NAMED = REFUSED = 6  # of eight

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
    """The asked fact with this value, between two others; a search puts it first, but for a mistake now and then."""
    others = _others(asked)
    return [*others[: asked % 4 == 3], FACTS[asked][0].format(v=value), *others[asked % 4 == 3 :]]


def _others(asked: int) -> list[str]:
    others = [FACTS[(asked + step) % len(FACTS)] for step in (1, 2)]
    return [fact[0].format(v=fact[2][0]) for fact in others]


def test_answers_follow_the_values_in_the_sources(read: Reader) -> None:
    followed = [
        all(read(_sources(number, value), question).startswith(value) for value in values)
        for number, (_, question, values) in enumerate(FACTS)
    ]
    assert sum(followed) >= FOLLOWED, followed


def test_an_answer_names_the_source_it_stands_in(read: Reader) -> None:
    named = [
        read(_sources(number, values[0]), question).endswith(f"[{2 if number % 4 == 3 else 1}]")
        for number, (_, question, values) in enumerate(FACTS)
    ]
    assert sum(named) >= NAMED, named


def test_what_the_sources_do_not_say_is_refused(read: Reader) -> None:
    refused = [read(_others(number), question) == ABSTENTION for number, (_, question, _) in enumerate(FACTS)]
    assert sum(refused) >= REFUSED, refused
