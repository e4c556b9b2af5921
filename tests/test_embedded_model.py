"""Random tables, inserts, deletes and queries through taosws, against a model of TDengine's rules in plain Python."""

from __future__ import annotations

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


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    with running() as started:
        connection = started.connect()
        connection.execute("create database d")
        yield started


@dataclass
class Model:
    """A plain table: rows by timestamp."""

    rows: dict[int, Row] = field(default_factory=dict)

    def insert(self, columns: tuple[str, ...], values: list[tuple[int, Row]], merge: bool) -> int:
        """Rows of one statement are merged first (SQL: last value that is not NULL, a bind: last row)."""
        merged: dict[int, Row] = {}
        for time, listed in values:
            row = {column: listed[column] for column in columns}
            if merge and time in merged:
                old = merged[time]
                row = {column: old[column] if row[column] is None else row[column] for column in columns}
            merged[time] = row
        for time, row in merged.items():
            self.rows[time] = {**self.rows.get(time, dict.fromkeys(COLUMNS)), **row}
        return len(merged)

    def delete(self, low: int, high: int) -> int:
        gone = [time for time in self.rows if low <= time < high]
        for time in gone:
            del self.rows[time]
        return len(gone)

    def ordered(self) -> list[tuple[Any, ...]]:
        return [(time, *(row[column] for column in COLUMNS)) for time, row in sorted(self.rows.items())]


times = st.integers(0, 30).map(lambda at: START + at * 500)
texts = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FFF, exclude_categories=["Cs", "Cn"]), max_size=6)
values = st.fixed_dictionaries(
    {
        "i": st.none() | st.integers(-(2**31), 2**31 - 1),
        "u": st.none() | st.integers(0, 2**32 - 1),
        "d": st.none() | st.integers(-1000, 1000).map(lambda quarter: quarter / 4),
        "n": st.none() | texts,
    }
)
column_lists = st.lists(st.sampled_from(COLUMNS), min_size=1, unique=True).map(tuple)
batches = st.lists(st.tuples(times, values), min_size=1, max_size=8)
steps = st.one_of(
    st.tuples(st.just("insert"), column_lists, batches),
    st.tuples(st.just("bind"), column_lists, batches),
    st.tuples(st.just("delete"), times, times),
)


def literal(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace("'", "\\'")
        return f"'{escaped}'"
    return repr(value)


HELPERS: dict[str, Callable[[list[Any]], Any]] = {
    "i": taosws.ints_to_column,
    "u": taosws.unsigned_ints_to_column,
    "d": taosws.doubles_to_column,
    "n": taosws.nchar_to_column,
}


def apply(connection: taosws.Connection, model: Model, step: tuple[str, Any, Any]) -> None:
    kind, first, second = step
    if kind == "delete":
        low, high = min(first, second), max(first, second)
        deleted = connection.execute(f"delete from d.t where ts >= {low} and ts < {high}")
        assert deleted == model.delete(low, high)
        return
    names = ", ".join(("ts", *first))
    if kind == "insert":
        listed = " ".join(
            f"({', '.join([str(time), *(literal(row[column]) for column in first)])})" for time, row in second
        )
        affected = connection.execute(f"insert into d.t ({names}) values {listed}")
    else:
        statement = connection.stmt2_statement()
        statement.prepare(f"insert into d.t ({names}) values ({', '.join('?' * (1 + len(first)))})")
        columns = [taosws.millis_timestamps_to_column([time for time, _ in second])]
        columns += [HELPERS[column]([row[column] for _, row in second]) for column in first]
        statement.bind([taosws.stmt2_bind_param_view(None, None, columns)])
        affected = statement.execute()
        statement.close()
    assert affected == model.insert(first, second, merge=kind == "insert")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(steps, min_size=1, max_size=8), times, st.integers(1, 6), st.integers(0, 4))
def test_the_server_agrees_with_the_model(
    server: EmbeddedServer, history: list[tuple[str, Any, Any]], since: int, limit: int, offset: int
) -> None:
    connection = server.connect("d")
    connection.execute("drop table if exists t")
    connection.execute("create table t (ts timestamp, i int, u int unsigned, d double, n nchar(8))")
    model = Model()
    for step in history:
        apply(connection, model, step)
    everything = "cast(ts as bigint), i, u, d, n"
    expected = model.ordered()
    assert rows(connection, f"select {everything} from t") == expected
    late = [row for row in expected if row[0] >= since]
    newest = f"select {everything} from t where ts >= {since} order by ts desc limit {limit} offset {offset}"
    assert rows(connection, newest) == late[::-1][offset : offset + limit]
    whole = [row[1] for row in expected if row[1] is not None]
    (counted,) = rows(connection, "select count(*), count(i), sum(i), min(i), max(i) from t")
    assert counted == (len(expected), len(whole), *((sum(whole), min(whole), max(whole)) if whole else (None,) * 3))
    by_text: dict[Any, int] = {}
    for row in expected:
        by_text[row[4]] = by_text.get(row[4], 0) + 1
    assert dict(rows(connection, "select n, count(*) from t group by n")) == by_text
    windows: dict[int, int] = {}
    for row in expected:
        windows[row[0] // 2000 * 2000] = windows.get(row[0] // 2000 * 2000, 0) + 1
    assert rows(connection, "select cast(_wstart as bigint), count(*) from t interval(2s)") == sorted(windows.items())
    by_value = sorted(expected, key=lambda row: (row[3] is not None, row[3] or 0, row[0]))
    assert rows(connection, "select d, cast(ts as bigint) from t order by d, ts") == [(r[3], r[0]) for r in by_value]
    connection.close()
