"""Values as other types: CAST, the types that hold several, and operands as numbers."""

from __future__ import annotations

from dataclasses import dataclass

from embedded import errors
from embedded.errors import TDengineError, unsupported
from embedded.sql import decimals
from embedded.sql.functions.call import text_instant
from embedded.sql.times import parse_time
from embedded.sql.typed import Environment, Typed, bytes_sql, integer, wrapped
from embedded.sql.values import to_bytes
from embedded.types import (
    BIGINT,
    BOOL,
    DOUBLE,
    FLOAT,
    JSON,
    JSON_LENGTH,
    NCHAR,
    NULL_TYPE,
    TIMESTAMP,
    VARBINARY,
    VARCHAR,
    Type,
)

_MOST_BYTES = 65519
_LEADING_NUMBER = r"^\s*[-+]?[0-9]*\.?[0-9]*([eE][-+]?[0-9]+)?"


@dataclass(frozen=True)
class JsonValue(Typed):
    """A value of a JSON tag: as the JSON that is shown, and as text, number or boolean (NULL where it is another).

    `missing` is SQL for whether there is none, or the JSON null.
    """

    string: str = ""
    number: str = ""
    boolean: str = ""
    missing: str = ""

    @classmethod
    def at(cls, extracted: str) -> JsonValue:
        """The value that DuckDB's `extracted` finds; TDengine shows numbers with nine digits."""
        sort = f"json_type({extracted})"
        number = f"CASE WHEN {sort} IN ('BIGINT', 'UBIGINT', 'DOUBLE') THEN CAST({extracted} AS DOUBLE) END"
        shown = (
            f"CASE {sort} WHEN 'NULL' THEN 'null' WHEN 'VARCHAR' THEN CAST({extracted} AS VARCHAR) "
            f"WHEN 'BOOLEAN' THEN CAST({extracted} AS VARCHAR) ELSE printf('%.9f', {number}) END"
        )
        return cls(
            f"({shown})",
            Type.of(JSON, JSON_LENGTH),
            string=f"(CASE WHEN {sort} = 'VARCHAR' THEN json_extract_string({extracted}, '$') END)",
            number=f"({number})",
            boolean=f"(CASE WHEN {sort} = 'BOOLEAN' THEN CAST({extracted} AS BOOLEAN) END)",
            missing=f"(coalesce({sort}, 'NULL') = 'NULL')",
        )


def instant(typed: Typed, env: Environment) -> str:
    """A value as epoch units; 0x2635 for a text that is no time."""
    if not typed.type.kind.text or typed.null:
        return number(typed)
    if not isinstance(typed.value, str):
        return text_instant(typed.sql, env)
    parsed = parse_time(typed.value, env.precision, env.zone)
    if parsed is None:
        raise TDengineError(errors.TIMESTAMP_VALUE, f"Incorrect TIMESTAMP value: {typed.value}")
    return integer(parsed).sql


def number(typed: Typed) -> str:
    """A value as a number that compares with others."""
    if isinstance(typed, JsonValue):
        return typed.number
    if typed.type.kind.raw or typed.type.kind is JSON:
        raise TDengineError(errors.INVALID_OPERATION, "Invalid operation")
    if typed.type.kind is BOOL:
        return f"CAST({typed.sql} AS INTEGER)"
    return f"TRY_CAST({typed.sql} AS DOUBLE)" if typed.type.kind.text else typed.sql


def double(typed: Typed) -> str:
    """A value as a DOUBLE, for arithmetic."""
    found = number(typed)
    return found if isinstance(typed, JsonValue) or typed.type.kind.text else f"CAST({found} AS DOUBLE)"


def check_length(target: Type) -> None:
    """0x2800 for a text of no bytes, or of more than there can be."""
    if target.kind.size == 0 and not 2 < target.wire_bytes <= _MOST_BYTES:
        most = f"{(_MOST_BYTES - 2) // 4}] NCHARS" if target.kind is NCHAR else f"{_MOST_BYTES - 2}] bytes"
        raise TDengineError(errors.FUNCTION, f"CAST function converted length should be in range (0, {most}")


