"""History is exact: each row once, whatever pages it is read in, and groups that add up to what is above them."""

import asyncio
import random
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import perspective
import pytest
import taosws
from hypothesis import given, settings
from hypothesis import strategies as st

from embedded_server import running
from history import rows as history_rows
from history.cache import Cache
from history.errors import HistoryError
from history.handler import TDengineVirtualServerHandler
from history.range import Range
from tdengine.connecting import create_tdengine_connection
from tdengine.settings import Settings

BEGIN = 1767323040
"""In epoch seconds."""

TICKS = {"ms": 10**3, "us": 10**6, "ns": 10**9}
ROWS = 420
"""In each of the tables."""

COLUMNS = {
    "v": "INT",
    "u": "INT UNSIGNED",
    "b": "BIGINT",
    "w": "BIGINT UNSIGNED",
    "f": "DOUBLE",
    "d": "DECIMAL(20, 6)",
    "place": "NCHAR(4)",
    "side": "BOOL",
    "at": "TIMESTAMP",
}
SORTS = {"s": ["ts", "v", "f", "place", "label", "tbname", "side", "at", "d"], "k": ["ts", "n", "v", "place"]}
"""What each table is sorted by."""


class Asked:
    """A viewer of history over one database; a page of rows or a pivot as columns."""

    def __init__(self, connection: taosws.Connection, at: Settings) -> None:
        self.connection = connection
        self.at = at
        handler = TDengineVirtualServerHandler(connection, at, "all", Cache(time.monotonic))
        server = perspective.VirtualServer(handler)

        async def send(message: bytes) -> None:
            await self.client.handle_response(server.handle_request(message))

        async def close() -> None:
            pass

        self.client = perspective.AsyncClient(send, close)

    def pages(self, table: str, size: int, **config: Any) -> list[int]:
        """The `id` of all rows, in the order of the view, read in pages of this size, from the last to the first."""

        async def read() -> list[int]:
            view = await (await self.client.open_table(table)).view(**config)
            count = await view.num_rows()
            found: list[int] = []
            for begin in reversed(range(0, count, size)):
                columns = await view.to_columns(start_row=begin, end_row=min(begin + size, count))
                found[:0] = map(int, columns["id"])
            await view.delete()
            return found

        return asyncio.run(read())

    def pivot(self, table: str, **config: Any) -> dict[str, list[Any]]:
        """All rows of a pivot."""

        async def read() -> dict[str, list[Any]]:
            view = await (await self.client.open_table(table)).view(**config)
            columns: dict[str, list[Any]] = await view.to_columns(start_row=0, end_row=20_000)
            await view.delete()
            return columns

        return asyncio.run(read())


def value(chance: random.Random, name: str, second: int) -> str:
    """A value for a column, as SQL; now and then none."""
    if chance.random() < 0.1:
        return "NULL"
    values: dict[str, list[Any]] = {
        "v": [1, 2, -3],
        "u": [0, 4_000_000_000, 4_294_967_295],
        "b": [1, -(2**40), 2**40],
        "w": [0, 7, 2**41],
        "f": [0.5, -0.25, 1000],
        "d": ["0.100001", "0.100002", "12345678901234.000001"],
        "place": ["'a'", "'b'", "''"],
        "side": ["true", "false"],
        "at": [BEGIN * second + tick for tick in range(4)],
    }
    return str(chance.choice(values[name]))


@pytest.fixture(scope="module")
def database() -> Iterator[dict[str, Asked]]:
    """By precision, a viewer of a database with a super table `s`, whose children share timestamps, with NULLs in all
    its columns, and a table `k` with a composite key. In both `id` counts the rows."""
    chance = random.Random(17)
    with running("--keep", "1d") as server:
        asked = {}
        for precision, second in TICKS.items():
            connection, name = server.connect(), f"{precision}d"
            connection.execute(f"CREATE DATABASE {name} PRECISION '{precision}'")
            columns = ", ".join(f"`{column}` {type_}" for column, type_ in COLUMNS.items())
            connection.execute(f"CREATE STABLE {name}.s (ts TIMESTAMP, id INT, {columns}) TAGS (label NCHAR(4))")
            for child in range(6):
                rows = " ".join(
                    f"({BEGIN * second + row}, {70 * child + row},"
                    f" {', '.join(value(chance, column, second) for column in COLUMNS)})"
                    for row in range(70)
                )
                connection.execute(f"INSERT INTO {name}.c{child} USING {name}.s TAGS ('t{child // 2}') VALUES {rows}")
            connection.execute(
                f"CREATE TABLE {name}.k (ts TIMESTAMP, n INT PRIMARY KEY, id INT, v INT, place NCHAR(4))"
            )
            rows = " ".join(
                f"({BEGIN * second + row // 7}, {row % 7}, {row}, {row % 3}, 'p{row % 2}')" for row in range(ROWS)
            )
            connection.execute(f"INSERT INTO {name}.k VALUES {rows}")
            at = Settings("127.0.0.1", server.port, "root", name, "s", "taosdata")
            asked[precision] = Asked(create_tdengine_connection(at), at)
        yield asked


