"""The types beyond numbers, texts and times, end to end: as SQL text, as binds, and as taosws and REST show them."""

import base64
import json
import urllib.request
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import taosws

from embedded_server import EmbeddedServer, outcome, rows, running

TS = 1767323045000
POINT = bytes.fromhex("0101000000000000000000f03f0000000000000040")


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    with running() as started:
        started.connect().execute("create database d")
        yield started


@pytest.fixture
def connection(server: EmbeddedServer) -> taosws.Connection:
    return server.connect("d")


def code_of(connection: taosws.Connection, sql: str) -> str:
    """The code and text of the error that a statement gives."""
    return str(outcome(connection, sql)["message"]).replace("Internal error: ", "")


def bound(connection: taosws.Connection, table: str, *columns: Any) -> int:
    """Rows written by stmt2, the timestamps first."""
    statement = connection.stmt2_statement()
    statement.prepare(f"insert into {table} values ({', '.join('?' * (1 + len(columns)))})")
    times = taosws.millis_timestamps_to_column([TS + 100, TS + 101])
    statement.bind([taosws.stmt2_bind_param_view(None, None, [times, *columns])])
    written: int = statement.execute()
    statement.close()
    return written


def test_decimals_of_both_sizes_are_exact(connection: taosws.Connection) -> None:
    connection.execute("create table dec (ts timestamp, a decimal(10, 2), b decimal(30,5), c decimal(4))")
    connection.execute(
        f"insert into dec values ({TS}, 1.235, '-12345678901234567890.5', 7) ({TS + 1}, null, null, null) "
        f"({TS + 2}, -0.01, 3e0, -9999)"
    )
    values = [
        (Decimal("1.24"), Decimal("-12345678901234567890.50000"), Decimal("7")),
        (None, None, None),
        (Decimal("-0.01"), Decimal("3.00000"), Decimal("-9999")),
    ]
    assert rows(connection, "select a, b, c from dec") == values
    written = bound(
        connection,
        "dec",
        taosws.decimal64_to_column([Decimal("12345678.905"), None]),
        taosws.decimal_to_column([Decimal("0.00001"), None]),
        taosws.decimal64_to_column([None, Decimal(1)]),
    )
    assert written == 2
    assert rows(connection, f"select a, b, c from dec where ts >= {TS + 100}") == [
        (Decimal("12345678.91"), Decimal("0.00001"), None),
        (None, None, Decimal(1)),
    ]


def test_a_decimal_is_described_with_its_digits(connection: taosws.Connection) -> None:
    connection.execute("create table decd (ts timestamp, a decimal(10, 2), b decimal(38, 0))")
    assert [row[:4] for row in rows(connection, "describe decd")][1:] == [
        ("a", "DECIMAL(10, 2)", 8, ""),
        ("b", "DECIMAL(38, 0)", 16, ""),
    ]
    ((_, text),) = rows(connection, "show create table decd")
    assert "`a` DECIMAL(10, 2) ENCODE 'disabled' COMPRESS 'zstd' LEVEL 'medium'" in text
    fields = outcome(connection, "select a, b, sum(a), avg(a) from decd")
    assert fields["message"].startswith("[0x260C]")
    assert [field[1:] for field in outcome(connection, "select a, b from decd")["fields"]] == [
        ["DECIMAL", 8],
        ["DECIMAL", 16],
    ]


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("a + 1", "2.24"),
        ("a - b", "-1.26000"),
        ("a * b", "3.1000000"),
        ("a / 3", "0.4133333333333333333333"),
        ("a % 1", "0.24"),
        ("-a", "-1.24"),
        ("a + 0.5", 1.74),
        ("cast(a as int)", 1),
        ("cast(a as varchar(8))", "1.24"),
        ("cast('1.255' as decimal(5, 2))", "1.26"),
        ("case when a > 1 then a else 0 end", "1.24"),
        ("sum(a)", "3.74"),
        ("avg(a)", "1.870000"),
        ("max(a)", "2.50"),
        ("first(a)", "1.24"),
        ("count(a)", 2),
    ],
)
def test_decimals_are_reckoned_with(connection: taosws.Connection, expression: str, value: str | float) -> None:
    connection.execute("create table if not exists deca (ts timestamp, a decimal(10, 2), b decimal(12, 5))")
    connection.execute(f"insert into deca values ({TS}, 1.24, 2.5) ({TS + 1}, 2.5, -1)")
    expected = Decimal(value) if isinstance(value, str) and "varchar" not in expression else value
    found = rows(connection, f"select {expression} from deca limit 1")[0][0]
    assert (found, type(found)) == (expected, type(expected))


