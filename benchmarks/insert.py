"""What an insert costs: a statement made for each batch, or one prepared once."""

import time
from collections.abc import Callable

import producer
from benchmarks import document_way
from benchmarks.figures import Note
from benchmarks.target import database


def insert(note: Note, quick: bool) -> None:
    """Milliseconds for a batch of 250, and rows a second at larger ones, the two ways in turn."""
    with database() as at:
        connection = document_way.connect(at)
        statement = producer.prepare(at)
        begin = time.time_ns() // 10**6 - 3_000_000

        def document(rows: int) -> None:
            document_way.insert_data(connection, document_way.gen_data(rows))

        def ours(rows: int) -> None:
            nonlocal begin
            times = range(begin, begin + rows)
            begin += rows
            producer.insert_data(statement, producer.gen_data(times, begin), "ms")

        for rows, repeats in ((250, 30), (2500, 15), (25_000, 5)):
            for way in (document, ours):
                way(rows)
            found = [[timed(way, rows) for way in (document, ours)] for _ in range(repeats if quick else 3 * repeats)]
            took = list(zip(*found, strict=True))
            if rows == 250:
                note("one batch of 250 rows, made and inserted", "ms", *([1000 * s for s in each] for each in took))
            rates = ([rows / seconds for seconds in each] for each in took)
            note(f"inserted, {rows:,} rows a batch", "rows/s", *rates, better="more")


def timed(way: Callable[[int], None], rows: int) -> float:
    """The seconds that a batch takes."""
    began = time.perf_counter()
    way(rows)
    return time.perf_counter() - began
