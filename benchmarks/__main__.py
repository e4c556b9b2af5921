#!/usr/bin/env python3
"""Measure the demo against the way that the document describes, side by side in one run on one machine.

Prints a table, writes benchmarks/results.json, and draws two plots into imgs/. Each figure is a median, with half the
distance between the least and the greatest of its repeats. A ratio is the mean of the repeats' (the geometric one),
with the interval in which it lies at 95 %.

All is measured over embedded servers or, where TAOS_HOST is set, over the TDengine there (TAOS_PORT, TAOS_USER and
TAOS_PASSWORD as for the demo), in databases of their own called perspective_benchmark_1 and so on, which are dropped.
"""

import argparse
import json
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks import cost, data, figures, history, history_page, insert, latency, plots, start, tables, target
from benchmarks.figures import Figure
from benchmarks.processes import PartFailed, machine
from tdengine.errors import TDengineError

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
    "tables": tables.tables,
    "history": history.history,
    "history page": history_page.history_page,
    "start": start.start,
}

LONG = {"history page"}
"""Rows that a quick run has no time for."""


def measured(names: list[str], quick: bool) -> dict[str, Any]:
    """Measure these rows, printing each figure. Raises TDengineError, or PartFailed."""
    found: list[Figure] = []
    began = time.monotonic()

    def note(*arguments: Any, **options: Any) -> None:
        found.append(Figure(*arguments, **options))
        print(found[-1].line(), flush=True)

    over = target.check()
    print(f"{machine()}, over {over}")
    print(figures.HEADING)
    for name in names:
        ROWS[name](note, quick)
    seconds = round(time.monotonic() - began)
    print(f"{seconds} s")
    ratios = [asdict(each.ratio) if each.ratio else None for each in found]
    listed = [{**asdict(each), "ratio": ratio} for each, ratio in zip(found, ratios, strict=True)]
    return {"machine": machine(), "over": over, "quick": quick, "seconds": seconds, "figures": listed}


def main() -> int:
    """Measure, print, write; or print what was measured before."""
    parser = argparse.ArgumentParser(prog="benchmarks/run.sh", description=__doc__)
    parser.add_argument(
        "--quick",
        action="store_true",
        help="fewer points, fewer rows, shorter: in less than three minutes",
    )
    parser.add_argument("--only", choices=ROWS, action="append", help="measure this row, or these, and write nothing")
    parser.add_argument(
        "--output",
        type=Path,
        default=RESULTS,
        help="file to write, with its plots beside it, or to read (results.json, its plots in imgs/)",
    )
    parser.add_argument("--compare", type=Path, metavar="FILE", help="only say whether the output agrees with this run")
    parser.add_argument("--table", action="store_true", help="only print the table of docs/measured.md, of the output")
    options = parser.parse_args()
    if options.table or options.compare:
        found = figures.read(json.loads(options.output.read_text()))
        if options.table:
            print(figures.markdown(found), end="")
            return 0
        lines, agree = figures.compared(figures.read(json.loads(options.compare.read_text())), found)
        print("\n".join(lines))
        return 0 if agree else 1
    # As Ctrl-C does: what was started is ended, what was made is dropped.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    names = options.only or (ROWS.keys() - LONG if options.quick else ROWS)
    try:
        results = measured([name for name in ROWS if name in names], options.quick)
    except (TDengineError, PartFailed) as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    if not options.only:
        options.output.write_text(json.dumps(results, indent=1) + "\n")
        imgs = RESULTS.parent.parent / "imgs"
        plots.draw(figures.read(results), imgs if options.output == RESULTS else options.output.parent)
    return 0


if __name__ == "__main__":
    sys.exit(main())
