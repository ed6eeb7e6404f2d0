"""What withholding costs and brings, by words and by meaning: `make bench ARGS=tests/bench/bench_withholding.py`.

tiny-reader answers the handbook's 515 training questions in the house form, from what retrieval finds; then each answer
is checked at every share of context. The recipe `tiny/evaluate-handbook` takes the least share by meaning under which
four fifths of the unanswerable ones are refused; no question that is evaluated has a part in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from tunesmith.assets import handbook_folder, model_source
from tunesmith.config.evaluate import HOUSE_INSTRUCTIONS
from tunesmith.config.home import Home
from tunesmith.config.ingest import IngestConfig
from tunesmith.config.serve import RetrievalConfig
from tunesmith.engines.embedder import open_embedder
from tunesmith.engines.protocols import QueryEmbedder
from tunesmith.evaluate.match import is_right
from tunesmith.evaluate.samples import Sample, find_questions, load_samples
from tunesmith.ingest.run import run_ingest
from tunesmith.rag.cite import check_answer
from tunesmith.rag.forms import parse_answer
from tunesmith.rag.meaning import Meaning
from tunesmith.rag.prompt import build_messages
from tunesmith.rag.retrieve import retrieve
from tunesmith.rag.withhold import withhold_unsupported
from tunesmith.records import DEFAULT_PROJECT, Source
from tunesmith.stores.database import open_home_database
from tunesmith.stores.documents import DocumentCatalog
from tunesmith.stores.milvus import open_vectors

SHARES = tuple(step / 100 for step in range(40, 71))
BATCH = 16


@dataclass(frozen=True)
class Said:
    """What the reader said to a question."""

    sample: Sample
    sources: tuple[Source, ...]
    text: str


class Remembering:
    """An embedder that embeds each text once."""

    def __init__(self, embedder: QueryEmbedder) -> None:
        self.name = embedder.name
        self._embedder = embedder
        self._vectors: dict[str, list[float]] = {}

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        new = [text for text in dict.fromkeys(texts) if text not in self._vectors]
        if new:
            self._vectors.update(zip(new, self._embedder.embed(new), strict=True))
        return [self._vectors[text] for text in texts]


@pytest.mark.timeout(3600)
def test_withholding_on_the_training_questions(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    run_ingest(IngestConfig(paths=(str(handbook_folder()),), store="handbook"), home=home)
    embedder = Remembering(open_embedder("all-MiniLM-L6-v2"))
    said = answers(list(_retrieved(home, embedder)))
    print(f"\nwithout withholding: {_rates(said)}")
    for by in ("words", "meaning"):
        rates = {share: _rates(said, embedder, by=by, share=share) for share in SHARES}
        chosen = min(share for share, rate in rates.items() if rate.refused >= 0.8)
        for share in sorted({0.4, 0.5, chosen, 0.6, 0.7}):
            print(f"by {by:<8} {share:.2f}{' *' if share == chosen else '  '} {rates[share]}")


@dataclass(frozen=True)
class Rates:
    """Shares of the answerable questions that are answered rightly, and of the others that are refused."""

    answered: float
    refused: float

    def __str__(self) -> str:
        return f"answered {self.answered:6.1%}  refused {self.refused:6.1%}"


def _retrieved(home: Home, embedder: QueryEmbedder) -> Iterator[tuple[Sample, tuple[Source, ...]]]:
    store = DocumentCatalog(open_home_database(home), DEFAULT_PROJECT).store("handbook")
    vectors = open_vectors(home)
    for sample in load_samples(find_questions("handbook/questions/train.jsonl")):
        yield (
            sample,
            retrieve(
                sample.question,
                embedder=embedder,
                vectors=vectors,
                stores=[store],
                retrieval=RetrievalConfig(),
            ),
        )
    vectors.close()


def answers(asked: Sequence[tuple[Sample, tuple[Source, ...]]]) -> list[Said]:
    """Have the shipped reader answer, greedily."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = model_source("tiny-reader")
    tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16).eval()
    said = []
    for start in range(0, len(asked), BATCH):
        batch = asked[start : start + BATCH]
        turns = [
            build_messages(sample.question, sources, instructions=HOUSE_INSTRUCTIONS)
            for sample, sources in batch
        ]
        prompts = [
            tokenizer.apply_chat_template(
                [{"role": turn.role, "content": turn.content} for turn in each],
                tokenize=False,
                add_generation_prompt=True,
            )
            for each in turns
        ]
        inputs = tokenizer(prompts, return_tensors="pt", padding=True, add_special_tokens=False)
        with torch.inference_mode():
            tokens = model.generate(
                **inputs, max_new_tokens=48, do_sample=False, pad_token_id=tokenizer.pad_token_id
            )
        texts = tokenizer.batch_decode(tokens[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        said += [Said(sample, sources, text) for (sample, sources), text in zip(batch, texts, strict=True)]
    return said


def _rates(
    said: Sequence[Said],
    embedder: QueryEmbedder | None = None,
    *,
    by: Literal["words", "meaning"] = "words",
    share: float | None = None,
) -> Rates:
    answered, refused = [], []
    for each in said:
        text, question = each.text, each.sample.question
        if share is not None:
            meaning = Meaning(embedder, question) if embedder and by == "meaning" else None
            checked = check_answer(
                text, each.sources, question=question, context_needed=share, meaning=meaning
            )
            text = withhold_unsupported(checked).text
        parsed = parse_answer(text)
        if each.sample.answer is None:
            refused.append(parsed.abstained)
        else:
            answered.append(
                bool(parsed.answer and not parsed.abstained and is_right(parsed.answer, each.sample))
            )
    return Rates(sum(answered) / len(answered), sum(refused) / len(refused))
