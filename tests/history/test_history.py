"""History against a Perspective table that holds the same rows: the same questions, the same answers.

Where the two mean different things by design, a test of its own says what history means:
`test_a_difference_in_meaning`.
"""

import asyncio
import os
import random
import re
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar

import perspective
import pyarrow as pa
import pytest
import taosws

from embedded_server import running
from history import limits
from history import rows as history_rows
from history.cache import Cache
from history.errors import HistoryError
from history.fields import FILTER_OPS, Source, kind_of
from history.handler import TDengineVirtualServerHandler
from history.range import Range
from history.view import View
from tdengine.connecting import create_tdengine_connection
from tdengine.describing import Column
from tdengine.settings import Settings
from tdengine.sql import literal
from tdengine.table import Table

T = TypeVar("T")
Row = tuple[Any, ...]
Config = dict[str, Any]

CONFIGURATIONS = int(os.environ.get("CONFIGURATIONS", "250"))
"""How many random view configurations each of the differential tests compares."""

BEGIN = 1767323040000
STEP = 7501
TYPES = {
    "ts": ("TIMESTAMP", pa.timestamp("ms")),
    "ticker": ("NCHAR(10)", pa.string()),
    "client": ("VARCHAR(10)", pa.string()),
    "price": ("DOUBLE", pa.float64()),
    "volume": ("INT UNSIGNED", pa.uint32()),
    "n": ("INT", pa.int32()),
    "ok": ("BOOL", pa.bool_()),
    "due": ("TIMESTAMP", pa.timestamp("ms")),
}
COLUMNS = list(TYPES)
UNITS = {"second": 1000, "minute": 60_000, "hour": 3_600_000, "day": 86_400_000}
TICKERS = ["AAPL.N", "QQQ.N", "YY.N", "a_b%c", "O'Brien", "back\\slash"]


def make_rows(chance: random.Random, count: int = 400) -> list[Row]:
    """Rows 7.5 s apart; NULLs in what is filtered and grouped by, none in what is added up."""

    def sometimes(value: Any) -> Any:
        return None if chance.random() < 0.15 else value

    return [
        (
            BEGIN + at * STEP,
            sometimes(chance.choice(TICKERS)),
            sometimes(chance.choice(["Homer", "Marge", "homer"])),
            chance.randint(-400, 400) / 4,
            chance.randint(0, 4_000_000_000),
            sometimes(chance.randint(-100, 100)),
            sometimes(chance.random() < 0.5),
            sometimes(BEGIN + chance.randint(0, 10) * 86_400_000),
        )
        for at in range(count)
    ]


def sql(value: Any) -> str:
    """A value as it stands in an INSERT."""
    if value is None or isinstance(value, bool):
        return {None: "NULL", True: "true", False: "false"}[value]
    return literal(value) if isinstance(value, str) else str(value)


