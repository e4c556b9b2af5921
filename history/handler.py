"""A Perspective virtual server over TDengine: whole tables, of which only what is on the screen is ever read.

Perspective asks for the rows and columns that it shows, and each time the question is put to TDengine: filters are
WHERE, sorts are ORDER BY, a viewport is LIMIT and OFFSET, each level of a pivot is a GROUP BY. No table is copied.

A table has columns of its own here besides TDengine's: `timestamp by minute` and the like, to group by. Expressions
are off, because they would be SQL written by a viewer.
"""

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Protocol

from perspective.virtual_servers import VirtualServerHandler

from history import limits, pivots, rows, splits
from history.answer import converted
from history.cache import Cache
from history.errors import HistoryError
from history.fields import AGGREGATES, FILTER_OPS, Field, Source
from history.range import Range
from history.view import Group, View
from tdengine import catalogue
from tdengine.arrow import is_long, may_be_long
from tdengine.settings import Settings
from tdengine.sql import quote
from tdengine.table import Table, open_table

LONG_SECONDS = 60.0
"""How long it is known which columns have long numbers: all rows are asked for that."""


class Connection(Protocol):
    """What puts a statement to TDengine, as a connection of taosws does."""

    def query(self, sql: str) -> Iterable[tuple[Any, ...]]:
        """The rows of the result."""


