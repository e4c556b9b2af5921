"""Tables other than the demo's: super tables, any types, odd names, tables that change while they are shown."""

import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import taosws

from conftest import Start
from parts import free_port, get_json, sql
from viewers import Viewer
from waiting import eventually

Columns = dict[str, list[Any]]


@pytest.fixture
def show(start: Start, taos_port: int) -> Callable[..., Any]:
    """`with show("table") as columns:` serves a table of database `test`; `columns()` is what a viewer sees."""

    @contextmanager
    def show(table: str, *options: str) -> Iterator[Callable[[], Columns]]:
        port = free_port()
        options = ("--port", str(port), "--taos-port", str(taos_port), "--database", "test", "--table", table, *options)
        start("perspective_server.py", *options).says("serving")
        eventually(lambda: get_json(f"http://127.0.0.1:{port}/status")[1].get("state") == "live")

        def columns() -> Columns:
            viewer = Viewer(f"http://127.0.0.1:{port}")
            try:
                return viewer.columns()
            except ConnectionError:  # the table is being made anew
                return {}
            finally:
                viewer.close()

        yield columns

    return show


def do(taos_port: int, *statements: str) -> None:
    for statement in statements:
        sql(taos_port, statement)


def test_a_super_table_is_shown_with_its_tags_and_its_childrens_names(taos_port: int, show: Any) -> None:
    do(
        taos_port,
        "CREATE DATABASE test",
        "CREATE STABLE test.meters (ts TIMESTAMP, current FLOAT, voltage INT, phase FLOAT)"
        " TAGS (groupid INT, location VARCHAR(24))",
        "INSERT INTO test.d1 USING test.meters TAGS (1, 'San José') VALUES (1500000000000, 1.5, 220, 0.25)",
        "INSERT INTO test.d2 USING test.meters TAGS (2, NULL) VALUES (1500000000000, 2.5, 221, NULL)",
    )
    with show("meters") as columns:
        assert columns() == {
            "ts": [1500000000000] * 2,
            "current": [1.5, 2.5],
            "voltage": [220, 221],
            "phase": [0.25, None],
            "groupid": [1, 2],
            "location": ["San José", None],
            "tbname": ["d1", "d2"],
        }
        do(taos_port, "INSERT INTO test.d1 VALUES (1500000000001, 9.5, 222, NULL)")
        eventually(lambda: columns()["tbname"] == ["d1", "d2", "d1"])


def test_children_that_share_timestamps_are_all_shown_up_to_the_limit(taos_port: int, show: Any) -> None:
    do(
        taos_port,
        "CREATE DATABASE test",
        "CREATE STABLE test.meters (ts TIMESTAMP, v INT) TAGS (g INT)",
        *(
            f"INSERT INTO test.d{child} USING test.meters TAGS ({child}) VALUES "
            + " ".join(f"({1500000000000 + at}, {at})" for at in range(30))
            for child in range(7)
        ),
    )
    with show("meters", "--limit", "100") as columns:
        shown = columns()
        assert len(shown["ts"]) == 100
        assert shown["ts"] == sorted(shown["ts"])
        assert len(set(zip(shown["ts"], shown["tbname"], strict=True))) == 100
        assert min(shown["ts"]) == 1500000000000 + 15


def test_a_child_table_is_shown_alone(taos_port: int, show: Any) -> None:
    do(
        taos_port,
        "CREATE DATABASE test",
        "CREATE STABLE test.meters (ts TIMESTAMP, v INT) TAGS (g INT)",
        "INSERT INTO test.d1 USING test.meters TAGS (1) VALUES (1500000000000, 1)",
        "INSERT INTO test.d2 USING test.meters TAGS (2) VALUES (1500000000000, 2)",
    )
    with show("d2") as columns:
        assert columns() == {"ts": [1500000000000], "v": [2], "g": [2], "tbname": ["d2"]}


def test_a_composite_key_keeps_rows_that_share_a_timestamp(taos_port: int, show: Any) -> None:
    do(
        taos_port,
        "CREATE DATABASE test",
        "CREATE TABLE test.t (ts TIMESTAMP, k INT PRIMARY KEY, v INT)",
        "INSERT INTO test.t VALUES (1500000000000, 1, 10) (1500000000000, 2, 20)",
    )
    with show("t") as columns:
        assert columns() == {"ts": [1500000000000] * 2, "k": [1, 2], "v": [10, 20]}
        do(taos_port, "INSERT INTO test.t VALUES (1500000000000, 0, 5)")
        eventually(lambda: sorted(columns()["k"]) == [0, 1, 2])


