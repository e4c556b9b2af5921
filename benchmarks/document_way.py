#!/usr/bin/env python3
"""The way that the document describes, to measure against: not part of the demo, and not to be copied.

One timestamp for all rows of a batch; a statement made for each batch; rows as dicts with parsed datetimes; the query
on the event loop, where it holds up every viewer; a pivot for each viewer in the server.
"""

import argparse
import asyncio
import random
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import perspective
import perspective.handlers.tornado
import taosws
import tornado.ioloop
import tornado.web

sys.path.insert(0, str(Path(__file__).parent.parent))

from producer import CLIENTS, TICKERS
from tdengine.settings import Settings, add_options, settings

TABLE = (
    "CREATE TABLE IF NOT EXISTS stocks_values (`timestamp` TIMESTAMP, ticker NCHAR(10), client NCHAR(10), open FLOAT,"
    " high FLOAT, low FLOAT, close FLOAT, volume INT UNSIGNED, date TIMESTAMP)"
)
LAST_SECOND = (
    "SELECT `timestamp`, ticker, client, open, high, low, close, volume, date FROM stocks_values"
    " WHERE `timestamp` >= NOW() - 1s ORDER BY `timestamp` DESC LIMIT 1000"
)
NAMES = ("timestamp", "ticker", "client", "open", "high", "low", "close", "volume", "date")


def connect(at: Settings) -> taosws.Connection:
    """Connect, with the client's own timeouts."""
    connection = taosws.connect(host=at.host, port=at.port, user=at.user, password=at.password, database=at.database)
    connection.execute(TABLE)
    return connection


def gen_data(rows: int) -> list[dict[str, Any]]:
    """Random trades of one instant."""
    modifier = random.random() * random.randint(1, 50)
    return [
        {
            "timestamp": datetime.now(tz=UTC),
            "ticker": random.choice(TICKERS),
            "client": random.choice(CLIENTS),
            "open": random.uniform(0, 75) + random.randint(0, 9) * modifier,
            "high": random.uniform(0, 105) + random.randint(1, 3) * modifier,
            "low": random.uniform(0, 85) + random.randint(1, 3) * modifier,
            "close": random.uniform(0, 90) + random.randint(1, 3) * modifier,
            "volume": random.randint(10_000, 100_000),
            "date": datetime.now(tz=UTC),
        }
        for _ in range(rows)
    ]


def insert_data(connection: taosws.Connection, records: list[dict[str, Any]]) -> None:
    """Insert a batch through a statement of its own."""
    statement = connection.statement()
    statement.prepare("INSERT INTO stocks_values VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")
    statement.bind_param(
        [
            taosws.millis_timestamps_to_column([int(record["timestamp"].timestamp() * 1000) for record in records]),
            taosws.nchar_to_column([record["ticker"] for record in records]),
            taosws.nchar_to_column([record["client"] for record in records]),
            *(taosws.floats_to_column([record[name] for record in records]) for name in NAMES[3:7]),
            taosws.ints_to_column([record["volume"] for record in records]),
            taosws.millis_timestamps_to_column([int(record["date"].timestamp() * 1000) for record in records]),
        ]
    )
    statement.add_batch()
    statement.execute()


def convert_ts(text: str) -> int:
    """A timestamp as taosws gives it, parsed, in the form in which Perspective 5 takes it among dicts."""
    parsed = datetime.strptime(text, "%Y-%m-%d %H:%M:%S.%f %z" if "." in text else "%Y-%m-%d %H:%M:%S %z")
    return int(parsed.timestamp() * 1000)


def read_tdengine(connection: taosws.Connection) -> list[dict[str, Any]]:
    """The rows of the last second, as dicts."""
    rows = [dict(zip(NAMES, row, strict=True)) for row in connection.query(LAST_SECOND)]
    for row in rows:
        row["timestamp"], row["date"] = convert_ts(row["timestamp"]), convert_ts(row["date"])
    return rows


def produce(options: argparse.Namespace) -> None:
    """Insert batches, with a pause after each."""
    connection = connect(settings(options))
    for _ in range(options.batches or 10**9):
        insert_data(connection, gen_data(options.rows))
        time.sleep(options.interval / 1000)


async def serve(options: argparse.Namespace) -> None:
    """Poll on the event loop, and serve the table."""
    server = perspective.Server()
    connection = connect(settings(options))
    schema = {"timestamp": "datetime", "ticker": "string", "client": "string"}
    schema |= {name: "float" for name in NAMES[3:7]} | {"volume": "integer", "date": "datetime"}
    table = server.new_local_client().table(schema, limit=1000, name="stock_values")
    application = tornado.web.Application(
        [
            (
                r"/websocket",
                perspective.handlers.tornado.PerspectiveTornadoHandler,
                {"perspective_server": server},
            )
        ]
    )
    application.listen(options.port, "127.0.0.1")
    poll = tornado.ioloop.PeriodicCallback(lambda: table.update(read_tdengine(connection)), options.interval)
    poll.start()
    print("serving", flush=True)
    await asyncio.Event().wait()


def main() -> None:
    """`document_way.py produce` or `document_way.py serve`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=["produce", "serve"])
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--rows", type=int, default=250)
    parser.add_argument("--interval", type=int, default=250)
    parser.add_argument("--batches", type=int)
    add_options(parser)
    options = parser.parse_args()
    if options.part == "produce":
        produce(options)
    else:
        asyncio.run(serve(options))


if __name__ == "__main__":
    main()