def converted(value: Typed, target: Type, env: Environment) -> str:
    """CAST: numbers cut towards zero and wrap at the end of their range, texts give the number they begin with."""
    kind, source = target.kind, value.type.kind
    if value.null:
        return f"CAST(NULL AS {target.duckdb})"
    if source.raw or kind.raw or source is JSON or kind is JSON:
        return _bytes_converted(value, target)
    if kind is TIMESTAMP:
        return instant(value, env) if source.text else f"TRY_CAST({_whole(value)} AS BIGINT)"
    if kind.text:
        return _as_text(value, target)
    middle = target.duckdb if kind.decimal else "DOUBLE"
    sql = f"coalesce(TRY_CAST(regexp_extract({value.sql}, '{_LEADING_NUMBER}') AS {middle}), 0)"
    if source.text and kind.integer:
        digits = f"regexp_extract({value.sql}, '^\\s*[-+]?[0-9]+')"
        return _unless_null(value, wrapped(f"coalesce(TRY_CAST({digits} AS HUGEINT), 0)", kind))
    if source.text:
        return _unless_null(value, f"({sql} <> 0)" if kind is BOOL else f"CAST({sql} AS {target.duckdb})")
    if kind.decimal:
        return f"CAST({number(value)} AS {target.duckdb})"
    if kind is BOOL:
        return value.sql if source is BOOL else f"({value.sql} <> 0)"
    if kind.integer:
        return wrapped(_whole(value), kind) if source is not kind else value.sql
    return f"CAST({number(value)} AS {kind.duckdb})"


def _unless_null(value: Typed, sql: str) -> str:
    return sql if value.constant else f"(CASE WHEN {value.sql} IS NOT NULL THEN {sql} END)"


def _bytes_converted(value: Typed, target: Type) -> str:
    """CAST to VARBINARY, of a literal; TDengine knows none of VARBINARY."""
    if value.type.kind is VARBINARY:
        raise TDengineError(errors.PARAMETER_TYPE, "Invalid parameter data type : cast")
    if target.kind is not VARBINARY or not isinstance(value.value, str):
        raise unsupported(f"CAST of {value.type.kind.name} as {target.kind.name}")
    data = to_bytes(value.value)
    if data is None:
        raise TDengineError(errors.VARBINARY_VALUE, "Invalid varbinary value: cast")
    return bytes_sql(data[: target.length])


def _as_text(value: Typed, target: Type) -> str:
    source = value.type.kind
    if source in (FLOAT, DOUBLE):
        sql = f"printf('%.6f', CAST({value.sql} AS DOUBLE))"
    else:
        sql = value.sql if source.text else f"CAST({value.sql} AS VARCHAR)"
    if target.kind is NCHAR:
        return f"left({sql}, {target.length})"
    return f"(CASE WHEN strlen({sql}) <= {target.length} THEN {sql} ELSE left({sql}, {target.length}) END)"


def _whole(value: Typed) -> str:
    """A number cut to an integer, of any size."""
    if value.type.kind is BOOL or value.type.kind.integer:
        return f"CAST({value.sql} AS HUGEINT)"
    return f"TRY_CAST(trunc({value.sql}) AS HUGEINT)"


def common_type(one: Type, other: Type) -> Type:
    """The type that holds both, for CASE and UNION."""
    if other == NULL_TYPE or one == other:
        return one
    if one == NULL_TYPE:
        return other
    if JSON in (one.kind, other.kind) or one.kind.raw or other.kind.raw:
        if one.kind is not other.kind:
            raise unsupported(f"{one.kind.name} and {other.kind.name} in one column")
        return Type(one.kind, max(one.length, other.length))
    if one.kind.text or other.kind.text:
        kind = NCHAR if NCHAR in (one.kind, other.kind) else VARCHAR
        lengths = [type_.length if type_.kind.text else 24 for type_ in (one, other)]
        return Type(kind, max(lengths))
    if one.kind.decimal or other.kind.decimal:
        return decimals.common(one, other)
    if one.kind is other.kind:
        return one
    if TIMESTAMP in (one.kind, other.kind):
        return Type.of(TIMESTAMP)
    if one.kind in (FLOAT, DOUBLE) or other.kind in (FLOAT, DOUBLE):
        return Type.of(DOUBLE)
    return Type.of(BIGINT)


def cast_to(value: Typed, type_: Type) -> str:
    """A value in the DuckDB type of `type_`."""
    exact = value.exact and value.type.duckdb == type_.duckdb
    return value.sql if exact else f"CAST({value.sql} AS {type_.duckdb})"
