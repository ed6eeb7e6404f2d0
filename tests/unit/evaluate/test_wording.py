import pytest

from tunesmith.evaluate.intervals import Interval
from tunesmith.evaluate.wording import points, say_margin, sentence


@pytest.mark.parametrize(
    ("value", "low", "high", "said"),
    [
        (0.23, 0.152, 0.311, "+23 points, 15 to 31"),
        (-0.08, -0.14, -0.03, "-8 points, -14 to -3"),
        (0.02, 0.003, 0.04, "+2 points, 0.3 to 4"),
        (-0.02, -0.04, -0.0004, "-2 points, -4 to -0.04"),
        (0.0, -0.06, 0.06, "0 points, -6 to 6"),
        (-0.0, -0.02, -0.0, "0 points, -2 to 0"),
        (0.004, -0.002, 0.01, "+0.4 points, -0.2 to 1"),
        (1.0, -0.587, 1.0, "+100 points, -59 to 100"),
    ],
)
def test_points_never_write_a_figure_as_zero_that_is_not(
    value: float, low: float, high: float, said: str
) -> None:
    assert points(Interval(value, low, high, 100)) == said


def test_a_margin_is_ruled_out_or_cannot_be_told() -> None:
    assert say_margin(0.05, num=80, ruled_out=True) == "With 80 questions a loss of 5 points is ruled out."
    said = say_margin(0.05, num=20, ruled_out=False)
    assert said == "Whether there is a loss of 5 points or more cannot be told with 20 questions."


def test_a_sentence_keeps_the_names_of_arms() -> None:
    assert sentence("no difference") == "No difference."
    assert sentence("rag raises it") == "rag raises it."
