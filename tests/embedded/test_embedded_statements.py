"""Statements that were not recorded: what TDengine's documentation and source (3.3) say of them.

Error codes are those of taoserror.h and the reference manual, messages those of parUtil.c; the manual's chapters are
named where a group begins.
"""

from collections.abc import Sequence
from typing import Any

import pytest

from embedded.engine import Result, Session, Update
from embedded.storage import Storage
from embedded_session import answer, error_of, stored

TS = 1767323045000
"""2026-01-02 03:04:05 UTC"""


@pytest.fixture(scope="module")
def shared() -> Storage:
    """Tables that no test of this module changes."""
    return stored(
        "create database d",
        "use d",
        "create table t (ts timestamp, a int, f float, s varchar(10), ok bool, t2 timestamp)",
        f"insert into t values ({TS}, 1, 1.5, 'abc', true, {TS}) ({TS + 1000}, 2, 2.5, 'b c', false, {TS - 5000}) "
        f"({TS + 2500}, 3, null, null, null, null) ({TS + 15000}, -4, 0.1, '', true, 0)",
        "create stable m (ts timestamp, v float, i int) tags (g int, loc varchar(8))",
        f"insert into m1 using m tags (1, 'east') values ({TS}, 1, 10) ({TS + 1000}, 2, 20) ({TS + 2000}, 3, null) "
        f"m2 using m tags (2, 'west') values ({TS}, 10, 1) ({TS + 1500}, 20, 2)",
        "create table m3 using m tags (3, null)",
    )


@pytest.fixture
def session(shared: Storage) -> Session:
    return Session(shared, "d", "UTC")