@pytest.mark.parametrize(("precision", "ticks"), [("us", 10**3), ("ns", 10**6)])
def test_finer_precisions_are_shown_in_milliseconds_without_losing_a_row(
    taos_port: int, show: Any, precision: str, ticks: int
) -> None:
    first = 1500000000000 * ticks
    do(
        taos_port,
        f"CREATE DATABASE test PRECISION '{precision}'",
        "CREATE TABLE test.t (ts TIMESTAMP, v INT, other TIMESTAMP)",
        f"INSERT INTO test.t VALUES ({first}, 1, {first}) ({first + 1}, 2, NULL)",
    )
    with show("t") as columns:
        assert columns() == {"ts": [1500000000000] * 2, "v": [1, 2], "other": [1500000000000, None]}
        do(taos_port, f"INSERT INTO test.t VALUES ({first + 2}, 3, NULL)")
        eventually(lambda: columns()["v"] == [1, 2, 3])


def test_every_type_and_null_is_shown_whole(taos_port: int, show: Any) -> None:
    types = "BOOL, TINYINT, SMALLINT, INT, BIGINT, TINYINT UNSIGNED, SMALLINT UNSIGNED, INT UNSIGNED, BIGINT UNSIGNED,"
    types += "FLOAT, DOUBLE, BINARY(8), NCHAR(8), TIMESTAMP"
    names = [f"c{place}" for place in range(len(types.split(",")))]
    declared = ", ".join(f"{name} {type_}" for name, type_ in zip(names, types.split(","), strict=True))
    do(
        taos_port,
        "CREATE DATABASE test",
        f"CREATE TABLE test.t (ts TIMESTAMP, {declared})",
        "INSERT INTO test.t VALUES (1500000000000, true, -127, -32767, -2147483647, -9007199254740991, 255, 65535,"
        " 4294967295, 9007199254740991, 0.5, 0.1, 'bytes', '汉字', 1500000000001)",
        f"INSERT INTO test.t VALUES (1500000000002{', NULL' * len(names)})",
    )
    with show("t") as columns:
        first, second = ([values[row] for values in columns().values()] for row in (0, 1))
    assert first[1:] == [
        *(True, -127, -32767, -2147483647, -9007199254740991, 255, 65535, 4294967295, 9007199254740991),
        *(0.5, 0.1, "bytes", "汉字", 1500000000001),
    ]
    assert second[1:] == [None] * len(names)


def test_names_that_need_quotes_and_many_columns(taos_port: int, show: Any) -> None:
    names = ["order", "a b", "naïve", "x-y", "1st", "Upper", *(f"c{place}" for place in range(193))]
    declared = ", ".join(f"`{name}` INT" for name in names)
    do(
        taos_port,
        "CREATE DATABASE test",
        f"CREATE TABLE test.`my table` (ts TIMESTAMP, {declared})",
        f"INSERT INTO test.`my table` VALUES (1500000000000, {', '.join(map(str, range(len(names))))})",
    )
    with show("my table") as columns:
        assert list(columns()) == ["ts", *names]
        assert [value for (value,) in columns().values()][1:] == list(range(len(names)))


def test_an_empty_table_is_shown_and_filled_later(taos_port: int, show: Any) -> None:
    do(taos_port, "CREATE DATABASE test", "CREATE TABLE test.t (ts TIMESTAMP, v INT)")
    with show("t") as columns:
        assert columns() == {"ts": [], "v": []}
        do(taos_port, "INSERT INTO test.t VALUES (1500000000000, 1)")
        eventually(lambda: columns()["v"] == [1])


def test_late_overwritten_and_deleted_rows_are_followed(taos_port: int, show: Any) -> None:
    now = time.time_ns() // 10**6
    do(taos_port, "CREATE DATABASE test", "CREATE TABLE test.t (ts TIMESTAMP, v INT)")
    do(taos_port, f"INSERT INTO test.t VALUES ({now}, 1) ({now + 10}, 2)")
    with show("t") as columns:
        assert columns()["v"] == [1, 2]
        do(taos_port, f"INSERT INTO test.t VALUES ({now + 5}, 15)")
        eventually(lambda: columns()["v"] == [1, 15, 2])
        do(taos_port, f"INSERT INTO test.t VALUES ({now + 10}, 20)")
        eventually(lambda: columns()["v"] == [1, 15, 20])
        do(taos_port, f"DELETE FROM test.t WHERE ts <= {now + 5}")
        eventually(lambda: columns()["v"] == [20])
        do(taos_port, "DELETE FROM test.t")
        eventually(lambda: columns()["v"] == [])


def test_columns_that_come_and_go_are_noticed(taos_port: int, show: Any) -> None:
    do(
        taos_port,
        "CREATE DATABASE test",
        "CREATE TABLE test.t (ts TIMESTAMP, v INT, w INT)",
        "INSERT INTO test.t VALUES (1500000000000, 1, 2)",
    )
    with show("t") as columns:
        assert list(columns()) == ["ts", "v", "w"]
        do(taos_port, "ALTER TABLE test.t ADD COLUMN x FLOAT")
        eventually(lambda: list(columns()) == ["ts", "v", "w", "x"])
        do(taos_port, "ALTER TABLE test.t DROP COLUMN v")
        eventually(lambda: list(columns()) == ["ts", "w", "x"])
        eventually(lambda: columns()["w"] == [2])


