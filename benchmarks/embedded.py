#!/usr/bin/env python3
"""What the embedded server costs and how fast it answers, as figures of this machine.

Its share of a core while 1000 rows a second come in, a feed polls and five more clients query; batches of 10,000 rows
by prepared statement and as SQL text; the last second of an hour of rows.
"""

import argparse
import multiprocessing
import os
import platform
import random
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing.synchronize import Event
from pathlib import Path

import taosws

ROOT = Path(__file__).parent.parent
TABLE = (
    "create table d.t (`timestamp` timestamp, ticker nchar(10), client nchar(10), open float, high float, low float, "
    "close float, volume int unsigned, date timestamp)"
)
LAST_SECOND = (
    "select cast(`timestamp` as bigint), ticker, client, open, high, low, close, volume, cast(date as bigint) from d.t "
    "where `timestamp` >= now() - 1s order by `timestamp` desc limit 1000"
)
MOST_ROWS = 32_767
"""As many rows as one bind may have."""


def machine() -> str:
    """The processor, how many of its cores this process may use, and the Python."""
    model = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    return f"{model}, {len(os.sched_getaffinity(0))} cores, Python {platform.python_version()}"


@contextmanager
def server() -> Iterator[tuple[int, int]]:
    """A server in memory; its port and process id."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "embedded", "--port", str(port), "--log-level", "error"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    try:
        yield port, process.pid
    finally:
        process.terminate()
        process.wait()


def connect(port: int) -> taosws.Connection:
    return taosws.connect(host="127.0.0.1", port=port, user="root", password="taosdata")


def columns(start: int, rows: int, step: int = 1) -> list[list[object]]:
    """Random trades, `step` milliseconds apart: times, texts, prices, volumes, dates."""
    prices: list[list[object]] = [[random.uniform(0, 100) for _ in range(rows)] for _ in range(4)]
    return [
        [start + at * step for at in range(rows)],
        [random.choice(("AAPL.N", "AMZN.N", "QQQ.N", "TSLA.N")) for _ in range(rows)],
        [random.choice(("Homer", "Marge", "Bart", "Lisa")) for _ in range(rows)],
        *prices,
        [random.randint(10_000, 100_000) for _ in range(rows)],
        [start // 86_400_000 * 86_400_000] * rows,
    ]


_TO_COLUMN: list[Callable[[list[object]], object]] = [
    taosws.millis_timestamps_to_column,
    *[taosws.nchar_to_column] * 2,
    *[taosws.floats_to_column] * 4,
    taosws.unsigned_ints_to_column,
    taosws.millis_timestamps_to_column,
]


class Writer:
    """One prepared INSERT."""

    def __init__(self, connection: taosws.Connection) -> None:
        self.statement = connection.stmt2_statement()
        self.statement.prepare(f"insert into d.t values ({', '.join('?' * 9)})")

    def write(self, values: list[list[object]]) -> None:
        """Bind and execute."""
        made = [to_column(column) for to_column, column in zip(_TO_COLUMN, values, strict=True)]
        self.statement.bind([taosws.stmt2_bind_param_view(None, None, made)])
        self.statement.execute()


def milliseconds(work: Callable[[], object]) -> float:
    """How long it took."""
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def every(interval: float, stop: Event, work: Callable[[], object]) -> None:
    """Do the work at fixed moments until told to stop."""
    due = time.monotonic()
    while not stop.wait(max(0.0, due - time.monotonic())):
        work()
        due += interval


def produce(port: int, stop: Event) -> None:
    """1000 rows a second, in four batches."""
    writer = Writer(connect(port))
    every(0.25, stop, lambda: writer.write(columns(int(time.time() * 1000) - 250, 250)))


def poll(port: int, stop: Event) -> None:
    """The demo's query, four times a second."""
    connection = connect(port)
    every(0.25, stop, lambda: list(_query(connection)))


def _query(connection: taosws.Connection) -> taosws.TaosResult:
    return connection.query(LAST_SECOND)


def cpu_seconds(pid: int) -> float:
    """What a process has used of the processor."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def load(seconds: float) -> str:
    """The share of a core under the demo's load."""
    with server() as (port, pid):
        connection = connect(port)
        connection.execute("create database d")
        connection.execute(TABLE)
        context = multiprocessing.get_context("spawn")
        stop = context.Event()
        clients = [context.Process(target=produce, args=(port, stop))]
        clients += [context.Process(target=poll, args=(port, stop)) for _ in range(6)]
        for client in clients:
            client.start()
        time.sleep(5)
        before, began = cpu_seconds(pid), time.monotonic()
        time.sleep(seconds)
        share = (cpu_seconds(pid) - before) / (time.monotonic() - began)
        stop.set()
        for client in clients:
            client.join(10)
        return f"{share:.0%} of a core: 1000 rows/s in, a feed and five more clients polling four times a second"


def batches() -> list[str]:
    """10,000 rows by prepared statement and as SQL text."""
    with server() as (port, _):
        connection = connect(port)
        connection.execute("create database d")
        connection.execute(TABLE)
        writer = Writer(connection)
        bound, text = [], []
        for number in range(10):
            values = columns(int(time.time() * 1000) + number * 20_000, 10_000)
            bound.append(milliseconds(partial(writer.write, values)))
            values = columns(int(time.time() * 1000) + number * 20_000 + 10_000, 10_000)
            listed = " ".join(
                f"({time_}, '{ticker}', '{client}', {o}, {h}, {low}, {c}, {volume}, {date})"
                for time_, ticker, client, o, h, low, c, volume, date in zip(*values, strict=True)
            )
            text.append(milliseconds(partial(connection.execute, f"insert into d.t values {listed}")))
        return [
            f"{statistics.median(bound):.0f} ms for a batch of 10,000 rows by prepared statement (stmt2)",
            f"{statistics.median(text):.0f} ms for a batch of 10,000 rows as SQL text",
        ]


def last_second(rows: int) -> str:
    """The demo's query over an hour of rows, a row a millisecond."""
    with server() as (port, pid):
        connection = connect(port)
        connection.execute("create database d")
        connection.execute(TABLE)
        writer = Writer(connection)
        start = int(time.time() * 1000) - rows
        for at in range(0, rows, MOST_ROWS):
            writer.write(columns(start + at, min(MOST_ROWS, rows - at)))
        took = []
        for _ in range(50):
            writer.write(columns(int(time.time() * 1000) - 900, 900))
            took.append(milliseconds(lambda: list(_query(connection))))
        (count,) = next(iter(connection.query("select count(*) from d.t")))
        resident = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 2**20
        return (
            f"{statistics.median(took):.1f} ms for the last second (900 rows) of {count:,} rows, "
            f"{max(took):.1f} ms at most; the server holds {resident} MiB"
        )


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20, help="how long the load is watched (%(default)s)")
    parser.add_argument("--rows", type=int, default=3_600_000, help="rows of the last measurement (%(default)s)")
    options = parser.parse_args()
    print(machine())
    print(load(options.seconds), flush=True)
    for line in batches():
        print(line, flush=True)
    print(last_second(options.rows))


if __name__ == "__main__":
    main()