def test_decimals_are_compared_and_sorted_as_numbers(connection: taosws.Connection) -> None:
    connection.execute("create table decs (ts timestamp, a decimal(10, 2), i int)")
    connection.execute(f"insert into decs values ({TS}, 10, 1) ({TS + 1}, 9.5, 9) ({TS + 2}, -3, null)")
    assert rows(connection, "select i from decs where a > 9") == [(1,), (9,)]
    assert rows(connection, "select i from decs where a = 9.5 or a = '10'") == [(1,), (9,)]
    assert rows(connection, "select i from decs where a > i") == [(1,), (9,)]
    assert rows(connection, "select i from decs order by a") == [(None,), (9,), (1,)]
    assert rows(connection, "select a, count(*) from decs group by a order by a desc limit 1") == [(Decimal(10), 1)]


def test_varbinary_is_bytes(connection: taosws.Connection) -> None:
    connection.execute("create table bin (ts timestamp, b varbinary(4))")
    connection.execute(
        f"insert into bin values ({TS}, '\\x41FF00') ({TS + 1}, 'a''bc') ({TS + 2}, null) ({TS + 3}, '')"
    )
    assert rows(connection, "select b from bin") == [(b"A\xff\0",), (b"a'bc",), (None,), (b"",)]
    assert rows(connection, "select ts from bin where b = '\\x41ff00'") == [("2026-01-02 03:04:05 +00:00",)]
    assert bound(connection, "bin", taosws.varbinary_to_column([b"\0\1", None])) == 2
    assert rows(connection, f"select b from bin where ts >= {TS + 100}") == [(b"\0\1",), (None,)]
    assert rows(connection, "select cast('\\x4142' as varbinary(8))") == [(b"AB",)]
    assert code_of(connection, f"insert into bin values ({TS}, '\\x4')") == "[0x266A] `Invalid varbinary value: b`"
    assert code_of(connection, f"insert into bin values ({TS}, '\\x4142434445')") == (
        "[0x2653] `Value too long for column/tag: b`"
    )
    assert [row[:3] for row in rows(connection, "describe bin")][1:] == [("b", "VARBINARY", 4)]


def test_a_geometry_is_written_as_text_and_read_as_wkb(connection: taosws.Connection) -> None:
    connection.execute("create table geo (ts timestamp, g geometry(200))")
    connection.execute(
        f"insert into geo values ({TS}, 'POINT(1 2)') ({TS + 1}, 'LINESTRING (1 1, 2 2.5)') ({TS + 2}, null) "
        f"({TS + 3}, 'polygon((0 0, 1 0, 1 1, 0 0))')"
    )
    assert rows(connection, "select g from geo limit 1") == [(POINT,)]
    assert rows(connection, "select st_astext(g) from geo") == [
        ("POINT (1.000000 2.000000)",),
        ("LINESTRING (1.000000 1.000000, 2.000000 2.500000)",),
        (None,),
        ("POLYGON ((0.000000 0.000000, 1.000000 0.000000, 1.000000 1.000000, 0.000000 0.000000))",),
    ]
    assert rows(connection, "select st_geomfromtext('POINT(1 2)')") == [(POINT,)]
    assert bound(connection, "geo", taosws.geometry_to_column([POINT, None])) == 2
    assert rows(connection, f"select g from geo where ts >= {TS + 100}") == [(POINT,), (None,)]
    assert code_of(connection, f"insert into geo values ({TS}, 'POINT(1)')").startswith(
        "[0x0216] `syntax error near 'POINT(1)' ("
    )
    assert [row[:3] for row in rows(connection, "describe geo")][1:] == [("g", "GEOMETRY", 200)]


