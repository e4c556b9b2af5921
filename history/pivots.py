"""Pivots: a GROUP BY (or windows) for each level, and the groups of all levels in the order of their tree."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from history import limits, splits
from history.answer import as_arrow, converted, hashable, placed
from history.database import Query
from history.errors import HistoryError
from history.fields import Field
from history.view import Group, View


def order(rows: list[Group], columns: Sequence[tuple[Callable[[Group], Any], str]]) -> None:
    """Sort groups in place, NULL first where it ascends and last where it descends, as TDengine does."""

    def key(value: Any, absolute: bool) -> tuple[bool, Any]:
        return (value is not None, abs(value) if absolute and value is not None else value)

    for get, op in reversed(columns):
        absolute = op.endswith("abs")
        rows.sort(
            key=lambda row, get=get, absolute=absolute: key(get(row), absolute),  # type: ignore[misc]
            reverse=op.startswith("desc"),
        )


def groups(view: View, query: Query) -> list[Group]:
    """All rows of a pivot in the order of its tree. Raises HistoryError where there are too many."""
    if view.groups is None:
        view.groups = list(_tree(view, query))
    return view.groups


def _tree(view: View, query: Query) -> Iterable[Group]:
    depth = len(view.levels)
    wanted = {"flat": [depth], "total": [0]}.get(view.rollup, range(depth + 1))
    by_path: dict[tuple[Any, ...], Group] = {}
    if view.splits:
        splits.sides(view, query)  # which make a group as wide as it is
    most = min(limits.MAX_GROUPS, limits.MAX_VALUES // max(1, view.width)) if view.columns else limits.MAX_SUGGESTIONS
    for level in wanted:
        found = _level(view, query, level, most + 1 - len(by_path))
        if view.splits:
            _split(view, query, level, found)
        by_path.update((group.path, group) for group in found)
        if len(by_path) > most and view.columns:
            raise HistoryError(f"more than {most:,} groups: narrow the time range, or group by fewer columns")
    roots: list[Group] = []
    for path, group in by_path.items():
        parent = by_path.get(path[:-1]) if path and view.rollup == "rollup" else None
        (roots if parent is None else parent.children).append(group)
    yield from _ordered(view, roots)


def _level(view: View, query: Query, level: int, most: int) -> list[Group]:
    """The groups of one level of a pivot, by one statement; columns that are only sorted by come last."""
    levels = view.levels[:level]
    asked = [view.aggregate(each) for each in view.asked]
    rows = query(f"{_statement(view, levels, [sql for sql, _ in asked])} LIMIT {most}")
    return [
        Group(
            tuple(map(hashable, row[:level])),
            tuple(converted(of, value) for of, value in zip(levels, row[:level], strict=True)),
            tuple(converted(of, value) for (_, of), value in zip(asked, row[level:], strict=False)),
        )
        for row in rows
    ] or ([Group((), (), (None,) * len(asked))] if level == 0 else [])


def _split(view: View, query: Query, level: int, groups: list[Group]) -> None:
    """Find the values of one level's groups side by side."""
    levels = [*view.levels[:level], *view.splits]
    asked = [view.aggregate(each)[0] for each in view.columns]
    most = limits.MAX_VALUES // (len(levels) + len(asked))
    found = query(f"{_statement(view, levels, asked)} LIMIT {most + 1}")
    if len(found) > most:
        raise HistoryError(f"more than {most:,} groups side by side: narrow the time range, or split by fewer columns")
    rows: dict[tuple[Any, ...], list[tuple[Any, ...]]] = {}
    for row in found:
        rows.setdefault(tuple(map(hashable, row[:level])), []).append(row[level:])
    beside = splits.layer(view, query)
    for group in groups:
        group.beside = beside(rows.get(group.path, ()))


def _statement(view: View, levels: Sequence[Field], asked: Sequence[str]) -> str:
    """A GROUP BY; where time is cut to several units, windows, each other level being a partition."""
    table = f"{view.source.table.at.full_name}{view.where}"
    if not any(each.window for each in levels):
        keys = [each.select(each.sql) for each in levels]
        grouped = f" GROUP BY {', '.join(keys)}" if keys else ""
        return f"SELECT {', '.join([*keys, *asked]) or 'COUNT(*)'} FROM {table}{grouped}"
    (window,) = [each.window for each in levels if each.window]
    others = [each.sql for each in levels if not each.window]
    partitioned = f" PARTITION BY {', '.join(others)}" if others else ""
    within = [f"{'_wstart' if each.window else each.sql} AS k{at}" for at, each in enumerate(levels)]
    within += [f"{sql} AS v{at}" for at, sql in enumerate(asked)] or ["COUNT(*) AS v0"]
    outside = [each.select(f"k{at}") for at, each in enumerate(levels)] + [f"v{at}" for at in range(len(asked))]
    # A LIMIT behind PARTITION BY counts rows of each partition; and _wstart is read as text, but from outside.
    return f"SELECT {', '.join(outside)} FROM (SELECT {', '.join(within)} FROM {table}{partitioned} INTERVAL({window}))"


def _ordered(view: View, groups: list[Group]) -> Iterable[Group]:
    """Groups, each before its children; siblings as the view sorts them, else by their value."""
    asked = view.asked

    def value(of: Field) -> Callable[[Group], Any]:
        if of in view.levels and of not in view.columns:
            return key(view.levels.index(of))
        at = asked.index(of)
        return lambda group: group.values[at]

    def key(level: int) -> Callable[[Group], Any]:
        return lambda group: group.shown[level] if level < len(group.shown) else None

    sorts = [(value(of), op) for of, op in view.sorts]
    sorts += [(key(level), "asc") for level in range(len(view.levels))]

    def in_order(siblings: list[Group]) -> Iterable[Group]:
        order(siblings, sorts)
        for group in siblings:
            yield group
            yield from in_order(group.children)

    return in_order(groups)


def page(view: View, groups: Sequence[Group], named: Mapping[str, Field], shown: slice) -> bytes:
    """Rows of a pivot as Arrow: which levels are rolled up, the path, and the columns `shown` of those `named`."""
    depth = len(view.levels)
    found = []
    for group in groups:
        path = (*group.shown, *[None] * (depth - len(group.shown)))
        values = group.beside if view.splits else group.values
        found.append(((1 << (depth - len(group.path))) - 1, *path, *values))
    columns: list[tuple[str, Field, int]] = []
    if view.rollup == "rollup" and depth:
        columns.append(("__GROUPING_ID__", Field("", "", pa.int32(), None), 0))
    for level, of in enumerate(view.levels):
        columns.append((f"__ROW_PATH_{level}__", of, 1 + level))
    return as_arrow([*columns, *placed(named, shown, 1 + depth)], found)
