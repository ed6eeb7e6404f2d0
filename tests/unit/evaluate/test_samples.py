from pathlib import Path

import pytest

from tunesmith.errors import DataError, NotFoundError
from tunesmith.evaluate.samples import Sample, draw_samples, find_questions, load_samples


def write(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "questions.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_samples_are_read_with_their_targets(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        '{"id": "a", "question": "How many?", "answer": "27 days", "accepted": ["27"], "fact": "x"}',
        "",
        '{"id": "b", "question": "Who?", "answer": null}',
    )
    first, second = load_samples(path)
    assert first.targets == ("27 days", "27")
    assert (second.answerable, second.targets) == (False, ())


def test_every_bad_line_is_named(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        '{"id": "a", "question": "How many?", "answer": "27"}',
        "not json",
        '{"id": "c", "answer": "27"}',
        '{"id": "a", "question": "Again?", "answer": null}',
    )
    with pytest.raises(DataError) as caught:
        load_samples(path)
    said = caught.value.message.splitlines()
    assert [line.split(":")[1] for line in said] == ["2", "3", "4"]
    assert "question" in said[1]
    assert '"a" stands twice' in said[2]


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "questions.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"id": "a", "question": "Who?", "answer": null}\r\n')
    assert [sample.id for sample in load_samples(path)] == ["a"]


@pytest.mark.parametrize("mark", ["\u2028", "\u2029", "\u0085"])
def test_only_a_line_feed_ends_a_line(tmp_path: Path, mark: str) -> None:
    first = f'{{"id": "a", "question": "Who{mark}is it?", "answer": null}}'
    second = '{"id": "b", "question": "Who?", "answer": null}'
    assert [sample.id for sample in load_samples(write(tmp_path, first, second))] == ["a", "b"]


def test_a_line_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    path = tmp_path / "questions.jsonl"
    good = b'{"id": "a", "question": "Who?", "answer": null}\n'
    path.write_bytes(good + b'{"id": "b", "question": "Stra\xdfe?", "answer": null}\n{}\n')
    with pytest.raises(DataError) as caught:
        load_samples(path)
    said = caught.value.message.splitlines()
    assert "2: byte 30 is not UTF-8" in said[0]
    assert said[1].startswith(f"{path}:3:"), "the other faults are named too"


def test_no_questions_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no questions"):
        load_samples(write(tmp_path, ""))


def test_the_shipped_questions_are_found_and_enough() -> None:
    samples = load_samples(find_questions("handbook/questions/evaluation.jsonl"))
    assert len(samples) >= 200
    assert any(not sample.answerable for sample in samples)


def test_unknown_questions_name_what_is_shipped() -> None:
    with pytest.raises(NotFoundError, match=r"handbook/questions/evaluation\.jsonl"):
        find_questions("nowhere.jsonl")


@pytest.mark.parametrize("num", [1, 10, 37, 99])
def test_a_draw_keeps_the_share_of_unanswerable_questions(samples: tuple[Sample, ...], num: int) -> None:
    drawn = draw_samples(samples, num, seed=3)
    assert len(drawn) == num
    assert abs(sum(not sample.answerable for sample in drawn) - 0.2 * num) < 1
    assert drawn == draw_samples(samples, num, seed=3)
    assert list(drawn) == [sample for sample in samples if sample in drawn]


def test_another_seed_draws_others(samples: tuple[Sample, ...]) -> None:
    assert draw_samples(samples, 20, seed=1) != draw_samples(samples, 20, seed=2)


def test_no_number_takes_all(samples: tuple[Sample, ...]) -> None:
    assert draw_samples(samples, None, seed=1) == draw_samples(samples, 1000, seed=1) == samples
