#!/usr/bin/env python3
"""Insert random stock trades into TDengine, in batches, through one prepared statement."""

import argparse
import os
import random
import threading
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

import taosws

from producing import by_ticker, stopping
from producing.outbox import Outbox
from producing.progress import Progress
from producing.ticks import midnight, room, ticks, timestamps
from tdengine.command_line import Parser, explained, positive
from tdengine.connecting import create_tdengine_connection
from tdengine.describing import TICKS_PER_SECOND, describe, precision_of
from tdengine.errors import NO_TABLE, TDengineError, code
from tdengine.settings import Settings, add_options, settings
from tdengine.sql import quote
from tdengine.telling import log_to_stderr

TICKERS = (
    *("AAPL.N", "AMZN.N", "QQQ.N", "NVDA.N", "TSLA.N", "FB.N", "MSFT.N"),
    *("TLT.N", "XIV.N", "YY.N", "CSCO.N", "GOOGL.N", "PCLN.N"),
)
CLIENTS = ("Homer", "Marge", "Bart", "Lisa", "Maggie", "Moe", "Lenny", "Carl", "Krusty")

MAX_ROWS = 32_767
"""As many rows as TDengine takes in one bind."""

COLUMNS = {
    "timestamp": "TIMESTAMP",
    "ticker": "NCHAR(10)",
    "client": "NCHAR(10)",
    "open": "FLOAT",
    "high": "FLOAT",
    "low": "FLOAT",
    "close": "FLOAT",
    "volume": "INT UNSIGNED",
    "date": "TIMESTAMP",
}

Trades = Mapping[str, Sequence[Any]]
"""A batch by column, as TDengine takes it: the values of each of COLUMNS."""


def gen_data(times: Sequence[int], midnight: int) -> Trades:
    """Random trades, one for each of the given timestamps; their `date` is the day that began at `midnight`."""
    rows = len(times)
    modifier = random.random() * random.randint(1, 50)

    def prices(most: float, steps: Sequence[int]) -> list[float]:
        return [most * random.random() + step * modifier for step in random.choices(steps, k=rows)]

    return {
        "timestamp": times,
        "ticker": random.choices(TICKERS, k=rows),
        "client": random.choices(CLIENTS, k=rows),
        "open": prices(75, range(10)),
        "high": prices(105, range(1, 4)),
        "low": prices(85, range(1, 4)),
        "close": prices(90, range(1, 4)),
        "volume": random.choices(range(10_000, 100_001), k=rows),
        "date": [midnight] * rows,
    }


def create_database(connection: taosws.Connection, at: Settings, precision: str | None) -> str:
    """Create the database unless it is there. Returns its precision: as asked for, else as it has it, else ms."""
    found = precision_of(connection, at.database)
    if found is None:
        found = precision or "ms"
        connection.execute(f"CREATE DATABASE IF NOT EXISTS {quote(at.database)} PRECISION '{found}'")
    if precision and found != precision:
        raise TDengineError(
            f"database {at.database} has precision {found}, not {precision}:"
            " leave --precision out, or name another database with --database"
        )
    return found


def create_table(connection: taosws.Connection, at: Settings, tag: str = "") -> None:
    """Create the table unless it is there, a super table if one of the columns is to be its tag.

    One of another shape belongs to somebody: it is reported, and left alone.
    """
    try:
        found = describe(connection, at)
    except taosws.Error as error:
        if code(error) != NO_TABLE:
            raise
        columns = ", ".join(f"{quote(name)} {type_}" for name, type_ in COLUMNS.items() if name != tag)
        tags = f" TAGS ({quote(tag)} {COLUMNS[tag]})" if tag else ""
        connection.execute(f"CREATE TABLE IF NOT EXISTS {at.full_name} ({columns}){tags}")
        found = describe(connection, at)
    shape = [(column.name, column.declaration, column.note == "TAG") for column in found]
    names = sorted(COLUMNS, key=lambda name: name == tag)  # tags come last
    if shape != [(name, COLUMNS[name], name == tag) for name in names]:
        wanted = f"a super table of stock trades by {tag}" if tag else "one of stock trades"
        raise TDengineError(f"table {at.database}.{at.table} is not {wanted}: name another with --table")


