"""`python -m embedded --fill`: a day of trades to browse, at once."""

import time
from pathlib import Path

import pytest

from embedded_server import EmbeddedServer, rows, running
from producer import COLUMNS


def test_a_table_of_trades_is_filled_with_a_day_of_them() -> None:
    with running("--fill", "20000") as server:
        connection = server.connect()
        described = rows(connection, "DESCRIBE stocks.stocks_values")
        declared = {row[0]: f"{row[1]}({row[2]})" if row[1] == "NCHAR" else row[1] for row in described}
        assert declared == COLUMNS
        count, first, last, low, high = rows(
            connection,
            "SELECT COUNT(*), CAST(FIRST(`timestamp`) AS BIGINT), CAST(LAST(`timestamp`) AS BIGINT), MIN(low),"
            " MAX(high) FROM stocks.stocks_values",
        )[0]
        assert count == 20_000
        assert time.time() * 1000 - 60_000 < last < time.time() * 1000
        assert 86_300_000 < last - first < 86_400_000
        assert 0 < low < high
        tickers = rows(connection, "SELECT ticker, COUNT(*) FROM stocks.stocks_values GROUP BY ticker")
        assert len(tickers) == 13
        wrong = (
            "SELECT COUNT(*) FROM stocks.stocks_values WHERE low > open OR low > close OR high < open OR high < close"
        )
        assert rows(connection, wrong) == [(0,)]
        assert "rows kept 1d" in server.greeting


def test_a_table_that_is_there_is_not_filled(tmp_path: Path) -> None:
    data = str(tmp_path / "data.duckdb")
    with running("--data", data, "--fill", "10") as server:
        assert rows(server.connect(), "SELECT COUNT(*) FROM stocks.stocks_values") == [(10,)]
        server.stop()
    with pytest.raises(RuntimeError, match=r"cannot fill stocks.stocks_values: Table already exists; leave --fill out"):
        EmbeddedServer("--data", data, "--fill", "10")
