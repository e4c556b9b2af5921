"""An expression on its way to DuckDB: its SQL, its TDengine type and, where it is known, its value."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any, Final

import pyarrow as pa

from embedded.types import BIGINT, BOOL, DOUBLE, NULL_TYPE, VARCHAR, Kind, Type


class _Unknown:
    """Marks an expression whose value is not known before it runs."""


UNKNOWN: Final = _Unknown()
_BIGINT = Type.of(BIGINT)


@dataclass(frozen=True)
class Typed:
    """`sql` is DuckDB SQL that stands alone as an operand; `value` is the Python value of a constant, else UNKNOWN.

    `exact` says that DuckDB's type is the one of `type` without a cast.
    """

    sql: str
    type: Type
    value: Any = UNKNOWN
    exact: bool = False

    @property
    def constant(self) -> bool:
        """Whether its value is known."""
        return self.value is not UNKNOWN

    @property
    def null(self) -> bool:
        """Whether it is the literal NULL."""
        return self.value is None


@dataclass(frozen=True)
class Edges:
    """The rows next to those of a window, for functions that go on to the window's edges (TWA, ELAPSED).

    `start` is the SQL of where the window begins and `size` its length in epoch units. `before` and `after` are columns
    that each row has with the timestamp of the row before and after it, and `values` for the SQL of an argument the
    columns with its values there.
    """

    start: str
    size: int
    before: str
    after: str
    values: dict[str, tuple[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Environment:
    """What functions may depend on besides their arguments.

    `time` is the SQL of the relation's primary timestamp (None if it has none), `now` the statement's instant in
    nanoseconds, `offset` the seconds that the session's zone is ahead of UTC, `partition` the SQL of the keys that rows
    are grouped by, `edges` what lies beside an INTERVAL, `helpers` the columns that functions asked for (Call.helper),
    `lists` the values of long INs, by the name of the table that has them in the column v.
    """

    precision: str
    time: str | None
    now: int
    offset: int
    zone: tzinfo | None
    zone_name: str
    database: str | None
    user: str
    partition: tuple[str, ...] = ()
    edges: Edges | None = None
    helpers: dict[tuple[str, ...], str] = field(default_factory=dict)
    lists: dict[str, pa.Table] = field(default_factory=dict)


def text_sql(value: str) -> str:
    """A DuckDB string literal."""
    return "'" + value.replace("'", "''") + "'"


def bytes_sql(value: bytes) -> str:
    """A DuckDB BLOB literal."""
    digits = "".join(f"\\x{byte:02x}" for byte in value)
    return f"'{digits}'::BLOB"


def integer(value: int, type_: Type = _BIGINT) -> Typed:
    """An integer constant (a timestamp too, by its type)."""
    return Typed(str(value) if value >= 0 else f"({value})", type_, value)


def double(value: float) -> Typed:
    """A DOUBLE constant; by way of text, which DuckDB reads without rounding twice."""
    return Typed(f"CAST('{value!r}' AS DOUBLE)", Type.of(DOUBLE), value)


def text(value: str) -> Typed:
    """A VARCHAR constant, as long as its bytes."""
    return Typed(text_sql(value), Type(VARCHAR, len(value.encode())), value, exact=True)


def constant(value: Any, type_: Type) -> Typed:
    """A value of a type, in a form that GROUP BY does not take for a column's number."""
    if value is None:
        return Typed(f"CAST(NULL AS {type_.duckdb})", type_, None, exact=True)
    if isinstance(value, bytes):
        return Typed(bytes_sql(value), type_, value, exact=True)
    sql = text_sql(value) if isinstance(value, str) else text_sql(repr(value))
    return Typed(f"CAST({sql} AS {type_.duckdb})", type_, value, exact=True)


def boolean(value: bool) -> Typed:
    """A BOOL constant."""
    return Typed("TRUE" if value else "FALSE", Type.of(BOOL), value, exact=True)


NULL = Typed("NULL", NULL_TYPE, None)


def floor_to(sql: str, unit: int, shift: int = 0) -> str:
    """The greatest multiple of `unit` (moved by `shift`) that is not above an integer; for negative ones too."""
    if not shift % unit:
        return f"({sql} - ({sql} % {unit} + {unit}) % {unit})"
    moved = f"({sql} - {shift % unit})"
    return f"({sql} - ({moved} % {unit} + {unit}) % {unit})"


def wrapped(sql: str, kind: Kind) -> str:
    """A HUGEINT in the range of an integer type, wrapped around as C does."""
    size = 2 ** (8 * kind.size)
    moved = f"((({sql}) - ({kind.low})) % {size} + {size}) % {size} + ({kind.low})"
    return f"CAST({moved} AS {kind.duckdb})"
