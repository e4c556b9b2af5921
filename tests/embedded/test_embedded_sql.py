"""TDengine's SQL: reading statements and translating queries, without a server."""

from collections.abc import Sequence
from typing import Any

import pytest

from embedded.engine import Session
from embedded.errors import TDengineError
from embedded.sql import scanner
from embedded.sql.parser import Insert, parse
from embedded.sql.scanner import lower_outside_quotes, unquote
from embedded.sql.statements import CreateTable, Query, TableName
from embedded.sql.times import Duration, parse_time
from embedded_session import answer, error_of, stored

TS = 1767323045000


@pytest.fixture
def session() -> Session:
    storage = stored(
        "create database d",
        "use d",
        "create table t (ts timestamp, a int, b double, c nchar(10), ok bool)",
        f"insert into t values ({TS}, 1, 1.5, 'x', true) ({TS + 1000}, 2, 2.5, 'Y', false) "
        f"({TS + 5000}, 4, null, null, null)",
        "create stable m (ts timestamp, v float) tags (g int, place varchar(8))",
        f"insert into m1 using m tags (1, 'here') values ({TS}, 1) ({TS + 1000}, 3) "
        f"m2 using m tags (2, 'there') values ({TS}, 10)",
        "create table m3 using m tags (3, 'empty')",
    )
    return Session(storage, "d", "UTC")


# Reading.


def test_a_statement_is_lowered_outside_quotes_only() -> None:
    assert lower_outside_quotes("SELECT `Ab`, 'Cd\\'E', \"Fg\" FROM T") == "select `Ab`, 'Cd\\'E', \"Fg\" from t"


@pytest.mark.parametrize(
    ("literal", "value"),
    [
        ("'a''b'", "a'b"),
        ("'a\\\\b'", "a\\b"),
        ("'\\n\\t'", "\n\t"),
        ("'\\%\\_'", "\\%\\_"),
        ('"it\'s"', "it's"),
        ("'\\q'", "q"),
    ],
)
def test_string_literals_resolve_their_escapes(literal: str, value: str) -> None:
    assert unquote(literal) == value


def test_a_duration_is_one_token() -> None:
    assert [token.sort for token in scanner.scan("now-1s 2 1.5e3 0x1f")][:6] == [
        *("word", "symbol", "duration", "integer", "float", "integer"),
    ]


def test_create_table_is_read_into_its_columns() -> None:
    statement = parse("CREATE TABLE IF NOT EXISTS db.T (`Ts` TIMESTAMP, v INT UNSIGNED, n NCHAR(3))").statement
    assert isinstance(statement, CreateTable)
    assert statement.table == TableName("db", "t")
    assert [(column.name, str(column.type)) for column in statement.columns] == [
        *(("Ts", "TIMESTAMP"), ("v", "INT UNSIGNED"), ("n", "NCHAR(3)")),
    ]


def test_rows_of_an_insert_need_no_commas_between_them() -> None:
    statement = parse("insert into t values (1, 2) (3, 4), (5, 6) u values (7, ?)").statement
    assert isinstance(statement, Insert)
    assert [len(clause.rows) for clause in statement.clauses] == [3, 1]
    assert statement.placeholders == 1


def test_a_query_knows_how_many_values_it_wants() -> None:
    parsed = parse("select * from t where a > ? and b < ?")
    assert isinstance(parsed.statement, Query)
    assert parsed.placeholders == 2


