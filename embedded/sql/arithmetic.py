"""Operators of numbers, and of timestamps moved by durations."""

from __future__ import annotations

from sqlglot import exp

from embedded import errors
from embedded.errors import TDengineError, unsupported
from embedded.sql import casts, decimals
from embedded.sql.times import Duration
from embedded.sql.typed import Environment, Typed, double, floor_to, integer
from embedded.types import BIGINT, BOOL, DOUBLE, TIMESTAMP, UNITS_PER_SECOND, Type

_SIGNS: dict[type[exp.Expr], str] = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*"}


def negative(value: Typed) -> Typed:
    """A value with the other sign: a literal of its own type, anything else but a DECIMAL a DOUBLE."""
    if value.null:
        return Typed("CAST(NULL AS DOUBLE)", Type.of(DOUBLE), None)
    if isinstance(value.value, int) and not isinstance(value.value, bool) and value.type.kind is BIGINT:
        return integer(-value.value)
    if isinstance(value.value, float):
        return double(-value.value)
    if value.type.kind.decimal:
        return Typed(f"(-{value.sql})", value.type)
    return Typed(f"(-{casts.double(value)})", Type.of(DOUBLE))


def operation(node: type[exp.Expr], left: Typed, right: Typed, env: Environment) -> Typed:
    """+, -, *, / and %: a DOUBLE, but of timestamps and DECIMALs."""
    if left.null or right.null:
        return Typed("CAST(NULL AS DOUBLE)", Type.of(DOUBLE), None)
    moved = _moved(node, left, right, env)
    if moved is not None:
        return moved
    exact = _decimal(node, left, right)
    if exact is not None:
        return exact
    one, other = casts.double(left), casts.double(right)
    if node in (exp.Div, exp.Mod):
        return Typed(f"({one} {'/' if node is exp.Div else '%'} NULLIF({other}, 0))", Type.of(DOUBLE))
    return Typed(f"({one} {_SIGNS[node]} {other})", Type.of(DOUBLE))


def bits(node: type[exp.Expr], left: Typed, right: Typed) -> Typed:
    """& and |."""
    one, other = (
        f"TRY_CAST({side.sql if side.type.kind.integer else casts.double(side)} AS BIGINT)" for side in (left, right)
    )
    return Typed(f"({one} {'&' if node is exp.BitwiseAnd else '|'} {other})", Type.of(BIGINT))


def _decimal(node: type[exp.Expr], left: Typed, right: Typed) -> Typed | None:
    """Arithmetic of a DECIMAL with another or with an integer, which gives a DECIMAL."""
    digits = [decimals.digits(side.type) for side in (left, right)]
    if not (left.type.kind.decimal or right.type.kind.decimal) or None in digits:
        return None
    one, other = (Type.decimal(*found) for found in digits if found is not None)
    result = decimals.RULES[node](one, other)
    a, b = (f"CAST({side.sql} AS DECIMAL(38, {type_.scale}))" for side, type_ in ((left, one), (right, other)))
    if node is exp.Div:
        sql = decimals.quotient_sql(a, one.scale, b, other.scale, result)
    elif node is exp.Mod:
        sql = f"{a} % NULLIF({b}, 0)"
    else:
        if node is exp.Mul and one.scale + other.scale > 38:
            raise unsupported("a product of DECIMALs with more than 38 digits behind the point")
        sql = f"{a} {_SIGNS[node]} {b}"
    return Typed(f"CAST({sql} AS {result.duckdb})", result, exact=True)


def _moved(node: type[exp.Expr], left: Typed, right: Typed, env: Environment) -> Typed | None:
    """A timestamp moved by a duration or an integer, or the difference of two."""
    if node not in (exp.Add, exp.Sub):
        return None
    kinds = (left.type.kind, right.type.kind)
    if TIMESTAMP not in kinds:
        return None
    if kinds == (TIMESTAMP, TIMESTAMP):
        if node is exp.Add:
            raise TDengineError(errors.INVALID_OPERATION, "Invalid operation")
        return Typed(f"({left.sql} - {right.sql})", Type.of(BIGINT))
    if node is exp.Add and kinds[1] is TIMESTAMP:
        left, right = right, left
    if left.type.kind is not TIMESTAMP or not (
        right.type.kind.integer or right.type.kind is BOOL or right.type.kind is DOUBLE
    ):
        return None
    sign = 1 if node is exp.Add else -1
    if isinstance(right.value, Duration):
        return _shifted(left, right.value, sign, env)
    if isinstance(right.value, int) and isinstance(left.value, int):
        return integer(left.value + sign * right.value, Type.of(TIMESTAMP))
    return Typed(f"({left.sql} {'+' if sign > 0 else '-'} CAST({right.sql} AS BIGINT))", Type.of(TIMESTAMP))


def _shifted(moment: Typed, duration: Duration, sign: int, env: Environment) -> Typed:
    if isinstance(moment.value, int):
        return integer(duration.shift(moment.value, env.precision, sign), Type.of(TIMESTAMP))
    if not duration.months:
        units = sign * duration.units(env.precision)
        return Typed(f"({moment.sql} + {integer(units).sql})", Type.of(TIMESTAMP))
    units = UNITS_PER_SECOND[env.precision]
    second = f"make_timestamp({floor_to(moment.sql, units)} // {units} * 1000000)"
    shifted = f"epoch_us({second} + INTERVAL ({sign * duration.months}) MONTH) // 1000000 * {units}"
    return Typed(f"({shifted} + {moment.sql} - {floor_to(moment.sql, units)})", Type.of(TIMESTAMP))
