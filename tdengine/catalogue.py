"""What there is to look at in a TDengine: its databases, their tables, and how much comes to each."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tdengine.describing import TICKS_PER_SECOND
from tdengine.sql import literal, quote

Query = Callable[[str], Iterable[Sequence[Any]]]
"""Puts a statement to TDengine; the rows of the answer."""

SYSTEM = {"information_schema", "performance_schema"}
"""TDengine's own databases, which hold no rows of anybody's."""

MOST = 1000
"""Super tables, other tables and children that are listed of a database, of each."""

MOST_FIGURES = 100
"""Tables whose figures are asked for at a time."""

BEAT_SECONDS = 2
"""How much time a point of a table's spark line stands for."""

BEATS = 30
"""The points of a spark line."""

MOST_UNITED = 80
"""SELECTs in one statement: TDengine's documentation allows for 100."""


@dataclass(frozen=True)
class Listed:
    """A table as the lists have it: `kind` is super, table or child, which is one of `parent`."""

    database: str
    table: str
    kind: str = "table"
    parent: str | None = None

    @property
    def full_name(self) -> str:
        """What viewers call it. No database has a dot in its name, so no two are called the same."""
        return f"{self.database}.{self.table}"


def precisions(query: Query) -> dict[str, str]:
    """The databases that the account sees, and the precision of their timestamps."""
    found = query("SELECT name, `precision` FROM information_schema.ins_databases")
    return {str(name): str(precision) for name, precision in found if name not in SYSTEM}


def super_tables(query: Query, database: str, like: str = "") -> set[str]:
    """The super tables of a database, those whose names have `like` in them."""
    sql = f"SELECT stable_name FROM information_schema.ins_stables {_matching(database, 'stable_name', like)}"
    return {str(name) for (name,) in query(sql)}


def plain_tables(query: Query, database: str, like: str = "") -> set[str]:
    """The tables of a database that are of no super table, those whose names have `like` in them."""
    of = _matching(database, "table_name", like, "AND type = 'NORMAL_TABLE'")
    return {str(name) for (name,) in query(f"SELECT table_name FROM information_schema.ins_tables {of}")}


def _matching(database: str, column: str, like: str, kind: str = "") -> str:
    named = f"AND {column} LIKE {literal(f'%{like}%')}" if like else ""
    return f"WHERE db_name = {literal(database)} {kind} {named} LIMIT {MOST}"


def tables(query: Query, database: str, like: str = "") -> list[Listed]:
    """The tables of a database, those whose names have `like` in them: super tables first, each before its children."""
    supers = super_tables(query, database, like)
    of = _matching(database, "table_name", like, "AND type = 'CHILD_TABLE'")
    children: dict[str, list[str]] = {}
    for name, parent in query(f"SELECT table_name, stable_name FROM information_schema.ins_tables {of}"):
        children.setdefault(str(parent), []).append(str(name))
    listed = []
    for parent in sorted({*supers, *children}):
        if parent in supers:
            listed.append(Listed(database, parent, "super"))
        listed += [Listed(database, name, "child", parent) for name in sorted(children.get(parent, []))]
    return listed + [Listed(database, name) for name in sorted(plain_tables(query, database, like))]


def find(query: Query, database: str, table: str) -> Listed | None:
    """One table, whether it would be listed or not."""
    of = f"db_name = {literal(database)}"
    schema = "information_schema"
    if list(query(f"SELECT stable_name FROM {schema}.ins_stables WHERE {of} AND stable_name = {literal(table)}")):
        return Listed(database, table, "super")
    named = f"{of} AND table_name = {literal(table)}"
    for (parent,) in query(f"SELECT stable_name FROM {schema}.ins_tables WHERE {named}"):
        return Listed(database, table, "child" if parent else "table", parent)
    return None


def figures(
    query: Query, named: Sequence[tuple[Listed, str, str]], now: float
) -> dict[tuple[str, str], dict[str, Any]]:
    """How tables are doing, each given with its timestamp column and the precision of that.

    For each, `newest`, the epoch milliseconds of its newest row, `beats`, the rows of each two seconds of the last
    minute, and `rate`, rows a second. It is one statement, of two SELECTs a table, unless there are very many.
    """
    first = int(now // BEAT_SECONDS) - BEATS + 1
    found: dict[tuple[str, str], dict[str, Any]] = {}
    per = MOST_UNITED // 2
    for begin in range(0, len(named), per):
        some = named[begin : begin + per]
        for number, rows, time in query(
            " UNION ALL ".join(_asked(at, table, column) for at, (table, column, _) in enumerate(some))
        ):
            table, _, precision = some[number]
            second = TICKS_PER_SECOND[precision]
            beats = found.setdefault((table.database, table.table), {"newest": None, "beats": [0] * BEATS})
            if rows < 0:
                beats["newest"] = time // (second // 1000)
            elif 0 <= (at := time // (BEAT_SECONDS * second) - first) < BEATS:
                beats["beats"][at] = rows
    whole = slice(BEATS - 6, BEATS - 1)  # of the last pair of seconds, rows are still to come
    for each in found.values():
        each["rate"] = round(sum(each["beats"][whole]) / (BEAT_SECONDS * len(each["beats"][whole])), 1)
    return found


def _asked(number: int, table: Listed, column: str) -> str:
    name, time = f"{quote(table.database)}.{quote(table.table)}", quote(column)
    since = f"{time} >= NOW() - {BEATS * BEAT_SECONDS}s AND {time} < NOW() + {BEAT_SECONDS}s"
    return (
        f"SELECT {number}, -1, CAST(LAST({time}) AS BIGINT) FROM {name} UNION ALL"
        f" SELECT {number}, COUNT(*), CAST(_wstart AS BIGINT) FROM {name} WHERE {since} INTERVAL({BEAT_SECONDS}s)"
    )
