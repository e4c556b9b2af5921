#!/usr/bin/env python3
"""Measure the demo against the way that the seed document describes, side by side in one run on one machine.

Prints a table, writes benchmarks/results.json, and draws two plots into imgs/. Each figure is a median, with half the
distance between the least and the greatest of its repeats. A ratio is the mean of the repeats' (the geometric one),
with the interval in which it lies at 95 %.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks import cost, data, figures, history, insert, latency, plots, start
from benchmarks.figures import Figure
from benchmarks.processes import machine

RESULTS = Path(__file__).parent / "results.json"

ROWS: dict[str, Callable[..., None]] = {
    "stored": data.stored,
    "shown": data.shown,
    "insert": insert.insert,
    "tick": cost.tick,
    "stall": latency.stall,
    "freshness": latency.freshness,
    "drawn": latency.drawn,
    "viewers": cost.viewers,
    "growth": cost.growth,
    "history": history.history,
    "start": start.start,
}


def measured(names: list[str], quick: bool) -> dict[str, Any]:
    """Measure these rows, printing each figure."""
    found: list[Figure] = []
    began = time.monotonic()

    def note(*arguments: Any, **options: Any) -> None:
        found.append(Figure(*arguments, **options))
        print(found[-1].line(), flush=True)

    print(machine())
    print(figures.HEADING)
    for name in names:
        ROWS[name](note, quick)
    seconds = round(time.monotonic() - began)
    print(f"{seconds} s")
    ratios = [asdict(each.ratio) if each.ratio else None for each in found]
    listed = [{**asdict(each), "ratio": ratio} for each, ratio in zip(found, ratios, strict=True)]
    return {"machine": machine(), "quick": quick, "seconds": seconds, "figures": listed}


def main() -> int:
    """Measure, print, write; or print what was measured before."""
    parser = argparse.ArgumentParser(prog="benchmarks/run.sh", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer points and shorter, in less than three minutes")
    parser.add_argument("--only", choices=ROWS, action="append", help="measure this row, or these, and write nothing")
    parser.add_argument("--output", type=Path, default=RESULTS, help="file to write, or to read (results.json)")
    parser.add_argument("--compare", type=Path, metavar="FILE", help="only say whether the output agrees with this run")
    parser.add_argument("--table", action="store_true", help="only print the README's table of the output")
    options = parser.parse_args()
    if options.table or options.compare:
        found = figures.read(json.loads(options.output.read_text()))
        if options.table:
            print(figures.markdown(found), end="")
            return 0
        lines, agree = figures.compared(figures.read(json.loads(options.compare.read_text())), found)
        print("\n".join(lines))
        return 0 if agree else 1
    results = measured([name for name in ROWS if name in (options.only or ROWS)], options.quick)
    if not options.only:
        options.output.write_text(json.dumps(results, indent=1) + "\n")
        plots.draw(figures.read(results), RESULTS.parent.parent / "imgs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
