"""What an insert costs: a statement made for each batch, or one prepared once."""

import sys
import time
from collections.abc import Callable

from benchmarks import seed_way
from benchmarks.processes import ROOT, embedded

sys.path.insert(0, str(ROOT))

import producer
import tdengine
from benchmarks.data import Note, create

MOST = producer.MAX_ROWS


def insert(note: Note, quick: bool) -> None:
    """Milliseconds for a batch of 250, and rows a second at larger ones."""
    repeats = 5 if quick else 15
    with embedded() as port:
        create(port)
        at = tdengine.Settings("localhost", port, "root", "stocks", "stocks_values", "taosdata")
        connection = seed_way.connect(port)
        statement = producer.prepare(at)
        begin = time.time_ns() // 10**6 - 3_000_000

        def seed(rows: int) -> None:
            seed_way.insert_data(connection, seed_way.gen_data(rows))

        def ours(rows: int) -> None:
            nonlocal begin
            times = range(begin, begin + rows)
            begin += rows
            producer.insert_data(statement, producer.gen_data(times, begin), "ms")

        for rows in (250, 2500, 25_000):
            found = [timed(way, rows, repeats) for way in (seed, ours)]
            if rows == 250:
                note("one batch of 250 rows, made and inserted", "ms", *([1000 * s for s in each] for each in found))
            note(f"inserted, {rows:,} rows a batch", "rows/s", *([rows / s for s in each] for each in found), "more")


def timed(way: Callable[[int], None], rows: int, repeats: int) -> list[float]:
    """The seconds of each of some batches, after one that is not counted."""
    way(rows)
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        way(rows)
        seconds.append(time.perf_counter() - began)
    return seconds
