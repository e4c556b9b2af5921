"""A super table with a child for each ticker: how a batch is split, and that each row is stored in its ticker's."""

import pytest

from conftest import Start
from faults import Proxy
from parts import confirmed, free_port, get_json, sql
from producer import TICKERS, gen_data
from producing.by_ticker import child, children
from waiting import eventually


def test_the_children_have_all_rows_of_a_batch_in_their_order() -> None:
    trades = gen_data(range(1000), 0)
    split = {name: columns for name, _, columns in children("trades", trades)}
    assert all(columns.keys() == trades.keys() - {"ticker"} for columns in split.values())
    for ticker in TICKERS:
        rows = [row for row in range(1000) if trades["ticker"][row] == ticker]
        for name, values in split[child("trades", ticker)].items():
            assert values == [trades[name][row] for row in rows]


def test_children_have_names_that_need_no_quotes_and_that_no_other_super_tables_have() -> None:
    assert child("trades", "AAPL.N") == "trades_aapl_n"
    assert child("my trades.", "FB.N") == "my_trades__fb_n"
    assert len({child(table, ticker) for table in ("trades", "ours") for ticker in TICKERS}) == 2 * len(TICKERS)


@pytest.mark.parametrize(
    ("precision", "table"), [("ms", "stocks_by_ticker"), ("us", "stocks_by_ticker"), ("ns", "mine")]
)
def test_every_row_is_stored_in_the_child_of_its_ticker(
    start: Start, taos_port: int, precision: str, table: str
) -> None:
    rows = 250 if precision == "ms" else 5000
    options = ["--by-ticker", "--precision", precision, "--rows", str(rows), "--batches", "2"]
    env = {"TAOS_TABLE": table} if table == "mine" else {}
    producer = start("producer.py", "--taos-port", str(taos_port), *options, env=env)
    assert producer.wait() == 0, producer.output
    assert confirmed(producer) == 2 * rows
    assert sql(taos_port, f"SELECT COUNT(*) FROM stocks.{table}") == [[2 * rows]]
    found = sql(taos_port, f"SELECT DISTINCT tbname, ticker FROM stocks.{table}")
    assert sorted(found) == sorted([child(table, ticker), ticker] for ticker in TICKERS)


def test_rows_are_stored_once_each_over_an_outage_in_which_answers_are_lost(start: Start, taos_port: int) -> None:
    sql(taos_port, "CREATE DATABASE stocks")
    count = "SELECT COUNT(*) FROM stocks.stocks_by_ticker"
    proxy = Proxy(taos_port)
    try:
        options = ["--by-ticker", "--rows", "100", "--interval", "100"]
        producer = start("producer.py", "--taos-port", str(proxy.port), *options)
        eventually(lambda: sql(taos_port, "SHOW stocks.tables"))
        proxy.cut(150)  # which is in the middle of the answer that says the rows are stored
        producer.says("waiting for TDengine")
        proxy.heal()
        producer.says("TDengine answers again")
        (stored,) = sql(taos_port, count)
        eventually(lambda: sql(taos_port, count) > [stored])  # or it is stopped with a batch that has no answer yet
        assert producer.stop() == 0, producer.output
    finally:
        proxy.close()
    assert "dropped" not in producer.output
    assert [[confirmed(producer)]] == sql(taos_port, count)


def test_the_server_shows_the_children_as_one_table(start: Start, taos_port: int) -> None:
    start("producer.py", "--taos-port", str(taos_port), "--by-ticker", "--batches", "5").wait()
    port = free_port()
    start("perspective_server.py", "--port", str(port), "--taos-port", str(taos_port), "--table", "stocks_by_ticker")
    eventually(lambda: get_json(f"http://127.0.0.1:{port}/status")[1].get("rows") == 1000)
    assert get_json(f"http://127.0.0.1:{port}/status")[1]["tags"] == ["ticker"]
