"""Values of every kind that a relation may hold, for one side of the split."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from tunesmith.datasets.reading.names import NameMaker, Split, split_of
from tunesmith.datasets.reading.phrases import MONTHS, SMALL_NUMBERS, WEEKDAYS
from tunesmith.datasets.reading.spans import SpanMaker

_IN_WORDS = 0.4
"""Share of small numbers that are written in words, as prose writes them."""
_MOST_IN_WORDS = 60
_CURRENCIES = ("euros", "pounds", "dollars", "crowns", "francs")


class ValueMaker:
    """Makes values for one side of the split.

    Args:
        rng: the source of chance.
        split: `train` or `evaluation`; open kinds (numbers, names, codes) and the longer lists of options
            are split by a hash, months and weekdays are not.
        names: maker of names on the same side.
        spans: maker of values of several words on the same side.
        any_option: every option of all relations; now and then one of these takes the place of a fitting
            one, so that a value is read and not guessed from what is usual.
    """

    def __init__(
        self, rng: random.Random, split: Split, names: NameMaker, spans: SpanMaker, any_option: Sequence[str]
    ) -> None:
        self._rng = rng
        self._split = split
        self._names = names
        self._any_option = [option for option in any_option if split_of(option) == split]
        self._kinds: dict[str, Callable[[], str]] = {
            "year": lambda: str(rng.randrange(1500, 2030)),
            "date": self._date,
            "time": lambda: f"{rng.randrange(24)}:{rng.randrange(60):02d}",
            "weekday": lambda: rng.choice(WEEKDAYS),
            "month": lambda: rng.choice(MONTHS),
            "percent": self._percent,
            "money": self._money,
            "code": self._code,
            "room": lambda: f"Room {rng.choice(('', 'A', 'B', 'C'))}{rng.randrange(1, 600)}",
            "person": names.person,
            "place": names.place,
            "company": names.company,
            **spans.kinds(),
        }

    def of(self, kind: str | dict[str, Any]) -> str:
        """A value of this kind.

        Args:
            kind: a kind's name, or a mapping with `kind` number, quantity or choice and its range.

        Returns:
            The value as it stands in a sentence.
        """
        make = self._kinds[kind] if isinstance(kind, str) else lambda: self._ranged(kind)
        if kind in ("weekday", "month") or (
            self._split == "train" and isinstance(kind, dict) and kind["kind"] == "choice"
        ):
            return make()
        for _ in range(40):
            value = make()
            if split_of(value) == self._split:
                break
        return value

    def _ranged(self, kind: dict[str, Any]) -> str:
        rng = self._rng
        if kind["kind"] == "choice":
            fitting = [option for option in kind["options"] if split_of(option) == self._split]
            return str(rng.choice(fitting if fitting and rng.random() < 0.7 else self._any_option))
        low, high = int(kind["low"]), int(kind["high"])
        number = rng.randint(low, high) if rng.random() < 0.7 else rng.randint(max(2, low // 2), high * 3)
        if number <= _MOST_IN_WORDS and rng.random() < _IN_WORDS:
            word = rng.choice(
                SMALL_NUMBERS
            )  # whatever the range: a value is read, not guessed from what is usual
            return word if kind["kind"] == "number" else f"{word} {rng.choice(kind['units'])}"
        if kind["kind"] == "number":
            return f"{number:,}" if rng.random() < 0.5 else str(number)
        tenth = f".{rng.randrange(1, 10)}" if rng.random() < 0.15 else ""
        return f"{number}{tenth} {rng.choice(kind['units'])}"

    def _date(self) -> str:
        day, month, year = (
            self._rng.randrange(1, 29),
            self._rng.choice(MONTHS),
            self._rng.randrange(1800, 2030),
        )
        return self._rng.choice((f"{day} {month} {year}", f"{day} {month}", f"{month} {day}, {year}"))

    def _percent(self) -> str:
        return f"{self._rng.randrange(1, 100)}{self._rng.choice(('%', '%', ' percent', '.5%'))}"

    def _money(self) -> str:
        amount = self._rng.choice((self._rng.randrange(2, 100), self._rng.randrange(100, 20000)))
        return self._rng.choice(
            (f"{amount:,} {self._rng.choice(_CURRENCIES)}", f"{amount} euros", f"${amount:,}", f"€{amount}")
        )

    def _code(self) -> str:
        letters = "".join(
            self._rng.choice("ABCDEFGHJKLMNPQRSTUVWXYZ") for _ in range(self._rng.choice((1, 2, 2, 3)))
        )
        return f"{letters}{self._rng.choice(('-', '-', '', ' '))}{self._rng.randrange(2, 9999)}"
