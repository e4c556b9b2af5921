"""What an insert costs: a statement made for each batch, or one prepared once; a plain table, or one a ticker."""

import time
from collections.abc import Callable
from dataclasses import replace

import producer
from benchmarks import document_way
from benchmarks.figures import Note
from benchmarks.processes import connect
from benchmarks.target import database
from producing import by_ticker
from tdengine.settings import Settings


def insert(note: Note, quick: bool) -> None:
    """Milliseconds for a batch of 250, and rows a second at larger ones, the ways in turn."""
    with database() as at:
        connection = document_way.connect(at)
        stable = replace(at, table=by_ticker.TABLE)
        producer.create_table(connect(stable), stable, by_ticker.TAG)
        ours = inserting(at)
        ours_by_ticker = inserting(stable, by_ticker.TAG)

        def document(rows: int) -> None:
            document_way.insert_data(connection, document_way.gen_data(rows))

        ways = (document, ours, ours_by_ticker)
        for rows, repeats in ((250, 30), (2500, 15), (25_000, 5)):
            for way in ways:
                way(rows)
            found = [[timed(way, rows) for way in ways] for _ in range(repeats if quick else 3 * repeats)]
            took = list(zip(*found, strict=True))
            if rows == 250:
                note("one batch of 250 rows, made and inserted", "ms", *([1000 * s for s in each] for each in took[:2]))
            *rates, by = ([rows / seconds for seconds in each] for each in took)
            note(f"inserted, {rows:,} rows a batch", "rows/s", *rates, better="more")
            note(f"inserted into a super table, {rows:,} rows a batch", "rows/s", [], by, better="more")


def inserting(at: Settings, tag: str = "") -> Callable[[int], None]:
    """Our way to make and insert so many rows: into a plain table, or a super table with a child for each ticker."""
    statement = producer.prepare(at, tag)
    begin = time.time_ns() // 10**6 - 3_000_000

    def way(rows: int) -> None:
        nonlocal begin
        times = range(begin, begin + rows)
        begin += rows
        producer.insert_data(statement, producer.gen_data(times, begin), "ms", at.table if tag else "")

    return way


def timed(way: Callable[[int], None], rows: int) -> float:
    """The seconds that a batch takes."""
    began = time.perf_counter()
    way(rows)
    return time.perf_counter() - began
