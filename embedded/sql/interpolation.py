"""INTERP: the values of a series at given instants, those between its rows filled in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlglot import exp

from embedded import errors
from embedded.errors import TDengineError, unsupported
from embedded.sql import functions
from embedded.sql.casts import cast_to
from embedded.sql.context import Translation
from embedded.sql.expressions import NOT_ALLOWED_FUNCTION, Scope
from embedded.sql.finishing import order_sql, output_of
from embedded.sql.functions import Call
from embedded.sql.relation import Group
from embedded.sql.statements import Interpolation
from embedded.sql.typed import Typed
from embedded.types import BOOL, TIMESTAMP, Type

if TYPE_CHECKING:
    from embedded.sql.shapes import SelectTranslator

_MOST_POINTS = 10_000_000


def translate(select: SelectTranslator, calls: Sequence[exp.Anonymous], where: str) -> Translation:
    """A SELECT of INTERP, with RANGE, EVERY and FILL."""
    clause = _checked(select, calls)
    relation = select.relation
    if relation.time is None:
        message = "The interp function is dependent on the timeline, which is not available"
        raise TDengineError(errors.NOT_ALLOWED_FUNCTION, message)
    first, last, step = _range(select, clause)
    unique = list(dict.fromkeys(calls))
    values = [_value(select, call) for call in unique]
    keys = list(select.env.partition)
    present = any(map(_skips_null, unique))
    if present and len(unique) > 1:
        raise unsupported("several INTERPs of which one ignores NULL")
    data = _data(select, where, keys, values, present)
    mode = clause.fill or "none"
    constants = _constants(select, clause, calls, values)
    scope = _points(select, unique, values, mode, constants)
    outputs = [replace(scope.typed(item.node), exact=False) for item in select.projections]
    names = [f"k{at}" for at in range(len(keys))]
    source = _joined(data, len(keys), first, last, step)
    condition = _shown(mode)
    rest = f" FROM {source}{f' WHERE {condition}' if condition else ''}"
    orders = []
    known = {group.node: f"p.{key}" for group, key in zip(select.partition, names, strict=True)}
    for item in select.query.order:
        at = output_of(item, select.projections)
        found = outputs[at].sql if at is not None else known.get(item.node)
        if found is None and isinstance(item.node, exp.Column) and item.node.name == "_irowts":
            found = "p.t"
        if found is None:
            raise unsupported("ORDER BY of something not selected, with INTERP")
        orders.append(order_sql(found, item))
    partition = [f"p.{name}" for name in names]
    translation = select.assembled(scope, outputs, rest, [*partition, "p.t"], orders=orders, keys=partition)
    times = [at for at, output in enumerate(outputs) if output.sql == "p.t"]
    return replace(translation, time=f"c{times[0]}" if times else None)


def _checked(select: SelectTranslator, calls: Sequence[exp.Anonymous]) -> Interpolation:
    wrong = TDengineError(errors.INTERP_CLAUSE, "Invalid usage of RANGE clause, EVERY clause or FILL clause")
    clause = select.select.interpolation
    if any(call.name != "interp" for call in calls):
        raise TDengineError(errors.NOT_ALLOWED_FUNCTION, NOT_ALLOWED_FUNCTION)
    if not calls or clause is None or not clause.bounds or clause.fill is None:
        raise wrong
    if len(clause.bounds) == 2 and clause.every is None:
        raise wrong
    if select.select.group or select.select.having is not None:
        message = "interp function is not supported in window query or group query"
        raise TDengineError(errors.NOT_ALLOWED_FUNCTION, message)
    return clause


def _range(select: SelectTranslator, clause: Interpolation) -> tuple[int, int, int]:
    """The first instant, the last, and the distance of those between, in epoch units."""
    found = [select.rows.instant_value(bound) for bound in clause.bounds]
    first, last = found[0], found[-1]
    step = 1 if clause.every is None else clause.every.units(select.env.precision)
    if first is None or last is None or step < 1 or (clause.every is not None and clause.every.months):
        raise TDengineError(errors.INTERP_CLAUSE, "Invalid usage of RANGE clause, EVERY clause or FILL clause")
    if (last - first) // step > _MOST_POINTS:
        raise TDengineError(errors.FILL_RANGE, "Start(end) time of query range required or time range too large")
    return first, last, step


def _value(select: SelectTranslator, call: exp.Anonymous) -> Typed:
    arguments = [select.rows.typed(argument) for argument in call.expressions]
    made = Call("interp", tuple(arguments), select.env)
    functions.find("interp").check(made)
    if len(arguments) == 2:
        made.constant_integer(1, 0, 1)
    return arguments[0]


def _skips_null(call: exp.Anonymous) -> bool:
    return len(call.expressions) == 2 and call.expressions[1].name == "1"


def _data(select: SelectTranslator, where: str, keys: Sequence[str], values: Sequence[Typed], present: bool) -> str:
    """The rows of the series: the number of their group, its keys, the time t, the values v0, ...

    `present`: only those that have the one value.
    """
    relation = select.relation
    listed = [f"{key} AS k{at}" for at, key in enumerate(keys)] + [f"{relation.time} AS t"]
    listed += [f"{value.sql} AS v{at}" for at, value in enumerate(values)]
    group = f"dense_rank() OVER (ORDER BY {', '.join(keys)})" if keys else "1"
    sql = f"SELECT {group} AS g, {', '.join(listed)} FROM {relation.sql}{where}"
    if present:
        sql = f"SELECT * FROM ({sql}) WHERE v0 IS NOT NULL"
    return f"SELECT * FROM ({sql}) QUALIFY row_number() OVER (PARTITION BY g, t) = 1"


def _joined(data: str, keys: int, first: int, last: int, step: int) -> str:
    """Each instant of each group (p) with the row at it (e), the row before (b) and the row after (a)."""
    listed = "".join(f", k{at}" for at in range(keys))
    points = f"SELECT unnest(range({first}, {last} + 1, {step})) AS t"
    groups = f"SELECT DISTINCT g{listed} FROM d"
    return (
        f"(WITH d AS MATERIALIZED ({data}) SELECT p.*, e, b, a FROM "
        f"(SELECT * FROM ({groups}), ({points})) AS p "
        "LEFT JOIN d AS e ON e.g = p.g AND e.t = p.t "
        "ASOF LEFT JOIN d AS b ON b.g = p.g AND b.t < p.t "
        "ASOF LEFT JOIN d AS a ON a.g = p.g AND a.t > p.t) AS p"
    )


def _points(
    select: SelectTranslator, calls: Sequence[exp.Anonymous], values: Sequence[Typed], mode: str, constants: list[str]
) -> Scope:
    """A scope of the instants: its groups are the partition's keys and, already translated, the calls of INTERP."""
    groups = [Group(g.node, replace(g.typed, sql=f"p.k{at}", exact=False)) for at, g in enumerate(select.partition)]
    for at, (call, value) in enumerate(zip(calls, values, strict=True)):
        sql = _filled(mode, f"v{at}", value, constants[at], _skips_null(call))
        groups.append(Group(call, Typed(f"({sql})", value.type)))
    stamp = Type.of(TIMESTAMP)
    columns = {"_irowts": Typed("p.t", stamp), "_isfilled": Typed("(p.e.t IS NULL)", Type.of(BOOL))}
    origin = {"prev": "p.b.t", "next": "p.a.t", "near": _nearer("p.b.t", "p.a.t")}.get(mode)
    if origin is not None:
        columns["_irowts_origin"] = Typed(f"coalesce(p.e.t, {origin})", stamp)
    return select.scope(grouped=True, groups=groups, window=columns)


