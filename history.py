"""A Perspective virtual server over TDengine: whole tables, of which only what is on the screen is ever read.

Perspective asks for the rows and columns that it shows, and each time the question is put to TDengine: filters are
WHERE, sorts are ORDER BY, a viewport is LIMIT and OFFSET, each level of a pivot is a GROUP BY. No table is copied.

A table has columns of its own here besides TDengine's: `timestamp by minute` and the like, to group by. Expressions
are off, because they would be SQL written by a viewer; so is split_by, for which TDengine has no words.
"""

import math
import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from itertools import accumulate
from typing import Any, Protocol
from weakref import ref

import pyarrow as pa
from perspective.virtual_servers import VirtualServerHandler

import tdengine
from tdengine import Column, Settings, Table, arrow_type, quote

MAX_ROWS = 20_000
"""Rows of one answer."""

MAX_GROUPS = 50_000
"""Rows of a pivot, which are held while its view is open, as long as there is room for them:"""
MAX_VALUES = 1_000_000
"""Values of one answer, of one pivot, and of all pivots that are held: some 50 MB."""

TIME_BUCKETS = 1000
"""Into how many pieces time is cut to find them."""

MAX_LEVELS = 6
MAX_TABLES = 1000

FAR = 20_000
"""An offset beyond which rows are found by their time, where they are ordered by it: OFFSET counts row by row."""

BUCKETS = {"second": "1s", "minute": "1m", "hour": "1h", "day": "1d"}
"""What a table's time can be grouped by, and TIMETRUNCATE's word for it."""

_NUMBER = {
    "sum": "SUM({})",
    "count": "COUNT(*)",
    "avg": "AVG({})",
    "min": "MIN({})",
    "max": "MAX({})",
    "first": "FIRST({})",
    "last": "LAST({})",
    "spread": "SPREAD({})",
    "stddev": "STDDEV({})",
    "approx median": "APERCENTILE({}, 50)",
    "mode": "MODE({})",
    "approx distinct count": "HYPERLOGLOG({})",
}
AGGREGATES: dict[str, dict[str, str]] = {
    "integer": _NUMBER,
    "float": _NUMBER,
    "string": {
        name: _NUMBER[name] for name in ("count", "first", "last", "min", "max", "mode", "approx distinct count")
    },
    "boolean": {name: _NUMBER[name] for name in ("count", "first", "last", "mode")},
    "datetime": {name: _NUMBER[name] for name in ("count", "first", "last")},
}
"""The aggregates of each of Perspective's types, the default one first, as TDengine says them."""

_KEEPS_TYPE = {"first", "last", "min", "max", "mode"}

_COMPARISONS = ["==", "!=", ">", ">=", "<", "<="]
_NULLS = ["is null", "is not null"]
FILTER_OPS = {
    "integer": [*_COMPARISONS, "in", "not in", *_NULLS],
    "float": [*_COMPARISONS, "in", "not in", *_NULLS],
    "string": [*_COMPARISONS, "begins with", "contains", "ends with", "in", "not in", *_NULLS],
    "boolean": ["==", "!=", *_NULLS],
    "datetime": [*_COMPARISONS, *_NULLS],
}


class Connection(Protocol):
    """What puts a statement to TDengine, as a connection of taosws does."""

    def query(self, sql: str) -> Iterable[tuple[Any, ...]]:
        """The rows of the result."""


class HistoryError(Exception):
    """A question that is not answered. Its text says why, and what to ask instead."""