@pytest.mark.parametrize(
    ("sql", "near"),
    [
        ("SELECT a b c FROM t", "c from t"),
        ("SELECT a FROM t INTERVAL(1s) X", "x"),
        ("SELECT a FROM t WHERE a BETWEEN 1 2", "2"),
        ("SELECT a FROM t GROUP a", "a"),
        ("CREATE TABLE t (ts TIMESTAMP v INT)", "v int)"),
        ("DROP TABEL t", "tabel t"),
        ("SELECT a OVER (ORDER BY ts) FROM t", "(order by ts) from t"),
        ("SELECT * EXCEPT (a) FROM t", "except (a) from t"),
        ("SHOW CREATE TABLEZ t", "tablez t"),
        ("WITH x AS (SELECT 1) SELECT * FROM x", "with x as (select 1) select * from x"),
        ("UPDATE t SET a = 1", "update t set a = 1"),
    ],
)
def test_a_syntax_error_quotes_the_text_from_where_it_stops_to_fit(sql: str, near: str) -> None:
    with pytest.raises(TDengineError) as caught:
        parse(sql)
    if sql.startswith("SELECT a OVER"):
        assert caught.value.code == 0x2600
    else:
        assert (caught.value.code, caught.value.message) == (0x2600, f'syntax error near "{near}"')


@pytest.mark.parametrize("sql", ["SELECT", "SELECT * FROM", "SELECT * FROM t WHERE", "CREATE TABLE t", "", "  ;"])
def test_a_statement_that_ends_too_soon_is_incomplete(sql: str) -> None:
    with pytest.raises(TDengineError) as caught:
        parse(sql)
    assert caught.value.code in (0x2600, 0x2601)


def test_an_insert_error_quotes_at_most_63_bytes(session: Session) -> None:
    code, message = error_of(session, f"insert into t values ({TS}, 'x{'y' * 100}', 1, 'z', true)")
    assert code == 0x0216
    assert message == f"syntax error near 'x{'y' * 62}' (invalid int data)"


@pytest.mark.parametrize(
    ("text", "precision", "units"),
    [
        ("2026-01-02T03:04:05.678Z", "ms", 1767323045678),
        ("2026-01-02 03:04:05.678901", "us", 1767323045678901),
        ("2026-01-02 04:04:05+01:00", "ms", 1767323045000),
        ("2026-01-02", "ms", 1767312000000),
        ("2026-13-02", "ms", None),
        ("yesterday", "ms", None),
    ],
)
def test_time_texts_are_read_in_the_precision_asked_for(text: str, precision: str, units: int | None) -> None:
    from datetime import UTC

    assert parse_time(text, precision, UTC) == units


def test_months_move_the_calendar() -> None:
    january_31 = parse_time("2026-01-31T10:00:00Z", "ms", None)
    assert january_31 is not None
    assert Duration.parse("1n").shift(january_31, "ms") == parse_time("2026-02-28T10:00:00Z", "ms", None)


