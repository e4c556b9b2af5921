"""Random tables, inserts, deletes and queries through taosws, against a model of TDengine's rules in plain Python."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import taosws
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from embedded_server import EmbeddedServer, rows, running

START = 1767323040000
COLUMNS = ("i", "u", "d", "n")
Row = dict[str, Any]
Key = tuple[str, int, int]
"""The child (or nothing), the timestamp, and the second part of a composite key (or 0)."""


@dataclass
class Client:
    """One connection for all examples, and how many statements went through it."""

    connection: taosws.Connection
    names: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    statements: int = 0

    def execute(self, sql: str) -> int:
        self.statements += 1
        affected: int = self.connection.execute(sql)
        return affected

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        self.statements += 1
        return rows(self.connection, sql)


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    with running() as started:
        yield started


@pytest.fixture(scope="module")
def client(server: EmbeddedServer) -> Iterator[Client]:
    connection = server.connect()
    connection.execute("create database d")
    connection.execute("use d")
    made = Client(connection)
    yield made
    print(f"{made.statements} statements without a difference")


# The model.


@dataclass
class Model:
    """A plain table, one with a composite key, or a super table with children: rows by their keys."""

    kind: str
    name: str
    rows: dict[Key, Row] = field(default_factory=dict)

    @property
    def key_columns(self) -> tuple[str, ...]:
        return ("ts", "k") if self.kind == "composite" else ("ts",)

    def insert(self, columns: tuple[str, ...], values: list[tuple[Key, Row]], merge: bool) -> int:
        """Rows of one statement are merged first (SQL: last value that is not NULL, a bind: last row)."""
        merged: dict[Key, Row] = {}
        for key, listed in values:
            row = {column: listed[column] for column in columns}
            if merge and key in merged:
                old = merged[key]
                row = {column: old[column] if row[column] is None else row[column] for column in columns}
            merged[key] = row
        for key, row in merged.items():
            self.rows[key] = {**self.rows.get(key, dict.fromkeys(COLUMNS)), **row}
        return len(merged)

    def delete(self, low: int, high: int, child: str | None) -> int:
        gone = [key for key in self.rows if low <= key[1] < high and child in (None, key[0])]
        for key in gone:
            del self.rows[key]
        return len(gone)

    def all(self) -> list[Row]:
        """All rows with their keys, and for a super table the child's name and tag."""
        return [
            {"tbname": child, "g": int(child[-1]) if child else None, "ts": time, "k": k, **row}
            for (child, time, k), row in sorted(self.rows.items())
        ]


# What is drawn: steps, conditions, queries.

times = st.integers(0, 20).map(lambda at: START + at * 500)
texts = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FFF, exclude_categories=["Cs", "Cn"]), max_size=5)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "i": st.integers(-5, 5) | st.integers(-(2**31), 2**31 - 1),
    "u": st.integers(0, 5) | st.integers(0, 2**32 - 1),
    "d": st.integers(-1000, 1000).map(lambda quarter: quarter / 4),
    "n": st.sampled_from(["a", "b", "ab", ""]) | texts,
}
records = st.fixed_dictionaries({name: st.none() | strategy for name, strategy in VALUES.items()})
column_lists = st.lists(st.sampled_from(COLUMNS), min_size=1, unique=True).map(tuple)
keys = st.tuples(st.sampled_from([1, 2, 3]), times, st.integers(0, 2))
batches = st.lists(st.tuples(keys, records), min_size=1, max_size=5)
steps = st.one_of(
    st.tuples(st.just("insert"), column_lists, batches),
    st.tuples(st.just("bind"), column_lists, batches),
    st.tuples(st.just("delete"), st.tuples(times, times), st.sampled_from([None, 1, 2])),
)