@pytest.fixture
def fresh() -> Session:
    """A session with a database of its own, to change."""
    session = Session(Storage(), zone="UTC")
    session.execute("create database d")
    session.execute("use d")
    return session


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        # Joins: the primary timestamps must be equated.
        ("select x.a, y.a from t x, t y where x.ts = y.ts and x.a > 1", [(2, 2), (3, 3)]),
        ("select x.a, y.v from t x join m2 y on x.ts = y.ts", [(1, 10.0)]),
        ("select x.a, y.v from t x left join m2 y on x.ts = y.ts", [(1, 10.0), (2, None), (3, None), (-4, None)]),
        ("select x.a, y.v from t x right outer join m2 y on x.ts = y.ts", [(1, 10.0), (None, 20.0)]),
        ("select count(*) from t x full join m2 y on x.ts = y.ts", [(5,)]),
        # Windows (chapter "Time-Series Extensions").
        ("select ok, count(*) from t state_window(ok)", [(True, 1), (False, 1), (True, 1)]),
        ("select count(*) from t state_window(case when a > 1 then 1 else 0 end)", [(1,), (2,), (1,)]),
        ("select count(*) from t count_window(3, 1)", [(3,), (3,), (2,), (1,)]),
        ("select count(*) from t count_window(4, 2)", [(4,), (2,)]),
        ("select count(*) from t interval(10s, 2s)", [(3,), (1,)]),
        ("select _wstart, count(*) from t interval(1w)", [(TS // 604800000 * 604800000, 4)]),
        ("select sum(c) from (select count(*) c from t interval(1s))", [(4,)]),
        ("select s, max(a) from t interval(10s)", [(None, 3), ("", -4)]),
        # Functions (chapter "Functions").
        ("select concat_ws('-', 'a', 'b'), concat_ws('-', 'a', null)", [("a-b", None)]),
        ("select substring('tdengine', 3, 3), substring('tdengine' from 3 for 3), substr('tdengine' from -3)", None),
        ("select substring('tdengine', 0), substring('tdengine', -3, -3)", [("", "")]),
        ("select trim(leading 'b' from 'bbba '), trim(both 'b' from 'bbabb'), trim(trailing 'b' from 'bab')", None),
        ("select trim('ab' from 'abacd'), trim(leading from '  a ')", [("acd", "a ")]),
        ("select substring_index('www.taosdata.com', '.', 2), substring_index('a.b.c', '.', -2)", None),
        ("select repeat('abc', 5), repeat('abc', -1)", [("abcabcabcabcabc", "")]),
        ("select position('d' in 'cba'), position('b' in 'cba')", [(0, 2)]),
        ("select char(77, 78), ascii('testascii')", [("MN", 116)]),
        ("select week('2024-01-01 11:11:11'), weekofyear('2000-01-01')", [(0, 52)]),
        ("select weekday('2000-01-01'), dayofweek('2000-01-01')", [(5, 7)]),
        ("select truncate(8888.88, 0), truncate(8888.88, -1), mod(10, 3), mod(1, 0), sign(-1)", None),
        ("select percentile(a, 0, 50, 100) from t", [("[-4.000000, 1.500000, 3.000000]",)]),
        ("select replace('aabbccdd', 'bb', 'x'), ascii('é') from t limit 1", [("aaxccdd", 0xC3)]),
        ("select to_unixtimestamp('1970-01-01T00:00:01Z', 1), abs(null)", [(1000, None)]),
        ("select diff(a), diff(f) from t", [(1, 1.0), (1, None), (-7, pytest.approx(-2.4))]),
        ("select count(*) from (select sample(a, 2) from t)", [(2,)]),
        # SHOW (chapter "SHOW Commands").
        ("show user databases", [("d",)]),
        ("show system databases", [("information_schema",), ("performance_schema",)]),
        ("show table tags from m", [("m1", 1, "east"), ("m2", 2, "west"), ("m3", 3, None)]),
        ("show table tags loc from m", [("east",), ("west",), (None,)]),
        ("select tag_name, tag_value from information_schema.ins_tags where table_name = 'm1'", None),
    ],
)
def test_a_query_gives_what_is_documented(session: Session, sql: str, rows: Sequence[tuple[Any, ...]] | None) -> None:
    assert answer(session, sql) == (_LONG_ROWS[sql.split("(")[0]] if rows is None else list(rows))


_LONG_ROWS: dict[str, list[tuple[Any, ...]]] = {
    "select substring": [("eng", "eng", "ine")],
    "select trim": [("a ", "a", "ba")],
    "select substring_index": [("www.taosdata", "b.c")],
    "select truncate": [(8888.0, 8880.0, 1.0, None, -1.0)],
    "select tag_name, tag_value from information_schema.ins_tags where table_name = 'm1'": [
        ("g", "1"),
        ("loc", "east"),
    ],
}

NOT_MIXED = (
    "Some functions are allowed only in the SELECT list of a query. "
    "And, cannot be mixed with other non scalar functions or columns."
)


@pytest.mark.parametrize(
    ("sql", "error"),
    [
        ("select x.a from t x, m2 y", (0x2702, "Cross join not support")),
        ("select x.a from t x join m2 y on x.a = y.i", (0x2701, "Expect ts equal")),
        ("select ts from t x join m2 y on x.ts = y.ts", (0x2604, "Column ambiguously defined: ts")),
        ("select _wstart from t interval(1s)", (0x265E, "No valid function in window query")),
        ("select a, count(*) from t interval(1s)", (0x260C, "Not a single-group group function")),
        (
            "select count(*) from t interval(10s) sliding(1a)",
            (0x2632, "sliding value can not less than 1% of interval value"),
        ),
        ("select count(*) from t interval(1s, 1s)", (0x262F, "Interval offset should be shorter than interval")),
        (
            "select count(*) from t interval(1n) sliding(1d)",
            (0x2630, "Does not support sliding when interval is natural month/year"),
        ),
        (
            "select count(*) from t session(ts, 0s)",
            (0x262B, "SESSION gap should be fixed time window, and greater than 0"),
        ),
        ("select count(*) from t session(t2, 1s)", (0x262C, "Only support SESSION on primary timestamp column")),
        (
            "select count(*) from t state_window(f)",
            (0x2628, "Only support STATE_WINDOW on integer/bool/varchar column"),
        ),
        ("select count(*) from m state_window(g)", (0x2629, "Not support STATE_WINDOW on tag column")),
        (
            "select diff(a) from t interval(1s)",
            (0x264F, "diff function is not supported in window query or group query"),
        ),
        (
            "select csum(a) from t group by ok",
            (0x264F, "csum function is not supported in window query or group query"),
        ),
        ("select top(a, 2), bottom(a, 2) from t", (0x264F, NOT_MIXED)),
        ("select diff(a), sum(a) from t", (0x264F, NOT_MIXED)),
        ("select diff(a), csum(a) from t", (0x2680, "Some functions cannot be mixed")),
        ("select top(a, 101) from t", (0x2811, "Invalid parameter range : top")),
        ("select percentile(a, 101) from t", (0x2811, "Invalid parameter range : percentile")),
        ("select percentile(v, 50) from m", (0x265F, "percentile is only supported in single table query")),
        ("select timetruncate(ts, 5m) from t", (0x280A, "Invalid timzone format : timetruncate")),
        ("select timetruncate(ts, 1u) from t", (0x280B, "Time unit is too small : timetruncate")),
        ("select elapsed(t2) from t", (0x2812, "Parameter should be primary timestamp : elapsed")),
        ("select to_iso8601(ts, 'x') from t", (0x2800, "Invalid timzone format")),
        (
            "select to_unixtimestamp('2026-01-02', 2)",
            (0x2800, "TO_UNIXTIMESTAMP function second parameter should be 0/1"),
        ),
        (
            "select cast(a as varchar(0)) from t",
            (0x2800, "CAST function converted length should be in range (0, 65517] bytes"),
        ),
        (
            "select cast(cast('x' as varbinary(3)) as varchar(3))",
            (0x2802, "Invalid parameter data type : cast"),
        ),
        (
            f"insert into e using m tags (1) values ({TS}, 1, 1)",
            (0x0216, f"syntax error near ') values ({TS}, 1, 1)' (invalid data or symbol)"),
        ),
        ("insert into e using m tags (1, 'a', 2) values (now, 1, 1)", (0x260D, "Tags number not matched")),
        ("create table e using m tags (1)", (0x260D, "Tags number not matched")),
        ("show table tags from t", (0x2665, "Tags can only applied to super table and child table")),
        ("create database e precision 'xx'", (0x2619, "Invalid option precision: xx")),
        ("create database e keep 0", (0x2619, "Invalid option keep: 0 valid range: [1d, 365000d]")),
        ("create database e keep 30,20", (0x2619, "Invalid keep value, should be keep0 <= keep1 <= keep2")),
        ("create database e keep 1w", (0x2619, "Invalid option keep unit: w, only m, h, d allowed")),
        ("alter database d precision 'us'", (0x2600, "syntax error near \"precision 'us'\"")),
        ("create table e (ts timestamp, s varchar(65518))", (0x2642, "Invalid column length for var length type")),
        ("create table e (ts timestamp, s nchar(16380))", (0x2642, "Invalid column length for var length type")),
        (
            "create table e (ts timestamp, s varchar(40000), n varchar(40000))",
            (0x263E, "Row length exceeds max length 65531"),
        ),
        (
            "create stable e (ts timestamp, v int) tags (s varchar(16384))",
            (0x263D, "Tags length exceeds max length 16384"),
        ),
        (
            "create table e (ts timestamp, v int, w int primary key)",
            (0x2678, "primary key column must be second column"),
        ),
        (
            "create table e (ts timestamp, v float primary key)",
            (0x2679, "primary key column must be of type int, uint, bigint, ubigint, and varchar"),
        ),
        (
            "alter table t modify column s binary(5)",
            (
                0x264B,
                "Only varbinary/binary/nchar/geometry column length could be modified, "
                "and the length can only be increased, not decreased",
            ),
        ),
        ("drop stable t", (0x0362, "STable not exist")),
        ("drop stable nosuch", (0x0362, "STable not exist")),
        ("drop table t, m", (0x263A, "Cannot drop super table in batch")),
        (
            "insert into e using t tags (1) values (now, 1)",
            (0x0200, "create table only from super table is allowed"),
        ),
        ("insert into t (ts, a) values (now, 2147483648)", None),
        ("flush database nosuch", (0x0388, "Database not exist")),
    ],
)
def test_what_is_wrong_is_refused_as_documented(session: Session, sql: str, error: tuple[int, str] | None) -> None:
    overflow = (0x0216, "syntax error near '2147483648)' (int data overflow)")
    assert error_of(session, sql) == (error or overflow)


@pytest.mark.parametrize(
    "sql",
    [
        "select interp(a) from t range('2026-01-02', '2026-01-03', 1s) every(1s) fill(prev)",
        "select like_in_set(s, 'a,b') from t",
        "select st_contains(st_geomfromtext('POINT(1 1)'), st_geomfromtext('POINT(1 1)'))",
        "select * from information_schema.ins_filesets",
        "show table distributed t",
        "explain select 1",
        "create user u pass 'abcABC123'",
        "create topic x as select * from t",
        "kill query '1'",
        "balance vgroup",
        "alter table t comment 'x'",
        "insert into t file '/tmp/x.csv'",
    ],
)
def test_what_only_tdengine_knows_is_refused_in_these_words(session: Session, sql: str) -> None:
    code, message = error_of(session, sql)
    assert code == 0x0200
    assert message.startswith("the embedded stand-in server does not know ")


def test_statements_that_have_nothing_to_do_are_accepted(session: Session) -> None:
    for sql in ("flush database d", "trim database d", "reset query cache"):
        assert session.execute(sql) == Update(0)


def test_create_database_is_shown_with_its_options(fresh: Session) -> None:
    fresh.execute("create database e keep 100 duration 5 buffer 16 vgroups 1 cachemodel 'both' precision 'us'")
    ((name, text),) = answer(fresh, "show create database e")
    assert (name, text) == (
        "e",
        "CREATE DATABASE `e` BUFFER 16 CACHESIZE 1 CACHEMODEL 'both' COMP 2 DURATION 5d WAL_FSYNC_PERIOD 3000 "
        "MAXROWS 4096 MINROWS 100 STT_TRIGGER 2 KEEP 100d,100d,100d PAGES 256 PAGESIZE 4 PRECISION 'us' REPLICA 1 "
        "WAL_LEVEL 1 VGROUPS 1 SINGLE_STABLE 0 TABLE_PREFIX 0 TABLE_SUFFIX 0 TSDB_PAGESIZE 4 "
        "WAL_RETENTION_PERIOD 3600 WAL_RETENTION_SIZE 0 KEEP_TIME_OFFSET 0 ENCRYPT_ALGORITHM 'none' "
        "S3_CHUNKPAGES 131072 S3_KEEPLOCAL 525600m S3_COMPACT 1",
    )


def test_several_tags_are_set_at_once_or_none(fresh: Session) -> None:
    fresh.execute("create stable m (ts timestamp, v int) tags (g int, loc varchar(8))")
    fresh.execute("create table m1 using m tags (1, 'a')")
    fresh.execute("alter table m1 set tag g = 8, loc = 'q'")
    assert answer(fresh, "select tags g, loc from m1") == [(8, "q")]
    assert error_of(fresh, "alter table m1 set tag g = 9, loc = 'far too long'")[0] == 0x2653
    assert answer(fresh, "select tags g, loc from m1") == [(8, "q")]


@pytest.mark.parametrize(
    ("expression", "type_"),
    [
        ("ascii('a')", "TINYINT UNSIGNED"),
        ("char(77, 78)", "VARCHAR(8)"),
        ("repeat('abc', 5)", "VARCHAR(23)"),
        ("replace('aabbccdd', 'bb', 'xyz')", "VARCHAR(10)"),
        ("trim(' a ')", "VARCHAR(3)"),
        ("trim(cast('ab' as nchar(4)))", "NCHAR(17)"),
        ("ltrim('  a')", "VARCHAR(1)"),
        ("abs(null)", "BIGINT"),
        ("to_unixtimestamp('2026-01-02', 1)", "TIMESTAMP"),
        ("percentile(a, 1, 2) from t", "VARCHAR(3198)"),
        ("concat_ws('-', 'a', 'b', 'c')", "VARCHAR(13)"),
    ],
)
def test_a_function_has_the_type_that_tdengine_gives_it(session: Session, expression: str, type_: str) -> None:
    """builtins.c, the functions called translate..."""
    result = session.execute(f"select {expression}")
    assert isinstance(result, Result)
    assert str(result.fields[0].type) == type_


def test_a_sum_wraps_around_at_the_end_of_its_range(fresh: Session) -> None:
    fresh.execute("create table big (ts timestamp, s bigint, u bigint unsigned)")
    fresh.execute(f"insert into big values ({TS}, {2**63 - 1}, {2**64 - 1}) ({TS + 1}, 2, 3)")
    assert answer(fresh, "select sum(s), sum(u) from big") == [(-(2**63) + 1, 2)]
    assert answer(fresh, "select csum(u) from big") == [(2**64 - 1,), (2,)]


def test_rows_of_a_child_can_be_ordered_by_its_name(fresh: Session) -> None:
    fresh.execute("create stable s (ts timestamp, v int) tags (place nchar(4))")
    fresh.execute("insert into c1 using s tags ('p') values (1767225600001, 1) (1767225600000, 2)")
    assert answer(fresh, "select v from c1 order by tbname, ts") == [(2,), (1,)]