# Translating.


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("select a + 1, a / 0, a % 2 from t limit 1", [(2.0, None, 1.0)]),
        ("select a from t where c = 'X'", []),
        ("select a from t where c like 'X'", [(1,)]),
        ("select a from t where a in (1, 4) and not (a = 4)", [(1,)]),
        ("select a from t where a = '2'", [(2,)]),
        ("select v from m1 where v + 0.1 - 1 = 0.1", [(1.0,)]),
        ("select a from t where cast(b as float) = 1.5 and cast(0.1 as float) = 0.1 and 0.1 <> 0.2", [(1,)]),
        ("select a from t where a in ('1', 4)", [(1,), (4,)]),
        ("select substr(c, -1), round(b, -1) from t limit 1", [("x", 0.0)]),
        ("select a from t where ok = 1", [(1,)]),
        ("select count(*) from t where ts > '2026-01-02 03:04:05'", [(2,)]),
        ("select a from t order by b desc", [(2,), (1,), (4,)]),
        ("select a from t order by b", [(4,), (1,), (2,)]),
        ("select a as x from t order by x desc limit 1", [(4,)]),
        ("select a from t order by 1 desc limit 1, 1", [(2,)]),
        ("select case a when 1 then 'one' else 'more' end from t limit 2", [("one",), ("more",)]),
        ("select first(b), last(b), last_row(b) from t", [(1.5, 2.5, None)]),
        ("select ts, max(b), c from t", [(TS + 1000, 2.5, "Y")]),
        ("select max(a) from t where a > 100", []),
        ("select count(*), max(a) from t where a > 100", [(0, None)]),
        ("select sum(x) from (select a as x from t where a < 4)", [(3,)]),
        ("select count(*) from t interval(1s)", [(1,), (1,), (1,)]),
        ("select _wstart, count(*) from t session(ts, 2s)", [(TS, 2), (TS + 5000, 1)]),
        ("select count(*) from t state_window(ok)", [(1,), (1,)]),
        ("select count(*) from t event_window start with a = 1 end with a = 2", [(2,)]),
        ("select _wstart, count(*) from t count_window(2)", [(TS, 2), (TS + 5000, 1)]),
        ("select count(*) from t interval(2s) sliding(1s)", [(1,), (2,), (1,), (1,), (1,)]),
        ("select diff(a) from t", [(1,), (2,)]),
        ("select a from t union all select a from t order by a limit 2", [(1,), (1,)]),
        ("select tbname, count(*) from m group by tbname order by tbname", [("m1", 2), ("m2", 1)]),
        ("select distinct tbname from m order by tbname", [("m1",), ("m2",), ("m3",)]),
        ("select tags place from m order by place", [("empty",), ("here",), ("there",)]),
        ("select place, last(v) from m partition by tbname order by place", [("here", 3.0), ("there", 10.0)]),
        ("select v from m where g = 1 and place = 'here'", [(1.0,), (3.0,)]),
        ("select place, v from m2", [("there", 10.0)]),
        ("select x.v, y.v from m1 x join m2 y on x.ts = y.ts", [(1.0, 10.0)]),
        ("select tbname, v from m partition by tbname limit 1", [("m1", 1.0), ("m2", 10.0)]),
        ("select count(*) from m partition by tbname interval(1s) slimit 1", [(1,), (1,)]),
        ("select last(*) from m1", [(TS + 1000, 3.0)]),
        ("select table_name from information_schema.ins_tables where stable_name = 'm' limit 1", [("m1",)]),
    ],
)
def test_a_query_gives_what_tdengine_would(session: Session, sql: str, rows: Sequence[tuple[Any, ...]]) -> None:
    assert answer(session, sql) == list(rows)


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("select a, count(*) from t", 0x260C),
        ("select a, count(*) from t group by c", 0x260A),
        ("select count(*) from t where count(*) > 1", 0x2608),
        ("select avg(sum(a)) from t", 0x2627),
        ("select nosuch from t", 0x2602),
        ("select nosuch(a) from t", 0x0374),
        ("select to_char(ts) from t", 0x2801),
        ("select _irowts from t", 0x265C),
        ("select count(*) from t where not ok", 0x2601),
        ("select a > 1 = true from t", 0x2600),
        ("select sum(c) from t", 0x2802),
        ("select pow(a) from t", 0x2801),
        ("select top(a, 0) from t", 0x2811),
        ("select _wstart from t", 0x2658),
        ("select count(*) from t interval(1s) group by a", 0x2624),
        ("select count(*) from t interval(1s) fill(prev)", 0x263B),
        ("select a from t order by 3", 0x2609),
        ("select a from t slimit 1", 0x2638),
        ("select a from t union all select a, b from t", 0x2634),
        ("select * from t where ts > 'nonsense'", 0x2635),
        ("select tags a from t", 0x2665),
        ("select a, top(a, 1), max(a) from t", 0x264F),
        ("delete from t where ts < now or ts > now", 0x2655),
        ("insert into t (a) values (1)", 0x0200),
        ("insert into t (ts, nosuch) values (now, 1)", 0x2602),
        ("insert into t values (now, 1, 1, 'x', true, 7)", 0x263F),
        ("insert into t values (1, 1, 1, 'x', true)", 0x060B),
        ("insert into m (ts, v) values (now, 1)", 0x0200),
        ("create table m9 using m tags (1)", 0x260D),
        ("create table m9 using m (nosuch) tags (1)", 0x260E),
        ("create table n (ts timestamp, a int, a int)", 0x263C),
        ("show accounts", 0x0200),
    ],
)
def test_what_tdengine_refuses_is_refused_with_its_code(session: Session, sql: str, code: int) -> None:
    assert error_of(session, sql)[0] == code


