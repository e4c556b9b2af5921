"""A table full of history, made at once: stock trades as producer.py inserts them, spread over the last day."""

from __future__ import annotations

import time
from collections.abc import Callable

import duckdb

from embedded.errors import TDengineError
from embedded.storage import Storage, Write
from embedded.types import FLOAT, NCHAR, TIMESTAMP, UINT, Type

DATABASE, TABLE = "stocks", "stocks_values"
DAY_MS = 86_400_000
CHUNK = 500_000

COLUMNS = (
    *(("timestamp", Type.of(TIMESTAMP)), ("ticker", Type(NCHAR, 10)), ("client", Type(NCHAR, 10))),
    *((name, Type.of(FLOAT)) for name in ("open", "high", "low", "close")),
    *(("volume", Type.of(UINT)), ("date", Type.of(TIMESTAMP))),
)

_TRADES = """
    WITH trades AS (
        SELECT
            $begin + row * $span // $rows AS ms,
            ['AAPL.N', 'AMZN.N', 'QQQ.N', 'NVDA.N', 'TSLA.N', 'FB.N', 'MSFT.N',
             'TLT.N', 'XIV.N', 'YY.N', 'CSCO.N', 'GOOGL.N', 'PCLN.N'] AS tickers,
            ['Homer', 'Marge', 'Bart', 'Lisa', 'Maggie', 'Moe', 'Lenny', 'Carl', 'Krusty'] AS clients,
            1 + floor(random() * 13)::INT AS k
        FROM range($first, $last) AS numbers(row)
    ), prices AS (
        SELECT *, 40 + 5 * k + 9 * sin(ms / 11e6 + k) + 3 * sin(ms / 1e6 + 2 * k) + sin(ms / 1e5 + 3 * k) AS price
        FROM trades
    ), quotes AS (
        SELECT *, price + random() - 0.5 AS opened, price + random() - 0.5 AS closed FROM prices
    )
    SELECT
        ms,
        tickers[k],
        clients[1 + floor(random() * 9)::INT],
        opened::FLOAT,
        (greatest(opened, closed) + random() / 2)::FLOAT,
        (least(opened, closed) - random() / 2)::FLOAT,
        closed::FLOAT,
        (10000 + floor(random() * 90000))::UINTEGER,
        ms - ms % 86400000
    FROM quotes
"""


def fill(storage: Storage, rows: int, told: Callable[[int], None]) -> None:
    """Insert so many trades, a day's worth, into a new table; `told` is called with how many there are so far.

    Raises TDengineError where the table is there already: it may be somebody's.
    """
    if DATABASE not in storage.databases:
        storage.create_database(DATABASE, "ms", {})
    database = storage.database(DATABASE)
    table = storage.create_table(database, TABLE, [(name, type_, False) for name, type_ in COLUMNS], None)
    begin = time.time_ns() // 1_000_000 - DAY_MS
    with duckdb.connect() as source:
        for first in range(0, rows, CHUNK):
            last = min(first + CHUNK, rows)
            bounds = {"begin": begin, "span": DAY_MS, "rows": rows, "first": first, "last": last}
            made = source.sql(_TRADES, params=bounds).to_arrow_table()
            arrays = tuple(
                column.combine_chunks().cast(type_.kind.arrow)
                for column, (_, type_) in zip(made.columns, COLUMNS, strict=True)
            )
            storage.write([Write(table, table.columns, arrays)])
            told(last)


def explain(error: TDengineError) -> str:
    """Why nothing was filled in, for the command line."""
    return f"cannot fill {DATABASE}.{TABLE}: {error.message}; leave --fill out, or choose another --data"
