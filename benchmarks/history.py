"""History: asking TDengine for what is on the screen, or fetching all rows into Perspective and asking that."""

import asyncio
import multiprocessing
import resource
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection

from benchmarks.data import Note
from benchmarks.processes import ROOT, embedded

sys.path.insert(0, str(ROOT))

PIVOT = {"group_by": ["ticker", "client"], "columns": ["open", "volume"], "aggregates": {"open": "avg"}}
ROWS = {"columns": ["timestamp", "ticker", "open", "close", "volume"]}

Figures = tuple[float, float, float]


def pushed_down(port: int, answer: Connection) -> None:
    """First rows and pivot by history.py; seconds of each, and MiB."""
    import perspective

    import history
    import tdengine

    at = tdengine.Settings("localhost", port, "root", "stocks", "stocks_values", "taosdata")
    connection = tdengine.create_tdengine_connection(at, timeout=120)
    before = memory()
    handler = history.TDengineVirtualServerHandler(connection, at, "all", history.Cache(time.monotonic))
    server = perspective.VirtualServer(handler)

    async def send(message: bytes) -> None:
        await client.handle_response(server.handle_request(message))

    async def close() -> None:
        pass

    client = perspective.AsyncClient(send, close)

    async def look() -> Figures:
        began = time.perf_counter()
        table = await client.open_table("stocks_values")
        rows = await table.view(**ROWS)
        await rows.num_rows()
        await rows.to_columns(end_row=40)
        first = time.perf_counter()
        pivot = await table.view(**PIVOT)
        await pivot.to_columns(end_row=40)
        return first - began, time.perf_counter() - first, memory() - before

    answer.send(asyncio.run(look()))


def fetched(port: int, answer: Connection) -> None:
    """The same by a Perspective table of all rows, fetched as Arrow the demo's way."""
    import perspective

    import tdengine

    at = tdengine.Settings("localhost", port, "root", "stocks", "stocks_values", "taosdata")
    connection = tdengine.create_tdengine_connection(at, timeout=120)
    before = memory()
    began = time.perf_counter()
    table = tdengine.open_table(connection, at)
    rows = list(connection.query(table.select))
    made = perspective.Server().new_local_client().table(table.to_arrow(rows), name="t")
    made.view(**ROWS).to_columns(end_row=40)
    first = time.perf_counter()
    made.view(**PIVOT).to_columns(end_row=40)
    answer.send((first - began, time.perf_counter() - first, memory() - before))


def memory() -> float:
    """The most that this process has held, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def history(note: Note, quick: bool) -> None:
    """Time to the first screen and of a two-level pivot, and the memory of both."""
    for rows in (100_000, 500_000) if quick else (100_000, 1_000_000, 10_000_000):
        with embedded("--fill", str(rows)) as port:
            ours = measured(pushed_down, port)
            seed = measured(fetched, port) if rows <= 1_000_000 else None
        parts = (("first screen of", 1000, "ms"), ("two-level pivot of", 1000, "ms"), ("memory for", 1, "MiB"))
        for at, (what, factor, unit) in enumerate(parts):
            found = [[factor * each[at]] if each else [] for each in (seed, ours)]
            note(f"history: {what} {rows:,} rows", unit, *found)


def measured(way: Callable[[int, Connection], None], port: int) -> Figures:
    """What a way takes in a process of its own."""
    context = multiprocessing.get_context("spawn")
    mine, its = context.Pipe()
    process = context.Process(target=way, args=(port, its))
    process.start()
    found: Figures = mine.recv()
    process.join()
    return found
