"""What there is in a TDengine, as the lists of tables have it."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from parts import sql
from tdengine import catalogue
from tdengine.catalogue import Listed

Query = Callable[[str], list[list[Any]]]
MADE = [
    "CREATE DATABASE one PRECISION 'us'",
    "CREATE STABLE one.meters (ts TIMESTAMP, v INT) TAGS (g INT)",
    "CREATE STABLE one.apart (`a time` TIMESTAMP, v INT) TAGS (g INT)",
    "CREATE TABLE one.d1 USING one.meters TAGS (1)",
    "CREATE TABLE one.D2 USING one.meters TAGS (2)",
    "CREATE TABLE one.plain (ts TIMESTAMP, v INT)",
    "CREATE TABLE one.`it's 100% \u00e4` (ts TIMESTAMP, v INT)",
    "CREATE DATABASE two PRECISION 'ns'",
    "CREATE TABLE two.plain (ts TIMESTAMP, v INT)",
]


@pytest.fixture
def query(taos_port: int) -> Query:
    for statement in MADE:
        sql(taos_port, statement)
    return lambda statement: sql(taos_port, statement)


def test_super_tables_come_first_each_before_its_children(query: Query) -> None:
    assert catalogue.tables(query, "one") == [
        Listed("one", "apart", "super"),
        Listed("one", "meters", "super"),
        Listed("one", "d1", "child", "meters"),
        Listed("one", "d2", "child", "meters"),
        Listed("one", "it's 100% \u00e4"),
        Listed("one", "plain"),
    ]
    assert catalogue.tables(query, "none") == []


@pytest.mark.parametrize(
    ("text", "found"), [("D", ["d1", "d2"]), ("'s 1", ["it's 100% \u00e4"]), ("METERS", ["meters"]), ("nothing", [])]
)
def test_tables_are_found_by_a_part_of_their_names(query: Query, text: str, found: list[str]) -> None:
    assert [each.table for each in catalogue.tables(query, "one", text)] == found


@pytest.mark.parametrize(
    ("table", "kind"),
    [("meters", "super"), ("d1", "child"), ("plain", "table"), ("gone", None), ("x' OR '1' = '1", None)],
)
def test_one_table_is_found_by_its_whole_name(query: Query, table: str, kind: str | None) -> None:
    found = catalogue.find(query, "one", table)
    assert (found and found.kind) == kind
    assert found is None or found.parent == ("meters" if kind == "child" else None)


def test_tdengines_own_databases_are_nobodys(query: Query) -> None:
    assert catalogue.precisions(query) == {"one": "us", "two": "ns"}


def test_figures_of_tables_of_all_precisions_are_one_statement(query: Query, taos_port: int) -> None:
    now = time.time()
    seconds = [int(now) - int(now) % 2 - 2 * ago for ago in (1, 1, 1, 3, 40)]
    for name, ticks in (("one.plain", 10**6), ("two.plain", 10**9)):
        rows = " ".join(f"({second * ticks + number}, 1)" for number, second in enumerate(seconds))
        sql(taos_port, f"INSERT INTO {name} VALUES {rows}")
    sql(taos_port, f"INSERT INTO one.d1 VALUES ({(int(now) + 3600) * 10**6}, 1)")
    asked = [
        (Listed("one", "plain"), "ts", "us"),
        (Listed("two", "plain"), "ts", "ns"),
        (Listed("one", "meters", "super"), "ts", "us"),
        (Listed("one", "apart", "super"), "a time", "us"),
    ]
    statements: list[str] = []

    def noted(statement: str) -> list[list[Any]]:
        statements.append(statement)
        return query(statement)

    found = catalogue.figures(noted, asked, now)
    assert len(statements) == 1
    for database in ("one", "two"):
        plain = found[database, "plain"]
        assert plain["newest"] == seconds[0] * 1000
        assert plain["beats"][-4:] == [1, 0, 3, 0]
        assert sum(plain["beats"]) == 4
        assert plain["rate"] == 0.4
    assert found["one", "meters"]["newest"] == (int(now) + 3600) * 1000
    assert sum(found["one", "meters"]["beats"]) == 0
    assert ("one", "apart") not in found


def test_very_many_tables_are_asked_about_in_several_statements(query: Query, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "MOST_UNITED", 2)
    statements: list[str] = []

    def noted(statement: str) -> list[list[Any]]:
        statements.append(statement)
        return query(statement)

    catalogue.figures(noted, [(Listed("one", "plain"), "ts", "us"), (Listed("two", "plain"), "ts", "ns")], time.time())
    assert [statement.count("SELECT") for statement in statements] == [2, 2]