@pytest.fixture(scope="module", params=[20_000, 100], ids=["by offset", "by time"])
def far(request: pytest.FixtureRequest) -> Iterator[int]:
    """From which offset on rows are found by their time."""
    before, history_rows.FAR = history_rows.FAR, request.param
    yield request.param
    history_rows.FAR = before


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_each_row_is_on_one_page_whatever_the_sort_and_the_size_of_a_page(
    database: dict[str, Asked], far: int, data: st.DataObject
) -> None:
    asked = database[data.draw(st.sampled_from(sorted(database)))]
    table = data.draw(st.sampled_from(sorted(SORTS)))
    order = st.tuples(st.sampled_from(SORTS[table]), st.sampled_from(["asc", "desc"]))
    sort = [list(each) for each in data.draw(st.lists(order, max_size=2, unique_by=lambda each: each[0]))]
    found = asked.pages(table, data.draw(st.integers(10, 500)), columns=["id"], sort=sort)
    assert sorted(found) == list(range(ROWS))
    assert found == asked.pages(table, ROWS, columns=["id"], sort=sort)


@pytest.mark.parametrize("precision", TICKS)
def test_pages_of_one_row_have_each_row_once(database: dict[str, Asked], precision: str) -> None:
    assert sorted(database[precision].pages("s", 1, columns=["id"], sort=[["v", "desc"]])) == list(range(ROWS))


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_groups_add_up_to_what_is_above_them(database: dict[str, Asked], data: st.DataObject) -> None:
    asked = database[data.draw(st.sampled_from(sorted(database)))]
    names = st.sampled_from(["ts", *COLUMNS, "label", "tbname", "ts by second"])
    group_by = data.draw(st.lists(names, min_size=1, max_size=3, unique=True))
    columns = ["id", *data.draw(st.lists(st.sampled_from(["v", "u", "b", "w", "f"]), max_size=2, unique=True))]
    aggregates = {name: "sum" for name in columns} | {"id": "count"}
    pivot = asked.pivot("s", group_by=group_by, columns=columns, aggregates=aggregates)
    depths = [len(path) for path in pivot["__ROW_PATH__"]]
    assert pivot["id"][0] == ROWS
    for name in columns:
        for row, depth in enumerate(depths):
            end = next((after for after in range(row + 1, len(depths)) if depths[after] <= depth), len(depths))
            children = [pivot[name][at] for at in range(row + 1, end) if depths[at] == depth + 1]
            if depth < len(group_by):
                total = sum(value for value in children if value is not None)
                assert (pivot[name][row] or 0) == pytest.approx(total), (name, pivot["__ROW_PATH__"][row])


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_what_stands_side_by_side_adds_up_to_its_row(database: dict[str, Asked], data: st.DataObject) -> None:
    asked = database[data.draw(st.sampled_from(sorted(database)))]
    names = st.sampled_from([*COLUMNS, "label", "tbname", "ts by second"])
    group_by = data.draw(st.lists(names, max_size=2, unique=True))
    split_by = data.draw(st.lists(names, min_size=1, max_size=2, unique=True))
    view = {"group_by": group_by, "columns": ["id"], "aggregates": {"id": "count"}}
    if not group_by:
        view["group_rollup_mode"] = "total"
    whole = asked.pivot("s", **view)
    split = asked.pivot("s", **view, split_by=split_by)
    sides = [values for name, values in split.items() if name != "__ROW_PATH__"]
    assert all(name.endswith("|id") for name in split if name != "__ROW_PATH__")
    sums = [sum(filter(None, values)) for values in zip(*sides, strict=True)]
    paths = whole.get("__ROW_PATH__", [[]])
    assert split.get("__ROW_PATH__", [[]]) == paths
    # Those that are shown alike have no order.
    assert sorted(map(repr, zip(paths, sums, strict=True))) == sorted(map(repr, zip(paths, whole["id"], strict=True)))


