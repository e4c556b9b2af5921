"""A table of TDengine's, described: its columns, its key, what to select from it, and its rows as Arrow."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter
from typing import Any

import pyarrow as pa
import taosws

from tdengine.arrow import array, arrow_type, ipc_stream, is_long, may_be_long
from tdengine.describing import TICKS_PER_SECOND, Column, describe, precision_of
from tdengine.names import shown_names
from tdengine.settings import Settings
from tdengine.sql import quote

Row = tuple[Any, ...]
"""One row as taosws returns it, with timestamps as integers of the database's precision."""


@dataclass(frozen=True)
class Table:
    """A described table: what to select from it, which columns are its key, and how its rows become Arrow."""

    at: Settings
    columns: tuple[Column, ...]
    precision: str

    @cached_property
    def has_tags(self) -> bool:
        """Whether it is a super table (or a child of one): its rows come from many tables, told apart by `tbname`."""
        return any(column.note == "TAG" for column in self.columns)

    @cached_property
    def second(self) -> int:
        """One second in the timestamps of this table."""
        return TICKS_PER_SECOND[self.precision]

    @cached_property
    def time(self) -> str:
        """The quoted name of the timestamp column, which is always the first and always (part of) the key."""
        return quote(self.columns[0].name)

    @cached_property
    def select(self) -> str:
        """`SELECT ... FROM ...`: times as integers, which need no parsing and no zone; `tbname` last with tags."""
        expressions = [
            f"CAST({quote(column.name)} AS BIGINT)" if column.type == "TIMESTAMP" else quote(column.name)
            for column in self.columns
        ]
        if self.has_tags:
            expressions.append("tbname")
        return f"SELECT {', '.join(expressions)} FROM {self.at.full_name}"

    @cached_property
    def key_columns(self) -> list[str]:
        """The key's columns besides the timestamp as SQL names them; none where no two rows share a timestamp."""
        names = [quote(column.name) for column in self.columns[1:] if "KEY" in column.note]
        return [*names, "tbname"] if self.has_tags else names

    @cached_property
    def order(self) -> str:
        """The same as ORDER BY takes them, or nothing."""
        return ", ".join(self.key_columns)

    @cached_property
    def key(self) -> Callable[[Row], Any]:
        """What tells two rows apart: the timestamp, with a composite key that too, in a super table `tbname` too."""
        places = [place for place, column in enumerate(self.columns) if place == 0 or "KEY" in column.note]
        if self.has_tags:
            places.append(len(self.columns))
        return itemgetter(*places)

    @cached_property
    def names(self) -> list[str]:
        """What the columns are shown as; `tbname`, which a super table's rows have besides, is called just that."""
        return shown_names([column.name for column in self.columns], ["tbname"] if self.has_tags else [])

    @property
    def tags(self) -> list[str]:
        """What a super table's tags are shown as."""
        return [name for name, column in zip(self.names, self.columns, strict=True) if column.note == "TAG"]

    @property
    def renamed(self) -> dict[str, str]:
        """The columns that are shown under another name than their own, and under which."""
        pairs = zip(self.columns, self.names, strict=True)
        return {column.name: shown for column, shown in pairs if shown != column.name}

    @cached_property
    def schema(self) -> pa.Schema:
        """The Arrow schema of the rows: no type of TDengine's loses anything in it but a time's digits below 1 ms.

        (And a DECIMAL what a double has no digits for, unless it is shown as text.)
        """
        columns = zip(self.names, self.columns, strict=True)
        fields = [pa.field(name, self.arrow(column)[0]) for name, column in columns]
        if self.has_tags:
            fields.append(pa.field("tbname", pa.string()))
        return pa.schema(fields)

    def arrow(self, column: Column) -> tuple[pa.DataType, Callable[[Any], Any] | None]:
        """The Arrow type of one of the columns, and how its values become one of it."""
        return arrow_type(column, column.name in self.at.text)

    def long(self, rows: Sequence[Row]) -> frozenset[str]:
        """The columns in which rows have numbers with more digits than a browser keeps, and that are not text yet."""
        places = [
            place
            for place, column in enumerate(self.columns)
            if column.name not in self.at.text and may_be_long(column)
        ]
        return frozenset(self.columns[place].name for place in places if any(is_long(row[place]) for row in rows))

    def to_arrow(self, rows: Sequence[Row]) -> bytes:
        """Rows as one Arrow IPC stream, the form in which a Perspective table takes them fastest and without loss."""
        arrays = []
        for (of, convert), values in zip(self._arrow, _transpose(rows, len(self._arrow)), strict=True):
            if convert:
                values = [None if value is None else convert(value) for value in values]
            arrays.append(array(values, of))
        return ipc_stream(arrays, self.schema)

    @cached_property
    def _arrow(self) -> list[tuple[pa.DataType, Callable[[Any], Any] | None]]:
        """The Arrow type of each value of a row, and how the value becomes one of it where it is not so already."""
        converts = [self.arrow(column)[1] for column in self.columns]
        if self.has_tags:
            converts.append(None)
        types = self.schema.types
        if self.precision != "ms":
            converts = [
                self.milliseconds if pa.types.is_timestamp(of) else convert
                for of, convert in zip(types, converts, strict=True)
            ]
        return list(zip(types, converts, strict=True))

    def milliseconds(self, timestamp: int) -> int:
        """A timestamp of this table as epoch milliseconds."""
        return timestamp // (self.second // 1000)


def open_table(connection: taosws.Connection, at: Settings) -> Table:
    """Describe the table. Raises taosws.QueryError, and TDengineError for a column type that is not known here."""
    table = Table(at, tuple(describe(connection, at)), precision_of(connection, at.database) or "ms")
    for column in table.columns:
        arrow_type(column)
    return table


def same(one: Row, other: Row) -> bool:
    """Whether two rows hold the same values; unlike `==` it takes NaN to be the same as NaN."""
    return one == other or all(
        a == b or (isinstance(a, float) and isinstance(b, float) and math.isnan(a) and math.isnan(b))
        for a, b in zip(one, other, strict=True)
    )


def _transpose(rows: Sequence[Row], width: int) -> Sequence[Sequence[Any]]:
    return list(zip(*rows, strict=True)) if rows else [()] * width