def test_a_json_tag_is_text_whose_values_can_be_asked_for(connection: taosws.Connection) -> None:
    connection.execute("create stable j (ts timestamp, v int) tags (info json)")
    connection.execute('create table j1 using j tags (\'{"n": 1.5, "s": "x", "b": true, "z": null, "s": "y"}\')')
    connection.execute(f'insert into j1 values ({TS}, 1) j2 using j tags (\'{{"s":"X2"}}\') values ({TS}, 2)')
    connection.execute(f"insert into j3 using j tags (null) values ({TS}, 3)")
    stored = '{"b":true,"n":1.5,"s":"x","z":null}'
    assert rows(connection, "select info from j order by v") == [(stored,), ('{"s":"X2"}',), (None,)]
    assert rows(connection, "select info->'n', info->'s', info->'b', info->'z', info->'q' from j where v = 1") == [
        ("1.500000000", '"x"', "true", "null", None)
    ]
    for condition, found in (
        ("info->'s' = 'x'", [1]),
        ("info->'s' <> 'x'", [2]),
        ("info->'n' > 1", [1]),
        ("info->'b' = true", [1]),
        ("info->'s' like 'x%'", [1, 2]),
        ("info contains 'n'", [1]),
        ("info->'n' is null", [2, 3]),
        ("info->'z' is null", [1, 2, 3]),
        ("info->'s' match '^[xX]'", [1, 2]),
        ("info is null", [3]),
    ):
        assert rows(connection, f"select v from j where {condition} order by v") == [(v,) for v in found], condition
    assert rows(connection, "select info->'s', count(*) from j group by info->'s' order by info->'s'") == [
        *((None, 1), ('"X2"', 1), ('"x"', 1)),
    ]
    field = outcome(connection, "select info, info->'s' from j")["fields"]
    assert field == [["info", "JSON", 4095], ["info->'s'", "JSON", 4095]]
    assert rows(connection, "describe j")[-1][:4] == ("info", "JSON", 4095, "TAG")
    statement = connection.stmt2_statement()
    statement.prepare("insert into ? using j tags (?) values (?, ?)")
    columns = [taosws.millis_timestamps_to_column([TS]), taosws.ints_to_column([4])]
    statement.bind([taosws.stmt2_bind_param_view("j4", [taosws.varchar_to_tag('{"s": "bound"}')], columns)])
    assert statement.execute() == 1
    # json_to_tag of taosws 0.7.0 sends the text as a JSON string, which is no object.
    with pytest.raises(taosws.ProgrammingError, match="json error invalide value"):
        statement.bind([taosws.stmt2_bind_param_view("j5", [taosws.json_to_tag("{}")], columns)])
    statement.close()
    assert rows(connection, "select info->'s' from j4") == [('"bound"',)]
    connection.execute("alter table j4 set tag info = '{\"s\": 2}'")
    assert rows(connection, "select info->'s' from j4") == [("2.000000000",)]


@pytest.mark.parametrize(
    ("sql", "error"),
    [
        ("create table e1 (ts timestamp, v json)", "[0x2652] `Only tag can be json type`"),
        (
            "create table e2 (ts timestamp, v int) tags (a json, b int)",
            "[0x2633] `Only one tag if there is a json tag`",
        ),
        ("create table e3 (ts timestamp, v decimal(39, 2))", "[0x2600] `Invalid decimal type: (39, 2)`"),
        ("create table e4 (ts timestamp, v varbinary(0))", "[0x2642] `Invalid column length for var length type`"),
        (
            "create table e5 (ts timestamp, v blob)",
            "[0x0200] `the embedded stand-in server does not know the type BLOB`",
        ),
        (f"insert into e6 values ({TS}, 123456.7)", "[0x013D] `Decimal value overflow`"),
        (f"insert into e6 values ({TS}, 1e30)", "[0x013D] `Decimal value overflow`"),
        (f"insert into e6 values ({TS}, 'x')", "[0x0216] `syntax error near 'x' (invalid decimal data)`"),
        ("select cast(100 as decimal(4, 2))", "[0x013D] `Decimal value overflow`"),
        ("select abs(v) from e6", "[0x2802] `Invalid parameter data type : abs`"),
    ],
)
def test_what_does_not_fit_a_type_is_refused(connection: taosws.Connection, sql: str, error: str) -> None:
    connection.execute("create table if not exists e6 (ts timestamp, v decimal(4, 2))")
    assert code_of(connection, sql) == error


