"""The report's pictures, as SVG text that stands inside the HTML: nothing is loaded from anywhere."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter, ScalarFormatter

from tunesmith.evaluate.causes import count_causes
from tunesmith.evaluate.compare import ArmFigures
from tunesmith.evaluate.intervals import Interval
from tunesmith.evaluate.report import EvaluationReport
from tunesmith.evaluate.wording import METRIC_WORDS

INK, MUTED, GRID, ACCENT, PLAIN = "#1d2530", "#5b6675", "#e3e7ec", "#0b6e99", "#8794a3"

# Okabe-Ito: told apart by people with any kind of colour vision; each part also carries its number.
CAUSE_COLOURS = {
    "right": "#009e73",
    "right_refusal": "#7fceb9",
    "not_retrieved": "#56b4e9",
    "refused_though_shown": "#f0e442",
    "withheld": "#b8a800",
    "wrong_though_shown": "#e69f00",
    "refused_unjudged": "#f8f3b4",
    "wrong_unjudged": "#f4cf8a",
    "refused_unshown": "#dcdcdc",
    "wrong_unshown": "#b5b5b5",
    "answered_unanswerable": "#d55e00",
    "unreadable": "#cc79a7",
    "error": "#333333",
}

_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "tunesmith",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": GRID,
    "axes.labelcolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "xtick.color": MUTED,
    "ytick.color": INK,
}


def plot_rates(report: EvaluationReport, metrics: Sequence[str]) -> str:
    """Draw a dot with its interval for each arm, one panel a metric.

    Args:
        report: the evaluation.
        metrics: the panels, left to right.

    Returns:
        SVG.
    """

    def draw(figure: Figure) -> None:
        panels = figure.subplots(1, len(metrics), sharey=True, squeeze=False)[0]
        for panel, metric in zip(panels, metrics, strict=True):
            _draw_rates(panel, report, metric)

    return _render(draw, width=11.5, height=0.9 + 0.42 * len(report.figures))


def plot_latency(report: EvaluationReport) -> str:
    """Draw the latency of every answer, with the median of each arm.

    Args:
        report: the evaluation.

    Returns:
        SVG.
    """

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for place, measured in enumerate(report.figures):
            _draw_latency(axes, place, measured, report)
        _name_arms(axes, report)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(ScalarFormatter())
        axes.xaxis.set_minor_formatter(ScalarFormatter())
        axes.set_xlabel("milliseconds to the whole answer (log); line: median, tick: 95th percentile")

    return _render(draw, width=11.5, height=1.1 + 0.42 * len(report.figures))


def plot_causes(report: EvaluationReport) -> str:
    """Draw how the answers of each arm came out, and why.

    Args:
        report: the evaluation.

    Returns:
        SVG.
    """

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for place, measured in enumerate(report.figures):
            _draw_causes(axes, place, count_causes(measured.arm, report.scored))
        _name_arms(axes, report)
        axes.set_xlim(0, len(report.samples))
        axes.set_xlabel("questions")

    return _render(draw, width=11.5, height=0.9 + 0.42 * len(report.figures))


def _draw_rates(axes: Axes, report: EvaluationReport, metric: str) -> None:
    for place, measured in enumerate(report.figures):
        rate = measured.rates[metric]
        if rate is None:
            axes.text(0.5, place, "does not apply", ha="center", va="center", fontsize=8, color=PLAIN)
            continue
        colour = _colour(measured, report)
        axes.plot([rate.low, rate.high], [place, place], color=colour, linewidth=3, alpha=0.45)
        axes.plot([rate.value], [place], "o", color=colour, markersize=7)
        axes.annotate(
            f"{100 * rate.value:.0f}%",
            (rate.value, place),
            (0, 7),
            textcoords="offset points",
            ha="center",
            fontsize=8,
        )
    axes.set_xlim(-0.1, 1.1)
    axes.set_xticks([0, 0.5, 1])
    axes.xaxis.set_major_formatter(PercentFormatter(xmax=1))
    axes.set_title(METRIC_WORDS[metric], fontsize=9.5, color=INK, loc="left")
    _name_arms(axes, report)


def _draw_latency(axes: Axes, place: int, measured: ArmFigures, report: EvaluationReport) -> None:
    rows = [row.answer for row in report.scored if row.arm == measured.arm and row.answer.error is None]
    colour = _colour(measured, report)
    # A fixed zigzag spreads the points: the same report draws the same picture.
    heights = [place - 0.2 + 0.4 * ((7 * index) % 11) / 10 for index in range(len(rows))]
    axes.plot(
        [row.latency_ms for row in rows],
        heights,
        ".",
        color=colour,
        alpha=0.35,
        markersize=6,
        markeredgewidth=0,
    )
    for interval, half in ((measured.latency_p50_ms, 0.32), (measured.latency_p95_ms, 0.15)):
        if interval:
            _draw_mark(axes, place, interval, half, colour)


def _draw_mark(axes: Axes, place: int, interval: Interval, half: float, colour: str) -> None:
    axes.plot([interval.value, interval.value], [place - half, place + half], color=colour, linewidth=2.4)
    axes.annotate(
        f"{interval.value:.0f}",
        (interval.value, place - half),
        (0, 2),
        textcoords="offset points",
        ha="center",
        fontsize=8,
    )


def _draw_causes(axes: Axes, place: int, causes: dict[str, int]) -> None:
    left = 0
    for cause, number in causes.items():
        colour = CAUSE_COLOURS[cause]
        axes.barh(place, number, left=left, height=0.62, color=colour, edgecolor="white", linewidth=1)
        ink = "white" if cause in ("error", "right", "answered_unanswerable") else INK
        axes.text(left + number / 2, place, str(number), ha="center", va="center", fontsize=8, color=ink)
        left += number


def _name_arms(axes: Axes, report: EvaluationReport) -> None:
    axes.set_yticks(range(len(report.figures)), [figure.arm.name for figure in report.figures])
    axes.set_ylim(len(report.figures) - 0.4, -0.6)
    axes.tick_params(length=0)
    axes.grid(axis="x", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)


def _colour(measured: ArmFigures, report: EvaluationReport) -> str:
    return ACCENT if measured.arm.name == report.decision.arm else PLAIN


def _render(draw: Callable[[Figure], None], *, width: float, height: float) -> str:
    with rc_context(_STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        draw(figure)
        drawn = io.StringIO()
        figure.savefig(drawn, format="svg", metadata={"Date": None})
    return _inline(drawn.getvalue())


def _inline(svg: str) -> str:
    """Cut what an SVG inside HTML does not need: the prologue, the metadata, every address."""
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    svg = re.sub(r'\sxmlns(?::\w+)?="[^"]*"', "", svg)
    svg = re.sub(r'(<svg[^>]*?)\swidth="[^"]*"', r"\1", svg, count=1)
    return re.sub(r'(<svg[^>]*?)\sheight="[^"]*"', r'\1 aria-hidden="true"', svg, count=1)