def native_table(rows: list[Row]) -> Any:
    """Perspective's own table of the rows, with the columns that history adds."""
    columns = {name: pa.array([row[at] for row in rows], type_) for at, (name, (_, type_)) in enumerate(TYPES.items())}
    for unit, width in UNITS.items():
        columns[f"ts by {unit}"] = pa.array([row[0] // width * width for row in rows], pa.timestamp("ms"))
    table = pa.table(columns)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return perspective.Server().new_local_client().table(bytes(sink.getvalue()))


class History:
    """A viewer of history in this process, over a TDengine in another; `asked` are the statements put to that."""

    def __init__(self, connection: taosws.Connection, at: Settings, period: str = "all") -> None:
        self.connection = connection
        self.asked: list[str] = []
        self.now = (BEGIN + 400 * STEP) / 1000
        cache = Cache(time.monotonic)
        self.handler = TDengineVirtualServerHandler(self, at, period, cache, lambda: self.now)
        self.server = perspective.VirtualServer(self.handler)
        self.client = perspective.AsyncClient(self._send, self._close)

    def query(self, statement: str) -> list[Row]:
        self.asked.append(statement)
        return list(self.connection.query(statement))

    async def _send(self, message: bytes) -> None:
        await self.client.handle_response(self.server.handle_request(message))

    async def _close(self) -> None:
        pass

    async def ask(self, config: Config, begin: int = 0, end: int = 1000, table: str = "t") -> tuple[int, Config]:
        """How many rows a view has, and some of them."""
        view = await (await self.client.open_table(table)).view(**config)
        columns = await view.to_columns(start_row=begin, end_row=end)
        size: int = await view.num_rows()
        await view.delete()
        return size, plain(columns)


def plain(columns: Config) -> Config:
    """Columns with numbers as floats and times as epoch milliseconds, so that both kinds of tables compare."""

    def value(each: Any) -> Any:
        if isinstance(each, list):
            return [value(part) for part in each]
        if isinstance(each, datetime):
            return each.replace(tzinfo=UTC).timestamp() * 1000
        return round(float(each), 6) if isinstance(each, int | float) and not isinstance(each, bool) else each

    return {name: [value(each) for each in values] for name, values in columns.items()}


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return make_rows(random.Random(1))


@pytest.fixture(scope="module")
def at(rows: list[Row]) -> Iterator[Settings]:
    """An embedded server that holds the rows in d.t, and a super table d.s with two children."""
    with running("--keep", "1d") as server:
        connection = server.connect()
        connection.execute("CREATE DATABASE d")
        declared = ", ".join(f"{name} {type_}" for name, (type_, _) in TYPES.items())
        connection.execute(f"CREATE TABLE d.t ({declared})")
        values = " ".join(f"({', '.join(map(sql, row))})" for row in rows)
        connection.execute(f"INSERT INTO d.t VALUES {values}")
        connection.execute("CREATE STABLE d.s (ts TIMESTAMP, v INT) TAGS (place NCHAR(10))")
        for child in (1, 2):
            connection.execute(
                f"INSERT INTO d.c{child} USING d.s TAGS ('p{child}') VALUES ({BEGIN}, {child}) ({BEGIN + 1}, NULL)"
            )
        yield Settings("127.0.0.1", server.port, "root", "d", "t", "taosdata")


@pytest.fixture
def ask(at: Settings) -> Callable[..., Any]:
    """`ask(config)` is what a viewer of history gets; `ask.history` is the viewer."""
    viewer = History(create_tdengine_connection(at), at)

    def ask(config: Config, begin: int = 0, end: int = 1000, table: str = "t") -> tuple[int, Config]:
        return run(viewer.ask(config, begin, end, table))

    ask.history = viewer  # type: ignore[attr-defined]
    return ask


def run(work: Awaitable[T]) -> T:
    async def main() -> T:
        return await work

    return asyncio.run(main())


def random_config(chance: random.Random, rows: list[Row]) -> Config:
    """Any view that both kinds of tables can show and mean the same by."""
    columns = chance.sample(COLUMNS, chance.randint(1, 5))
    config: Config = {"columns": columns}
    rollup = chance.choice(["none", "none", "rollup", "rollup", "flat", "total"])
    if rollup != "none":
        config["aggregates"] = {
            name: chance.choice(["sum", "count", "avg", "min", "max"]) if name in ("price", "volume") else "count"
            for name in columns
        }
        config["group_rollup_mode"] = rollup
    if rollup in ("rollup", "flat"):
        groups = ["ticker", "client", "n", "ok", "due", "ts by minute", "ts by hour", "volume"]
        config["group_by"] = chance.sample(groups, chance.choice([1, 1, 2, 2, 3]))
    if chance.random() < 0.25:
        config["split_by"] = chance.sample(["ticker", "client", "ok", "due"], chance.choice([1, 1, 2]))
    if "split_by" in config and rollup == "none":
        config["columns"] = ["ts", "price", "volume"]  # Perspective (5.6.1) shows NULL as 0 there
    elif rollup != "flat" and chance.random() < 0.5:
        config["sort"] = [
            [chance.choice(columns), chance.choice(["asc", "desc"])] for _ in range(chance.choice([1, 2]))
        ]
    if chance.random() < 0.6:
        config["filter"] = [random_filter(chance, rows) for _ in range(chance.choice([1, 1, 2]))]
    return config


def random_filter(chance: random.Random, rows: list[Row]) -> list[Any]:
    name = chance.choice(COLUMNS)
    kind = kind_of(TYPES[name][1])
    op = chance.choice(FILTER_OPS[kind])
    values = [row[COLUMNS.index(name)] for row in rows if row[COLUMNS.index(name)] is not None]
    value = chance.choice(values)
    if "null" in op:
        return [name, op, None]
    if op in ("in", "not in"):
        return [name, op, chance.choices(values, k=2)]
    if op in ("contains", "begins with", "ends with"):
        return [name, op, chance.choice([value[:2], value[-2:], value[1:3], value])]
    if kind == "datetime":
        return [name, op, datetime.fromtimestamp(value / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]]
    return [name, op, value]


@pytest.mark.parametrize("seed", range(4))
def test_history_answers_as_a_perspective_table_does(
    at: Settings, rows: list[Row], seed: int, record_property: Callable[[str, object], None]
) -> None:
    chance = random.Random(seed)
    connection = create_tdengine_connection(at)
    sides = [(native_table(rows), History(connection, at))]
    for _ in range(3):
        begin, end = sorted(BEGIN + chance.randint(0, 400 * STEP) for _ in range(2))
        within = [row for row in rows if begin <= row[0] < end]
        sides.append((native_table(within), History(connection, at, f"{begin}-{end}")))
    compared = 0

    async def compare() -> None:
        nonlocal compared
        for _ in range(CONFIGURATIONS):
            native, viewer = chance.choice(sides)
            config = random_config(chance, rows)
            begin = chance.choice([0, 0, 5, 40])
            end = begin + chance.choice([5, 30, 500])
            view = native.view(**config)
            expected = view.num_rows(), plain(view.to_columns(start_row=begin, end_row=end))
            view.delete()
            found = await viewer.ask(config, begin, end)
            if expected[0] == 1 and config.get("group_rollup_mode", "none") != "none":
                continue  # the total of no rows at all
            assert found == expected, (config, viewer.asked[-1])
            compared += 1

    run(compare())
    record_property("configurations compared", compared)
    assert compared > 0.7 * CONFIGURATIONS


DIFFERENCES: dict[str, tuple[Config, Callable[[list[Row]], Config]]] = {
    "an OR of filters holds where one of them does (Perspective 5.6.1 finds nothing where one of them is about text)": (
        {"columns": ["n"], "filter": [["ticker", "==", "YY.N"], ["n", ">=", 0]], "filter_op": "or"},
        lambda rows: {"n": [row[5] for row in rows if row[1] == "YY.N" or (row[5] is not None and row[5] >= 0)]},
    ),
    "the first and the last are those of time, and not NULL": (
        {"columns": ["n", "due"], "group_rollup_mode": "total", "aggregates": {"n": "first", "due": "last"}},
        lambda rows: {
            "n": [next(row[5] for row in rows if row[5] is not None)],
            "due": [next(row[7] for row in reversed(rows) if row[7] is not None)],
        },
    ),
    "the least and the greatest are not NULL": (
        {"columns": ["n"], "group_rollup_mode": "total", "aggregates": {"n": "min"}},
        lambda rows: {"n": [min(row[5] for row in rows if row[5] is not None)]},
    ),
    "groups without their levels are sorted as a whole, not within their level": (
        {"columns": ["price"], "group_by": ["ok", "n"], "group_rollup_mode": "flat", "sort": [["price", "desc"]]},
        lambda rows: {
            "price": sorted(
                (sum(row[3] for row in rows if (row[6], row[5]) == key) for key in {(row[6], row[5]) for row in rows}),
                reverse=True,
            )
        },
    ),
    "the total of no rows is NULL": (
        {"columns": ["volume"], "group_rollup_mode": "total", "filter": [["ticker", "==", "nobody's"]]},
        lambda rows: {"volume": [None]},
    ),
}


@pytest.mark.parametrize("difference", DIFFERENCES)
def test_a_difference_in_meaning(ask: Any, rows: list[Row], difference: str) -> None:
    config, expected = DIFFERENCES[difference]
    _, found = ask(config)
    assert {name: values for name, values in found.items() if name != "__ROW_PATH__"} == plain(expected(rows))


@pytest.mark.parametrize(
    ("aggregate", "expected"),
    [
        ("spread", lambda values: max(values) - min(values)),
        ("stddev", lambda values: (sum((v - sum(values) / len(values)) ** 2 for v in values) / len(values)) ** 0.5),
        ("approx median", lambda values: sorted(values)[len(values) // 2]),
        ("approx distinct count", lambda values: len(set(values))),
    ],
)
def test_aggregates_of_tdengines_own(ask: Any, rows: list[Row], aggregate: str, expected: Any) -> None:
    _, found = ask({"columns": ["volume"], "group_rollup_mode": "total", "aggregates": {"volume": aggregate}})
    near = 0.1 if aggregate.startswith("approx") else 1e-6
    assert found["volume"][0] == pytest.approx(expected([row[4] for row in rows]), rel=near)


def test_the_mode_is_the_commonest(ask: Any, rows: list[Row]) -> None:
    _, found = ask({"columns": ["ok"], "group_rollup_mode": "total", "aggregates": {"ok": "mode"}})
    values = [row[6] for row in rows if row[6] is not None]
    assert found["ok"] == [max(set(values), key=values.count)]


def test_tables_are_the_plain_ones_and_the_super_tables(ask: Any) -> None:
    assert run(ask.history.client.get_hosted_table_names()) == ["s", "t"]


def test_a_super_table_has_its_tags_and_the_names_of_its_children(ask: Any) -> None:
    size, found = ask({"columns": ["v", "place", "tbname"], "sort": [["tbname", "asc"], ["v", "desc"]]}, table="s")
    assert size == 4
    assert found == {"v": [1, None, 2, None], "place": ["p1"] * 2 + ["p2"] * 2, "tbname": ["c1"] * 2 + ["c2"] * 2}
    _, found = ask({"columns": ["v"], "group_by": ["place"]}, table="s")
    assert found == {"__ROW_PATH__": [[], ["p1"], ["p2"]], "v": [3, 1, 2]}


def test_a_minutes_candles_are_one_question(ask: Any, rows: list[Row]) -> None:
    config = {
        "columns": ["price"],
        "group_by": ["ts by minute"],
        "aggregates": {"price": "max"},
        "filter": [["ticker", "==", "QQQ.N"]],
        "group_rollup_mode": "flat",
    }
    ask.history.asked.clear()
    _, found = ask(config)
    minutes = sorted({row[0] // 60_000 for row in rows if row[1] == "QQQ.N"})
    assert found["price"] == [
        max(row[3] for row in rows if row[1] == "QQQ.N" and row[0] // 60_000 == m) for m in minutes
    ]
    assert len([each for each in ask.history.asked if "GROUP BY" in each]) == 1


def test_only_what_is_on_the_screen_is_read(ask: Any) -> None:
    ask({"columns": ["price"]}, 100, 130)
    assert any(each.endswith("LIMIT 30 OFFSET 100") for each in ask.history.asked)
    assert all("LIMIT" in each or "COUNT(*)" in each for each in ask.history.asked if "`d`.`t` " in each)


@pytest.mark.parametrize("direction", ["asc", "desc"])
@pytest.mark.parametrize("filters", [[], [["n", ">", 0]]])
def test_rows_far_into_a_table_are_found_by_their_time(
    ask: Any, rows: list[Row], monkeypatch: pytest.MonkeyPatch, direction: str, filters: list[Any]
) -> None:
    monkeypatch.setattr(history_rows, "FAR", 20)
    kept = [row for row in rows if not filters or (row[5] is not None and row[5] > 0)]
    kept = kept if direction == "asc" else kept[::-1]
    for begin in (21, 60, len(kept) - 3):
        ask.history.asked.clear()
        config = {"columns": ["ts", "volume"], "sort": [["ts", direction]], "filter": filters}
        _, found = ask(config, begin, begin + 10)
        assert found == plain({"ts": [r[0] for r in kept], "volume": [r[4] for r in kept]}) | {
            "ts": [float(row[0]) for row in kept[begin : begin + 10]],
            "volume": [float(row[4]) for row in kept[begin : begin + 10]],
        }
        offsets = [int(match[1]) for each in ask.history.asked if (match := re.search(r"OFFSET (\d+)", each))]
        assert max(offsets) <= 1


@pytest.mark.parametrize(
    ("period", "begin", "end"),
    [
        ("1m", BEGIN + 400 * STEP - 60_000, None),
        ("1h", BEGIN + 400 * STEP - 3_600_000, None),
        (f"{BEGIN + STEP}-{BEGIN + 3 * STEP}", BEGIN + STEP, BEGIN + 3 * STEP),
        ("all", None, None),
    ],
)
def test_the_time_range_is_part_of_every_question(
    at: Settings, rows: list[Row], period: str, begin: int | None, end: int | None
) -> None:
    viewer = History(create_tdengine_connection(at), at, period)
    kept = [row for row in rows if (begin is None or row[0] >= begin) and (end is None or row[0] < end)]
    size, found = run(viewer.ask({"columns": ["volume"]}))
    assert (size, found["volume"]) == (len(kept), [float(row[4]) for row in kept])
    _, found = run(viewer.ask({"columns": ["volume"], "group_by": ["ticker"], "aggregates": {"volume": "count"}}))
    assert found["volume"][0] == len(kept)


def test_rows_that_come_later_do_not_move_those_of_an_open_view(at: Settings) -> None:
    connection = create_tdengine_connection(at)
    table = f"`{at.database}`.`later`"
    connection.execute(f"CREATE TABLE {table} (ts TIMESTAMP, n INT)")
    connection.execute(f"INSERT INTO {table} VALUES ({BEGIN}, 1) ({BEGIN + 1}, 2)")
    viewer = History(connection, at)

    async def look() -> list[Any]:
        view = await (await viewer.client.open_table("later")).view(columns=["n"], sort=[["ts", "desc"]])
        connection.execute(f"INSERT INTO {table} VALUES ({BEGIN + 2}, 3)")
        return [await view.num_rows(), (await view.to_columns())["n"]]

    assert run(look()) == [2, [2, 1]]
    connection.execute(f"DROP TABLE {table}")


@pytest.mark.parametrize("text", ["", "1", "m", "1x", "-1h", "0h", "99999h", "1h; DROP TABLE t", "1-2-3", "' OR 1=1"])
def test_what_is_no_time_range_is_refused(text: str) -> None:
    with pytest.raises(HistoryError, match="no time range"):
        Range.parse(text, 0)


def test_sizes_are_asked_for_once_a_second(ask: Any) -> None:
    async def sizes() -> None:
        table = await ask.history.client.open_table("t")
        for _ in range(9):
            await table.size()

    run(sizes())
    assert len([each for each in ask.history.asked if "COUNT(*)" in each]) == 1


INJECTIONS = [
    "price`",
    "price` FROM d.t; DROP TABLE d.t; --",
    "1 OR 1=1",
    "ts) FROM d.t --",
    "*",
    "tbname",
    "t.price",
    "",
]


def test_a_child_is_listed_where_it_is_the_table_of_the_settings(at: Settings) -> None:
    for table, listed in (("c1", ["c1", "s", "t"]), ("t", ["s", "t"]), ("gone", ["s", "t"])):
        viewer = History(create_tdengine_connection(at), replace(at, table=table))
        assert run(viewer.client.get_hosted_table_names()) == listed
        if "c1" in listed:
            size, columns = run(viewer.ask({"columns": ["v"], "sort": [["v", "desc"]]}, table="c1"))
            assert (size, columns["v"][0]) == (2, 1.0)


@pytest.mark.parametrize("column", ["price", "n", "ok", "due", "ticker"])
@pytest.mark.parametrize("value", [None, "", []])
def test_a_filter_that_is_still_to_be_typed_filters_nothing(
    ask: Any, rows: list[Row], column: str, value: object
) -> None:
    op = "in" if value == [] else "=="
    if column in ("ok", "due") and op == "in":
        op = "=="
    if (column, value) != ("ticker", ""):
        assert ask({"columns": ["n"], "filter": [[column, op, value], ["n", ">=", -(10**9)]]})[0] > 0
        assert ask({"columns": ["ts"], "filter": [[column, op, value]]})[0] == len(rows)


def test_the_values_of_a_column_are_suggested_however_many_there_are(ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_SUGGESTIONS", 5)
    _, columns = ask({"columns": [], "group_by": ["ts"]})
    assert list(columns) == ["__ROW_PATH__"]
    assert len(columns["__ROW_PATH__"]) == 6
    assert any(each.startswith("SELECT CAST(`ts` AS BIGINT) FROM") for each in ask.history.asked)


@pytest.mark.parametrize("name", INJECTIONS)
@pytest.mark.parametrize(
    "place",
    [
        lambda name: {"columns": [name]},
        lambda name: {"columns": ["n"], "group_by": [name]},
        lambda name: {"columns": ["n"], "sort": [[name, "asc"]]},
        lambda name: {"columns": ["n"], "filter": [[name, "==", 1]]},
        lambda name: {"columns": ["n"], "group_by": ["ok"], "aggregates": {"n": name}},
        lambda name: {"columns": ["n"], "filter": [["n", name, 1]]},
        lambda name: {"columns": ["n"], "filter": [["n", "==", name or "?"]]},
        lambda name: {"columns": ["n"], "filter": [["ok", "==", name or "?"]]},
        lambda name: {"columns": ["n"], "filter": [["due", ">", name or "?"]]},
    ],
)
def test_names_that_the_table_does_not_have_never_reach_tdengine(
    at: Settings, name: str, place: Callable[[str], Config]
) -> None:
    class Silent:
        def query(self, statement: str) -> list[Row]:
            raise AssertionError(statement)

    source = Source(Table(at, (*(Column(name, type_, 8, "") for name, (type_, _) in TYPES.items()),), "ms"))
    with pytest.raises(HistoryError):
        View(source, place(name), Range()).check()


@pytest.mark.parametrize("text", [*INJECTIONS, "'", "\\", "\\'", "' OR '1'='1", '"', "a\nb", "%", "_", "\x00", "汉字"])
@pytest.mark.parametrize("op", ["==", "contains", "in"])
def test_a_filters_text_is_text(ask: Any, rows: list[Row], text: str, op: str) -> None:
    size, _ = ask({"columns": ["ticker"], "filter": [["ticker", op, [text] if op == "in" else text]]})

    def holds(ticker: str) -> bool:
        return text.lower() in ticker.lower() if op == "contains" else text == ticker

    assert size == len([row for row in rows if row[1] is not None and holds(row[1])])


@pytest.mark.parametrize(
    ("sort", "newest"),
    [([], "last"), ([["ts", "asc"]], "last"), ([["ts", "desc"]], "first"), ([["n", "asc"]], "first")],
)
def test_of_more_rows_than_an_answer_has_the_newest_are_answered(
    ask: Any, monkeypatch: pytest.MonkeyPatch, sort: list[list[str]], newest: str
) -> None:
    whole = ask({"columns": ["ts"], "sort": sort}, 0, 400)[1]["ts"]
    monkeypatch.setattr(limits, "MAX_ROWS", 100)
    assert ask({"columns": ["ts"], "sort": sort}, 0, 100)[1]["ts"] == whole[:100]
    fitting = ask({"columns": ["ts"], "sort": sort}, 0, 400)[1]["ts"]
    assert fitting == (whole[-100:] if newest == "last" else whole[:100])


def test_an_answer_of_many_columns_has_fewer_rows(ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_VALUES", 100)
    assert len(ask({"columns": ["price", "n"]}, 0, 50)[1]["n"]) == 50
    assert len(ask({"columns": ["price", "n"]}, 380, 1000)[1]["n"]) == 20
    assert len(ask({"columns": ["price", "n"]}, 0, 51)[1]["n"]) == 50
    with pytest.raises(perspective.PerspectiveError, match="more than"):
        ask({"columns": ["price", "n"], "group_by": ["ts"]}, 0, 400)


def test_a_pivot_has_so_many_groups_and_no_more(ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_GROUPS", 50)
    with pytest.raises(perspective.PerspectiveError, match="more than 50 groups"):
        ask({"columns": ["price"], "group_by": ["ts"]})


def test_a_wide_pivot_has_fewer_groups(ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_VALUES", 200)
    ask({"columns": ["price"], "group_by": ["ticker", "client"]})
    with pytest.raises(perspective.PerspectiveError, match="more than 33 groups"):
        ask({"columns": ["price", "volume", "n"], "sort": [["due", "asc"]], "group_by": ["ts", "ticker"]})


def test_pivots_for_which_there_is_no_room_are_let_go_and_asked_anew(ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_VALUES", 30)
    handler = ask.history.handler

    def shown(name: str) -> int:
        """How many rows a pivot of 7 groups and 14 values has."""
        return int(handler.view_size(name))

    def held() -> list[str]:
        return [name for name, view in handler.views.items() if view.groups is not None]

    for name in "abc":
        handler.table_make_view(
            "t", name, {"columns": ["price"], "group_by": ["ticker"], "filter": [["ticker", "is not null"]]}
        )
    assert [shown(name) for name in "aba"] == [7, 7, 7]
    assert held() == ["a", "b"]
    assert shown("c") == 7
    assert held() == ["a", "c"]
    assert shown("b") == 7
    assert held() == ["b", "c"]


@pytest.mark.parametrize(
    "config",
    [
        {"columns": ["n"], "split_by": ["ok", "ok"]},
        {"columns": ["n"], "split_by": ["ts by 5 seconds"]},
        {"columns": ["n"], "expressions": {"x": "1 + 1"}},
        {"columns": ["n"], "group_by": ["ok", "ok"]},
        {"columns": ["n"], "sort": [["n", "col asc"]]},
        {"columns": ["n"], "filter": [["ticker", "matches", ".*"]]},
    ],
)
def test_what_tdengine_cannot_do_is_refused_and_not_offered(ask: Any, config: Config) -> None:
    with pytest.raises(perspective.PerspectiveError):
        ask(config)
    features = ask.history.handler.get_features()
    assert not features["expressions"]


@pytest.fixture(scope="module")
def odd() -> Iterator[History]:
    """A viewer of a table of long numbers, in columns some of whose names Perspective takes for its own."""
    with running("--keep", "1d") as server:
        connection = server.connect()
        connection.execute("CREATE DATABASE d")
        connection.execute(
            "CREATE TABLE d.t (ts TIMESTAMP, `__ROW_PATH__` INT, `psp_op` BIGINT, d DECIMAL(30, 6), n BIGINT)"
        )
        long = ["9007199254740992", "9007199254740993", "9007199254740993", "5"]
        values = " ".join(f"({BEGIN + at}, {at}, {each}, {each}.000001, {at})" for at, each in enumerate(long))
        connection.execute(f"INSERT INTO d.t VALUES {values}")
        at = Settings("127.0.0.1", server.port, "root", "d", "t", "taosdata")
        yield History(create_tdengine_connection(at), at)


def test_long_numbers_are_shown_grouped_and_filtered_by_all_their_digits(odd: History) -> None:
    _, rows = run(odd.ask({"columns": ["psp_op_", "d", "n", "ROW_PATH___"]}))
    assert rows["psp_op_"] == ["9007199254740992", "9007199254740993", "9007199254740993", "5"]
    assert rows["d"][0] == "9007199254740992.000001"
    assert rows["n"] == rows["ROW_PATH___"] == [0, 1, 2, 3]
    config = {"columns": ["n"], "group_by": ["psp_op_"], "aggregates": {"n": "count"}}
    _, groups = run(odd.ask(config))
    assert dict(zip([tuple(path) for path in groups["__ROW_PATH__"]], groups["n"], strict=True)) == {
        (): 4,
        ("5",): 1,
        ("9007199254740992",): 1,
        ("9007199254740993",): 2,
    }
    for value, expected in [("9007199254740993", [1, 2]), (" 5 ", [3])]:
        _, found = run(odd.ask({"columns": ["n"], "filter": [["psp_op_", "==", value]]}))
        assert found["n"] == expected
    _, found = run(odd.ask({"columns": ["n"], "filter": [["d", ">=", "9007199254740993"]]}))
    assert found["n"] == [1, 2]
    with pytest.raises(perspective.PerspectiveError, match="is no value"):
        run(odd.ask({"columns": ["n"], "filter": [["psp_op_", "==", "many"]]}))


def test_more_than_can_stand_side_by_side_is_refused_not_cut(ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    config = {
        "columns": ["price"],
        "group_by": ["ts by second"],
        "split_by": ["ticker"],
        "aggregates": {"price": "sum"},
    }
    monkeypatch.setattr(limits, "MAX_VALUES", 900)
    monkeypatch.setattr(limits, "MAX_SPLIT_COLUMNS", 1)
    with pytest.raises(perspective.PerspectiveError, match="more than 1 times as many columns"):
        ask(config)
    monkeypatch.setattr(limits, "MAX_SPLIT_COLUMNS", 1000)
    with pytest.raises(perspective.PerspectiveError, match=r"more than .* groups"):
        ask(config)
