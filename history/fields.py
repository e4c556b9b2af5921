"""What a view may name: a table's columns, and its time by second, minute, hour and day; and what each can do."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pyarrow as pa

from history.errors import HistoryError
from tdengine.arrow import may_be_long
from tdengine.describing import Column
from tdengine.sql import quote
from tdengine.table import Table

BUCKETS = {
    "second": "1s",
    "5 seconds": "5s",
    "15 seconds": "15s",
    "minute": "1m",
    "2 minutes": "2m",
    "10 minutes": "10m",
    "hour": "1h",
    "6 hours": "6h",
    "day": "1d",
}
"""What a table's time can be grouped by, and TDengine's word for it."""

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

KEEPS_TYPE = {"first", "last", "min", "max", "mode"}
"""The aggregates whose values are of the column's own type."""

COUNTS = {"count", "approx distinct count"}

OVERFLOWS = {"stddev": 32, "sum": 64, "avg": 64}
"""The aggregates that TDengine computes in integers, from how many bits of its column on they overflow, without a word:
STDDEV of INT UNSIGNED is 3.1e9 for values with 1.8e9, SUM of BIGINT UNSIGNED is cut to 64 bits (3.3.7.5)."""

_COMPARISONS = ["==", "!=", ">", ">=", "<", "<="]
NULLS = ["is null", "is not null"]
FILTER_OPS = {
    "integer": [*_COMPARISONS, "in", "not in", *NULLS],
    "float": [*_COMPARISONS, "in", "not in", *NULLS],
    "string": [*_COMPARISONS, "begins with", "contains", "ends with", "in", "not in", *NULLS],
    "boolean": ["==", "!=", *NULLS],
    "datetime": [*_COMPARISONS, *NULLS],
}


def kind_of(type_: pa.DataType) -> str:
    """Perspective's name for an Arrow type.

    Its own integers have 32 bits, but those of a virtual server's answer are passed on as doubles where they are wider,
    and shown as integers all the same (5.6.1).
    """
    if pa.types.is_boolean(type_):
        return "boolean"
    if pa.types.is_timestamp(type_):
        return "datetime"
    if pa.types.is_integer(type_):
        return "integer"
    return "float" if pa.types.is_floating(type_) else "string"


@dataclass(frozen=True)
class Field:
    """One column as Perspective sees it: what it is in SQL, its type, and how a value of taosws becomes one of it."""

    name: str
    sql: str
    arrow: pa.DataType
    convert: Callable[[Any], Any] | None
    groups: bool = True
    window: str = ""
    """Of a bucket of several units: what INTERVAL takes, as TIMETRUNCATE knows single ones alone."""
    digits: bool = False
    """Whether values are numbers that are shown as text."""
    whole: bool = False
    """Whether the values, which may be too large for an integer of Arrow's, are whole numbers all the same."""

    @property
    def kind(self) -> str:
        """Perspective's name of the type."""
        return "integer" if self.whole else kind_of(self.arrow)

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
            made.append(_field(column, arrow, self.table))
        if self.table.has_tags:
            made.append(Field("tbname", "tbname", pa.string(), None))
        time = made[0]
        names = {each.name for each in made}
        for name, unit in BUCKETS.items():
            label = f"{time.name} by {name}"
            while label in names:  # a column of the user's own
                label += "_"
            if unit.startswith("1") and unit[1:].isalpha():
                made.append(Field(label, f"TIMETRUNCATE({time.sql}, {unit})", time.arrow, time.convert))
            else:
                made.append(Field(label, time.sql, time.arrow, self._truncated(unit), window=unit))
        return {each.name: each for each in made}

    def _truncated(self, unit: str) -> Callable[[int], int]:
        """How a timestamp becomes the begin of its bucket, in epoch milliseconds."""
        length = int(unit[:-1]) * {"s": 1, "m": 60, "h": 3600}[unit[-1]] * self.table.second
        return lambda timestamp: self.table.milliseconds(timestamp // length * length)

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


def _field(column: Column, shown: pa.Field, table: Table) -> Field:
    if pa.types.is_timestamp(shown.type):
        return Field(shown.name, quote(column.name), shown.type, table.milliseconds)
    convert = table.arrow(column)[1]
    opaque = column.type.partition("(")[0] in ("VARBINARY", "GEOMETRY", "BLOB", "JSON")
    digits = may_be_long(column) and column.name in table.at.text
    return Field(shown.name, quote(column.name), shown.type, convert, groups=not opaque, digits=digits)
