from collections.abc import Sequence
from dataclasses import dataclass, field

from tunesmith.config.serve import RetrievalConfig
from tunesmith.rag.retrieve import find_hits, number_sources, retrieve
from tunesmith.records import Chunk, Hit
from tunesmith.stores.vectors import StoreRecord

STORE = StoreRecord("vs_1", "default", "documents", "chunks", "words")


def hit(text: str, score: float = 1.0, document: str = "a.md") -> Hit:
    return Hit(Chunk(f"{document}:{text}", document, "A", 0, 0, len(text), text), score, "documents")


class Embedder:
    name, dimensions, max_tokens = "words", 2, 100

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        return [[float(len(text)), 1.0] for text in texts]


@dataclass
class Vectors:
    hits: list[Hit]
    asked: dict[str, object] = field(default_factory=dict)

    def search(self, stores: Sequence[StoreRecord], question: str, **options: object) -> list[Hit]:
        self.asked = {"stores": stores, "question": question, **options}
        return self.hits[: options["top_k"]]  # type: ignore[misc]


def test_sources_are_numbered_in_the_order_of_the_search() -> None:
    vectors = Vectors([hit("one", 0.9), hit("two", 0.5), hit("three", 0.1)])
    sources = retrieve(
        "why?",
        embedder=Embedder(),  # type: ignore[arg-type]
        vectors=vectors,  # type: ignore[arg-type]
        stores=[STORE],
        retrieval=RetrievalConfig(top_k=2, candidates=1),
    )
    assert [(source.number, source.hit.chunk.text) for source in sources] == [(1, "one"), (2, "two")]
    assert vectors.asked == {
        "stores": [STORE],
        "question": "why?",
        "vector": [4.0, 1.0],
        "top_k": 2,
        "candidates": 2,
        "only": None,
    }


def test_a_hit_of_several_questions_counts_once_by_its_best_score() -> None:
    vectors = Vectors([hit("one", 0.4), hit("two", 0.3)])
    asked: list[str] = []

    def search(stores: Sequence[StoreRecord], question: str, **options: object) -> list[Hit]:
        asked.append(question)
        return [hit("one", 0.4), hit("two", 0.2)] if question == "why?" else [hit("two", 0.9), hit("x", 0.1)]

    vectors.search = search  # type: ignore[method-assign]
    found = find_hits(
        ["why?", "how?"],
        embedder=Embedder(),  # type: ignore[arg-type]
        vectors=vectors,  # type: ignore[arg-type]
        stores=[STORE],
        retrieval=RetrievalConfig(top_k=5),
        score_threshold=0.15,
    )
    assert [(one.chunk.text, one.score) for one in found] == [("two", 0.9), ("one", 0.4)]
    assert asked == ["why?", "how?"]


def test_a_text_is_shown_once() -> None:
    sources = number_sources([hit("one"), hit("two"), hit("one", document="copy.md")])
    assert [(source.number, source.hit.chunk.document) for source in sources] == [(1, "a.md"), (2, "a.md")]
