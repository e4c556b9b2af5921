"""Trades in a super table: those of each ticker in a child table of its own, whose tag the ticker is."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import taosws

TABLE = "stocks_by_ticker"
TAG = "ticker"


def children(table: str, trades: Mapping[str, Sequence[Any]]) -> Iterator[tuple[str, list[Any], dict[str, list[Any]]]]:
    """Split a batch: for each ticker in it the name of its child, its tags, and the other columns."""
    rows: dict[str, list[int]] = {}
    for row, ticker in enumerate(trades[TAG]):
        rows.setdefault(ticker, []).append(row)
    for ticker, its in rows.items():
        columns = {name: [values[row] for row in its] for name, values in trades.items() if name != TAG}
        yield child(table, ticker), [taosws.nchar_to_tag(ticker)], columns


def child(table: str, ticker: str) -> str:
    """The name of a ticker's child: `stocks_by_ticker_aapl_n`.

    It has the super table's in it, as a database's tables share their names, and no dot, which would end a database's.
    """
    return re.sub(r"\W", "_", f"{table}_{ticker.lower()}")
