"""History: asking TDengine for what is on the screen, or fetching all rows into Perspective and asking that."""

import asyncio
import multiprocessing
import os
import time
from collections.abc import Callable
from itertools import islice
from multiprocessing.connection import Connection
from pathlib import Path

from benchmarks.figures import Note
from benchmarks.processes import connect
from benchmarks.target import database
from tdengine.settings import Settings
from tdengine.table import open_table

PIVOT = {"group_by": ["ticker", "client"], "columns": ["open", "volume"], "aggregates": {"open": "avg"}}
ROWS = {"columns": ["timestamp", "ticker", "open", "close", "volume"]}

BATCH = 100_000
"""Rows that are fetched into Perspective at a time: a million at once took 1.3 GB in place of 0.7."""

Figures = tuple[float, float, float]


def pushed_down(at: Settings, answer: Connection) -> None:
    """First rows and pivot by the virtual server; seconds of each, and MiB."""
    import perspective

    from history.cache import Cache
    from history.handler import TDengineVirtualServerHandler

    connection = connect(at)
    before = memory()
    handler = TDengineVirtualServerHandler(connection, at, "all", Cache(time.monotonic))
    server = perspective.VirtualServer(handler)

    async def send(message: bytes) -> None:
        await client.handle_response(server.handle_request(message))

    async def close() -> None:
        pass

    client = perspective.AsyncClient(send, close)

    async def look() -> Figures:
        began = time.perf_counter()
        table = await client.open_table(at.table)
        rows = await table.view(**ROWS)
        await rows.num_rows()
        await rows.to_columns(end_row=40)
        first = time.perf_counter()
        pivot = await table.view(**PIVOT)
        await pivot.to_columns(end_row=40)
        return first - began, time.perf_counter() - first, memory() - before

    answer.send(asyncio.run(look()))


def fetched(at: Settings, answer: Connection) -> None:
    """The same by a Perspective table of all rows, fetched as Arrow the demo's way, a batch at a time."""
    import perspective

    connection = connect(at)
    before = memory()
    began = time.perf_counter()
    table = open_table(connection, at)
    made = perspective.Server().new_local_client().table(table.to_arrow([]), name="t")
    rows = iter(connection.query(table.select))
    while batch := list(islice(rows, BATCH)):
        made.update(table.to_arrow(batch))
    made.view(**ROWS).to_columns(end_row=40)
    first = time.perf_counter()
    made.view(**PIVOT).to_columns(end_row=40)
    answer.send((first - began, time.perf_counter() - first, memory() - before))


def memory() -> float:
    """The most that this process has held, in MiB. (What getrusage() tells may be the most that its parent has.)"""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def history(note: Note, quick: bool) -> None:
    """Time to the first screen and of a two-level pivot, and the memory of both, the two ways in turn."""
    repeats = 3
    for rows in (300_000,) if quick else (100_000, 1_000_000, 10_000_000):
        fetching = fits(rows)
        ways = [fetched, pushed_down] if fetching else [pushed_down]
        with database(fill=rows) as at:
            found = [[measured(way, at) for way in ways] for _ in range(repeats)]
        parts = (("first screen of", 1000, "ms"), ("two-level pivot of", 1000, "ms"), ("memory for", 1, "MiB"))
        for place, (what, factor, unit) in enumerate(parts):
            columns = [[factor * figures[place] for figures in way] for way in zip(*found, strict=True)]
            note(f"history: {what} {rows:,} rows", unit, *([] if fetching else [[]]), *columns)


def fits(rows: int) -> bool:
    """Whether so many fetched rows take less than half of this machine's memory: they take 740 bytes each."""
    return rows * 740 < os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2


def measured(way: Callable[[Settings, Connection], None], at: Settings) -> Figures:
    """What a way takes in a process of its own."""
    context = multiprocessing.get_context("spawn")
    mine, its = context.Pipe()
    process = context.Process(target=way, args=(at, its))
    process.start()
    its.close()
    found: Figures = mine.recv()
    process.join()
    return found
