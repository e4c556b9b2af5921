"""What becomes of the rows: how many of those sent are stored, and how many of those shown are distinct."""

import sys
import time
from collections.abc import Callable
from typing import Any

import taosws

from benchmarks.processes import ROOT, embedded, free_port, running

sys.path.insert(0, str(ROOT / "tests"))

from viewers import Viewer

Note = Callable[..., None]
SEED = "benchmarks/seed_way.py"


def sql(port: int, statement: str) -> list[tuple[Any, ...]]:
    """The rows of a statement, over a connection of its own."""
    connection = taosws.connect(host="localhost", port=port, user="root", password="taosdata")
    return list(connection.query(statement))


def create(port: int) -> None:
    """The database that the seed's way takes to be there."""
    taosws.connect(host="localhost", port=port, user="root", password="taosdata").execute("CREATE DATABASE stocks")


def stored(note: Note, quick: bool) -> None:
    """Rows stored of those sent, in batches of 250."""
    batches = 12 if quick else 40
    found = []
    for command in ([SEED, "produce"], ["producer.py"]):
        with embedded() as port:
            create(port)
            options = ["--taos-port", str(port), "--batches", str(batches)]
            with running(*command, *options) as producer:
                producer.wait(120)
            count = sql(port, "SELECT COUNT(*) FROM stocks.stocks_values")[0][0]
            found.append([100 * count / (250 * batches)])
    note("rows stored of those sent, 250 a batch", "%", *found, "more")


def shown(note: Note, quick: bool) -> None:
    """Distinct rows of those in the Perspective table, while our producer writes."""
    for rows in (40, 250):
        found = []
        for command in ([SEED, "serve"], ["perspective_server.py"]):
            with embedded() as taos:
                create(taos)
                port = free_port()
                options = ["--taos-port", str(taos), "--port", str(port)]
                with (
                    running("producer.py", "--taos-port", str(taos), "--rows", str(rows)),
                    running(*command, *options, ready="serving"),
                ):
                    shares = [distinct(port) for _ in range(3)]
                found.append(shares)
        note(f"distinct rows of those shown, {rows} a batch", "%", *found, "more")


def distinct(port: int) -> float:
    """The share of distinct rows in the table of a server, once a second's more rows have come."""
    time.sleep(2)
    viewer = Viewer(f"http://127.0.0.1:{port}")
    try:
        columns = viewer.columns()
    finally:
        viewer.close()
    rows = list(zip(*columns.values(), strict=True))
    return 100 * len(set(rows)) / max(1, len(rows))
