"""What dashboards ask, beyond what was recorded of it: the kinds of dashboards.jsonl with other values.

What is expected follows from those recordings or TDengine's manual (chapters "Functions", "Time-Series Extensions",
"Joins"); it was reckoned by hand from the few rows here.
"""

from typing import Any

import pytest

from embedded.engine import Result, Session
from embedded.storage import Storage
from embedded_session import answer, error_of, stored

TS = 1767323040000
"""2026-01-02 03:04:00 UTC"""
MINUTE = f"ts >= {TS} and ts < {TS + 60_000}"


@pytest.fixture(scope="module")
def shared() -> Storage:
    """Two meters of three and two rows; b has rows at 0, 20 and 50 s, c at 20 and 30 s."""
    return stored(
        "create database d",
        "use d",
        "create stable m (ts timestamp, v int, f double, s varchar(10)) tags (g int, place nchar(8))",
        f"insert into b using m tags (1, 'here') values ({TS}, 10, 1.5, 'x') ({TS + 20_000}, null, 2.5, 'y') "
        f"({TS + 50_000}, 40, null, null)",
        f"insert into c using m tags (2, 'there') values ({TS + 20_000}, 5, 0.5, 'x') ({TS + 30_000}, 7, 1, 'x')",
        "create stable j (ts timestamp, v int) tags (info json)",
        f"""insert into j1 using j tags ('{{"k":"one","n":1,"ok":true}}') values ({TS}, 1)""",
        f"""insert into j2 using j tags ('{{"n":2.5}}') values ({TS}, 2)""",
    )


@pytest.fixture
def session(shared: Storage) -> Session:
    return Session(shared, "d", "UTC")


def each(step: int, *values: Any) -> list[tuple[Any, ...]]:
    """Rows of windows of `step` seconds, one value each."""
    return [(TS + at * step * 1000, value) for at, value in enumerate(values)]


@pytest.mark.parametrize(
    ("fill", "expected"),
    [
        ("", [(TS, 10), (TS + 20_000, None), (TS + 50_000, 40)]),
        ("fill(none)", [(TS, 10), (TS + 20_000, None), (TS + 50_000, 40)]),
        ("fill(null)", each(10, 10, None, None, None, None, 40)),
        # A window of rows whose value is NULL is filled, too, but by NULL and from the next.
        ("fill(value, 7)", each(10, 10, 7, 7, 7, 7, 40)),
        ("fill(prev)", each(10, 10, 10, 10, 10, 10, 40)),
        ("fill(next)", each(10, 10, None, 40, 40, 40, 40)),
    ],
)
def test_windows_without_rows_are_filled(session: Session, fill: str, expected: list[tuple[Any, ...]]) -> None:
    assert answer(session, f"select _wstart, max(v) from b where {MINUTE} interval(10s) {fill}") == expected


