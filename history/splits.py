"""Split views: each column once for each value of what the view is split by, as `MSFT|price`, as Perspective names it.

TDengine has no word for that: it is asked for groups of what is split by, which are laid side by side.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from history import limits
from history.answer import converted, hashable
from history.database import Query
from history.errors import HistoryError
from history.fields import Field
from history.view import View

Side = tuple[Any, ...]
"""TDengine's own values of what a view is split by."""


def sides(view: View, query: Query) -> dict[Side, Side]:
    """What the view is split into, in order: TDengine's values, and those that are shown.

    Raises HistoryError where that makes more columns than can be looked at.
    """
    if view.sides is None:
        most = limits.MAX_SPLIT_COLUMNS // max(1, len(view.columns))
        keys = ", ".join(each.select(each.sql) for each in view.splits)
        groups = f"FROM {view.source.table.at.full_name}{view.where} GROUP BY {keys}"
        rows = query(f"SELECT {keys} {groups} LIMIT {most + 1}")
        if len(rows) > most:
            raise HistoryError(f"more than {most} times as many columns: split by what has fewer values")
        shown = [(tuple(map(hashable, row)), tuple(map(converted, view.splits, row))) for row in rows]
        view.sides = dict(sorted(shown, key=lambda side: [(value is not None, value) for value in side[1]]))
    return view.sides


def columns(view: View, query: Query) -> dict[str, Field]:
    """The columns side by side, by their names. Of sides that are called alike the second is told apart."""
    found: dict[str, Field] = {}
    called: dict[str, int] = {}
    for shown in sides(view, query).values():
        name = "|".join(map(_text, view.splits, shown))
        called[name] = called.get(name, 0) + 1
        if called[name] > 1:
            name = f"{name} ({called[name]})"
        found.update((f"{name}|{each.name}", view.valued(each)) for each in view.columns)
    return found


def _text(of: Field, value: Any) -> str:
    """A value as Perspective (5.6.1) has it in the name of a column; a time in UTC."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if of.is_time:
        return datetime.fromtimestamp(value / 1000, UTC).isoformat(" ", "milliseconds").removesuffix("+00:00")
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def layer(view: View, query: Query) -> Callable[[Iterable[Sequence[Any]]], list[Any]]:
    """What lays the values of a row side by side, from rows of what is split by and of the values, else None."""
    width, depth = len(view.columns), len(view.splits)
    places = {side: place for place, side in enumerate(sides(view, query))}
    fields = list(map(view.valued, view.columns))

    def beside(rows: Iterable[Sequence[Any]]) -> list[Any]:
        values: list[Any] = [None] * (width * len(places))
        for row in rows:
            place = places.get(tuple(map(hashable, row[:depth])))
            if place is not None:  # or it is of rows that came since the sides were found
                values[place * width : (place + 1) * width] = map(converted, fields, row[depth:])
        return values

    return beside
