"""What becomes of the rows: how many of those sent are stored, and how many of those shown are distinct."""

import sys
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from benchmarks.cost import count
from benchmarks.figures import Note
from benchmarks.processes import DOCUMENT, running, served, taos_options
from benchmarks.target import database

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from viewers import Viewer


def stored(note: Note, quick: bool) -> None:
    """Rows stored of those sent, in batches of 250, both ways at once into tables of their own."""
    batches, repeats = (4, 3) if quick else (10, 5)
    found: list[list[float]] = []
    with database() as at:
        options = [*taos_options(at), "--batches", str(batches)]
        tables = [at, replace(at, table="ours")]
        before = [0, 0]
        for _ in range(repeats):
            with (
                running(DOCUMENT, "produce", *options) as document,
                running("producer.py", *options, "--table", "ours") as ours,
            ):
                for each in (document, ours):
                    each.wait(120)
            counts = [count(table) for table in tables]
            found.append([100 * (after - at) / (250 * batches) for after, at in zip(counts, before, strict=True)])
            before = counts
    note("rows stored of those sent, 250 a batch", "%", *map(list, zip(*found, strict=True)), better="more")


def shown(note: Note, quick: bool) -> None:
    """Distinct rows of those in the Perspective table, while our producer writes.

    How many there are twice depends on when the server polls after the producer writes, so there are some of each.
    """
    for rows in (40, 250):
        with database() as at, ExitStack() as stack:
            stack.enter_context(running("producer.py", *taos_options(at), "--rows", str(rows)))
            repeats = 3 if quick else 5
            ports = [
                [stack.enter_context(served(at, document=way))[0] for way in (True, False)] for _ in range(repeats)
            ]
            time.sleep(2)
            found = [[distinct(port) for port in pair] for pair in ports]
        note(f"distinct rows of those shown, {rows} a batch", "%", *map(list, zip(*found, strict=True)), better="more")


def distinct(port: int) -> float:
    """The share of distinct rows in the table of a server."""
    viewer = Viewer(f"http://127.0.0.1:{port}")
    try:
        columns = viewer.columns()
    finally:
        viewer.close()
    rows = list(zip(*columns.values(), strict=True))
    return 100 * len(set(rows)) / max(1, len(rows))
