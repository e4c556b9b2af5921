"""Exports: all rows of a range, in both formats, in little memory, to whoever may look."""

import csv
import io
import json
import os
import signal
import socket
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime

import pyarrow as pa
import pytest

from attacked import resident_kib
from parts import Part, children_of, free_port, sql
from waiting import eventually

ROWS = 30_000
BEGIN = 1767323040000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Part, str]]:
    """A server over a database with a large table, a super table, and one of microseconds; it and its address."""
    folder, taos, port = tmp_path_factory.mktemp("export"), free_port(), free_port()
    parts = [Part(folder / "embedded.log", "-m", "embedded", "--port", str(taos), "--keep", "1d")]
    parts[0].says("listening")
    sql(taos, "CREATE DATABASE d")
    sql(taos, "CREATE TABLE d.`large table` (ts TIMESTAMP, id INT, b BIGINT, text NCHAR(40))")
    for begin in range(0, ROWS, 3000):
        rows = " ".join(
            f"({BEGIN + row}, {row}, {2**53 + row}, 'row \"{row}\", é')" for row in range(begin, begin + 3000)
        )
        sql(taos, f"INSERT INTO d.`large table` VALUES {rows}")
    sql(taos, "CREATE STABLE d.s (ts TIMESTAMP, v INT, ok BOOL) TAGS (place NCHAR(4))")
    for child in (1, 2):
        values = f"({BEGIN}, {child}, true) ({BEGIN + 1}, NULL, NULL)"
        sql(taos, f"INSERT INTO d.c{child} USING d.s TAGS ('p{child}') VALUES {values}")
    options = ["--port", str(port), "--taos-port", str(taos), "--database", "d", "--table", "s"]
    parts.append(Part(folder / "server.log", "perspective_server.py", *options))
    parts[-1].says("live")
    yield parts[-1], f"http://127.0.0.1:{port}/export"
    for part in reversed(parts):
        part.kill()


def export(address: str, **asked: str) -> bytes:
    with urllib.request.urlopen(f"{address}?{urllib.parse.urlencode(asked)}", timeout=60) as answer:
        return bytes(answer.read())


def rows_of(text: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text.decode())))


def test_csv_has_all_rows_whole_and_in_order(server: tuple[Part, str]) -> None:
    header, *rows = rows_of(export(server[1], table="large table"))
    assert header == ["ts", "id", "b", "text"]
    assert [int(row[1]) for row in rows] == list(range(ROWS))
    assert [int(row[2]) - 2**53 for row in rows] == list(range(ROWS))
    assert rows[7][3] == 'row "7", é'
    assert datetime.fromisoformat(rows[7][0]).timestamp() * 1000 == BEGIN + 7


def test_arrow_has_them_too(server: tuple[Part, str]) -> None:
    table = pa.ipc.open_stream(export(server[1], table="large table", format="arrow")).read_all()
    assert table.column("id").to_pylist() == list(range(ROWS))
    assert table.column("b").to_pylist()[-1] == 2**53 + ROWS - 1
    assert table.schema.field("ts").type == pa.timestamp("ms", "UTC")


def test_a_super_table_says_which_child_a_row_is_from_and_null_is_nothing(server: tuple[Part, str]) -> None:
    header, *rows = rows_of(export(server[1], table="s"))
    assert header == ["ts", "v", "ok", "place", "tbname"]
    assert [row[1:] for row in rows] == [
        *(["1", "true", "p1", "c1"], ["2", "true", "p2", "c2"]),
        *(["", "", "p1", "c1"], ["", "", "p2", "c2"]),
    ]


def test_a_range_filters_columns_and_sorts_are_those_of_the_view(server: tuple[Part, str]) -> None:
    view = {"columns": ["id", "b"], "filter": [["id", ">=", 12], ["id", "!=", 14]], "sort": [["id", "desc"]]}
    asked = {"table": "large table", "range": f"{BEGIN + 10}-{BEGIN + 17}", "view": json.dumps(view)}
    header, *rows = rows_of(export(server[1], **asked))
    assert (header, [row[0] for row in rows]) == (["id", "b"], ["16", "15", "13", "12"])


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({}, "needs a table"),
        ({"table": "s", "format": "exe"}, "csv or arrow"),
        ({"table": "nothing"}, "no table 'nothing'"),
        ({"table": "s; DROP DATABASE d"}, "no table"),
        ({"table": "s", "range": "x"}, "no time range"),
        ({"table": "s", "view": "{"}, ""),
        ({"table": "s", "view": "[]"}, ""),
        ({"table": "s", "view": json.dumps({"columns": ["x` FROM d.s; --"]})}, "no column"),
        ({"table": "s", "view": json.dumps({"group_by": ["place"]})}, "not groups"),
    ],
)
def test_what_cannot_be_exported_is_one_line(server: tuple[Part, str], asked: dict[str, str], says: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        export(server[1], **asked)
    text = refused.value.read().decode()
    assert refused.value.code == 400
    assert text.count("\n") == 1
    assert says in text
    assert "Traceback" not in text


def open_export(address: str, table: str = "large%20table") -> socket.socket:
    """An export of which nothing is read."""
    port = int(address.split(":")[2].split("/")[0])
    reader = socket.socket()
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    reader.connect(("127.0.0.1", port))
    reader.sendall(f"GET /export?table={table} HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n".encode())
    return reader


def test_who_does_not_read_holds_little_and_two_at_a_time_are_all_that_there_are(server: tuple[Part, str]) -> None:
    part, address = server
    before = resident_kib(part.process.pid)
    readers = [open_export(address) for _ in range(2)]
    eventually(lambda: len(children_of(part, "history.export")) == 2)
    with pytest.raises(urllib.error.HTTPError, match="503"):
        export(address, table="s")
    assert resident_kib(part.process.pid) - before < 16 * 1024
    for reader in readers:
        reader.close()
    eventually(lambda: not children_of(part, "history.export"))
    assert rows_of(export(address, table="s"))[0][0] == "ts"


def test_a_process_of_an_export_holds_a_block_of_rows(server: tuple[Part, str]) -> None:
    part, address = server
    reader = open_export(address)
    reader.settimeout(20)
    (pid,) = eventually(lambda: children_of(part, "history.export"))
    most, received = 0, 0
    while received < 1_500_000 and (got := reader.recv(65536)):
        received += len(got)
        with suppress(OSError, StopIteration):  # it may have written all that it has
            most = max(most, resident_kib(pid))
    reader.close()
    assert 0 < most < 160 * 1024
    eventually(lambda: not children_of(part, "history.export"))


def test_an_export_that_breaks_off_does_not_look_whole(server: tuple[Part, str]) -> None:
    part, address = server
    reader = open_export(address)
    reader.settimeout(20)
    (pid,) = eventually(lambda: children_of(part, "history.export"))
    received = reader.recv(65536)
    assert b"200 OK" in received
    os.kill(pid, signal.SIGKILL)
    end = time.monotonic() + 20
    while time.monotonic() < end:
        got = reader.recv(65536)
        if not got:
            break
        received = received[-10:] + got
    assert not received.endswith(b"0\r\n\r\n")
    reader.close()
