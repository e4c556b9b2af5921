"""Long lists of plain rows: whatever the fast way reads, the slow way reads the same."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedded.errors import TDengineError
from embedded.schema import Column
from embedded.sql import bulk
from embedded.sql.insert import PlainRows
from embedded.sql.parser import Insert, parse
from embedded.sql.values import Literals, Moment
from embedded.types import BOOL, DOUBLE, FLOAT, INT, NCHAR, TIMESTAMP, UINT, VARBINARY, VARCHAR, Type

TS = 1767323045000
COLUMNS = (
    Column("ts", Type.of(TIMESTAMP), "c0"),
    Column("i", Type.of(INT), "c1"),
    Column("u", Type.of(UINT), "c2"),
    Column("f", Type.of(FLOAT), "c3"),
    Column("d", Type.of(DOUBLE), "c4"),
    Column("ok", Type.of(BOOL), "c5"),
    Column("v", Type(VARCHAR, 6), "c6"),
    Column("n", Type(NCHAR, 6), "c7"),
    Column("t2", Type.of(TIMESTAMP), "c8"),
)


def outcome(literals: Literals, rows: Any) -> list[list[Any]] | tuple[int, str]:
    try:
        return [array.to_pylist() for array in literals.columns(COLUMNS, rows)]
    except TDengineError as error:
        return error.code, error.message


def both_ways(rows: list[str], precision: str = "ms") -> tuple[Any, Any]:
    """What the fast and the slow way make of the same text."""
    statement = parse(f"insert into t values {' '.join(rows)}").statement
    assert isinstance(statement, Insert)
    given = statement.clauses[0].rows
    literals = Literals(statement.sql, Moment(precision, TS * 10**6, None, 0))
    return outcome(literals, given), outcome(literals, list(given))


numbers = st.integers(-(2**33), 2**33) | st.floats(allow_nan=False, allow_infinity=False) | st.integers(0, 99)
texts = st.text(st.sampled_from("abcXYZ é日 ._-:1"), max_size=7).map(lambda text: f"'{text}'")
words = st.sampled_from(["null", "true", "false", "NULL", "'null'", "'5'", "''", "'1.5'", "'true'", "1e3"])
instants = st.sampled_from(
    ["'2026-01-02T03:04:05.678Z'", "'2026-01-02 03:04:05+01:00'", "'2026-01-02 03:04:05'", "1767312000000", "null"]
)
FITTING: list[st.SearchStrategy[Any]] = [
    st.integers(-(2**31), 2**31 - 1),
    st.integers(0, 2**32 - 1),
    st.floats(width=32, allow_nan=False, allow_infinity=False) | st.integers(-9, 9),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["true", "false"]),
    st.text(st.sampled_from("abX1 ."), max_size=6).map(lambda text: f"'{text}'"),
    st.text(st.sampled_from("é日X1 ."), max_size=6).map(lambda text: f"'{text}'"),
    instants,
]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_the_fast_way_reads_what_the_slow_way_reads(data: st.DataObject) -> None:
    fitting = st.tuples(*(strategy | st.just("null") for strategy in FITTING))
    odd = st.tuples(*([numbers | texts | words | instants] * len(FITTING)))
    kinds = data.draw(st.lists(fitting, min_size=1, max_size=6)) + data.draw(st.lists(odd, max_size=1))
    rows = [f"({TS + at}, {', '.join(map(str, kinds[at % len(kinds)]))})" for at in range(60)]
    fast, slow = both_ways(rows, data.draw(st.sampled_from(["ms", "us", "ns"])))
    assert fast == slow


def test_a_plain_list_goes_the_fast_way() -> None:
    rows = [f"({TS + at}, {at}, {at}, 0.5, -1.5, true, 'a b', '日', '2026-01-02T00:00:00.5Z')" for at in range(60)]
    statement = parse(f"INSERT INTO t VALUES {', '.join(rows)};").statement
    assert isinstance(statement, Insert)
    plain = statement.clauses[0].rows
    assert isinstance(plain, PlainRows)
    arrays = bulk.read(plain.text, COLUMNS, "ms")
    assert arrays is not None
    assert [array[59].as_py() for array in arrays] == [
        *(TS + 59, 59, 59, 0.5, -1.5, True, "a b", "日", 1767312000500),
    ]


@pytest.mark.parametrize(
    ("row", "columns"),
    [
        ("({ts}, 1)", COLUMNS[:3]),
        ("({ts}, 1, 2, 3)", COLUMNS[:3]),
        ("({ts}, 2147483648)", COLUMNS[:2]),
        ("({ts}, 'x')", COLUMNS[:2]),
        ("(5, 1)", COLUMNS[:2]),
        ("(null, 1)", COLUMNS[:2]),
        ("({ts}, '1')", (COLUMNS[0], Column("b", Type(VARBINARY, 5), "c1"))),
    ],
)
def test_what_is_in_doubt_is_left_to_the_slow_way(row: str, columns: tuple[Column, ...]) -> None:
    rows = " ".join(row.format(ts=TS + at) for at in range(60))
    assert bulk.find(rows, 0) == rows
    assert bulk.read(rows, columns, "ms") is None


def test_short_lists_and_others_are_not_plain() -> None:
    row = f"({TS}, 1)"
    assert bulk.find(" ".join([row] * 10), 0) is None
    for odd in ("(now, 1)", "(1, 'a,b')", "(1, 'a)b')", "(1, 'it''s')", "(1, '\\x41')", '(1, "a")', "(1, ?)"):
        assert bulk.find(odd, 0) is None
        statement = parse(f"insert into t values {' '.join([row] * 60)} {odd}").statement
        assert isinstance(statement, Insert)
        assert len(statement.clauses[0].rows) == 61
