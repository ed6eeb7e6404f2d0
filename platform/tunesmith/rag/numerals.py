"""Numbers, months and units in all the ways people write them, in one form."""

from __future__ import annotations

from decimal import Decimal

_ONES = """
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
    seventeen eighteen nineteen
"""
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
TENS_AND_ONES = {word: value for value, word in enumerate(_ONES.split())} | {
    word: 10 * tens for tens, word in enumerate(_TENS.split(), 2)
}
"""Number words that stand alone or join: "twenty" "seven"."""

_MONTHS = "january february march april month-may june july august september october november december"
MONTHS = tuple(_MONTHS.split())
"""Keys of the months; "may" is mostly the verb, so the month has a key of its own."""
MONTH_SPELLINGS = (
    {month: month for month in MONTHS}
    | {month[:3]: month for month in MONTHS if month != "month-may"}
    | {"sept": "september"}
)
"""Spelling -> month. The month of May is told by the number beside it, not by its spelling."""

_MULTIPLIERS = {"hundr": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}

_UNIT_FAMILIES = {
    "percent": "% percent percentage pct",
    "dollar": "$ dollar dollars usd",
    "euro": "€ euro euros eur",
    "pound": "£ pound pounds gbp",
    "yen": "¥ yen jpy",
    "second": "second seconds sec secs s",
    "minute": "minute minutes min mins",
    "hour": "hour hours hr hrs h",
    "day": "day days",
    "week": "week weeks wk wks",
    "month": "month months",
    "year": "year years yr yrs",
    "metre": "metre metres meter meters m",
    "kilometre": "kilometre kilometres kilometer kilometers km",
    "centimetre": "centimetre centimetres centimeter centimeters cm",
    "millimetre": "millimetre millimetres millimeter millimeters mm",
    "mile": "mile miles mi",
    "foot": "foot feet ft",
    "gram": "gram grams g",
    "kilogram": "kilogram kilograms kg kilo kilos",
    "tonne": "tonne tonnes ton tons",
    "litre": "litre litres liter liters l",
    "degree": "degree degrees",
    "kilobyte": "kilobyte kilobytes kb",
    "megabyte": "megabyte megabytes mb",
    "gigabyte": "gigabyte gigabytes gb gib",
    "terabyte": "terabyte terabytes tb",
    "watt": "watt watts w",
    "kilowatt": "kilowatt kilowatts kw",
}
UNITS = {spelling: unit for unit, spellings in _UNIT_FAMILIES.items() for spelling in spellings.split()}
"""Spelling -> unit. A number beside one of these matches only the same number beside the same unit."""

UNIT_NAMES = frozenset(_UNIT_FAMILIES)
CURRENCIES = frozenset(("dollar", "euro", "pound", "yen"))
"""Units that may stand before their number."""


def normalise_number(digits: str) -> str:
    """Write a number one way.

    Args:
        digits: as it stands in the text, such as `1,250.50`.

    Returns:
        `1250.5`
    """
    return _write(Decimal(digits.replace(",", "")))


def is_multiplier(key: str) -> bool:
    """Whether a term's key multiplies the number before it.

    Args:
        key: a stem, such as `million`.

    Returns:
        True for hundred, thousand, million, billion, trillion.
    """
    return key in _MULTIPLIERS


def multiply(number: str, multiplier: str) -> str:
    """Read "1.5 million".

    Args:
        number: a normalised number.
        multiplier: the stem of a multiplier.

    Returns:
        The product, normalised.
    """
    return _write(Decimal(number) * _MULTIPLIERS[multiplier])


def _write(value: Decimal) -> str:
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
