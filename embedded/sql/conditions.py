"""Comparisons as TDengine does them: of numbers within a tolerance, of texts with times as times, of JSON tags by type.

A comparison with NULL is neither true nor false in DuckDB and false in TDengine; NOT is where that shows, so it is NOT
that makes the difference (logic.py).
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
from sqlglot import exp

from embedded import errors
from embedded.errors import TDengineError, unsupported
from embedded.sql import casts
from embedded.sql.casts import JsonValue
from embedded.sql.times import parse_time
from embedded.sql.typed import Environment, Typed, boolean, bytes_sql, text_sql
from embedded.sql.values import to_bytes
from embedded.types import BOOL, DOUBLE, FLOAT, JSON, JSON_LENGTH, TIMESTAMP, VARCHAR, Type

COMPARISONS = {exp.EQ: "=", exp.NEQ: "<>", exp.GT: ">", exp.GTE: ">=", exp.LT: "<", exp.LTE: "<="}
_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_TOLERANT = {
    "=": "abs({0}) <= 4.76837158203125e-07",
    "<>": "abs({0}) > 4.76837158203125e-07",
    ">": "{0} > 4.76837158203125e-07",
    ">=": "{0} >= -4.76837158203125e-07",
    "<": "{0} < -4.76837158203125e-07",
    "<=": "{0} <= 4.76837158203125e-07",
}
_CONDITIONS = (
    *(*COMPARISONS, exp.And, exp.Or, exp.Not, exp.Is, exp.Between, exp.In, exp.Like, exp.RegexpLike),
    exp.ArrayContains,
)


def is_condition(node: exp.Expr) -> bool:
    """Whether a node is true or false by its form, whatever it is made of."""
    return isinstance(node.unnest(), _CONDITIONS)


def compared(left: Typed, operator: str, right: Typed, env: Environment) -> str:
    """A comparison; TDengine takes two floating-point numbers for equal that are within 4 FLT_EPSILON (tcompare.h).

    So `WHERE f = 0.1` finds a FLOAT of 0.1, which is 0.10000000149.
    """
    if JSON in (left.type.kind, right.type.kind):
        return _json_compared(left, operator, right)
    one, other = comparable(left, right, env)
    if not {left.type.kind, right.type.kind} <= {FLOAT, DOUBLE} or left.null or right.null:
        return f"({one} {operator} {other})"
    difference = f"CAST({one} AS DOUBLE) - CAST({other} AS DOUBLE)"
    return f"({_TOLERANT[operator].format(difference)})"


def comparable(left: Typed, right: Typed, env: Environment) -> tuple[str, str]:
    """Two operands as SQL that compares as TDengine does: text with a time as a time, with a number as a number."""
    if left.null or right.null:
        return left.sql, right.sql
    if left.type.kind.raw or right.type.kind.raw:
        return _raw(left), _raw(right)
    if left.type.kind is TIMESTAMP or right.type.kind is TIMESTAMP:
        return casts.instant(left, env), casts.instant(right, env)
    one, other = left.type.kind, right.type.kind
    if (one.text and other.text) or (one is BOOL and other is BOOL):
        return left.sql, right.sql
    if BOOL in (one, other) and (one.text or other.text):
        return _as_bool(left), _as_bool(right)
    return casts.number(left), casts.number(right)


def among(value: Typed, literals: Sequence[str | int | float], env: Environment) -> str:
    """Whether a value is one of many literals, which go to DuckDB as a table instead of as SQL."""
    kind = value.type.kind
    if kind.text:
        column, sql = pa.array([str(item) for item in literals], pa.string()), value.sql
    elif kind is TIMESTAMP:
        times = [parse_time(i, env.precision, env.zone) if isinstance(i, str) else int(i) for i in literals]
        column, sql = pa.array(times, pa.int64()), value.sql
    elif kind.integer:
        whole = [int(item) for item in map(_as_number, literals) if item is not None and item == int(item)]
        column, sql = pa.array([item for item in whole if kind.low <= item <= kind.high], kind.arrow), value.sql
    else:
        numbers = pa.array([_as_float(item) for item in literals], pa.float64())
        column = numbers.cast(pa.float32()).cast(pa.float64()) if kind is FLOAT else numbers
        sql = f"CAST({casts.number(value)} AS DOUBLE)"
    name = f"among{len(env.lists)}"
    env.lists[name] = pa.table({"v": column.drop_null()})
    return f"({sql} IN (SELECT v FROM {name}))"


def _as_number(item: str | float) -> float | None:
    return item if isinstance(item, int) else _as_float(item)


def _as_float(item: str | float) -> float | None:
    try:
        return float(item)
    except ValueError:
        return None


def _raw(typed: Typed) -> str:
    """Bytes, or the text literal of some."""
    if typed.type.kind.raw:
        return typed.sql
    data = to_bytes(typed.value) if isinstance(typed.value, str) else None
    if data is None:
        raise TDengineError(errors.WRONG_VALUE_TYPE, "Invalid value type: varbinary")
    return bytes_sql(data)


def _as_bool(typed: Typed) -> str:
    if typed.type.kind is BOOL:
        return typed.sql
    if isinstance(typed.value, str):
        return boolean(typed.value.lower() == "true" or typed.value not in ("", "0", "false")).sql
    return f"({casts.number(typed)} <> 0)"


# JSON tags.


def _json_compared(left: Typed, operator: str, right: Typed) -> str:
    """A value of a JSON tag with a constant: they compare only where both are text, number or boolean."""
    if not isinstance(left, JsonValue):
        left, right, operator = right, left, _MIRRORED.get(operator, operator)
    if not isinstance(left, JsonValue) or isinstance(right, JsonValue) or right.null:
        raise unsupported("such a comparison of a JSON tag")
    kind = right.type.kind
    if kind.text:
        return f"({left.string} {operator} {right.sql})"
    if kind is BOOL:
        return f"({left.boolean} {operator} {right.sql})"
    return f"({left.number} {operator} {casts.number(right)})"


def json_path(key: str) -> str:
    """The DuckDB path of a key, as a literal."""
    return text_sql('$."' + key.replace('"', '\\"') + '"')


def contains(tag: Typed, key: Typed) -> str:
    """CONTAINS: whether a JSON tag has a key."""
    if tag.type.kind is not JSON or not isinstance(key.value, str):
        raise TDengineError(errors.WRONG_VALUE_TYPE, "Invalid value type: contains")
    return f"json_exists({tag.sql}, {json_path(key.value)})"


# Texts.


def _as_text(value: Typed) -> Typed:
    return Typed(value.string, Type(VARCHAR, JSON_LENGTH)) if isinstance(value, JsonValue) else value


def like(value: Typed, pattern: Typed) -> str:
    """LIKE, which ignores case; a backslash stands before a %, a _ or a backslash that is meant as it is."""
    value = _as_text(value)
    if not (value.type.kind.text and pattern.type.kind.text):
        raise TDengineError(errors.WRONG_VALUE_TYPE, "Invalid value type: like")
    if not isinstance(pattern.value, str):
        return f"({value.sql} ILIKE {pattern.sql})"
    return f"({value.sql} ILIKE {text_sql(_escaped(pattern.value))} ESCAPE '\\')"


def _escaped(pattern: str) -> str:
    """The pattern with every backslash that stands before anything else doubled: it is itself."""
    escaped, at = "", 0
    while at < len(pattern):
        if pattern[at] != "\\":
            escaped, at = escaped + pattern[at], at + 1
        elif pattern[at + 1 : at + 2] in ("%", "_", "\\"):
            escaped, at = escaped + pattern[at : at + 2], at + 2
        else:
            escaped, at = escaped + "\\\\", at + 1
    return escaped


def match(value: Typed, pattern: Typed) -> str:
    """MATCH and REGEXP."""
    value = _as_text(value)
    if not value.type.kind.text or not isinstance(pattern.value, str):
        raise TDengineError(errors.WRONG_VALUE_TYPE, "Invalid value type: match")
    return f"regexp_matches({value.sql}, {pattern.sql})"
