"""Conditions in expressions: AND, OR, NOT, comparisons, BETWEEN, IN, LIKE, MATCH, CONTAINS."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from embedded import errors
from embedded.errors import TDengineError
from embedded.sql import casts, conditions
from embedded.sql.casts import JsonValue
from embedded.sql.conditions import COMPARISONS
from embedded.sql.typed import Typed
from embedded.types import BOOL, JSON, TIMESTAMP, Type

if TYPE_CHECKING:
    from embedded.sql.expressions import Scope

_NULL_BOOL = Typed("CAST(NULL AS BOOLEAN)", Type.of(BOOL), None, exact=True)


def as_condition(typed: Typed) -> str:
    """A value as a condition, as SQL: a number is true if it is not 0."""
    if typed.type.kind is BOOL or typed.null:
        return typed.sql
    return f"({casts.number(typed)} <> 0)"


def _bool(sql: str) -> Typed:
    return Typed(sql, Type.of(BOOL), exact=True)


def _logic(scope: Scope, node: exp.Connector) -> Typed:
    terms = [scope.condition(term) for term in node.flatten()]
    return _bool("(" + (" AND " if isinstance(node, exp.And) else " OR ").join(terms) + ")")


def _not(scope: Scope, node: exp.Not) -> Typed:
    """The operator NOT takes what is unknown for false; NOT IN, NOT LIKE and their like have no such rule."""
    typed = scope.typed(node.this)
    if typed.null:
        return typed
    condition = as_condition(typed)
    return _bool(f"(NOT coalesce({condition}, FALSE))" if node.args.get("operator") else f"(NOT {condition})")


def _is(scope: Scope, node: exp.Is) -> Typed:
    typed = scope.typed(node.this)
    return _bool(typed.missing if isinstance(typed, JsonValue) else f"({typed.sql} IS NULL)")


def _comparison(scope: Scope, node: exp.Binary) -> Typed:
    left, right = scope.typed(node.left), scope.typed(node.right)
    if left.null or right.null:
        return _NULL_BOOL
    return _bool(conditions.compared(left, COMPARISONS[type(node)], right, scope.env))


def _between(scope: Scope, node: exp.Between) -> Typed:
    value, low, high = (scope.typed(part) for part in (node.this, node.args["low"], node.args["high"]))
    if value.null or low.null or high.null:
        return _NULL_BOOL
    compared = conditions.compared
    return _bool(f"({compared(value, '>=', low, scope.env)} AND {compared(value, '<=', high, scope.env)})")


def _in(scope: Scope, node: exp.In) -> Typed:
    value = scope.typed(node.this)
    if value.type.kind is JSON:
        raise TDengineError(errors.GENERIC, "Unexpected generic error")
    if "literals" in node.args:
        return _bool(conditions.among(value, node.args["literals"], scope.env))
    items = [item for item in map(scope.typed, node.expressions) if not item.null]
    if value.null or not items:
        return _NULL_BOOL
    kinds = {item.type.kind for item in items}
    plain = all(kind.integer or kind is TIMESTAMP for kind in kinds) and (
        value.type.kind.integer or value.type.kind is TIMESTAMP
    )
    if plain or (value.type.kind.text and all(kind.text for kind in kinds)):
        return _bool(f"({value.sql} IN ({', '.join(item.sql for item in items)}))")
    return _bool("(" + " OR ".join(conditions.compared(value, "=", item, scope.env) for item in items) + ")")


def _contains(scope: Scope, node: exp.ArrayContains) -> Typed:
    return _bool(conditions.contains(scope.typed(node.this), scope.typed(node.expression)))


def _like(scope: Scope, node: exp.Like) -> Typed:
    return _bool(conditions.like(scope.typed(node.this), scope.typed(node.expression)))


def _match(scope: Scope, node: exp.RegexpLike) -> Typed:
    return _bool(conditions.match(scope.typed(node.this), scope.typed(node.expression)))


NODES: dict[type[exp.Expr], Callable[[Scope, Any], Typed]] = {
    **dict.fromkeys((exp.And, exp.Or), _logic),
    exp.Not: _not,
    exp.Is: _is,
    **dict.fromkeys(COMPARISONS, _comparison),
    exp.Between: _between,
    exp.In: _in,
    exp.Like: _like,
    exp.RegexpLike: _match,
    exp.ArrayContains: _contains,
}
"""The rule of each kind of condition."""
