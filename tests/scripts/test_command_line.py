"""What a user does wrong costs one line: what happened and what to do; nothing in the database changes."""

import socket

import pytest

from conftest import Start
from parts import free_port, sql

SCRIPTS = ["producer.py", "perspective_server.py"]
SHAPE = "CREATE TABLE stocks.stocks_values (ts TIMESTAMP, v FLOAT)"
BY_TICKER = (
    "CREATE STABLE stocks.stocks_values (`timestamp` TIMESTAMP, client NCHAR(10), open FLOAT, high FLOAT, low FLOAT,"
    " close FLOAT, volume INT UNSIGNED, `date` TIMESTAMP) TAGS (ticker NCHAR(10))"
)
PLAIN = BY_TICKER.replace("STABLE", "TABLE", 1).replace(") TAGS (", ", ")


def only_line(output: str) -> str:
    """The one line of an output that has one; log lines about waiting aside."""
    (line,) = [line for line in output.splitlines() if "serving http" not in line]
    return line


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_names_every_option(start: Start, script: str) -> None:
    part = start(script, "--help")
    assert part.wait() == 0
    for option in ("--interval", "--taos-host", "--taos-port", "--taos-user", "--database", "--table", "TAOS_PASSWORD"):
        assert option in part.output


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize(
    "options",
    [
        ["--nonsense"],
        ["--interval", "0"],
        ["--interval", "x"],
        ["--taos-port", "70000"],
        ["--database", "a`b"],
        ["--table", ""],
    ],
)
def test_a_wrong_option_is_one_line_and_exit_2(start: Start, script: str, options: list[str]) -> None:
    part = start(script, *options)
    assert part.wait() == 2
    assert only_line(part.output).startswith(script)


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_wrong_password_is_one_line_and_exit_1(start: Start, script: str, taos_port: int) -> None:
    options = ["--port", str(free_port())] if script == "perspective_server.py" else []
    part = start(script, "--taos-port", str(taos_port), *options, env={"TAOS_PASSWORD": "wr0ng"})
    assert part.wait() == 1
    line = only_line(part.output)
    assert "refuses user 'root'" in line
    assert "wr0ng" not in line


def test_a_taken_port_is_one_line_and_exit_1(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        part = start("perspective_server.py", "--port", str(port))
        assert part.wait() == 1
    assert f"cannot listen on 127.0.0.1:{port}" in only_line(part.output)


@pytest.mark.parametrize("shape", [SHAPE, SHAPE.replace("TABLE", "STABLE", 1) + " TAGS (g INT)", BY_TICKER, PLAIN])
def test_a_table_of_another_shape_is_reported_and_left_alone(start: Start, taos_port: int, shape: str) -> None:
    check_left_alone(start, taos_port, shape)


@pytest.mark.parametrize("shape", [PLAIN, BY_TICKER.replace("NCHAR(10))", "NCHAR(9))"), BY_TICKER.replace("open", "o")])
def test_a_super_table_of_another_shape_is_reported_and_left_alone(start: Start, taos_port: int, shape: str) -> None:
    check_left_alone(start, taos_port, shape, "--by-ticker", "--table", "stocks_values")


def check_left_alone(start: Start, taos_port: int, shape: str, *options: str) -> None:
    """The producer reports a table of this shape and does not change it."""
    sql(taos_port, "CREATE DATABASE stocks")
    sql(taos_port, shape)
    before = sql(taos_port, "DESCRIBE stocks.stocks_values")
    part = start("producer.py", "--taos-port", str(taos_port), *options)
    assert part.wait() == 1
    assert "name another with --table" in only_line(part.output)
    assert sql(taos_port, "DESCRIBE stocks.stocks_values") == before
    assert sql(taos_port, "SELECT COUNT(*) FROM stocks.stocks_values") == [[0]]


def test_a_database_of_another_precision_is_reported_if_one_was_asked_for(start: Start, taos_port: int) -> None:
    sql(taos_port, "CREATE DATABASE stocks PRECISION 'us'")
    part = start("producer.py", "--taos-port", str(taos_port), "--precision", "ms")
    assert part.wait() == 1
    assert "precision us, not ms" in only_line(part.output)
    assert sql(taos_port, "SHOW stocks.tables") == []


def test_more_rows_than_there_are_timestamps_are_refused_with_the_way_out(start: Start) -> None:
    part = start("producer.py", "--rows", "251")
    assert part.wait() == 2
    assert "--precision us" in only_line(part.output)


@pytest.mark.parametrize("precision", ["us", "ns"])
def test_a_finer_precision_has_room_for_more_rows(start: Start, taos_port: int, precision: str) -> None:
    options = ["--precision", precision, "--rows", "5000", "--batches", "2"]
    part = start("producer.py", "--taos-port", str(taos_port), *options)
    assert part.wait() == 0, part.output
    assert sql(taos_port, "SELECT COUNT(*) FROM stocks.stocks_values") == [[10_000]]


def test_a_host_that_cannot_be_reached_is_said_once_and_waited_for(start: Start) -> None:
    part = start("producer.py", "--taos-host", "nowhere.invalid")
    part.says("waiting for TDengine")
    assert part.stop() == 0
    assert "Traceback" not in part.output