Condition = tuple[Any, ...]
comparisons = st.sampled_from(COLUMNS).flatmap(
    lambda name: st.tuples(st.just(name), st.sampled_from(["=", "<>", "<", "<=", ">", ">="]), VALUES[name])
)
leaves: st.SearchStrategy[Condition] = st.one_of(
    comparisons,
    st.tuples(st.just("ts"), st.sampled_from(["<", "<=", ">", ">=", "="]), times),
    st.tuples(st.sampled_from(COLUMNS), st.sampled_from(["is null", "is not null"]), st.none()),
    st.sampled_from(["i", "n"]).flatmap(
        lambda name: st.tuples(
            st.just(name), st.sampled_from(["in", "not in"]), st.lists(VALUES[name], min_size=1, max_size=3)
        )
    ),
    st.tuples(st.just("i"), st.just("between"), st.tuples(VALUES["i"], VALUES["i"])),
)
conditions: st.SearchStrategy[Condition] = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.tuples(st.sampled_from(["and", "or"]), inner, inner), st.tuples(st.just("not"), inner, st.none())
    ),
    max_leaves=4,
)


@dataclass(frozen=True)
class Listing:
    """SELECT of rows, filtered, sorted, cut."""

    where: Condition | None
    order: tuple[str, bool]
    limit: int | None
    offset: int


@dataclass(frozen=True)
class Summary:
    """Aggregates of all rows, by a column, or by windows of so many seconds."""

    where: Condition | None
    by: str | None
    window: int | None


listings = st.builds(
    Listing,
    st.none() | conditions,
    st.tuples(st.sampled_from(["ts", *COLUMNS]), st.booleans()),
    st.none() | st.integers(0, 6),
    st.integers(0, 4),
)
summaries = st.builds(
    Summary, st.none() | conditions, st.sampled_from([None, "n", "i", "tbname", "g"]), st.sampled_from([None, 1, 2, 5])
)


