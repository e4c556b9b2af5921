"""Pages of a table's rows: ORDER BY, LIMIT and OFFSET, and for rows far into it their time."""

from collections.abc import Mapping
from itertools import accumulate

from history import splits
from history.answer import as_arrow, converted, placed
from history.database import Query
from history.fields import Field
from history.view import View

FAR = 20_000
"""An offset beyond which rows are found by their time, where they are ordered by it: OFFSET counts row by row."""

TIME_BUCKETS = 1000
"""Into how many pieces time is cut to find them."""


def page(view: View, query: Query, begin: int, rows: int, named: Mapping[str, Field], shown: slice) -> bytes:
    """Rows of the table, and the columns `shown` of those `named`, as Arrow.

    By LIMIT and OFFSET; those far into the table by their time, where they are ordered by it.
    """
    columns = [*view.splits, *view.columns] if view.splits else view.columns[shown]
    time = view.source.time
    where = view.where
    if begin > FAR and (not view.sorts or (view.sorts[0][0] is time and view.sorts[0][1] in ("asc", "desc"))):
        begin, where = _from_time(view, query, begin)
    listed = ", ".join(each.select(each.sql) for each in columns) or time.select(time.sql)
    sql = f"SELECT {listed} FROM {view.source.table.at.full_name}{where} ORDER BY {ordered(view)}"
    found = query(f"{sql} LIMIT {rows} OFFSET {begin}") if rows else []
    if view.splits:
        beside = splits.layer(view, query)
        return as_arrow(placed(named, shown), [tuple(beside([row])) for row in found])
    converted_rows = [tuple(map(converted, columns, row)) for row in found]
    return as_arrow([(each.name, each, at) for at, each in enumerate(columns)], converted_rows)


def is_oldest_first(view: View) -> bool:
    """Whether the newest rows are the last ones."""
    return not view.sorts or view.sorts[0] == (view.source.time, "asc")


def ordered(view: View) -> str:
    """What ORDER BY says: what the view is sorted by, and then the whole key.

    Rows that are equal in all that they are sorted by have no order, and would come twice or never, page by page.
    """
    by = [f"ABS({each.sql}) {op[:-4]}" if op.endswith("abs") else f"{each.sql} {op}" for each, op in view.sorts]
    sorted_by = {each.sql for each, _ in view.sorts}
    by += [name for name in (view.source.time.sql, *view.source.table.key_columns) if name not in sorted_by]
    return ", ".join(by)


def _from_time(view: View, query: Query, begin: int) -> tuple[int, str]:
    """The offset, and the WHERE, that give the rows from `begin` on without counting all those before them."""
    descending = bool(view.sorts) and view.sorts[0][1] == "desc"
    if view.starts is None:
        view.starts = _buckets(view, query, descending)
    before = [(at, rows) for at, rows in view.starts if rows <= begin]
    if not before:
        return begin, view.where
    at, rows = before[-1]
    bound = f"{view.source.time.sql} {'<' if descending else '>='} {at}"
    return begin - rows, f"{view.where} AND {bound}" if view.where else f" WHERE {bound}"


def _buckets(view: View, query: Query, descending: bool) -> list[tuple[int, int]]:
    """Where time buckets begin (or end, where time descends), and how many rows there are before each."""
    time, table = view.source.time, view.source.table.at.full_name
    asked = ", ".join(time.select(f"{word}({time.sql})") for word in ("FIRST", "LAST"))
    ends = query(f"SELECT {asked} FROM {table}{view.where}")
    if not ends or ends[0][0] is None:
        return []
    seconds = max(1, (ends[0][1] - ends[0][0]) // view.source.table.second // TIME_BUCKETS)
    rows = query(f"SELECT {asked}, COUNT(*) FROM {table}{view.where} INTERVAL({seconds}s)")
    rows.sort(reverse=descending)
    counts = [0, *accumulate(count for _, _, count in rows)]
    return [(last + 1 if descending else first, before) for (first, last, _), before in zip(rows, counts, strict=False)]