def test_binary_geometric_decimal_and_json_values_are_shown_as_hex_numbers_and_text(taos_port: int, show: Any) -> None:
    do(
        taos_port,
        "CREATE DATABASE test",
        "CREATE STABLE test.s (ts TIMESTAMP, b VARBINARY(8), g GEOMETRY(64), d DECIMAL(18, 4), e DECIMAL(38, 2))"
        " TAGS (j JSON)",
        """INSERT INTO test.c USING test.s TAGS ('{"place": "San José"}') VALUES"""
        " (1500000000000, '\\x00ff41', 'POINT(1 2)', 12345.6789, -0.05) (1500000000001, NULL, NULL, NULL, NULL)",
    )
    with show("s") as columns:
        shown = columns()
    assert shown["b"] == ["00ff41", None]
    assert shown["g"] == ["0101000000000000000000f03f0000000000000040", None]
    assert shown["d"] == [12345.6789, None]
    assert shown["e"] == [-0.05, None]
    assert [json.loads(text) for text in shown["j"]] == [{"place": "San José"}] * 2


def test_columns_whose_names_perspective_takes_are_shown_under_others(taos_port: int, show: Any) -> None:
    names = ["psp_op", "psp_okey", "__INDEX__", "__ROW_PATH__"]
    do(
        taos_port,
        "CREATE DATABASE test",
        f"CREATE TABLE test.t (ts TIMESTAMP, {', '.join(f'`{name}` INT' for name in names)})",
        "INSERT INTO test.t VALUES (1500000000000, 1, 2, 3, 4) (1500000000001, 1, 2, 3, 5)",
    )
    with show("t") as columns:
        shown = columns()
        expected = {"psp_op_": [1, 1], "psp_okey_": [2, 2], "__INDEX___": [3, 3], "ROW_PATH___": [4, 5]}
        assert {name: shown[name] for name in expected} == expected
        do(taos_port, "ALTER TABLE test.t ADD COLUMN psp_pkey INT")
        eventually(lambda: columns().get("psp_pkey_") == [None, None])


def test_numbers_with_more_digits_than_a_browser_keeps_are_text_from_the_first_one_on(
    taos_port: int, show: Any
) -> None:
    do(
        taos_port,
        "CREATE DATABASE test",
        "CREATE TABLE test.t (ts TIMESTAMP, b BIGINT, u BIGINT UNSIGNED, d DECIMAL(30, 6), n BIGINT)",
        "INSERT INTO test.t VALUES (1500000000000, 1, 2, 0.5, 7)",
    )
    with show("t", "--text", "n") as columns:
        eventually(lambda: columns() != {})
        assert {name: values for name, values in columns().items() if name != "ts"} == {
            "b": [1],
            "u": [2],
            "d": [0.5],
            "n": ["7"],
        }
        long = "9007199254740993, 18446744073709551615, 123456789012345678.000001, 8"
        do(taos_port, f"INSERT INTO test.t VALUES (1500000000001, {long})")
        eventually(lambda: columns().get("b") == ["1", "9007199254740993"])
        shown = columns()
        assert shown["u"] == ["2", "18446744073709551615"]
        assert shown["d"] == ["0.500000", "123456789012345678.000001"]


def test_not_a_number_infinities_long_texts_and_many_children_are_shown(taos_port: int, show: Any) -> None:
    do(
        taos_port,
        "CREATE DATABASE test",
        "CREATE STABLE test.s (ts TIMESTAMP, f DOUBLE, said VARCHAR(16000)) TAGS (g INT)",
        "INSERT INTO test.odd USING test.s TAGS (-1) VALUES (1500000000000, 0, '')",
    )
    connection = taosws.connect(host="127.0.0.1", port=taos_port, database="test")
    statement = connection.stmt2_statement()
    statement.prepare("INSERT INTO odd VALUES (?, ?, ?)")
    numbers = [math.nan, math.inf, -math.inf]
    columns_bound = [
        taosws.millis_timestamps_to_column([1500000000001, 1500000000002, 1500000000003]),
        taosws.doubles_to_column(numbers),
        taosws.varchar_to_column(["x" * 16000, "y", "z"]),
    ]
    statement.bind([taosws.stmt2_bind_param_view(None, None, columns_bound)])
    statement.execute()
    children = [f"c{at} USING test.s TAGS ({at}) VALUES (1500000001000, {at}, 'child')" for at in range(1500)]
    for begin in range(0, 1500, 500):
        do(taos_port, f"INSERT INTO {' '.join(f'test.{each}' for each in children[begin : begin + 500])}")
    with show("s", "--limit", "2000") as columns:
        shown = columns()
    assert len(set(shown["tbname"])) == 1501
    assert max(map(len, shown["said"])) == 16000
    found = [value for value, name in zip(shown["f"], shown["tbname"], strict=True) if name == "odd"]
    assert found[0] == 0
    assert [str(value) for value in found[1:]] in ([str(each) for each in numbers], ["None"] * 3)