@pytest.mark.parametrize("precision", ["us", "ns"])
@pytest.mark.parametrize("column", ["ts", "at", "d"])
def test_groups_that_are_shown_alike_are_all_there(database: dict[str, Asked], precision: str, column: str) -> None:
    asked = database[precision]
    pivot = asked.pivot("s", group_by=[column], columns=["id"], aggregates={"id": "count"})
    values = list(asked.connection.query(f"SELECT {column}, COUNT(*) FROM {precision}d.s GROUP BY {column}"))
    assert sorted(pivot["id"][1:]) == sorted(count for _, count in values)
    assert len(values) >= 4


STATISTICS: dict[str, Callable[[list[Any]], Any]] = {
    "sum": sum,
    "avg": statistics.fmean,
    "stddev": statistics.pstdev,
    "spread": lambda values: max(values) - min(values),
}


@pytest.mark.parametrize("aggregate", STATISTICS)
@pytest.mark.parametrize("column", ["v", "u", "b", "w"])
def test_statistics_of_large_numbers_are_right(database: dict[str, Asked], column: str, aggregate: str) -> None:
    asked = database["ms"]
    pivot = asked.pivot("s", group_by=["label"], columns=[column], aggregates={column: aggregate})
    values = [value for (value,) in asked.connection.query(f"SELECT {column} FROM msd.s") if value is not None]
    assert pivot[column][0] == pytest.approx(STATISTICS[aggregate](values))


@pytest.mark.parametrize("aggregate", ["stddev", "sum", "avg"])
def test_what_tdengine_computes_in_integers_that_overflow_is_asked_in_doubles(
    database: dict[str, Asked], aggregate: str
) -> None:
    asked = database["ms"]
    heard: list[str] = []
    handler = TDengineVirtualServerHandler(Heard(asked.connection, heard), asked.at, "all", Cache(time.monotonic))
    handler.table_make_view("s", "p", {"columns": ["w"], "group_by": ["label"], "aggregates": {"w": aggregate}})
    handler.view_size("p")
    assert [sql for sql in heard if f"{aggregate.upper()}(CAST(`w` AS DOUBLE))" in sql]


class Heard:
    """A connection that notes what it is asked."""

    def __init__(self, connection: taosws.Connection, heard: list[str]) -> None:
        self.connection = connection
        self.heard = heard

    def query(self, sql: str) -> Any:
        self.heard.append(sql)
        return self.connection.query(sql)


WORDS = {"v": ["1", "-3"], "u": ["4000000000"], "b": ["0"], "place": ["'a'", "''"], "label": ["'t1'"], "f": ["0.5"]}
"""Values to filter by, as SQL."""


@st.composite
def filters(draw: st.DrawFn) -> tuple[list[list[Any]], list[str]]:
    """Filters, and the same in SQL."""
    viewed: list[list[Any]] = []
    written = []
    for _ in range(draw(st.integers(0, 2))):
        name = draw(st.sampled_from(sorted(WORDS)))
        op = draw(st.sampled_from(["==", "<", ">=", "is null", "is not null"]))
        value = draw(st.sampled_from(WORDS[name]))
        plain = value.strip("'") if value[0] == "'" else float(value)
        if "null" in op:
            viewed.append([name, op, None])
            written.append(f"{name} {op.upper()}")
        elif value != "''":  # text that is still to be typed filters as that, and is tried elsewhere
            viewed.append([name, op, plain])
            written.append(f"{name} {'=' if op == '==' else op} {value}")
    return viewed, written


@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_what_is_shown_is_what_plain_sql_says(database: dict[str, Asked], data: st.DataObject) -> None:
    precision = data.draw(st.sampled_from(sorted(database)))
    asked = database[precision]
    viewed, written = data.draw(filters())
    where = f" WHERE {' AND '.join(written)}" if written else ""
    rows = asked.pages("s", data.draw(st.integers(20, 200)), columns=["id"], filter=viewed)
    assert sorted(rows) == sorted(row for (row,) in asked.connection.query(f"SELECT id FROM {precision}d.s{where}"))
    column, aggregate = data.draw(st.sampled_from(["v", "u", "f"])), data.draw(st.sampled_from(["sum", "min", "max"]))
    group = data.draw(st.sampled_from(["label", "tbname", "v", "side", "ts"]))
    pivot = asked.pivot(
        "s", group_by=[group], columns=["id", column], filter=viewed, aggregates={"id": "count", column: aggregate}
    )
    plain = asked.connection.query(
        f"SELECT COUNT(*), {aggregate.upper()}({column}) FROM {precision}d.s{where} GROUP BY {group}"
    )

    def text(pairs: Iterable[tuple[Any, Any]]) -> list[str]:
        return sorted(repr((float(count), None if value is None else float(value))) for count, value in pairs)

    assert text(zip(pivot["id"][1:], pivot[column][1:], strict=True)) == text(plain)