def test_tags_of_bytes_are_shown_in_hexadecimal_digits(connection: taosws.Connection) -> None:
    connection.execute("create stable tagged (ts timestamp, v int) tags (b varbinary(8), g geometry(50))")
    connection.execute("create table tagged1 using tagged tags ('\\x41FF', 'POINT(1 2)')")
    connection.execute(f"insert into tagged1 values ({TS}, 1)")
    assert rows(connection, "select b, g from tagged1") == [(b"A\xff", POINT)]
    assert rows(connection, "select b, g from tagged where b = '\\x41ff'") == [(b"A\xff", POINT)]
    assert rows(connection, "show tags from tagged1")[0][-1] == "\\x41FF"
    assert 'TAGS ("\\x41FF"' in rows(connection, "show create table tagged1")[0][1]


def test_rest_shows_them_as_taosadapter_does(server: EmbeddedServer, connection: taosws.Connection) -> None:
    connection.execute(
        "create stable web (ts timestamp, d decimal(10, 2), b varbinary(4), g geometry(50)) tags (info json)"
    )
    connection.execute(
        f"insert into web1 using web tags ('{{\"k\":1}}') values ({TS}, 1.5, '\\x41ff', 'POINT(1 2)') "
        f"({TS + 1}, null, null, null)"
    )
    request = urllib.request.Request(
        f"http://127.0.0.1:{server.port}/rest/sql/d",
        data=b"select d, b, g, info from web",
        headers={"Authorization": "Basic " + base64.b64encode(b"root:taosdata").decode()},
    )
    with urllib.request.urlopen(request, timeout=20) as response:
        answer = json.loads(response.read())
    assert answer["column_meta"] == [
        *(["d", "DECIMAL(10,2)", 8], ["b", "VARBINARY", 4], ["g", "GEOMETRY", 50], ["info", "JSON", 4095]),
    ]
    assert answer["data"] == [["1.50", "41ff", POINT.hex(), {"k": 1}], [None, None, None, {"k": 1}]]


def test_they_outlive_the_server(tmp_path: Path) -> None:
    path = tmp_path / "data.duckdb"
    sql = "select d, b, g, info from d.s"
    with running("--data", str(path)) as server:
        connection = server.connect()
        connection.execute("create database d")
        connection.execute(
            "create stable d.s (ts timestamp, d decimal(20, 2), b varbinary(4), g geometry(50)) tags (info json)"
        )
        connection.execute(f"insert into d.s1 using d.s tags ('{{\"k\":1}}') values ({TS}, 1.5, '\\x41', 'POINT(1 2)')")
        before = rows(connection, sql)
        assert before == [(Decimal("1.50"), b"A", POINT, '{"k":1}')]
        server.stop()
    with running("--data", str(path)) as server:
        assert rows(server.connect(), sql) == before
        assert rows(server.connect(), "describe d.s")[1][1] == "DECIMAL(20, 2)"


def test_an_older_statement_cannot_bind_decimals_and_says_so(connection: taosws.Connection) -> None:
    connection.execute("create table old (ts timestamp, b varbinary(4), g geometry(50))")
    statement = connection.statement()
    statement.prepare("insert into old values (?, ?, ?)")
    columns = [
        taosws.millis_timestamps_to_column([TS]),
        taosws.varbinary_to_column([b"\xff"]),
        taosws.geometry_to_column([POINT]),
    ]
    statement.bind_param(columns)
    statement.add_batch()
    assert statement.execute() == 1
    assert rows(connection, "select b, g from old") == [(b"\xff", POINT)]
    connection.execute("create table old2 (ts timestamp, a decimal(10, 2))")
    statement = connection.statement()
    statement.prepare("insert into old2 values (?, ?)")
    with pytest.raises(taosws.Error):
        statement.bind_param([columns[0], taosws.decimal64_to_column([Decimal("1.5")])])