def test_without_use_a_table_needs_its_database(session: Session) -> None:
    other = Session(session.storage)
    assert error_of(other, "select * from t") == (0x2616, "Database not specified")
    assert answer(other, "select count(*) from d.t") == [(3,)]


def test_a_failing_insert_writes_nothing(session: Session) -> None:
    error_of(session, f"insert into t (ts, a) values ({TS + 9}, 1) m9 using m tags (9, 'new') values ({TS}, 'abc')")
    assert answer(session, "select count(*) from t") == [(3,)]
    assert answer(session, "select count(*) from information_schema.ins_tables where table_name = 'm9'") == [(0,)]


def test_rows_of_one_statement_with_one_key_are_merged_column_by_column(session: Session) -> None:
    session.execute(f"insert into t values ({TS + 9}, 1, null, 'x', true) ({TS + 9}, null, 2, 'y', null)")
    assert answer(session, f"select a, b, c, ok from t where ts = {TS + 9}") == [(1, 2.0, "y", True)]


def test_a_composite_key_keeps_rows_of_one_timestamp_apart(session: Session) -> None:
    session.execute("create table k (ts timestamp, id int primary key, v int)")
    session.execute(f"insert into k values ({TS}, 1, 1) ({TS}, 2, 2)")
    session.execute(f"insert into k values ({TS}, 2, 3)")
    assert answer(session, "select id, v from k order by id") == [(1, 1), (2, 3)]


def test_a_super_table_takes_rows_by_tbname(session: Session) -> None:
    session.execute(
        f"insert into m (tbname, g, ts, v) values ('m8', 8, {TS}, 1) ('m9', 9, {TS}, 2) ('m8', 8, {TS + 1}, 3)"
    )
    assert answer(session, "select tbname, g, v from m where g > 7 order by tbname, ts") == [
        *(("m8", 8, 1.0), ("m8", 8, 3.0), ("m9", 9, 2.0)),
    ]


def test_an_insert_takes_the_rows_of_a_query(session: Session) -> None:
    session.execute("create table copy (ts timestamp, v float)")
    session.execute("insert into copy select ts, b from t where b is not null")
    assert answer(session, "select v from copy") == [(1.5,), (2.5,)]


def test_columns_and_tags_can_be_added_renamed_and_dropped(session: Session) -> None:
    for sql in ("add column extra int", "drop column v", "rename tag place spot", "add tag more nchar(3)"):
        session.execute(f"alter table m {sql}")
    session.execute("alter table m1 set tag more = 'abc'")
    assert answer(session, "select distinct tbname, g, spot, more from m order by g limit 1") == [
        ("m1", 1, "here", "abc")
    ]
    assert answer(session, "select * from m1 limit 1") == [(TS, None)]


def test_the_zone_of_a_connection_reads_its_times(session: Session) -> None:
    abroad = Session(session.storage, "d", "Asia/Shanghai")
    assert answer(abroad, "select a from t where ts = '2026-01-02 11:04:05'") == [(1,)]
    assert answer(abroad, f"select to_iso8601({TS})") == [("2026-01-02T11:04:05.000+0800",)]


def test_microseconds_are_kept(session: Session) -> None:
    session.execute("create database fine precision 'us'")
    session.execute("create table fine.t (ts timestamp, a int)")
    session.execute("insert into fine.t values ('2026-01-02 03:04:05.123456', 1)")
    assert answer(session, "select ts, ts + 1a from fine.t") == [(1767323045123456, 1767323045124456)]
    assert answer(session, "select count(*) from fine.t where ts >= now() - 1s") == [(0,)]