def test_integers_are_integers_and_averages_are_not(database: dict[str, Asked]) -> None:
    handler = TDengineVirtualServerHandler(database["ms"].connection, database["ms"].at, "all", Cache(time.monotonic))
    assert {name: handler.table_schema("s")[name] for name in ["v", "u", "b", "w", "f"]} == {
        **dict.fromkeys(["v", "u", "b", "w"], "integer"),
        "f": "float",
    }
    config = {"columns": ["v", "u", "b", "place"], "group_by": ["label"]}
    handler.table_make_view("s", "p", config | {"aggregates": {"v": "avg", "u": "sum", "b": "count", "place": "count"}})
    assert handler.view_schema("p") == {"v": "float", "u": "integer", "b": "integer", "place": "integer"}


def test_times_before_1970_are_asked_for_as_they_are() -> None:
    assert Range.parse("-86400000--1", 0) == Range(-86400000, -1)
    assert Range.parse("-5-5", 0) == Range(-5, 5)
    for text in ("5--5", "--5", "-1--2", "1-"):
        with pytest.raises(HistoryError, match="no time range"):
            Range.parse(text, 0)


UNITS = {
    "second": 1,
    "5 seconds": 5,
    "15 seconds": 15,
    "minute": 60,
    "2 minutes": 120,
    "10 minutes": 600,
    "hour": 3600,
    "6 hours": 21600,
    "day": 86400,
}


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("group", [[], ["place"]])
def test_time_is_cut_to_a_bucket_of_any_length(spread: Asked, unit: str, group: list[str]) -> None:
    length = UNITS[unit]
    pivot = spread.pivot("t", group_by=[*group, f"ts by {unit}"], columns=["v"], aggregates={"v": "sum"})
    expected: dict[tuple[Any, ...], int] = {}
    for time_, place, number in spread.connection.query("SELECT CAST(ts AS BIGINT), place, v FROM td.t"):
        path = (*([place] if group else []), time_ // (length * 1000) * length * 1000)
        expected[path] = expected.get(path, 0) + number
    leaves = {
        tuple(path): total
        for path, total in zip(pivot["__ROW_PATH__"], pivot["v"], strict=True)
        if len(path) == len(group) + 1
    }
    assert leaves == expected


def test_two_cuts_of_several_units_are_refused_and_buckets_show_in_rows(spread: Asked) -> None:
    with pytest.raises(perspective.PerspectiveError, match="once in a pivot"):
        spread.pivot("t", group_by=["ts by 5 seconds", "ts by 2 minutes"], columns=["v"])
    rows = spread.pivot("t", columns=["ts", "ts by 2 minutes"])
    for time_, begin in zip(rows["ts"], rows["ts by 2 minutes"], strict=True):
        assert begin == time_ // 120_000 * 120_000


def test_a_column_of_the_users_that_is_called_like_a_bucket_is_there_beside_it(spread: Asked) -> None:
    columns = spread.pivot("named", columns=["ts by minute", "ts by minute_"])
    assert columns["ts by minute"] == ["mine"]
    assert columns["ts by minute_"] == [BEGIN // 60 * 60_000]


@pytest.fixture(scope="module")
def spread() -> Iterator[Asked]:
    """A viewer of a table whose rows lie over a day, and of one with a column that is called like a bucket."""
    chance = random.Random(3)
    with running("--keep", "2d") as server:
        connection = server.connect()
        connection.execute("CREATE DATABASE td")
        connection.execute("CREATE TABLE td.t (ts TIMESTAMP, place NCHAR(4), v INT)")
        times = sorted(chance.sample(range(86_400_000), 400))
        rows = " ".join(f"({BEGIN * 1000 + each}, 'p{each % 3}', {each % 100})" for each in times)
        connection.execute(f"INSERT INTO td.t VALUES {rows}")
        connection.execute("CREATE TABLE td.named (ts TIMESTAMP, `ts by minute` NCHAR(10))")
        connection.execute(f"INSERT INTO td.named VALUES ({BEGIN * 1000 + 1234}, 'mine')")
        at = Settings("127.0.0.1", server.port, "root", "td", "t", "taosdata")
        yield Asked(create_tdengine_connection(at), at)
