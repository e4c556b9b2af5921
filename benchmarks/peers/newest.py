"""What all peers read, and the options that all of them have: a table's rows that are newer than those read before."""

import argparse
import sys
from pathlib import Path
from typing import Any

import taosws

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from tdengine.settings import Settings, add_options, settings

INTERVAL = 250
"""Milliseconds between two polls."""

SHOWN = 1000
"""Rows."""

NAMES = ("timestamp", "ticker", "client", "open", "high", "low", "close", "volume", "date")

COLUMNS = "CAST(`timestamp` AS BIGINT), ticker, client, open, high, low, close, volume, CAST(date AS BIGINT)"
"""Times as milliseconds, which need no parsing."""


class Newest:
    """The rows of a table as they come, from the newest thousand on."""

    def __init__(self, at: Settings) -> None:
        self.table = at.full_name
        self.connection = taosws.connect(host=at.host, port=at.port, user=at.user, password=at.password)
        self.newest = 0

    def read(self) -> dict[str, list[Any]]:
        """What is new, as columns, oldest first; times as milliseconds."""
        query = f"SELECT {COLUMNS} FROM {self.table} WHERE `timestamp` > {self.newest} ORDER BY `timestamp` DESC"
        rows = list(self.connection.query(f"{query} LIMIT {SHOWN}"))[::-1]
        if rows:
            self.newest = rows[-1][0]
        return dict(zip(NAMES, map(list, zip(*rows, strict=True)), strict=True)) if rows else {}


def options(what: str | None) -> tuple[int, Settings]:
    """The port to serve on, and where the table is."""
    parser = argparse.ArgumentParser(description=what)
    parser.add_argument("--port", type=int, default=8080)
    add_options(parser)
    found = parser.parse_args()
    return found.port, settings(found)