class TDengineVirtualServerHandler(VirtualServerHandler):
    """Perspective's questions, answered by TDengine. One for each viewer; its methods are called one at a time.

    `period` is a time range as Range.parse takes it; `clock` gives epoch seconds, for time ranges that end now.
    Whatever these methods raise becomes the error that the viewer is shown.
    """

    def __init__(
        self, connection: Connection, at: Settings, period: str, cache: Cache, clock: Callable[[], float] = time.time
    ) -> None:
        self.connection = connection
        self.at = at
        self.period = period
        self.clock = clock
        self.cache = cache
        self.views: dict[str, View] = {}

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a statement."""
        return list(self.connection.query(sql))

    def get_features(self) -> dict[str, Any]:
        """What TDengine can do, and so what the viewer offers."""
        return {
            "group_by": True,
            "split_by": True,
            "sort": True,
            "expressions": False,
            "group_rollup_mode": ["rollup", "flat", "total"],
            "filter_ops": FILTER_OPS,
            "aggregates": {kind: list(names) for kind, names in AGGREGATES.items()},
        }

    def get_hosted_tables(self) -> list[str]:
        """The tables and super tables of the database; children are in their super tables, but for one: the table that
        the settings name may be a child."""
        found: list[str] = self.cache.get(("tables", self.at), self._tables)
        return found

    def _tables(self) -> list[str]:
        database = self.at.database
        names = catalogue.super_tables(self.query, database) | catalogue.plain_tables(self.query, database)
        if catalogue.find(self.query, database, self.at.table) is not None:
            names.add(self.at.table)
        return sorted(names)

    def source(self, table_name: str) -> Source:
        """The table of that name, described. Raises HistoryError, or an error of taosws."""
        key = "source", self.at.database, table_name
        found: Source = self.cache.get(key, lambda: self._source(self.table(table_name)))
        return found

    def table(self, table_name: str) -> Table:
        """The same, as TDengine has it."""
        if catalogue.find(self.query, self.at.database, table_name) is None:
            raise HistoryError(f"there is no table {table_name[:80]!r} in {self.at.database}")
        return open_table(self.connection, replace(self.at, table=table_name))

    def _source(self, table: Table) -> Source:
        """The table, with those columns as text whose numbers have more digits than a browser keeps."""
        long: frozenset[str] = self.cache.get(("long", table), lambda: self._long(table), LONG_SECONDS)
        return Source(replace(table, at=replace(table.at, text=table.at.text | long)))

    def _long(self, table: Table) -> frozenset[str]:
        names = [column.name for column in table.columns if may_be_long(column) and column.name not in table.at.text]
        if not names:
            return frozenset()
        asked = ", ".join(f"MIN({quote(name)}), MAX({quote(name)})" for name in names)
        found = self.query(f"SELECT {asked} FROM {table.at.full_name}")
        ends = zip(names, *(found[0][at::2] for at in (0, 1)), strict=True) if found else []
        return frozenset(name for name, *values in ends if any(map(is_long, values)))

    def table_schema(self, table_name: str, config: Any = None) -> dict[str, str]:
        """Perspective's types of the table's columns."""
        return {name: each.kind for name, each in self.source(table_name).fields.items()}

    def table_size(self, table_name: str) -> int:
        """How many rows there are in the time range."""
        # By the range's name, not by its SQL, where now is another time in each question.
        key = "size", self.at.database, table_name, self.period
        return int(self.cache.get(key, lambda: self._size(self._view(table_name, {}))))

    def table_make_view(self, table_name: str, view_name: str, config: dict[str, Any]) -> None:
        """Remember what the view asks for; its time range is settled now."""
        view = self._view(table_name, config)
        view.check()
        if view.period.end is None:
            view = replace(view, period=replace(view.period, end=self._after_newest(view)))
        self.views[view_name] = view

    def table_describe(self, table_name: str, config: dict[str, Any]) -> dict[str, Any]:
        """The schema that a view would have, or what is wrong with its configuration."""
        try:
            view = self._view(table_name, config)
            view.check()
        except HistoryError as error:
            return {"config_error": str(error)}
        return {"expression_schema": {}, "view_schema": view.schema}

    def _view(self, table_name: str, config: dict[str, Any]) -> View:
        return View(self.source(table_name), config, Range.parse(self.period, int(self.clock() * 1000)))

    def _after_newest(self, view: View) -> int | None:
        """Epoch milliseconds after the newest row; None where there is none.

        Rows that come later are not in a view: they would move all others while somebody scrolls through them.
        """
        time = view.source.time
        sql = f"SELECT {time.select(f'LAST({time.sql})')} FROM {view.source.table.at.full_name}"
        newest = self.cache.get(("newest", sql), lambda: self.query(sql))
        return view.source.table.milliseconds(newest[0][0]) + 1 if newest and newest[0][0] is not None else None

    def view(self, view_name: str) -> View:
        """The view of that name. Raises HistoryError."""
        if view_name not in self.views:
            raise HistoryError("this view is not open any more")
        return self.views[view_name]

    def view_delete(self, view_name: str) -> None:
        """Forget the view."""
        self.views.pop(view_name, None)

    def view_schema(self, view_name: str, config: Any = None) -> dict[str, str]:
        """Perspective's types of the view's columns."""
        return {name: of.kind for name, of in self._columns(self.view(view_name)).items()}

    def _columns(self, view: View) -> dict[str, Field]:
        """The columns that are shown, by name; side by side where the view is split."""
        if view.splits:
            return splits.columns(view, self.query)
        return {each.name: view.valued(each) for each in view.columns}

    def view_size(self, view_name: str) -> int:
        """How many rows the view has."""
        view = self.view(view_name)
        if view.is_pivot:
            return len(self._groups(view))
        if view.size is None:
            view.size = self._size(view)
        return view.size

    def view_column_size(self, view_name: str, config: Any = None) -> int:
        """How many columns the view has."""
        return len(self._columns(self.view(view_name)))

    def _size(self, view: View) -> int:
        found = self.query(f"SELECT COUNT(*) FROM {view.source.table.at.full_name}{view.where}")
        return int(found[0][0]) if found else 0

    def view_get_min_max(self, view_name: str, column_name: str, config: Any = None) -> tuple[Any, Any]:
        """The least and the greatest value of a column, for colour scales; in a pivot, of its leaves."""
        view = self.view(view_name)
        of = view.source.field(column_name)
        if view.is_pivot:
            places = [at for at in range(len(self._columns(view))) if view.columns[at % len(view.columns)] is of]
            leaves = [row for row in self._groups(view) if len(row.path) == len(view.levels)]
            rows = [row.beside if view.splits else row.values for row in leaves]
            values = [row[at] for row in rows for at in places if row[at] is not None]
            return (min(values), max(values)) if values else (None, None)
        if not of.groups or of.kind == "boolean":
            return None, None
        words = ("FIRST", "LAST") if of.is_time else ("MIN", "MAX")
        asked = ", ".join(of.select(f"{word}({of.sql})") for word in words)
        found = self.query(f"SELECT {asked} FROM {view.source.table.at.full_name}{view.where}")
        low, high = found[0] if found else (None, None)
        return converted(of, low), converted(of, high)

    def view_get_data(self, view_name: str, config: Any, schema: Any, viewport: dict[str, Any], data: Any) -> None:
        """Write the rows and columns of the viewport to `data`, as Arrow.

        Of more rows than an answer has, as a chart of raw rows asks for, the newest; where they are sorted by something
        else, the first.
        """
        view = self.view(view_name)
        begin, end = int(viewport.get("start_row") or 0), viewport.get("end_row")
        shown, named = slice(viewport.get("start_col") or 0, viewport.get("end_col")), self._columns(view)
        most = min(limits.MAX_ROWS, limits.MAX_VALUES // max(1, len(list(named)[shown])))
        if end is None or end - begin > most:
            end = min(self.view_size(view_name), math.inf if end is None else end)
        count = max(0, int(end) - begin)
        if count > most and view.is_pivot:
            raise HistoryError(f"{count:,} groups are more than the {most:,} of one answer: narrow the time range")
        if count > most:
            begin += count - most if rows.is_oldest_first(view) else 0
            count = most
        if view.is_pivot:
            data.from_arrow_ipc(pivots.page(view, self._groups(view)[begin : begin + count], named, shown))
        else:
            data.from_arrow_ipc(rows.page(view, self.query, begin, count, named, shown))

    def _groups(self, view: View) -> list[Group]:
        """All rows of a pivot, which are held from now on as long as there is room for them."""
        groups = pivots.groups(view, self.query)
        self.cache.hold(view)
        return groups