def test_windows_are_filled_along_a_line(session: Session) -> None:
    found = answer(session, f"select _wstart, max(f) from b where {MINUTE} interval(10s) fill(linear)")
    assert found[:3] == each(10, 1.5, 2.0, 2.5)


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        # NOT takes what is unknown for false, so that NOT of it is true.
        ("select count(*) from b where not v = 10", [(2,)]),
        ("select count(*) from b where not (v > 10 and f > 0)", [(3,)]),
        ("select count(*) from b where v <> 10", [(1,)]),
        ("select count(*) from b where not v is null", [(2,)]),
        ("select v from b where v in (10, null)", [(10,)]),
        # Partitions: LIMIT within each, SLIMIT and SOFFSET of them.
        ("select tbname, v from m partition by tbname limit 1", [("b", 10), ("c", 5)]),
        ("select tbname, count(*) from m partition by tbname slimit 1 soffset 1", [("c", 2)]),
        ("select g, sum(v) from m group by 1 order by 1", [(1, 50), (2, 12)]),
        ("select g as x, sum(v) from m group by x order by x", [(1, 50), (2, 12)]),
        ("select tbname, diff(v) from m partition by tbname order by tbname", [("b", None), ("b", 30), ("c", 2)]),
        # Rows of other rows.
        ("select csum(v) from c", [(5,), (12,)]),
        ("select mavg(f, 2) from c", [(0.75,)]),
        ("select statecount(v, 'GE', 7) from c", [(-1,), (1,)]),
        ("select stateduration(v, 'LT', 100, 1s) from c", [(0,), (10,)]),
        ("select derivative(v, 10s, 0) from c", [(2.0,)]),
        ("select tail(v, 1) from c", [(7,)]),
        ("select top(v, 1), ts from c", [(7, TS + 30_000)]),
        ("select unique(s) from c", [("x",)]),
        # Windows' columns, edges and kinds.
        (f"select _qstart, _qend, count(*) from b where {MINUTE} interval(1m)", [(TS, TS + 59_999, 3)]),
        ("select _wduration, count(*) from b interval(1m)", [(60_000, 3)]),
        ("select elapsed(ts, 1s) from b", [(50.0,)]),
        ("select twa(f) from c", [(0.75,)]),
        ("select _wstart, count(*) from m partition by tbname session(ts, 15s) order by 1", None),
        ("select count(*) from b state_window(case when v is null then 0 else 1 end)", [(1,), (1,), (1,)]),
        ("select count(*) from b event_window start with f > 0 end with v > 0", [(1,), (2,)]),
        ("select count(*) from b count_window(2)", [(2,), (1,)]),
        # INTERP.
        (
            f"select _irowts, interp(f) from c range({TS + 20_000}, {TS + 30_000}) every(5s) fill(linear)",
            [(TS + 20_000, 0.5), (TS + 25_000, 0.75), (TS + 30_000, 1.0)],
        ),
        (f"select interp(v), _isfilled from c range({TS + 25_000}) fill(prev)", [(5, True)]),
        (f"select interp(v) from c range({TS + 25_000}) fill(value, 3)", [(3,)]),
        # Joins.
        ("select x.v, y.v from c x join b y on x.ts = y.ts", [(5, None)]),
        ("select x.v from c x left semi join b y on x.ts = y.ts", [(5,)]),
        ("select x.v from c x left anti join b y on x.ts = y.ts", [(7,)]),
        ("select x.v, y.f from c x left asof join b y on x.ts >= y.ts", [(5, 2.5), (7, 2.5)]),
        ("select x.v, y.f from c x left asof join b y on x.ts > y.ts jlimit 1", [(5, 1.5), (7, 2.5)]),
        ("select x.v, count(y.ts) from c x left window join b y window_offset(-20s, 0s)", [(5, 2), (7, 1)]),
        # Functions.
        ("select greatest(1, 3, 2), least(3, 1, 2), greatest(1, null)", [(3, 1, None)]),
        ("select to_char(ts, 'yyyy-mm-dd hh24:mi:ss') from c limit 1", [("2026-01-02 03:04:20",)]),
        ("select to_timestamp('2026-01-02 03:04:20', 'yyyy-mm-dd hh24:mi:ss')", [(TS + 20_000,)]),
        ("select cols(max(v), ts, f) from c", [(TS + 30_000, 1.0)]),
        ("select timediff(ts, ts + 90s, 1m), timetruncate(ts, 1h) from c limit 1", [(-1, 1767322800000)]),
        ("select week('2026-01-04', 0), week('2026-01-04', 1), weekday('2026-01-04')", [(1, 1, 6)]),
        ("select leastsquares(v, 1, 1) from c", [("{slop:2.000000, intercept:3.000000}",)]),
        ("select 1 where 0", [(1,)]),
        ("select 2 from b where s regexp '^x'", [(2,)]),
        ("select cast('NULL' as varchar(4))", [("NULL",)]),
        # Queries of queries.
        ("select sum(a) from (select g, avg(v) a from m group by g)", [(31.0,)]),
        ("select tbname, v from (select tbname, v from m) where v < 10 order by v", [("c", 5), ("c", 7)]),
        ("select v from b union all select v from c order by v desc limit 2", [(40,), (10,)]),
        ("select v from c union select v from c order by v", [(5,), (7,)]),
        # JSON tags.
        ("select info->'k' from j order by v", [('"one"',), (None,)]),
        ("select v from j where info->'n' > 2", [(2,)]),
        ("select v from j where info contains 'ok'", [(1,)]),
        ("select count(*) from j group by info->'k'", [(1,), (1,)]),
    ],
)
def test_a_dashboards_query_is_answered(session: Session, sql: str, expected: list[tuple[Any, ...]] | None) -> None:
    if expected is None:
        expected = [(TS, 1), (TS + 20_000, 1), (TS + 20_000, 2), (TS + 50_000, 1)]
        assert sorted(answer(session, sql)) == expected
    else:
        assert answer(session, sql) == expected


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("select diff(v), sum(v) from b", 0x264F),
        ("select _wstart, max(v) from b interval(10s) fill(value, 1, 2, 3)", 0x2605),
        ("select max(v) from b interval(10s) fill(prev)", 0x263B),
        ("select interp(v) from c", 0x265D),
        ("select x.v from c x full join b y on x.v = y.v", 0x2701),
        ("select sum(v) from b where sum(v) > 1", 0x2608),
        ("show foo", 0x2600),
        ("alter stable j add tag more int", 0x2633),
    ],
)
def test_what_is_wrong_is_refused(session: Session, sql: str, code: int) -> None:
    assert hex(error_of(session, sql)[0]) == hex(code)


@pytest.mark.parametrize(
    "sql",
    [
        *("show cluster alive", "show dnodes", "show mnodes", "show qnodes", "show snodes", "show views"),
        *("show connections", "show transactions", "show vgroups", "show users", "show variables", "show queries"),
        *("show grants", "show topics", "show streams", "show functions", "show consumers", "show subscriptions"),
        *("show local variables", "show apps", "show licences", "show cluster"),
        "select * from information_schema.ins_dnodes",
        "select * from information_schema.ins_vgroups",
        "select * from information_schema.ins_users",
        "select * from performance_schema.perf_connections",
        "select * from performance_schema.perf_queries",
    ],
)
def test_the_catalogue_answers_with_columns(session: Session, sql: str) -> None:
    result = session.execute(sql)
    assert isinstance(result, Result)
    assert result.fields


def test_a_topic_that_is_not_there_can_be_dropped(session: Session) -> None:
    session.execute("drop topic if exists t")


def test_null_in_quotes_is_null_for_what_is_no_text(session: Session) -> None:
    session.execute("create table n (ts timestamp, i int, b bool, s varchar(4))")
    session.execute(f"insert into n values ({TS}, 'Null', \"NULL\", 'NULL')")
    assert answer(session, "select i, b, s from n") == [(None, None, "NULL")]
    session.execute("drop table n")