def prepare(at: Settings, tag: str = "") -> taosws.TaosStmt2:
    """Connect and prepare the insert: once a connection, not once a batch."""
    connection = create_tdengine_connection(at, at.database)
    statement = connection.stmt2_statement()
    table = f"? USING {quote(at.table)} TAGS (?)" if tag else quote(at.table)
    statement.prepare(f"INSERT INTO {table} VALUES ({', '.join('?' * (len(COLUMNS) - bool(tag)))})")
    return statement


def insert_data(statement: taosws.TaosStmt2, trades: Trades, precision: str, super_table: str = "") -> int:
    """Insert a batch of trades, column by column; how many rows TDengine has confirmed.

    In a super table those of each ticker go to a child of their own, which TDengine makes where it is not there yet.
    """
    times = {
        "ms": taosws.millis_timestamps_to_column,
        "us": taosws.micros_timestamps_to_column,
        "ns": taosws.nanos_timestamps_to_column,
    }[precision]
    to_column = {
        "TIMESTAMP": times,
        "NCHAR(10)": taosws.nchar_to_column,
        "FLOAT": taosws.floats_to_column,
        "INT UNSIGNED": taosws.unsigned_ints_to_column,
    }
    binds = []
    for child, tags, its in by_ticker.children(super_table, trades) if super_table else [(None, None, trades)]:
        columns = [to_column[COLUMNS[name]](values) for name, values in its.items()]
        binds.append(taosws.stmt2_bind_param_view(child, tags, columns))
    statement.bind(binds)
    return int(statement.execute())


def main(options: argparse.Namespace, stop: threading.Event) -> int:
    """Insert a batch at every tick until stopped. Returns the exit code."""
    at = settings(options)
    tag, super_table = (by_ticker.TAG, at.table) if options.by_ticker else ("", "")
    precision = options.precision

    def connect() -> taosws.TaosStmt2:
        nonlocal precision
        connection = create_tdengine_connection(at)
        precision = create_database(connection, at, precision)
        create_table(connection, at, tag)
        return prepare(at, tag)

    outbox = Outbox(
        connect,
        lambda statement, trades: insert_data(statement, trades, precision, super_table),
        rows=lambda trades: len(trades["timestamp"]),
    )
    progress = Progress(outbox)
    while not outbox.open():
        if stop.wait(0.05):
            return 0
    for begin in islice(ticks(options.interval, stop), options.batches):
        times = timestamps(begin, options.interval * 10**6, options.rows, precision)
        outbox.put(gen_data(times, midnight(times[0], precision)))
        outbox.send()
        progress.show()
    while not (outbox.send() or stop.wait(0.05)):
        progress.show()
    progress.finish()
    return 0


def parse_options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line. Exits with 2 and one line for a wrong option."""
    parser = Parser(description=__doc__)
    parser.add_argument("--rows", type=positive, default=250, help="rows a batch (250)")
    parser.add_argument("--interval", type=positive, default=250, help="milliseconds that a batch covers (250)")
    parser.add_argument("--batches", type=positive, help="stop after so many batches (never)")
    parser.add_argument(
        "--precision",
        choices=TICKS_PER_SECOND,
        help="of the database's timestamps (as they are, ms in a new database)",
    )
    parser.add_argument("--by-ticker", action="store_true", help=f"into a super table's children ({by_ticker.TABLE})")
    add_options(parser)
    options = parser.parse_args(arguments)
    if options.by_ticker:
        parser.set_defaults(table=os.environ.get("TAOS_TABLE") or by_ticker.TABLE)
        options = parser.parse_args(arguments)
    fit = room(options.interval, options.precision or "ms")
    if options.rows > fit:
        parser.error(
            f"{options.interval} ms have room for {fit} rows: TDengine keeps one row a timestamp."
            " Take fewer --rows, a longer --interval, or --precision us"
        )
    if options.rows > MAX_ROWS:
        parser.error(f"a batch of TDengine's has room for {MAX_ROWS} rows: take fewer --rows")
    return options


if __name__ == "__main__":
    options = parse_options()
    log_to_stderr()
    stopping.run(lambda stop: explained(lambda: main(options, stop)))
