"""Joins: inner and outer by the time, SEMI, ANTI, ASOF and WINDOW (TDengine's doc, "Join Queries")."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from sqlglot import exp

from embedded import errors
from embedded.errors import TDengineError, unsupported
from embedded.sql.expressions import Scope
from embedded.sql.relation import Relation, RelationColumn
from embedded.sql.statements import Join
from embedded.sql.typed import Environment, Typed

_MIRRORED: dict[type[exp.Expr], type[exp.Expr]] = {exp.GT: exp.LT, exp.GTE: exp.LTE, exp.LT: exp.GT, exp.LTE: exp.GTE}
_SIGNS: dict[type[exp.Expr], str] = {exp.EQ: "=", exp.GT: ">", exp.GTE: ">=", exp.LT: "<", exp.LTE: "<="}
_MOST_ROWS = 1024


def joined(
    item: Join,
    left: Relation,
    right: Relation,
    where: exp.Expr | None,
    env: Environment,
    parameters: Sequence[Typed],
    alias: Callable[[], str],
) -> Relation:
    """Two relations joined, as one relation of its own name."""
    both = replace(
        left,
        columns=(*left.star(), *right.star(), *left.columns[len(left.star()) :], *right.columns[len(right.star()) :]),
        starred=len(left.star()) + len(right.star()),
        times=left.times | right.times,
        tbname=None,
    )
    scope = Scope(both, env, parameters)
    if item.sort is None:
        sql = _plain(item, left, right, where, scope)
    else:
        # The driving table is the left one of what is written here; columns keep their order.
        driving, other = (right, left) if item.kind == "right" else (left, right)
        rules = {"semi": _semi, "anti": _anti, "asof": _asof, "window": _window}
        sql = rules[item.sort](item, driving, other, scope)
    return _named(item, both, left, right, sql, alias())


def _named(item: Join, both: Relation, left: Relation, right: Relation, sql: str, name: str) -> Relation:
    """The join as a subquery whose columns are numbered."""
    listed = ", ".join(f"{column.typed.sql} AS k{at}" for at, column in enumerate(both.columns))
    places = {column.typed.sql: f"{name}.k{at}" for at, column in enumerate(both.columns)}
    columns = tuple(
        RelationColumn(
            column.name,
            Typed(f"{name}.k{at}", column.typed.type, exact=column.typed.exact),
            column.qualifiers,
            column.tag,
        )
        for at, column in enumerate(both.columns)
    )
    time = None if item.kind == "full" else right.time if item.kind == "right" else left.time
    driving: tuple[str, ...] = ()
    if item.sort == "window":
        side = right if item.kind == "right" else left
        driving = tuple(places[column.typed.sql] for column in side.columns)
    return replace(
        both,
        sql=f"(SELECT {listed} FROM {sql}) AS {name}",
        columns=columns,
        time=places.get(time) if time is not None else None,
        times=frozenset(places[known] for known in both.times if known in places),
        sort=True,
        several=True,
        name=name,
        driving=driving,
    )


def _plain(item: Join, left: Relation, right: Relation, where: exp.Expr | None, scope: Scope) -> str:
    given = [node for node in (item.condition, where if item.kind == "inner" else None) if node is not None]
    if not given:
        raise TDengineError(errors.CROSS_JOIN, "Cross join not support")
    if left.times and right.times and not any(_joins_times(node, scope, left, right) for node in given):
        raise TDengineError(errors.JOIN_WITHOUT_TIME, "Expect ts equal")
    if item.condition is None:
        return f"{left.sql} CROSS JOIN {right.sql}"
    return f"{left.sql} {item.kind.upper()} JOIN {right.sql} ON {scope.condition(item.condition)}"


def _semi(item: Join, driving: Relation, other: Relation, scope: Scope) -> str:
    """Each driving row that matches, once, with one of the rows that it matches."""
    return _nearest(driving, other, _checked(item, driving, other, scope), "INNER", other.time or "1", 1)


def _anti(item: Join, driving: Relation, other: Relation, scope: Scope) -> str:
    """The driving rows that match nothing; columns of the other side are NULL."""
    condition = _checked(item, driving, other, scope)
    if other.time is None:
        raise unsupported("ANTI JOIN of a subquery without a timestamp")
    return f"{driving.sql} LEFT JOIN {other.sql} ON {condition} WHERE {other.time} IS NULL"


def _checked(item: Join, driving: Relation, other: Relation, scope: Scope) -> str:
    assert item.condition is not None
    if not _joins_times(item.condition, scope, driving, other):
        raise TDengineError(errors.JOIN_WITHOUT_TIME, "Expect ts equal")
    return scope.condition(item.condition)


def _asof(item: Join, driving: Relation, other: Relation, scope: Scope) -> str:
    """Each driving row with the rows of the other side that are nearest in time, of the same group if ON says so."""
    times, groups = _split(item, driving, other, scope)
    operator: type[exp.Expr] = exp.GTE if times is None else type(times)
    one = two = None
    if times is not None:
        one, two = times.left, times.right
        if not _columns(one, scope) <= driving.times:
            one, two, operator = two, one, _MIRRORED.get(operator, operator)
    elif item.kind == "right":
        operator = exp.LTE
    mine = scope.typed(one).sql if one is not None else driving.time
    theirs = scope.typed(two).sql if two is not None else other.time
    condition = " AND ".join([*groups, f"{mine} {_SIGNS[operator]} {theirs}"])
    most = _most(item)
    if most == 1 and operator is not exp.EQ:
        return f"{driving.sql} ASOF LEFT JOIN {other.sql} ON {condition}"
    nearest = f"{theirs} {'ASC' if operator in (exp.LT, exp.LTE) else 'DESC'}"
    return _nearest(driving, other, condition, "LEFT", nearest, most)


def _window(item: Join, driving: Relation, other: Relation, scope: Scope) -> str:
    """Each driving row with the rows of the other side between two distances from its time."""
    times, groups = _split(item, driving, other, scope)
    if times is not None:
        raise TDengineError(errors.INVALID_OPERATION, "Not supported join on condition")
    low, high = (sign * duration.units(scope.env.precision) for sign, duration in item.offsets)
    if any(duration.months for _, duration in item.offsets):
        raise TDengineError(errors.INVALID_OPERATION, "Not supported window offset unit")
    inside = f"{other.time} BETWEEN {driving.time} + ({low}) AND {driving.time} + ({high})"
    condition = " AND ".join([*groups, inside])
    if item.most is None:
        return f"{driving.sql} LEFT JOIN {other.sql} ON {condition}"
    return _nearest(driving, other, condition, "LEFT", f"{other.time} ASC", _most(item))


def _nearest(driving: Relation, other: Relation, condition: str, word: str, order: str, most: int) -> str:
    """A join that gives each driving row the first few of its matches."""
    keys = ", ".join(column.typed.sql for column in driving.columns)
    numbered = f"row_number() OVER (PARTITION BY {keys} ORDER BY {order})"
    return f"{driving.sql} {word} JOIN {other.sql} ON {condition} QUALIFY {numbered} <= {most}"


def _most(item: Join) -> int:
    most = 1 if item.most is None else item.most
    if not 0 <= most <= _MOST_ROWS:
        raise TDengineError(errors.INVALID_OPERATION, f"JLIMIT is from 0 to {_MOST_ROWS}")
    return most


def _split(item: Join, driving: Relation, other: Relation, scope: Scope) -> tuple[exp.Binary | None, list[str]]:
    """The condition on the times and the SQL of those that group the rows; for ASOF and WINDOW."""
    if driving.time is None or other.time is None:
        raise unsupported("ASOF and WINDOW JOIN of what has no timestamp")
    times: exp.Binary | None = None
    groups = []
    for term in _terms(item.condition):
        node = term.unnest()
        if not isinstance(node, exp.Binary) or type(node) not in _SIGNS:
            raise TDengineError(errors.INVALID_OPERATION, "Not supported join on condition")
        if _columns(node, scope) <= driving.times | other.times and times is None:
            times = node
        elif isinstance(node, exp.EQ):
            groups.append(scope.condition(node))
        else:
            raise TDengineError(errors.INVALID_OPERATION, "Not supported join on condition")
    return times, groups


def _terms(condition: exp.Expr | None) -> list[exp.Expr]:
    if condition is None:
        return []
    node = condition.unnest()
    if not isinstance(node, exp.And):
        return [node]
    return [part for term in node.flatten() for part in _terms(term)]


def _joins_times(condition: exp.Expr, scope: Scope, left: Relation, right: Relation) -> bool:
    """Whether one of the terms joined by AND equates the primary timestamps of both sides, as TDengine's joins must."""
    for node in _terms(condition):
        if isinstance(node, exp.EQ):
            sides = [_columns(side, scope) for side in (node.left, node.right)]
            for one, other in (sides, sides[::-1]):
                if one and other and one <= left.times and other <= right.times:
                    return True
    return False


def _columns(node: exp.Expr, scope: Scope) -> set[str | None]:
    """The SQL of the columns in an expression; WHERE may name columns of tables that join later (None)."""
    found: set[str | None] = set()
    for column in node.find_all(exp.Column):
        try:
            found.add(scope.typed(column).sql)
        except TDengineError:
            found.add(None)
    return found
