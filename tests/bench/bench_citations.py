"""How often the citation check is right on SQuAD: `make bench ARGS=tests/bench/bench_citations.py`.

Wants the 495 paragraphs and the questions of rag-squad (`rag_squad` in `conftest.py` says where).
"""

import json
import random
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest

from tunesmith.rag.cite import check_answer
from tunesmith.rag.forms import say_house
from tunesmith.rag.support import Claim, SourceText, Weights, find_support
from tunesmith.records import Chunk, Hit, Source


def read(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def to_source(row: dict[str, Any], number: int) -> Source:
    text = row["text"]
    return Source(
        number, Hit(Chunk(row["_id"], row["_id"], row["title"], 0, 0, len(text), text), 1.0, "squad")
    )


@pytest.mark.timeout(600)
def test_citations_on_squad(rag_squad: Path) -> None:
    corpus = {row["_id"]: row for row in read(rag_squad / "corpus.jsonl")}
    texts = {key: SourceText.read(to_source(row, 1)) for key, row in corpus.items()}
    articles = defaultdict(list)
    for key, row in corpus.items():
        articles[row["metadata"]["article"]].append(key)
    lines = (rag_squad / "qrels.tsv").read_text(encoding="utf-8").splitlines()[1:]
    right = dict(line.split("\t")[:2] for line in lines)
    chance, counted = random.Random(1), Counter[tuple[str, bool]]()
    seconds, num_checks = 0.0, 0
    for row in read(rag_squad / "queries.jsonl"):
        if not row["metadata"]["answers"] or row["_id"] not in right:
            continue
        own, answer = right[row["_id"]], row["metadata"]["answers"][0]
        same = [key for key in articles[row["metadata"]["article"]] if key != own]
        same = chance.sample(same, min(3, len(same)))
        weights = Weights.over([texts[key] for key in (own, *same)])
        claim = Claim.read(answer, row["text"])
        counted["supported by its own paragraph", bool(find_support(claim, texts[own], weights))] += 1
        for key in same:
            holds = answer.lower() in corpus[key]["text"].lower()
            kind = "that holds the answer's words" if holds else "without the answer"
            counted[
                f"supported by another of the article {kind}", bool(find_support(claim, texts[key], weights))
            ] += 1
        for key in chance.sample(sorted(corpus), 3):
            if key != own:
                counted[
                    "supported by any other paragraph", bool(find_support(claim, texts[key], weights))
                ] += 1
        shown = chance.sample([own, *same], 1 + len(same))
        sources = tuple(to_source(corpus[key], number) for number, key in enumerate(shown, 1))
        number = shown.index(own) + 1
        wrong = number % len(shown) + 1
        started = time.perf_counter()
        named, unnamed, misled = (
            check_answer(say_house(answer, numbers), sources, question=row["text"]).citations
            for numbers in ((number,), (), (wrong,))
        )
        seconds, num_checks = seconds + time.perf_counter() - started, num_checks + 3
        counted["right number verified", any(c.status == "verified" for c in named)] += 1
        counted["no number: attributed to its own paragraph", any(c.number == number for c in unnamed)] += 1
        counted["wrong number verified", wrong != number and any(c.status == "verified" for c in misled)] += 1
    for kind in dict.fromkeys(kind for kind, _ in counted):
        yes, num = counted[kind, True], counted[kind, True] + counted[kind, False]
        print(f"{kind:<70} {yes:>5} of {num:>5}  {100 * yes / num:6.2f}%")
    print(f"{'a check of one answer against four paragraphs':<70} {1000 * seconds / num_checks:6.2f} ms")
