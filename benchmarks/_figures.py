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
    """One bar for each time to hand a lock over, and for each overhead, on a scale of powers of ten."""
    import matplotlib as mpl  # noqa: PLC0415 - only for the plot

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415 - only for the plot

    parts = list(dict.fromkeys(f.part for f in figures if f.unit == "ms"))
    canvas, axes = plt.subplots(1, max(1, len(parts)), figsize=(4 * max(1, len(parts)), 4), squeeze=False)
    for axis, part in zip(axes[0], parts, strict=False):
        shown = [figure for figure in figures if figure.part == part and figure.unit == "ms"]
        axis.bar([figure.who for figure in shown], [figure.value for figure in shown])
        axis.set_yscale("log")
        axis.set_ylabel("ms, median")
        axis.set_title(part)
        axis.tick_params(axis="x", rotation=45)
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
