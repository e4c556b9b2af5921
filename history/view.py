"""A view that is open: its configuration, checked, and in SQL. What is shown of it is read by rows.py and pivots.py."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property
from typing import Any

import pyarrow as pa

from history import limits
from history.errors import HistoryError
from history.fields import AGGREGATES, COUNTS, FILTER_OPS, KEEPS_TYPE, NULLS, OVERFLOWS, Field, Source
from history.range import Range
from tdengine.sql import literal


@dataclass
class Group:
    """One row of a pivot: its path of group values, from the outermost on, and the values of its columns.

    The path is of TDengine's own values, which tell groups apart that are shown alike: times of a microsecond, say.
    """

    path: tuple[Any, ...]
    shown: tuple[Any, ...]
    values: tuple[Any, ...]
    children: "list[Group]" = field(default_factory=list)
    beside: Sequence[Any] = ()
    """Of a view that is split: the values of its columns side by side."""


@dataclass
class View:
    """A view that is open: what it asks for, checked, and what has been found out for it."""

    source: Source
    config: dict[str, Any]
    period: Range
    size: int | None = None
    groups: list[Group] | None = None
    sides: dict[tuple[Any, ...], tuple[Any, ...]] | None = None
    """Of a view that is split: TDengine's values of what it is split by, in order, and those that are shown."""
    starts: list[tuple[int, int]] | None = None
    """Of time buckets: where each begins, and how many rows there are before it."""

    @cached_property
    def columns(self) -> list[Field]:
        """The fields that are shown: all of TDengine's where the configuration names none.

        Groups without columns are just that: what a viewer asks for to suggest a column's values.
        """
        named = self.config.get("columns")
        names = [name for name in named or [] if name is not None]
        if named == [] and self.config.get("group_by"):
            return []
        return [self.source.field(name) for name in names or self.source.table.schema.names]

    @cached_property
    def levels(self) -> list[Field]:
        """The fields that are grouped by, the outermost first."""
        return self._grouping("group_by")

    @cached_property
    def splits(self) -> list[Field]:
        """The fields whose values stand side by side, the outermost first."""
        splits = self._grouping("split_by")
        if any(each.window for each in splits):
            raise HistoryError("time cut to several seconds, minutes or hours can be grouped by, not split by")
        return splits

    def _grouping(self, by: str) -> list[Field]:
        fields = [self.source.field(name) for name in self.config.get(by) or []]
        for each in fields:
            if not each.groups:
                raise HistoryError(f"TDengine cannot group by {each.name!r}")
        if len(fields) > limits.MAX_LEVELS or len(set(fields)) < len(fields):
            raise HistoryError(f"up to {limits.MAX_LEVELS} columns can be grouped by, each once")
        if sum(bool(each.window) for each in fields) > 1:
            raise HistoryError("time can be cut to several seconds, minutes or hours once in a pivot")
        return fields

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
        """What each group of a pivot is asked for: its columns, and those that are only sorted by.

        The columns of one that is split are asked for each side, but for those that are sorted by.
        """
        columns = [] if self.splits else self.columns
        sorted_by = [of for of, _ in self.sorts if of in self.columns or of not in self.levels]
        return list(dict.fromkeys([*columns, *sorted_by]))

    @property
    def width(self) -> int:
        """How many values a group has."""
        return len(self.levels) + len(self.asked) + len(self.sides or ()) * len(self.columns)

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
        filters = [self._filter(*each) for each in self.config.get("filter") or [] if self._says_something(*each)]
        if filters:
            joined = " OR " if str(self.config.get("filter_op") or "and").lower() == "or" else " AND "
            bounds.append(f"({joined.join(filters)})")
        return f" WHERE {' AND '.join(bounds)}" if bounds else ""

    def _says_something(self, name: Any, op: Any, value: Any = None) -> bool:
        """Whether a filter has a value. One that is still to be typed filters nothing, as in Perspective itself."""
        of = self.source.field(name)
        nothing = value is None or value == [] or (value == "" and of.kind != "string")
        return op in NULLS or not nothing

    def _filter(self, name: Any, op: Any, value: Any = None) -> str:
        """One filter as SQL. Raises HistoryError."""
        of = self.source.field(name)
        offered = FILTER_OPS["integer" if of.digits else of.kind]
        if op not in offered or (not of.groups and op not in NULLS):
            raise HistoryError(f"history has no filter {str(op)[:20]!r} for {of.name!r}")
        if op in NULLS:
            return f"{of.sql} {op.upper()}"
        if of.window and op in ("==", "!="):
            raise HistoryError(f"history has no filter {op!r} for {of.name!r}: filter its time by >= and <")
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
            if of.digits:
                return format(Decimal(str(value)), "f")
            if of.kind == "string":
                return literal(str(value))
            if of.kind == "boolean":
                return {True: "true", False: "false", "true": "true", "false": "false"}[value]
            if of.is_time:
                return str(self.source.ticks(_epoch_ms(value)))
            number = float(value)
            if math.isfinite(number):
                return str(int(number)) if number.is_integer() and abs(number) < 2**63 else repr(number)
        except (ArithmeticError, KeyError, TypeError, ValueError):
            pass
        raise HistoryError(f"{str(value)[:40]!r} is no value for {of.name!r}")

    def aggregate(self, of: Field) -> tuple[str, Field]:
        """What a column of a pivot is in SQL, and the field that its values make."""
        offered = AGGREGATES[of.kind] if of.groups else {"count": "COUNT(*)"}
        chosen = (self.config.get("aggregates") or {}).get(of.name, next(iter(offered)))
        chosen = chosen[0] if isinstance(chosen, list) and len(chosen) == 1 else chosen
        if not isinstance(chosen, str) or chosen not in offered:
            raise HistoryError(f"TDengine has no aggregate {str(chosen)[:40]!r} for {of.name!r}")
        bits = of.arrow.bit_width if pa.types.is_integer(of.arrow) else 0
        overflows = bits and bits >= OVERFLOWS.get(chosen, math.inf)
        sql = offered[chosen].format(f"CAST({of.sql} AS DOUBLE)" if overflows else of.sql)
        if chosen in KEEPS_TYPE:
            return of.select(sql), of
        whole = chosen in COUNTS or (bool(bits) and chosen in ("sum", "spread"))
        return sql, Field(of.name, sql, pa.float64(), float, whole=whole)

    def check(self) -> None:
        """Raises HistoryError for whatever in the configuration cannot be asked."""
        if self.config.get("expressions") or self.config.get("windows"):
            raise HistoryError("history has no expressions")
        _ = self.columns, self.levels, self.splits, self.sorts, self.where, self.schema

    @cached_property
    def schema(self) -> dict[str, str]:
        """Perspective's types of the columns that are shown."""
        return {each.name: self.valued(each).kind for each in self.columns}

    def valued(self, of: Field) -> Field:
        """The field that a column's values make in this view."""
        return self.aggregate(of)[1] if self.is_pivot else of


def pattern(text: str) -> str:
    """A string as it has to stand in a LIKE to mean itself."""
    return re.sub(r"([\\%_])", r"\\\1", text)


def _epoch_ms(value: Any) -> float:
    """A time of Perspective's, a number or ISO text (UTC where it does not say), as epoch milliseconds."""
    if isinstance(value, int | float):
        return float(value)
    moment = datetime.fromisoformat(str(value))
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000
