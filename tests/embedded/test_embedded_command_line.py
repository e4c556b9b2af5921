"""`python -m embedded` as a user starts and stops it."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from embedded_server import ROOT, EmbeddedServer, rows, running


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    command = [sys.executable, "-m", "embedded", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20, check=False)


def test_help_says_what_it_is_for() -> None:
    result = run("--help")
    assert result.returncode == 0
    assert "not a database to keep data in" in " ".join(result.stdout.split())
    for option in ("--address", "--port", "--data", "--keep", "--log-level"):
        assert option in result.stdout


def test_help_says_what_it_does_not_do() -> None:
    text = run("--help").stdout
    for what in ("TMQ", "schemaless", "streams", "users", "user-defined functions", "4 MiB"):
        assert what in " ".join(text.split())


@pytest.mark.parametrize(
    "arguments",
    [
        ["--port", "many"],
        ["--port", "70000"],
        ["--keep", "long"],
        ["--keep", "0s"],
        ["--nonsense"],
        ["--log-level", "loud"],
        ["surplus"],
    ],
)
def test_a_wrong_option_is_one_line_and_exit_2(arguments: list[str]) -> None:
    result = run(*arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("embedded: ")
    assert len(result.stderr.splitlines()) == 1


def test_it_says_where_it_listens() -> None:
    with running() as server:
        where = f"127.0.0.1:{server.port}"
        assert server.greeting == f"TDengine stand-in (embedded) listening on {where}, data in memory, rows kept 1h"


@pytest.mark.parametrize("with_signal", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly_and_soon(with_signal: int) -> None:
    with running() as server:
        connection = server.connect()
        assert rows(connection, "select 1") == [(1,)]
        started = time.monotonic()
        code, errors = server.stop(with_signal)
        assert (code, errors) == (0, "")
        assert time.monotonic() - started < 1


def test_a_port_that_is_taken_is_one_line_and_exit_1() -> None:
    with running() as server:
        result = run("--port", str(server.port))
    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1
    assert "choose another with --port" in result.stderr


def test_a_file_that_is_in_use_is_one_line_and_exit_1(tmp_path: Path) -> None:
    path = tmp_path / "data.duckdb"
    with running("--data", str(path)):
        result = run("--port", "0", "--data", str(path))
    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1
    assert "another process uses it" in result.stderr


def test_a_file_that_is_no_database_is_one_line_and_exit_1(tmp_path: Path) -> None:
    path = tmp_path / "data.duckdb"
    path.write_text("something else" * 1000)
    result = run("--port", "0", "--data", str(path))
    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1


def test_data_in_a_file_outlives_the_server(tmp_path: Path) -> None:
    path = tmp_path / "data.duckdb"
    with running("--data", str(path)) as server:
        connection = server.connect()
        connection.execute("create database d")
        connection.execute("create table d.t (ts timestamp, a int)")
        connection.execute("insert into d.t values (now, 1)")
        assert server.stop()[0] == 0
    with running("--data", str(path)) as server:
        assert rows(server.connect(), "select a from d.t") == [(1,)]


def test_kills_lose_no_batch_that_was_confirmed(tmp_path: Path) -> None:
    """A process reports each batch when execute() has returned; the server is killed in the midst, again and again."""
    confirmed: list[int] = []
    for round_, batches in enumerate((1, 25, 7, 0)):
        with running("--data", str(tmp_path / "data.duckdb")) as server:
            connection = server.connect()
            connection.execute("create database if not exists d")
            connection.execute("create table if not exists d.t (ts timestamp, a int)")
            stored = dict(rows(connection, "select a, count(*) from d.t group by a"))
            assert {batch: stored.get(batch) for batch in confirmed} == dict.fromkeys(confirmed, 100)
            assert set(stored.values()) <= {100}, "a batch that was not confirmed is there as a whole or not at all"
            if batches:
                confirmed += killed_after(server, round_, batches)


def killed_after(server: EmbeddedServer, round_: int, batches: int) -> list[int]:
    """Kill the server when so many batches were confirmed; returns all that were."""
    command = [sys.executable, "-c", WRITER, str(server.port), str(round_)]
    writer = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert writer.stdout is not None
    confirmed = [int(writer.stdout.readline()) for _ in range(batches)]
    server.stop(signal.SIGKILL)
    writer.kill()
    confirmed += [int(line) for line in writer.stdout.read().splitlines() if line.strip()]
    writer.wait()
    return confirmed


WRITER = """
import sys, time, taosws
connection = taosws.connect(host="127.0.0.1", port=int(sys.argv[1]), user="root", password="taosdata")
statement = connection.stmt2_statement()
statement.prepare("insert into d.t values (?, ?)")
first = int(sys.argv[2]) * 10**6
for batch in range(first, first + 10**6):
    times = [1767323045000 + batch * 100 + at for at in range(100)]
    columns = [taosws.millis_timestamps_to_column(times), taosws.ints_to_column([batch] * 100)]
    statement.bind([taosws.stmt2_bind_param_view(None, None, columns)])
    statement.execute()
    print(batch, flush=True)
"""
