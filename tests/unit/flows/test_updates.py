from pathlib import Path

import pytest

from tunesmith.assets import handbook_folder
from tunesmith.config.evaluate import EvaluateConfig
from tunesmith.evaluate.ask import ArmAnswer, ShownSource
from tunesmith.flows.quickstart import CHANGED, STORE
from tunesmith.flows.updates import Knows, Said, Update, UpdateReport, load_updates, read_said, what_it_knows

UPDATE = Update("leave", "How many days of leave do staff get?", "27 days", "29 days", "leave.md")
QUESTIONS = handbook_folder().parent / "questions"


@pytest.mark.parametrize(
    ("text", "knows"),
    [
        ("27 days [1]", "old"),
        ('{"answer": "29 days", "sources": [2]}', "new"),
        ("twenty-nine days", "new"),
        ("The documents do not say.", "refuses"),
        ('{"answer": null, "sources": []}', "refuses"),
        ("28 days [1]", "neither"),
        ("27 or 29 days", "neither"),
        ('{"answer": "29', "neither"),
    ],
)
def test_an_answer_is_from_one_edition_or_none(text: str, knows: Knows) -> None:
    assert what_it_knows(text, UPDATE) == knows


def test_the_sources_say_which_edition_was_shown() -> None:
    old, new = (
        ShownSource(1, "leave.md", "Staff receive 27 days."),
        ShownSource(2, "leave.md", "Staff receive 29 days."),
    )
    elsewhere = ShownSource(3, "canteen.md", "29 days")
    for sources, shown in (((old,), ("old",)), ((elsewhere, new), ("new",)), ((elsewhere,), ()), ((), ())):
        answer = ArmAnswer("leave", "rag", "29 days [1]", 1.0, 1, 1, sources)
        assert read_said(answer, UPDATE) == Said("29 days [1]", "new", shown)


def test_the_changed_document_has_both_editions_and_questions() -> None:
    updates = load_updates(QUESTIONS / "updates.jsonl", document=CHANGED)
    assert len(updates) >= 3
    old, new = (
        (handbook_folder(edition) / CHANGED).read_text(encoding="utf-8") for edition in ("2026-01", "2026-07")
    )
    assert all(update.before in old and update.after in new for update in updates)


def test_only_the_named_document_counts(tmp_path: Path) -> None:
    path = tmp_path / "updates.jsonl"
    row = '{"id": "x", "question": "q", "before": "1", "after": "2", "document": "DOCUMENT"}'
    path.write_text("\n".join(row.replace("DOCUMENT", name) for name in ("a.md", "b.md")))
    assert [update.document for update in load_updates(path, document="b.md")] == ["b.md"]


def test_the_report_counts_who_knows_the_new_fact() -> None:
    config = EvaluateConfig(questions="q.jsonl", tuned="ft:x", stores=(STORE,))
    arms = ("base", "rag", "rag_schema", "tuned", "hybrid")
    before = {("leave", arm): Said("27 days", "old") for arm in arms}
    after = before | {
        ("leave", arm): Said("29 days", "new", ("new",)) for arm in ("rag", "rag_schema", "hybrid")
    }
    report = UpdateReport.of([UPDATE], config, tuned="ft:x", before=before, after=after)
    found = report.as_json()
    assert found["known_new"]["rag"] == {"before": 0, "after": 1, "of": 1}
    assert found["shown_new"]["rag"] == {"before": 0, "after": 1, "of": 1}
    assert "retrieval showed 1 of 1 new facts" in report.verdict
    assert found["known_new"]["tuned"] == {"before": 0, "after": 0, "of": 1}
    assert found["questions"][0]["arms"]["hybrid"]["after"] == {
        "answer": "29 days",
        "knows": "new",
        "shown": ["new"],
    }
    assert "hybrid 1 of 1" in report.verdict
    assert "tuned 0 of 1" in report.verdict
