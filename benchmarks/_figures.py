"""What is measured, and how it is shown."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table.

    Attributes:
        part: what was measured.
        who: ours by its driver, or a peer.
        value: the figure itself.
        unit: its unit.
        ratio: to the floor of the same run, where there is one.
        note: percentiles, shares and the like.
    """

    part: str
    who: str
    value: float
    unit: str
    ratio: float | None = None
    note: str = ""


def table(figures: Sequence[Figure]) -> str:
    """In Markdown."""
    head = "| part | who | median | unit | x floor | more |\n|---|---|---|---|---|---|"
    rows = [
        f"| {figure.part} | {figure.who} | {figure.value:.3g} | {figure.unit} | "
        f"{'' if figure.ratio is None else format(figure.ratio, '.2f')} | {figure.note} |"
        for figure in figures
    ]
    return "\n".join([head, *rows])


def plot(figures: Sequence[Figure], path: str) -> None:
    """A bar for each median in milliseconds, a panel for each part."""
    import matplotlib as mpl  # noqa: PLC0415 - only for the plot

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415 - only for the plot

    parts = list(dict.fromkeys(f.part for f in figures if f.unit == "ms"))
    rows = max(1, (len(parts) + 1) // 2)
    canvas, axes = plt.subplots(rows, 2, figsize=(11, 2.2 * rows), squeeze=False)
    for axis in axes.flat[len(parts) :]:
        axis.set_visible(False)
    for axis, part in zip(axes.flat, parts, strict=False):
        shown = [figure for figure in figures if figure.part == part and figure.unit == "ms"]
        ours = {"pymongo", "motor"}
        colours = ["tab:blue" if figure.who in ours else "lightgrey" for figure in shown]
        bars = axis.barh([figure.who for figure in shown], [figure.value for figure in shown], color=colours)
        axis.bar_label(bars, fmt=" %.3g")
        axis.margins(x=0.15)
        axis.invert_yaxis()
        axis.set_title(f"{part}, ms (median)", fontsize=10)
    canvas.tight_layout()
    canvas.savefig(path, dpi=110)


def milliseconds(nanoseconds: Sequence[int]) -> list[float]:
    """Sorted."""
    return sorted(taken / 1e6 for taken in nanoseconds)


def percentile(ordered: Sequence[float], part: float) -> float:
    """Of what is sorted."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


def spread(ordered: Sequence[float]) -> str:
    """The tail, in words."""
    return f"p99 {percentile(ordered, 0.99):.3g} ms, max {ordered[-1]:.3g} ms, n={len(ordered)}"


def median(values: Sequence[float]) -> float:
    """The middle one."""
    return statistics.median(values)
