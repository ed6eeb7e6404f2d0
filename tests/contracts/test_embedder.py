"""What every embedder does: the fake, the light BERT and sentence-transformers; and the last two agree."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from tunesmith.engines.embedder import DEFAULT_EMBEDDER, embedder_folder, open_embedder
from tunesmith.engines.fakes import HashingEmbedder
from tunesmith.engines.protocols import Embedder
from tunesmith.engines.sentence_embedder import SentenceTransformerEmbedder
from tunesmith.errors import ModelNotFoundError

# sentence-transformers takes 10 s of processor time to load, minutes where many share the cores.
pytestmark = pytest.mark.timeout(600)

TEXTS = [
    "Full-time staff receive 27 days of annual leave.",
    "Leave",
    "",
    "Größe: 5 µm — 部長 said “yes”. 🙂",
    "word " * 600,
    "x" * 5000,
]


def sentence_transformers() -> Embedder:
    return SentenceTransformerEmbedder(DEFAULT_EMBEDDER, str(embedder_folder(DEFAULT_EMBEDDER)))


@pytest.fixture(
    scope="module",
    params=[HashingEmbedder, lambda: open_embedder(DEFAULT_EMBEDDER), sentence_transformers],
    ids=["hashing", "bert", "sentence-transformers"],
)
def embedder(request: pytest.FixtureRequest) -> Embedder:
    make: Callable[[], Embedder] = request.param
    return make()


def test_vectors_have_length_one_and_keep_the_order(embedder: Embedder) -> None:
    together = embedder.embed(TEXTS)
    assert [len(vector) for vector in together] == [embedder.dimensions] * len(TEXTS)
    for text, vector in zip(TEXTS, together, strict=True):
        assert math.sqrt(sum(value * value for value in vector)) == pytest.approx(1, abs=1e-5)
        assert embedder.embed([text])[0] == pytest.approx(vector, abs=2e-5)


def test_no_texts_give_no_vectors(embedder: Embedder) -> None:
    assert embedder.embed([]) == []
    assert embedder.count_tokens([]) == []


def test_related_texts_are_closer_than_unrelated_ones(embedder: Embedder) -> None:
    question, near, far = embedder.embed(
        ["How many days of annual leave do staff receive?", TEXTS[0], "The canteen serves soup at noon."]
    )
    assert dot(question, near) > dot(question, far) + 0.2


def test_counts_are_additive_and_never_cut_off(embedder: Embedder) -> None:
    long = "word " * 600
    assert embedder.count_tokens([long, "word word", ""]) == [600, 2, 0]
    assert embedder.max_tokens < 600


def test_the_light_bert_is_sentence_transformers() -> None:
    light, reference = open_embedder(DEFAULT_EMBEDDER), sentence_transformers()
    assert light.dimensions == reference.dimensions == 384
    assert light.max_tokens == reference.max_tokens == 254
    assert light.count_tokens(TEXTS) == reference.count_tokens(TEXTS)
    for ours, theirs in zip(light.embed(TEXTS), reference.embed(TEXTS), strict=True):
        assert ours == pytest.approx(theirs, abs=1e-5)


def test_a_model_that_is_nowhere_is_told_by_name() -> None:
    with pytest.raises(ModelNotFoundError, match="no-such/embedder"):
        open_embedder("no-such/embedder").embed(["x"])


def dot(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))
