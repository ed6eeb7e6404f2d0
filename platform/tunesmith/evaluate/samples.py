"""Questions with known answers: JSONL in, samples out, every bad line named at once."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from pydantic import Field, ValidationError

from tunesmith.config.strict import StrictModel
from tunesmith.errors import DataError, NotFoundError

_BOM = b"\xef\xbb\xbf"


class _Row(StrictModel, extra="ignore"):
    id: str = Field(min_length=1)
    question: str = Field(min_length=1)
    answer: str | None
    accepted: tuple[str, ...] = ()
    document: str | None = None
    evidence: str | None = None
    seen: bool = False


@dataclass(frozen=True, slots=True)
class Sample:
    """One question with its target.

    Attributes:
        id: unique in its file.
        question: as a user would ask it.
        answer: the target; None where the documents do not hold it and the right thing is to abstain.
        accepted: further wordings that count as right.
        document: path of the document that answers it; None where the file does not say.
        evidence: the sentence of it that does; None where the file does not say.
        seen: whether the training questions ask for the same fact in other words.
    """

    id: str
    question: str
    answer: str | None
    accepted: tuple[str, ...] = ()
    document: str | None = None
    evidence: str | None = None
    seen: bool = False

    @property
    def answerable(self) -> bool:
        """Whether the documents hold the answer."""
        return self.answer is not None

    @property
    def has_evidence(self) -> bool:
        """Whether the file says where the answer stands, so that a citation can be judged."""
        return self.document is not None or self.evidence is not None

    @property
    def targets(self) -> tuple[str, ...]:
        """Everything that counts as the right answer."""
        return () if self.answer is None else (self.answer, *self.accepted)


def find_questions(name: str) -> Path:
    """Find a question file by its path, or by its name among the shipped ones.

    Args:
        name: a path, or `handbook/questions/evaluation.jsonl`.

    Returns:
        The file.

    Raises:
        NotFoundError: neither exists.
    """
    shipped = Path(str(files("tunesmith"))) / "assets" / name
    for path in (Path(name), shipped):
        if path.is_file():
            return path
    raise NotFoundError(
        f'questions="{name}" is neither a file nor shipped. Shipped: handbook/questions/evaluation.jsonl.'
    )


def load_samples(path: Path) -> tuple[Sample, ...]:
    """Read a question file.

    Args:
        path: JSONL in UTF-8, one object a line with `id`, `question`, `answer` (null: unanswerable), and optionally
            `accepted`, `document`, `evidence`, `seen`.

    Returns:
        The samples in file order.

    Raises:
        DataError: any line is wrong; names all of them. Or there is no line, or the file cannot be read.
    """
    samples: dict[str, Sample] = {}
    faults = []
    for number, line in enumerate(_read_lines(path), 1):
        if not line.strip():
            continue
        try:
            sample = _read_line(line)
        except ValueError as error:
            faults.append(f"{path}:{number}: {error}")
            continue
        if sample.id in samples:
            faults.append(f'{path}:{number}: id "{sample.id}" stands twice. Give each question its own.')
        samples[sample.id] = sample
    if faults:
        raise DataError("\n".join(faults))
    if not samples:
        raise DataError(f"{path} holds no questions. Write one JSON object a line.")
    return tuple(samples.values())


def _read_lines(path: Path) -> list[bytes]:
    # Split as bytes: of all characters that end a line somewhere, only this one cannot stand inside a JSON string.
    try:
        return path.read_bytes().removeprefix(_BOM).split(b"\n")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}. Check `questions`.") from error


def _read_line(line: bytes) -> Sample:
    try:
        row = _Row.model_validate_json(line.decode("utf-8"), strict=True)
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start + 1} is not UTF-8. Save the file as UTF-8.") from None
    except ValidationError as error:
        said = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'line'}: {e['msg']}" for e in error.errors())
        raise ValueError(f"{said}. Mend the line.") from None
    return Sample(row.id, row.question, row.answer, row.accepted, row.document, row.evidence, row.seen)


def draw_samples(samples: Sequence[Sample], num: int | None, *, seed: int) -> tuple[Sample, ...]:
    """Draw some questions, with the file's own share of unanswerable ones.

    Args:
        samples: all of them.
        num: how many; None or more than there are takes all.
        seed: the same seed draws the same questions.

    Returns:
        The drawn samples in file order.
    """
    if num is None or num >= len(samples):
        return tuple(samples)
    answerable = [sample for sample in samples if sample.answerable]
    others = [sample for sample in samples if not sample.answerable]
    num_answerable = min(len(answerable), max(num - len(others), round(num * len(answerable) / len(samples))))
    chance = random.Random(seed)
    drawn = {*chance.sample(answerable, num_answerable), *chance.sample(others, num - num_answerable)}
    return tuple(sample for sample in samples if sample in drawn)
