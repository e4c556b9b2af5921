#!/usr/bin/env python3
"""Read a range of a table's history, all its rows, into Polars, pandas or pyarrow, whichever is installed.

python read_history.py [RANGE [TABLE [http://localhost:8080]]]    PSP_TOKEN: the server's token, where it asks for one
RANGE: 30s, 5m, 1h, 7d, all, or begin-end in epoch milliseconds.
"""

import importlib.util
import os
import sys
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pyarrow as pa


def read(period: str, table: str, server: str) -> Any:
    """The rows as a data frame. Raises OSError, and ValueError with what the server says."""
    asked = urlencode({"table": table, "range": period, "format": "arrow"})
    request = Request(f"{server}/export?{asked}")
    if token := os.environ.get("PSP_TOKEN"):
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urlopen(request, timeout=60) as answer:
            rows = pa.ipc.open_stream(answer).read_all()
    except HTTPError as error:
        raise ValueError(error.read().decode().strip()) from None
    if importlib.util.find_spec("polars"):
        import polars as pl

        return pl.from_arrow(rows)
    return rows.to_pandas() if importlib.util.find_spec("pandas") else rows


if __name__ == "__main__":
    defaults = ["1h", "stocks_values", "http://localhost:8080"]
    arguments = sys.argv[1:]
    try:
        frame = read(*arguments, *defaults[len(arguments) :])
    except ValueError as error:
        sys.exit(f"read_history.py: {error}")
    except OSError as error:
        sys.exit(f"read_history.py: {error}: does the server run?")
    print(frame)
    print(f"{len(frame):,} rows, {frame.shape[1]} columns, in {type(frame).__module__.partition('.')[0]}")