def literal(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace("'", "\\'")
        return f"'{escaped}'"
    return repr(value)


def as_sql(condition: Condition) -> str:
    name, operator, value = condition
    if name in ("and", "or"):
        return f"({as_sql(operator)} {name} {as_sql(value)})"
    if name == "not":
        return f"(not {as_sql(operator)})"
    if operator in ("is null", "is not null"):
        return f"{name} {operator}"
    if operator in ("in", "not in"):
        return f"{name} {operator} ({', '.join(map(literal, value))})"
    if operator == "between":
        return f"{name} between {literal(value[0])} and {literal(value[1])}"
    return f"{name} {operator} {literal(value)}"


COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b,
    "<>": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def holds(condition: Condition, row: Row) -> bool:
    """TDengine's two-valued logic: a comparison with NULL is false, and NOT of it is true."""
    name, operator, value = condition
    if name == "not":
        return not holds(operator, row)
    if name in ("and", "or"):
        both = (holds(operator, row), holds(value, row))
        return all(both) if name == "and" else any(both)
    found = row[name]
    if operator in ("is null", "is not null"):
        return bool((found is None) == (operator == "is null"))
    if found is None:
        return False
    if operator in ("in", "not in"):
        return bool((found in value) == (operator == "in"))
    if operator == "between":
        return bool(value[0] <= found <= value[1])
    return COMPARE[operator](found, value)


# Steps and queries carried out on both.

HELPERS: dict[str, Callable[[list[Any]], Any]] = {
    "i": taosws.ints_to_column,
    "u": taosws.unsigned_ints_to_column,
    "d": taosws.doubles_to_column,
    "n": taosws.nchar_to_column,
}


def made(client: Client, kind: str) -> Model:
    name = f"t{next(client.names)}"
    columns = "i int, u int unsigned, d double, n nchar(8)"
    if kind == "composite":
        columns = f"k int primary key, {columns}"
    tags = " tags (g int)" if kind == "super" else ""
    client.execute(f"create table {name} (ts timestamp, {columns}){tags}")
    return Model(kind, name)


def key_of(model: Model, drawn: tuple[int, int, int]) -> Key:
    child, time, k = drawn
    return (f"{model.name}_{child}" if model.kind == "super" else "", time, k if model.kind == "composite" else 0)


def apply(client: Client, model: Model, step: tuple[str, Any, Any]) -> None:
    kind, first, second = step
    if kind == "delete":
        low, high = sorted(first)
        where = f"ts >= {low} and ts < {high}"
        child = f"{model.name}_{second}" if model.kind == "super" and second else None
        if child is None:
            deleted = client.execute(f"delete from {model.name} where {where}")
        elif any(key[0] == child for key in model.rows):
            deleted = client.execute(f"delete from {child} where {where}")
        else:
            deleted = client.execute(f"delete from {model.name} where {where} and g = {child[-1]}")
        assert deleted == model.delete(low, high, child)
        return
    values = [(key_of(model, drawn), row) for drawn, row in second]
    affected = inserted(client, model, first, values) if kind == "insert" else bound(client, model, first, values)
    assert affected == model.insert(first, values, merge=kind == "insert")


def by_child(values: list[tuple[Key, Row]]) -> dict[str, list[tuple[Key, Row]]]:
    children: dict[str, list[tuple[Key, Row]]] = {}
    for key, row in values:
        children.setdefault(key[0], []).append((key, row))
    return children


def inserted(client: Client, model: Model, columns: tuple[str, ...], values: list[tuple[Key, Row]]) -> int:
    names = ", ".join((*model.key_columns, *columns))
    sql = "insert into"
    for child, part in by_child(values).items():
        table = f"{child} using {model.name} tags ({child[-1]})" if child else model.name
        listed = " ".join(
            f"({', '.join([*map(str, key[1 : 1 + len(model.key_columns)]), *(literal(row[c]) for c in columns)])})"
            for key, row in part
        )
        sql += f" {table} ({names}) values {listed}"
    return client.execute(sql)


def bound(client: Client, model: Model, columns: tuple[str, ...], values: list[tuple[Key, Row]]) -> int:
    names = (*model.key_columns, *columns)
    using = f"? using {model.name} tags (?)" if model.kind == "super" else model.name
    statement = client.connection.stmt2_statement()
    statement.prepare(f"insert into {using} ({', '.join(names)}) values ({', '.join('?' * len(names))})")
    views = []
    for child, part in by_child(values).items():
        bound_columns = [taosws.millis_timestamps_to_column([key[1] for key, _ in part])]
        if model.kind == "composite":
            bound_columns.append(taosws.ints_to_column([key[2] for key, _ in part]))
        bound_columns += [HELPERS[column]([row[column] for _, row in part]) for column in columns]
        tags = [taosws.int_to_tag(int(child[-1]))] if child else None
        views.append(taosws.stmt2_bind_param_view(child or None, tags, bound_columns))
    statement.bind(views)
    affected: int = statement.execute()
    statement.close()
    client.statements += 1
    return affected


def list_rows(client: Client, model: Model, query: Listing) -> None:
    column, descending = query.order
    where = f" where {as_sql(query.where)}" if query.where else ""
    ties = ["ts", *(["k"] if model.kind == "composite" else []), *(["tbname"] if model.kind == "super" else [])]
    order = ", ".join([f"{column}{' desc' if descending else ''}", *ties])
    limit = "" if query.limit is None else f" limit {query.limit} offset {query.offset}"
    shown = ["cast(ts as bigint)", *COLUMNS, *ties[1:]]
    found = client.rows(f"select {', '.join(shown)} from {model.name}{where} order by {order}{limit}")
    expected = [row for row in model.all() if query.where is None or holds(query.where, row)]
    expected.sort(key=lambda row: [row[tie] for tie in ties])
    # NULL sorts first ascending and last descending.
    expected.sort(key=lambda row: (row[column] is not None, row[column] or _ZEROS[column]), reverse=descending)
    if query.limit is not None:
        expected = expected[query.offset : query.offset + query.limit]
    assert found == [tuple(row[name] for name in ("ts", *COLUMNS, *ties[1:])) for row in expected]


_ZEROS: dict[str, Any] = {"ts": 0, "i": 0, "u": 0, "d": 0.0, "n": ""}


def summarise(client: Client, model: Model, query: Summary) -> None:
    by = query.by if model.kind == "super" or query.by not in ("tbname", "g") else None
    where = f" where {as_sql(query.where)}" if query.where else ""
    aggregates = "count(*), count(i), sum(i), min(u), max(n), avg(d), sum(d), spread(d)"
    expected: dict[Any, list[Row]] = {}
    for row in model.all():
        if query.where is None or holds(query.where, row):
            window = () if query.window is None else (row["ts"] // (1000 * query.window) * 1000 * query.window,)
            expected.setdefault((*(() if by is None else (row[by],)), *window), []).append(row)
    keys, clause = ["cast(_wstart as bigint)"] if query.window else [], ""
    if by is not None:
        keys.insert(0, by)
        clause = f" partition by {by}" if query.window else f" group by {by}"
    if query.window:
        clause += f" interval({query.window}s)"
    found = client.rows(f"select {', '.join([*keys, aggregates])} from {model.name}{where}{clause}")
    if not keys:
        expected.setdefault((), [])
    got = {row[: len(keys)]: row[len(keys) :] for row in found}
    assert len(got) == len(found)
    assert got.keys() == expected.keys()
    for key, group in expected.items():
        assert all(map(same, got[key], aggregated(group))), (key, got[key], aggregated(group))


def aggregated(group: list[Row]) -> tuple[Any, ...]:
    given = {name: [row[name] for row in group if row[name] is not None] for name in COLUMNS}
    i, u, d, n = (given[name] for name in COLUMNS)
    return (
        *(len(group), len(i), sum(i) if i else None, min(u, default=None), max(n, default=None)),
        *((math.fsum(d) / len(d), math.fsum(d), max(d) - min(d)) if d else (None,) * 3),
    )


def same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-12, abs_tol=1e-12)
    return bool(one == other)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(
    st.sampled_from(["plain", "composite", "super"]),
    st.lists(steps, min_size=3, max_size=10),
    st.lists(listings, min_size=6, max_size=12),
    st.lists(summaries, min_size=6, max_size=12),
)
def test_the_server_agrees_with_the_model(
    client: Client,
    kind: str,
    history: list[tuple[str, Any, Any]],
    listed: list[Listing],
    summed: list[Summary],
) -> None:
    model = made(client, kind)
    for step in history:
        apply(client, model, step)
    for listing in listed:
        list_rows(client, model, listing)
    for summary in summed:
        summarise(client, model, summary)
    client.execute(f"drop table {model.name}")
    client.statements += 1


def test_first_and_last_follow_time_in_a_plain_table(client: Client) -> None:
    @settings(max_examples=20, deadline=None)
    @given(st.lists(st.tuples(st.just("insert"), column_lists, batches), min_size=1, max_size=4))
    def check(history: list[tuple[str, Any, Any]]) -> None:
        model = made(client, "plain")
        for step in history:
            apply(client, model, step)
        ordered = model.all()
        given = {name: [row[name] for row in ordered if row[name] is not None] for name in COLUMNS}
        ((*found,),) = client.rows(f"select first(i), last(i), last_row(i), first(n), last(n) from {model.name}")
        i, n = given["i"] or [None], given["n"] or [None]
        assert found == [i[0], i[-1], ordered[-1]["i"], n[0], n[-1]]
        everything = client.rows(f"select cast(ts as bigint), i, u, d, n from {model.name}")
        assert everything == [tuple(row[name] for name in ("ts", *COLUMNS)) for row in ordered]
        client.execute(f"drop table {model.name}")

    check()