def _nearer(before: str, after: str) -> str:
    """Of two things, that of the row before unless the row after is nearer."""
    return f"(CASE WHEN p.b.t IS NULL OR p.a.t - p.t < p.t - p.b.t THEN {after} ELSE {before} END)"


def _filled(mode: str, name: str, value: Typed, constant: str, skips_null: bool) -> str:
    """The value at an instant: that of the row there, or what FILL makes of the rows beside."""
    before, after = f"p.b.{name}", f"p.a.{name}"
    made = {
        "none": "NULL",
        "null": "NULL",
        "null_f": "NULL",
        "value": constant,
        "value_f": constant,
        "prev": before,
        "next": after,
        "near": _nearer(before, after),
    }.get(mode)
    if mode == "linear":
        made = _line(before, after, value)
    if made is None:
        raise unsupported(f"INTERP with FILL({mode.upper()})")
    present = f"p.e.{name} IS NOT NULL" if skips_null else "p.e.t IS NOT NULL"
    return f"CASE WHEN {present} THEN p.e.{name} ELSE {made} END"


def _line(before: str, after: str, value: Typed) -> str:
    """The point of the line between the rows beside; of integers cut towards zero, of texts and BOOL NULL."""
    if not value.type.kind.number:
        return "NULL"
    slope = f"(CAST({after} AS DOUBLE) - CAST({before} AS DOUBLE)) / (p.a.t - p.b.t)"
    line = f"(CAST({before} AS DOUBLE) + {slope} * (p.t - p.b.t))"
    return f"CAST(trunc({line}) AS {value.type.duckdb})" if value.type.kind.integer else line


def _constants(
    select: SelectTranslator, clause: Interpolation, calls: Sequence[exp.Anonymous], values: Sequence[Typed]
) -> list[str]:
    """What FILL(VALUE, ...) gives for each INTERP, NULL with any other FILL."""
    if not clause.fill_values:
        return ["NULL"] * len(values)
    if len(clause.fill_values) != len(calls):
        raise TDengineError(errors.WRONG_VALUE_TYPE, "Filled values number mismatch")
    typed = [select.rows.typed(node) for node in clause.fill_values]
    return [cast_to(constant, value.type) for constant, value in zip(typed, values, strict=False)]


def _shown(mode: str) -> str:
    """The condition of the instants that have a row in the result."""
    return {
        "none": "p.e.t IS NOT NULL",
        "prev": "(p.e.t IS NOT NULL OR p.b.t IS NOT NULL)",
        "next": "(p.e.t IS NOT NULL OR p.a.t IS NOT NULL)",
        "near": "(p.e.t IS NOT NULL OR p.b.t IS NOT NULL OR p.a.t IS NOT NULL)",
        "linear": "(p.e.t IS NOT NULL OR (p.b.t IS NOT NULL AND p.a.t IS NOT NULL))",
    }.get(mode, "")