@dataclass(frozen=True)
class Range:
    """Which time is asked about, in epoch milliseconds: [begin, end), open where None."""

    begin: int | None = None
    end: int | None = None

    @classmethod
    def parse(cls, text: str, now_ms: int) -> "Range":
        """`all`, `1m`, `1h`, `1d` and so on before now, or `begin-end` in epoch milliseconds. Raises HistoryError."""
        if text == "all":
            return cls()
        if match := re.fullmatch(r"([1-9]\d{0,3})([smhd])", text):
            seconds = int(match[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[match[2]]
            return cls(now_ms - seconds * 1000, now_ms + 1)
        if match := re.fullmatch(r"(\d{1,14})-(\d{1,14})", text):
            return cls(int(match[1]), int(match[2]))
        raise HistoryError(f"{text[:40]!r} is no time range: all, 30s, 5m, 1h, 7d, or two times in epoch milliseconds")


def kind_of(type_: pa.DataType) -> str:
    """Perspective's name for an Arrow type. Its integers have 32 bits, so wider ones are its floats."""
    if pa.types.is_boolean(type_):
        return "boolean"
    if pa.types.is_timestamp(type_):
        return "datetime"
    if pa.types.is_integer(type_):
        return "float" if type_.bit_width == 64 or type_ == pa.uint32() else "integer"
    return "float" if pa.types.is_floating(type_) else "string"


@dataclass(frozen=True)
class Field:
    """One column as Perspective sees it: what it is in SQL, its type, and how a value of taosws becomes one of it."""

    name: str
    sql: str
    arrow: pa.DataType
    convert: Callable[[Any], Any] | None
    groups: bool = True

    @property
    def kind(self) -> str:
        """Perspective's name of the type."""
        return kind_of(self.arrow)

    @property
    def is_time(self) -> bool:
        """Whether values are timestamps, which are read as integers and need no parsing."""
        return self.kind == "datetime"

    def select(self, expression: str) -> str:
        """The expression as it is to be read."""
        return f"CAST({expression} AS BIGINT)" if self.is_time else expression


@dataclass
class Source:
    """A described table, its fields by name, and the first of them: its time."""

    table: Table

    @cached_property
    def fields(self) -> dict[str, Field]:
        """All that a view may name: the table's columns, `tbname` of a super table, its time by second and so on."""
        made = []
        for column, arrow in zip(self.table.columns, self.table.schema, strict=False):
            made.append(_field(column, arrow.type, self.table))
        if self.table.has_tags:
            made.append(Field("tbname", "tbname", pa.string(), None))
        time = made[0]
        for name, unit in BUCKETS.items():
            label = f"{time.name} by {name}"
            made.append(Field(label, f"TIMETRUNCATE({time.sql}, {unit})", time.arrow, time.convert))
        return {each.name: each for each in made}

    @property
    def time(self) -> Field:
        """The timestamp that is the table's key."""
        return next(iter(self.fields.values()))

    def ticks(self, epoch_ms: float) -> int:
        """Epoch milliseconds in the precision of the table."""
        return math.floor(epoch_ms * (self.table.second // 1000))

    def field(self, name: Any) -> Field:
        """The field of that name. Raises HistoryError."""
        found = self.fields.get(name) if isinstance(name, str) else None
        if found is None:
            raise HistoryError(f"{self.table.at.table} has no column {str(name)[:80]!r}")
        return found


def _field(column: Column, arrow: pa.DataType, table: Table) -> Field:
    if pa.types.is_timestamp(arrow):
        return Field(column.name, quote(column.name), arrow, table.milliseconds)
    convert = arrow_type(column)[1]
    opaque = column.type.partition("(")[0] in ("VARBINARY", "GEOMETRY", "BLOB", "JSON")
    return Field(column.name, quote(column.name), arrow, convert, groups=not opaque)


def literal(text: str) -> str:
    """A string as TDengine's SQL takes it."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def pattern(text: str) -> str:
    """A string as it has to stand in a LIKE to mean itself."""
    return re.sub(r"([\\%_])", r"\\\1", text)


@dataclass
class View:
    """A view that is open: what it asks for, checked, and what has been found out for it."""

    source: Source
    config: dict[str, Any]
    period: Range
    size: int | None = None
    groups: "list[Group] | None" = None
    starts: "list[tuple[int, int]] | None" = None
    """Of time buckets: where each begins, and how many rows there are before it."""

    @cached_property
    def columns(self) -> list[Field]:
        """The fields that are shown: all of TDengine's where the configuration names none."""
        names = [name for name in self.config.get("columns") or [] if name is not None]
        return [self.source.field(name) for name in names or self.source.table.schema.names]

    @cached_property
    def levels(self) -> list[Field]:
        """The fields that are grouped by, the outermost first."""
        levels = [self.source.field(name) for name in self.config.get("group_by") or []]
        for each in levels:
            if not each.groups:
                raise HistoryError(f"TDengine cannot group by {each.name!r}")
        if len(levels) > MAX_LEVELS or len(set(levels)) < len(levels):
            raise HistoryError(f"up to {MAX_LEVELS} columns can be grouped by, each once")
        return levels

    @property
    def rollup(self) -> str:
        """Which rows a pivot has: "rollup" for all levels, "flat" for the leaves, "total" for one row."""
        return str(self.config.get("group_rollup_mode") or "rollup")

    @property
    def is_pivot(self) -> bool:
        """Whether rows are groups."""
        return bool(self.levels) or self.rollup == "total"

    @cached_property
    def asked(self) -> list[Field]:
        """The columns of a pivot, and those that are only sorted by."""
        hidden = [of for of, _ in self.sorts if of not in self.columns and of not in self.levels]
        return [*self.columns, *hidden]

    @property
    def width(self) -> int:
        """How many values a group has."""
        return len(self.levels) + len(self.asked)

    @property
    def held(self) -> int:
        """How many values are held."""
        return len(self.groups or []) * self.width

    @cached_property
    def sorts(self) -> list[tuple[Field, str]]:
        """What to sort by, the most important first."""
        sorts = [(self.source.field(name), str(op)) for name, op in self.config.get("sort") or []]
        for of, op in sorts:
            absolute = op in ("asc abs", "desc abs") and of.kind in ("integer", "float")
            if op not in ("asc", "desc", "none") and not absolute:
                raise HistoryError(f"history cannot sort {of.name!r} by {op[:20]!r}")
        return [(of, op) for of, op in sorts if op != "none"]

    @cached_property
    def where(self) -> str:
        """The time range and the filters."""
        time = self.source.time.sql
        bounds = [
            f"{time} {op} {self.source.ticks(bound)}"
            for op, bound in ((">=", self.period.begin), ("<", self.period.end))
            if bound is not None
        ]
        filters = [self._filter(*each) for each in self.config.get("filter") or []]
        if filters:
            joined = " OR " if str(self.config.get("filter_op") or "and").lower() == "or" else " AND "
            bounds.append(f"({joined.join(filters)})")
        return f" WHERE {' AND '.join(bounds)}" if bounds else ""

    def _filter(self, name: Any, op: Any, value: Any = None) -> str:
        """One filter as SQL. Raises HistoryError."""
        of = self.source.field(name)
        if op not in FILTER_OPS[of.kind] or (not of.groups and op not in _NULLS):
            raise HistoryError(f"history has no filter {str(op)[:20]!r} for {of.name!r}")
        if op in _NULLS:
            return f"{of.sql} {op.upper()}"
        if op in ("in", "not in"):
            values = ", ".join(self._value(of, each) for each in (value if isinstance(value, list) else [value]))
            sql = f"{of.sql} {op.upper()} ({values})"
            return f"({sql} OR {of.sql} IS NULL)" if op == "not in" else sql
        if op in ("begins with", "contains", "ends with"):
            before, after = "" if op == "begins with" else "%", "" if op == "ends with" else "%"
            return f"{of.sql} LIKE {literal(before + pattern(str(value)) + after)}"
        sql = f"{of.sql} {'=' if op == '==' else op} {self._value(of, value)}"
        return f"({sql} OR {of.sql} IS NULL)" if op == "!=" else sql

    def _value(self, of: Field, value: Any) -> str:
        """A filter's value as SQL. Raises HistoryError where it is none of the column's type."""
        try:
            if of.kind == "string":
                return literal(str(value))
            if of.kind == "boolean":
                return {True: "true", False: "false", "true": "true", "false": "false"}[value]
            if of.is_time:
                return str(self.source.ticks(_epoch_ms(value)))
            number = float(value)
            if math.isfinite(number):
                return str(int(number)) if number.is_integer() and abs(number) < 2**63 else repr(number)
        except (KeyError, TypeError, ValueError):
            pass
        raise HistoryError(f"{str(value)[:40]!r} is no value for {of.name!r}")

    def aggregate(self, of: Field) -> tuple[str, Field]:
        """What a column of a pivot is in SQL, and the field that its values make."""
        offered = AGGREGATES[of.kind] if of.groups else {"count": "COUNT(*)"}
        chosen = (self.config.get("aggregates") or {}).get(of.name, next(iter(offered)))
        chosen = chosen[0] if isinstance(chosen, list) and len(chosen) == 1 else chosen
        if not isinstance(chosen, str) or chosen not in offered:
            raise HistoryError(f"TDengine has no aggregate {str(chosen)[:40]!r} for {of.name!r}")
        sql = offered[chosen].format(of.sql)
        if chosen in _KEEPS_TYPE:
            return of.select(sql), of
        return sql, Field(of.name, sql, pa.float64(), float)

    def check(self) -> None:
        """Raises HistoryError for whatever in the configuration cannot be asked."""
        if self.config.get("expressions") or self.config.get("split_by") or self.config.get("windows"):
            raise HistoryError("history has no expressions and no split: group by more columns instead")
        _ = self.columns, self.levels, self.sorts, self.where, self.schema

    @cached_property
    def schema(self) -> dict[str, str]:
        """Perspective's types of the columns that are shown."""
        if not self.is_pivot:
            return {each.name: each.kind for each in self.columns}
        return {each.name: self.aggregate(each)[1].kind for each in self.columns}


@dataclass
class Group:
    """One row of a pivot: its path of group values, from the outermost on, and the values of its columns."""

    path: tuple[Any, ...]
    values: tuple[Any, ...]
    children: "list[Group]" = field(default_factory=list)


def _epoch_ms(value: Any) -> float:
    """A time of Perspective's, a number or ISO text (UTC where it does not say), as epoch milliseconds."""
    if isinstance(value, int | float):
        return float(value)
    moment = datetime.fromisoformat(str(value))
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000


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


class TDengineVirtualServerHandler(VirtualServerHandler):
    """Perspective's questions, answered by TDengine. One for each viewer; its methods are called one at a time.

    `period` is a time range as Range.parse takes it; `clock` gives epoch seconds, for time ranges that end now.
    Whatever these methods raise becomes the error that the viewer is shown.
    """

    def __init__(
        self, connection: Connection, at: Settings, period: str, cache: "Cache", clock: Callable[[], float] = time.time
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
            "split_by": False,
            "sort": True,
            "expressions": False,
            "group_rollup_mode": ["rollup", "flat", "total"],
            "filter_ops": FILTER_OPS,
            "aggregates": {kind: list(names) for kind, names in AGGREGATES.items()},
        }

    def get_hosted_tables(self) -> list[str]:
        """The tables and super tables of the database; children are in their super tables."""
        found: list[str] = self.cache.get(("tables",), self._tables)
        return found

    def _tables(self) -> list[str]:
        database = literal(self.at.database)
        schema = "information_schema"
        plain = f"SELECT table_name FROM {schema}.ins_tables WHERE db_name = {database} AND type = 'NORMAL_TABLE'"
        stable = f"SELECT stable_name FROM {schema}.ins_stables WHERE db_name = {database}"
        rows = self.query(f"{plain} LIMIT {MAX_TABLES}") + self.query(f"{stable} LIMIT {MAX_TABLES}")
        return sorted(str(name) for (name,) in rows)

    def source(self, table_name: str) -> Source:
        """The table of that name, described. Raises HistoryError, or an error of taosws."""
        if table_name not in self.get_hosted_tables():
            raise HistoryError(f"there is no table {table_name[:80]!r} in {self.at.database}")
        found: Source = self.cache.get(("source", table_name), lambda: self._source(table_name))
        return found

    def _source(self, table_name: str) -> Source:
        return Source(tdengine.open_table(self.connection, replace(self.at, table=table_name)))

    def table_schema(self, table_name: str, config: Any = None) -> dict[str, str]:
        """Perspective's types of the table's columns."""
        return {name: each.kind for name, each in self.source(table_name).fields.items()}

    def table_size(self, table_name: str) -> int:
        """How many rows there are in the time range."""
        # By the range's name, not by its SQL, where now is another time in each question.
        return int(self.cache.get(("size", table_name, self.period), lambda: self._size(self._view(table_name, {}))))

    def table_make_view(self, table_name: str, view_name: str, config: dict[str, Any]) -> None:
        """Remember what the view asks for; its time range is settled now."""
        view = self._view(table_name, config)
        view.check()
        if view.period.end is None and not view.is_pivot:
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
        return self.view(view_name).schema

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
        return len(self.view(view_name).schema)

    def _size(self, view: View) -> int:
        rows = self.query(f"SELECT COUNT(*) FROM {view.source.table.at.full_name}{view.where}")
        return int(rows[0][0]) if rows else 0

    def view_get_min_max(self, view_name: str, column_name: str, config: Any = None) -> tuple[Any, Any]:
        """The least and the greatest value of a column, for colour scales; in a pivot, of its leaves."""
        view = self.view(view_name)
        of = view.source.field(column_name)
        if view.is_pivot:
            at = [each.name for each in view.columns].index(column_name)
            leaves = [row.values[at] for row in self._groups(view) if len(row.path) == len(view.levels)]
            values = [value for value in leaves if value is not None]
            return (min(values), max(values)) if values else (None, None)
        if not of.groups or of.kind == "boolean":
            return None, None
        words = ("FIRST", "LAST") if of.is_time else ("MIN", "MAX")
        asked = ", ".join(of.select(f"{word}({of.sql})") for word in words)
        rows = self.query(f"SELECT {asked} FROM {view.source.table.at.full_name}{view.where}")
        low, high = rows[0] if rows else (None, None)
        return _converted(of, low), _converted(of, high)

    def view_get_data(self, view_name: str, config: Any, schema: Any, viewport: dict[str, Any], data: Any) -> None:
        """Write the rows and columns of the viewport to `data`, as Arrow."""
        view = self.view(view_name)
        begin, end = int(viewport.get("start_row") or 0), viewport.get("end_row")
        shown = slice(viewport.get("start_col") or 0, viewport.get("end_col"))
        most = min(MAX_ROWS, MAX_VALUES // max(1, len(view.columns[shown])))
        if end is None or end - begin > most:
            end = min(self.view_size(view_name), math.inf if end is None else end)
        rows = max(0, int(end) - begin)
        if rows > most:
            raise HistoryError(f"{rows:,} rows are more than the {most:,} of one answer: narrow the time range")
        data.from_arrow_ipc(
            self._pivot(view, begin, rows, shown) if view.is_pivot else self._flat(view, begin, rows, shown)
        )

    # Rows.

    def _flat(self, view: View, begin: int, rows: int, shown: slice) -> bytes:
        """Rows of the table, by LIMIT and OFFSET; those far into it by their time, where they are ordered by it."""
        columns = view.columns[shown]
        time = view.source.time
        by = [f"ABS({each.sql}) {op[:-4]}" if op.endswith("abs") else f"{each.sql} {op}" for each, op in view.sorts]
        where = view.where
        if begin > FAR and (not view.sorts or (view.sorts[0][0] is time and view.sorts[0][1] in ("asc", "desc"))):
            begin, where = self._from_time(view, begin)
        if not any(each is time for each, _ in view.sorts):
            by.append(time.sql)
        listed = ", ".join(each.select(each.sql) for each in columns) or time.select(time.sql)
        sql = f"SELECT {listed} FROM {view.source.table.at.full_name}{where} ORDER BY {', '.join(by)}"
        found = self.query(f"{sql} LIMIT {rows} OFFSET {begin}") if rows else []
        return _arrow([(each.name, each, at) for at, each in enumerate(columns)], found)

    def _from_time(self, view: View, begin: int) -> tuple[int, str]:
        """The offset, and the WHERE, that give the rows from `begin` on without counting all those before them."""
        descending = bool(view.sorts) and view.sorts[0][1] == "desc"
        if view.starts is None:
            view.starts = self._buckets(view, descending)
        before = [(at, rows) for at, rows in view.starts if rows <= begin]
        if not before:
            return begin, view.where
        at, rows = before[-1]
        bound = f"{view.source.time.sql} {'<' if descending else '>='} {at}"
        return begin - rows, f"{view.where} AND {bound}" if view.where else f" WHERE {bound}"

    def _buckets(self, view: View, descending: bool) -> list[tuple[int, int]]:
        """Where time buckets begin (or end, where time descends), and how many rows there are before each."""
        time, table = view.source.time, view.source.table.at.full_name
        asked = ", ".join(time.select(f"{word}({time.sql})") for word in ("FIRST", "LAST"))
        ends = self.query(f"SELECT {asked} FROM {table}{view.where}")
        if not ends or ends[0][0] is None:
            return []
        seconds = max(1, (ends[0][1] - ends[0][0]) // view.source.table.second // TIME_BUCKETS)
        rows = self.query(f"SELECT {asked}, COUNT(*) FROM {table}{view.where} INTERVAL({seconds}s)")
        rows.sort(reverse=descending)
        counts = [0, *accumulate(count for _, _, count in rows)]
        return [
            (last + 1 if descending else first, before) for (first, last, _), before in zip(rows, counts, strict=False)
        ]

    # Pivots.

    def _groups(self, view: View) -> list[Group]:
        """All rows of a pivot in the order of its tree. Raises HistoryError where there are too many."""
        if view.groups is None:
            view.groups = list(self._tree(view))
        self.cache.hold(view)
        return view.groups

    def _tree(self, view: View) -> Iterable[Group]:
        depth = len(view.levels)
        wanted = {"flat": [depth], "total": [0]}.get(view.rollup, range(depth + 1))
        by_path: dict[tuple[Any, ...], Group] = {}
        most = min(MAX_GROUPS, MAX_VALUES // view.width)
        for level in wanted:
            found = self._level(view, level, most + 1 - len(by_path))
            by_path.update((group.path, group) for group in found)
            if len(by_path) > most:
                raise HistoryError(f"more than {most:,} groups: narrow the time range, or group by fewer columns")
        roots: list[Group] = []
        for path, group in by_path.items():
            parent = by_path.get(path[:-1]) if path and view.rollup == "rollup" else None
            (roots if parent is None else parent.children).append(group)
        yield from self._ordered(view, roots)

    def _level(self, view: View, level: int, most: int) -> list[Group]:
        """The groups of one level of a pivot, by one GROUP BY; columns that are only sorted by come last."""
        levels = view.levels[:level]
        asked = [view.aggregate(each) for each in view.asked]
        keys = [each.select(each.sql) for each in levels]
        listed = ", ".join([*keys, *(sql for sql, _ in asked)]) or "COUNT(*)"
        grouped = f" GROUP BY {', '.join(keys)}" if keys else ""
        rows = self.query(f"SELECT {listed} FROM {view.source.table.at.full_name}{view.where}{grouped} LIMIT {most}")
        return [
            Group(
                tuple(_converted(of, value) for of, value in zip(levels, row[:level], strict=True)),
                tuple(_converted(of, value) for (_, of), value in zip(asked, row[level:], strict=False)),
            )
            for row in rows
        ] or ([Group((), (None,) * len(asked))] if level == 0 else [])

    def _ordered(self, view: View, groups: list[Group]) -> Iterable[Group]:
        """Groups, each before its children; siblings as the view sorts them, else by their value."""
        asked = view.asked

        def value(of: Field) -> Callable[[Group], Any]:
            if of in view.levels and of not in view.columns:
                return key(view.levels.index(of))
            at = asked.index(of)
            return lambda group: group.values[at]

        def key(level: int) -> Callable[[Group], Any]:
            return lambda group: group.path[level] if level < len(group.path) else None

        sorts = [(value(of), op) for of, op in view.sorts]
        sorts += [(key(level), "asc") for level in range(len(view.levels))]

        def in_order(siblings: list[Group]) -> Iterable[Group]:
            order(siblings, sorts)
            for group in siblings:
                yield group
                yield from in_order(group.children)

        return in_order(groups)

    def _pivot(self, view: View, begin: int, rows: int, shown: slice) -> bytes:
        """Rows of a pivot: which levels are rolled up, the path, and the columns."""
        groups = self._groups(view)[begin : begin + rows]
        depth = len(view.levels)
        found = []
        for group in groups:
            path = (*group.path, *[None] * (depth - len(group.path)))
            found.append(((1 << (depth - len(group.path))) - 1, *path, *group.values))
        columns: list[tuple[str, Field, int]] = []
        if view.rollup == "rollup" and depth:
            columns.append(("__GROUPING_ID__", Field("", "", pa.int32(), None), 0))
        for level, of in enumerate(view.levels):
            columns.append((f"__ROW_PATH_{level}__", of, 1 + level))
        for at, of in list(enumerate(view.columns))[shown]:
            columns.append((of.name, view.aggregate(of)[1], 1 + depth + at))
        return _arrow(columns, found, converted=True)


def _converted(of: Field, value: Any) -> Any:
    return value if value is None or of.convert is None else of.convert(value)


def _arrow(
    columns: Sequence[tuple[str, Field, int]], rows: Sequence[tuple[Any, ...]], converted: bool = False
) -> bytes:
    """Columns (name, field, place in a row) of rows as one Arrow IPC stream."""
    arrays = []
    for _, of, at in columns:
        values = [row[at] if converted else _converted(of, row[at]) for row in rows]
        arrays.append(pa.array(values, of.arrow))
    schema = pa.schema([(name, of.arrow) for name, of, _ in columns])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as stream:
        stream.write_batch(pa.record_batch(arrays, schema=schema))
    return bytes(sink.getvalue())


@dataclass
class Cache:
    """What was found out for all viewers of a process.

    Whatever is less than a second old, because a viewer asks for sizes and schemas many times over; and of pivots, the
    groups of those that were shown last.
    """

    clock: Callable[[], float]
    seconds: float = 1.0
    _found: dict[Any, tuple[float, Any]] = field(default_factory=dict)
    _held: list["ref[View]"] = field(default_factory=list)

    def get(self, key: Any, find: Callable[[], Any]) -> Any:
        """What is known under the key, or what `find` returns."""
        now = self.clock()
        if key in self._found and now - self._found[key][0] < self.seconds:
            return self._found[key][1]
        self._found = {other: known for other, known in self._found.items() if now - known[0] < self.seconds}
        value = find()
        self._found[key] = (self.clock(), value)
        return value

    def hold(self, view: View) -> None:
        """Note that a pivot is shown. Those for which there is no room then are let go, and asked anew when shown."""
        others = [known for each in self._held if (known := each()) is not None and known.held and known is not view]
        self._held = [ref(known) for known in (*others, view)]
        room = MAX_VALUES - view.held
        for known in reversed(others):
            room -= known.held
            if room < 0:
                known.groups = None
