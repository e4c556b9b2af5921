#!/usr/bin/env python3
"""Measure the demo against the way that the seed document describes, side by side in one run on one machine.

Prints a table, writes benchmarks/results.json, and draws two plots into imgs/. `--quick` takes less than three
minutes on two cores; `--only NAME` measures one row. Figures are medians over repeats, with their spread.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

from benchmarks import cost, data, history, insert, latency, plots, start
from benchmarks.processes import machine

HERE = Path(__file__).parent


@dataclass
class Figure:
    """One row of the table: what was measured, in which unit, the seed's way and ours, over repeats."""

    what: str
    unit: str
    seed: list[float] = field(default_factory=list)
    ours: list[float] = field(default_factory=list)
    better: str = "less"

    @property
    def ratio(self) -> float | None:
        """How many times better ours is, if both were measured."""
        if not self.seed or not self.ours or not median(self.ours) or not median(self.seed):
            return None
        ratio = median(self.seed) / median(self.ours)
        return ratio if self.better == "less" else 1 / ratio

    def line(self) -> str:
        """The row as it is printed."""
        ratio = f"{self.ratio:,.1f} x" if self.ratio else ""
        return f"{self.what:62}{self.unit:>9}{shown(self.seed):>22}{shown(self.ours):>22}{ratio:>11}"


def shown(values: list[float]) -> str:
    """A median, and how far apart the repeats were."""
    if not values:
        return "-"
    spread = f" ±{(max(values) - min(values)) / 2:,.3g}" if len(values) > 1 else ""
    return f"{median(values):,.4g}{spread}"


ROWS: dict[str, Callable[..., None]] = {
    "stored": data.stored,
    "shown": data.shown,
    "insert": insert.insert,
    "tick": cost.tick,
    "stall": latency.stall,
    "freshness": latency.freshness,
    "viewers": cost.viewers,
    "growth": cost.growth,
    "history": history.history,
    "start": start.start,
}


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="benchmarks/run.sh", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer points and repeats, shorter measurements")
    parser.add_argument("--only", choices=ROWS, action="append", help="measure this row, or these")
    options = parser.parse_args()
    print(machine())
    print(f"{'':62}{'':>9}{'seed':>22}{'ours':>22}{'ratio':>11}")
    figures: list[Figure] = []
    began = time.monotonic()

    def note(what: str, unit: str, seed: list[float], ours: list[float], better: str = "less") -> None:
        figures.append(Figure(what, unit, seed, ours, better))
        print(figures[-1].line(), flush=True)

    for name, measure in ROWS.items():
        if not options.only or name in options.only:
            measure(note, options.quick)
    print(f"{time.monotonic() - began:.0f} s")
    results = {"machine": machine(), "quick": options.quick, "figures": [asdict(each) for each in figures]}
    if not options.only:
        (HERE / "results.json").write_text(json.dumps(results, indent=1) + "\n")
        plots.draw(results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
