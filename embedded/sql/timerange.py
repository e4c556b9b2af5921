"""The time that a WHERE lets through, as far as its terms joined by AND say."""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from embedded.sql.expressions import Scope

Bounds = tuple[int | None, int | None]
EVERYTHING = (-(2**63), 2**63 - 1)
"""The bounds of a query that has none, as `_qstart` and `_qend` show them."""


def time_range(where: exp.Expr | None, rows: Scope) -> Bounds:
    """The first and last timestamp (epoch units) that a WHERE lets through; None where it says nothing."""
    if where is None or rows.relation.time is None:
        return None, None
    time = rows.relation.time
    names = {"_rowts", "_c0", *(column.name for column in rows.relation.columns if column.typed.sql == time)}
    low: int | None = None
    high: int | None = None
    for low_bound, high_bound in _bounds(where, names, rows):
        if low_bound is not None:
            low = low_bound if low is None else max(low, low_bound)
        if high_bound is not None:
            high = high_bound if high is None else min(high, high_bound)
    return low, high


def _bounds(where: exp.Expr, names: set[str], rows: Scope) -> list[Bounds]:
    bounds: list[Bounds] = []
    for term in where.flatten() if isinstance(where, exp.And) else [where]:
        node = term.unnest()
        if isinstance(node, exp.And):
            bounds += _bounds(node, names, rows)
        elif isinstance(node, exp.Between) and _is_time(node.this, names):
            bounds.append((rows.instant_value(node.args["low"]), rows.instant_value(node.args["high"])))
        elif isinstance(node, exp.EQ | exp.GT | exp.GTE | exp.LT | exp.LTE):
            left, right = node.left, node.right
            kind: type[exp.Expr] = type(node)
            if not _is_time(left, names):
                left, right, kind = right, left, _MIRRORED.get(kind, kind)
            value = rows.instant_value(right) if _is_time(left, names) else None
            if value is not None:
                bounds.append(_BOUNDS[kind](value))
    return bounds


def _is_time(node: exp.Expr, names: set[str]) -> bool:
    return isinstance(node, exp.Column) and node.name in names


_MIRRORED: dict[type[exp.Expr], type[exp.Expr]] = {exp.GT: exp.LT, exp.GTE: exp.LTE, exp.LT: exp.GT, exp.LTE: exp.GTE}
_BOUNDS: dict[type[exp.Expr], Callable[[int], Bounds]] = {
    exp.EQ: lambda value: (value, value),
    exp.GT: lambda value: (value + 1, None),
    exp.GTE: lambda value: (value, None),
    exp.LT: lambda value: (None, value - 1),
    exp.LTE: lambda value: (None, value),
}
