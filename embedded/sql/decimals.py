"""The digits of DECIMAL results, as TDengine gives them to its operators and aggregates (decimal.c)."""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from embedded.types import DOUBLE, Type

_MOST = 38
_LEAST_SCALE = 6
_INTEGER_DIGITS = {1: 3, 2: 5, 4: 10}


def digits(type_: Type) -> tuple[int, int] | None:
    """Precision and scale of a DECIMAL or of an integer taken for one; None for all else."""
    if type_.kind.decimal:
        return type_.precision, type_.scale
    if not type_.kind.integer:
        return None
    return _INTEGER_DIGITS.get(type_.kind.size, 20 if type_.kind.unsigned else 19), 0


def _fitted(precision: int, scale: int) -> Type:
    """A DECIMAL of at most 38 digits: what is too much goes behind the point, down to six."""
    if precision > _MOST:
        scale = max(min(scale, _LEAST_SCALE), scale - (precision - _MOST))
        precision = _MOST
    return Type.decimal(precision, scale)


def _sum(one: Type, other: Type) -> Type:
    scale = max(one.scale, other.scale)
    return _fitted(max(one.precision - one.scale, other.precision - other.scale) + scale + 1, scale)


def _product(one: Type, other: Type) -> Type:
    return _fitted(one.precision + other.precision + 1, one.scale + other.scale)


def _quotient(one: Type, other: Type) -> Type:
    scale = max(one.scale + other.precision + 1, _LEAST_SCALE)
    return _fitted(one.precision - one.scale + other.scale + scale, scale)


def _remainder(one: Type, other: Type) -> Type:
    scale = max(one.scale, other.scale)
    return _fitted(min(one.precision - one.scale, other.precision - other.scale) + scale, scale)


RULES: dict[type[exp.Expr], Callable[[Type, Type], Type]] = {
    exp.Add: _sum,
    exp.Sub: _sum,
    exp.Mul: _product,
    exp.Div: _quotient,
    exp.Mod: _remainder,
}


def total(type_: Type) -> Type:
    """The type of SUM."""
    return Type.decimal(_MOST, type_.scale)


def mean(type_: Type) -> Type:
    """The type of AVG: the sum divided by a BIGINT."""
    return _quotient(total(type_), Type.decimal(19, 0))


def quotient_sql(one: str, one_scale: int, other: str, other_scale: int, result: Type) -> str:
    """A quotient with as many digits as its type has, the last one rounded; by integers, because DuckDB's is a DOUBLE.

    The two are DECIMALs or integers of these scales.
    """
    moved = result.scale - one_scale + other_scale
    dividend = f"({_unscaled(one)} * {10**moved}::HUGEINT)"
    divisor = f"NULLIF({_unscaled(other)}, 0)"
    rounded = f"CASE WHEN 2 * abs({dividend} % {divisor}) >= abs({divisor}) THEN 1 ELSE 0 END"
    whole = f"({dividend} // {divisor} + sign({dividend}) * sign({divisor}) * {rounded})"
    unit = f"CAST('{10**-result.scale:.{result.scale}f}' AS DECIMAL({result.scale}, {result.scale}))"
    return f"CAST({whole} AS DECIMAL(38, 0)) * {unit}"


def _unscaled(sql: str) -> str:
    return f"CAST(replace(CAST({sql} AS VARCHAR), '.', '') AS HUGEINT)"


def common(one: Type, other: Type) -> Type:
    """The type that holds both, for CASE and UNION."""
    first, second = digits(one), digits(other)
    if first is None or second is None:
        return Type.of(DOUBLE)
    scale = max(first[1], second[1])
    return _fitted(max(first[0] - first[1], second[0] - second[1]) + scale, scale)
