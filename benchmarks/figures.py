"""The figures of a run: the document's way beside ours, their ratio, and how far apart repeats were."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from statistics import mean, median, stdev
from typing import Any

Note = Callable[..., None]
"""Takes the arguments of a Figure, and keeps it."""

T = (12.71, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131)
"""Student's t for an interval of 95 %, by the degrees of freedom, from one on."""

SHOWN = (
    ("rows stored of those sent, 250 a batch", ""),
    ("distinct rows of those shown, 40 a batch", ""),
    ("distinct rows of those shown, 250 a batch", ""),
    ("one batch of 250 rows, made and inserted", ""),
    ("inserted, 25,000 rows a batch", ""),
    ("inserted into a super table, 25,000 rows a batch", "the same, into a super table with a child for each ticker"),
    ("CPU of one tick, 1000 rows/s, one viewer", ""),
    ("CPU of 8 tables, times that of one", "the same of eight live tables, times that of one"),
    ("CPU of each further viewer and tick", ""),
    ("viewers that one core serves, rows at most 1 s old (p99)", ""),
    ("longest stall of a viewer while TDengine hangs for 10 s", ""),
    ("age of a row on arrival, polled every 250 ms, median", "age of a row when a viewer has it, median"),
    ("age of a row drawn by Chromium (rows), polled every 250 ms, median", "and when Chromium has drawn it"),
    ("age of a row on arrival, polled every 50 ms, median", "the same, polled every 50 ms"),
    ("age of a row drawn by Chromium (rows), polled every 50 ms, median", "and drawn"),
    ("history: first screen of 10,000,000 rows", ""),
    ("history: two-level pivot of 10,000,000 rows", ""),
    ("history: memory for 10,000,000 rows", ""),
    ("run.sh to the first row, everything installed", "`./run.sh` to the first row, everything installed"),
    ("page to its first rows, files cached", ""),
)
"""The figures that docs/measured.md shows, and what it calls them where that is something else."""


@dataclass(frozen=True)
class Ratio:
    """How many times better ours is, and between what it lies, at 95 %."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{short(self.value)} ({short(self.low)} to {short(self.high)})"

    def agrees(self, other: "Ratio") -> bool:
        """Whether two runs may have measured the same: their intervals overlap."""
        return self.low <= other.high and other.low <= self.high


@dataclass(frozen=True)
class Figure:
    """What was measured, in which unit, the document's way and ours, a value for each repeat.

    Repeat by repeat, the two were measured at the same time or one after the other, so that whatever else the machine
    did is in both. `better` is "less" or "more". In a series (`series` names it), `at` is the point that this is of.
    """

    what: str
    unit: str
    document: list[float]
    ours: list[float]
    better: str = "less"
    series: str = ""
    at: float = field(default=0.0)

    @property
    def ratio(self) -> Ratio | None:
        """The geometric mean of the repeats' ratios with Student's interval, where both ways were measured."""
        if not self.document or not self.ours or min(*self.document, *self.ours) <= 0:
            return None
        pairs = zip(self.document, self.ours, strict=True)
        logs = [math.log(ours / document if self.better == "more" else document / ours) for document, ours in pairs]
        degrees = len(logs) - 1
        half = stdev(logs) * T[min(degrees, len(T)) - 1] / math.sqrt(len(logs)) if degrees else 0.0
        return Ratio(math.exp(mean(logs)), math.exp(mean(logs) - half), math.exp(mean(logs) + half))

    def line(self) -> str:
        """The row as it is printed."""
        ratio = f"{self.ratio} x" if self.ratio else ""
        return f"{self.what:68}{self.unit:>8}{spread(self.document):>20}{spread(self.ours):>20}{ratio:>26}"


HEADING = f"{'':68}{'':>8}{'document':>20}{'ours':>20}{'ratio (95 %)':>26}"


def short(value: float) -> str:
    """A number with three digits that count."""
    digits = max(0, 2 - math.floor(math.log10(abs(value)))) if value else 0
    return f"{value:,.{min(digits, 3)}f}" if value < 1000 else f"{float(f'{value:.3g}'):,.0f}"


def spread(values: list[float]) -> str:
    """A median, and how far the repeats lie from their middle."""
    if not values:
        return "-"
    return short(median(values)) + (f" ±{short((max(values) - min(values)) / 2)}" if len(values) > 1 else "")


def read(results: dict[str, Any]) -> list[Figure]:
    """The figures in a results.json."""
    return [Figure(**{name: value for name, value in each.items() if name != "ratio"}) for each in results["figures"]]


def markdown(figures: Iterable[Figure]) -> str:
    """The table of docs/measured.md."""
    found = {each.what: each for each in figures}
    lines = ["| | the document's way | this demo | ratio |", "| --- | ---: | ---: | ---: |"]
    for what, name in SHOWN:
        if what in found:
            each = found[what]
            values = [f"{short(median(way))} {each.unit}" if way else "" for way in (each.document, each.ours)]
            lines.append(f"| {name or what} | {' | '.join(values)} | {each.ratio or ''} |")
    return "\n".join(lines) + "\n"


def compared(before: Iterable[Figure], after: Iterable[Figure]) -> tuple[list[str], bool]:
    """The ratios of two runs side by side, a line each, and whether all of them agree."""
    known = {each.what: each.ratio for each in before}
    lines, all_agree = [], True
    for each in after:
        one, other = known.get(each.what), each.ratio
        if one and other:
            agrees = one.agrees(other)
            all_agree &= agrees
            lines.append(f"{each.what:68}{one!s:>26}{other!s:>26}{'' if agrees else '  differ'}")
    return lines, all_agree
