"""Aggregates: of all rows, of groups, of windows, and of windows that are filled in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlglot import exp

from embedded import errors
from embedded.errors import TDengineError, unsupported
from embedded.sql import filling, functions, timerange, windows
from embedded.sql.casts import cast_to
from embedded.sql.context import Translation
from embedded.sql.expressions import Scope, companion_of
from embedded.sql.filling import FillColumn
from embedded.sql.finishing import order_sql, output_of
from embedded.sql.projections import calls_in
from embedded.sql.relation import Group
from embedded.sql.typed import Typed
from embedded.sql.windows import WindowPlan, window_columns

if TYPE_CHECKING:
    from embedded.sql.shapes import SelectTranslator

_TO_THE_EDGES = frozenset(["twa", "elapsed"])


def translate(select: SelectTranslator, calls: list[exp.Anonymous], where: str) -> Translation:
    """A SELECT with aggregates, GROUP BY or a window."""
    window = select.select.window
    plan = window_plan(select, calls, where)
    if plan is not None and not calls:
        # A column that is no function and no key is the error that TDengine sees first.
        outside = select.scope(grouped=True, groups=select.partition, window=plan.columns)
        for projection in select.projections:
            outside.typed(projection.node)
        raise TDengineError(errors.NO_FUNCTION_IN_WINDOW, "No valid function in window query")
    groups = [*select.partition, *select.groups()]
    if window is not None and window.kind == "state":
        groups += [Group(node, select.rows.typed(node)) for node in window.expressions]
    keys = list(dict.fromkeys(group.typed.sql for group in groups)) + ([plan.key] if plan else [])
    if not keys:
        keys = list(dict.fromkeys(select.relation.driving))
    columns = plan.columns if plan else {}
    if plan is not None and plan.edges is not None:
        select.env = replace(select.env, edges=plan.edges)
    scope = select.scope(grouped=True, groups=groups, window=columns, companion=_companion(select))
    outputs = [scope.output(projection.node) for projection in select.projections]
    having = [scope.condition(select.select.having)] if select.select.having is not None else []
    having += [plan.having] if plan is not None and plan.having is not None else []
    if not keys and not any(functions.find(call.name).counts for call in calls):
        having.append("count(*) > 0")
    source = plan.source if plan else select.from_(where)
    source += (f" GROUP BY {', '.join(keys)}" if keys else "") + (f" HAVING {' AND '.join(having)}" if having else "")
    if plan is not None and window is not None and window.fill not in (None, "none"):
        return _filled(select, window.fill or "null", plan, outputs, source)
    natural = [*select.env.partition, plan.columns["_wstart"].sql] if plan else list(keys)
    ties = [f"{key} ASC NULLS FIRST" for key in keys] if select.query.order and not select.select.distinct else []
    if not plan and select.relation.driving and keys == list(dict.fromkeys(select.relation.driving)):
        natural = [f"any_value({select.relation.time})"]
    return select.assembled(scope, outputs, source, natural, columns, ties=ties)


def window_plan(select: SelectTranslator, calls: Sequence[exp.Anonymous], where: str) -> WindowPlan | None:
    """The plan of the window clause, if there is one."""
    window = select.select.window
    if window is None:
        return None
    beside = [
        select.rows.typed(call.expressions[0]).sql for call in calls if call.name in _TO_THE_EDGES and call.expressions
    ]
    begin, _ = timerange.time_range(select.select.where, select.rows) if window.auto_offset else (None, None)
    return windows.plan(window, select.relation, where, select.env, select.rows, begin, beside)


def columns_of_rows(plan: WindowPlan, keys: Sequence[str]) -> dict[str, Typed]:
    """`_wstart` and its like for rows that are not grouped, but chosen in each window."""
    if plan.step or plan.months:
        return plan.columns
    over = f"OVER (PARTITION BY {', '.join(keys)})"
    return window_columns(f"{plan.columns['_wstart'].sql} {over}", f"{plan.columns['_wend'].sql} {over}")


def _companion(select: SelectTranslator) -> str | None:
    """How columns beside the only picking function (MAX, LAST, ...) get the value of the row that it picks."""
    calls = [call for item in select.projections for call in calls_in(item.node, in_cols=False)]
    if not calls or any(call != calls[0] for call in calls):
        return None
    return companion_of(calls[0], select.rows)


def _filled(
    select: SelectTranslator, mode: str, plan: WindowPlan, outputs: Sequence[Typed], grouped: str
) -> Translation:
    """Windows without rows filled in, over the time range that WHERE must give."""
    span = timerange.time_range(select.select.where, select.rows)
    groups = [Group(group.node, replace(group.typed, sql=f"s.k{at}")) for at, group in enumerate(select.partition)]
    end = f"(s.w + {plan.size})"
    if plan.months:
        end = plan.columns["_wend"].sql.replace(plan.columns["_wstart"].sql, "s.w")
    outside = select.scope(grouped=True, groups=groups, window=window_columns("s.w", end))
    columns = _fill_columns(select, outputs, outside)
    listed = [f"{group.typed.sql} AS k{at}" for at, group in enumerate(select.partition)] + [f"{plan.key} AS w"]
    listed += [f"{cast_to(output, output.type)} AS c{at}" for at, output in enumerate(outputs)]
    sql = filling.filled(
        mode,
        f"SELECT {', '.join(listed)}{grouped}",
        plan,
        len(select.partition),
        span,
        columns,
        select.relation.precision,
    )
    keys = [f"k{at}" for at in range(len(select.partition))]
    known = {group.node: key for group, key in zip(select.partition, keys, strict=True)}
    orders = []
    for item in select.query.order:
        at = output_of(item, select.projections)
        found = f"c{at}" if at is not None else known.get(item.node)
        if found is None and isinstance(item.node, exp.Column) and item.node.name == "_wstart":
            found = "w"
        if found is None:
            raise unsupported("ORDER BY of something not selected, with FILL")
        orders.append(order_sql(found, item))
    shown = [Typed(f"c{at}", output.type, exact=True) for at, output in enumerate(outputs)]
    translation = select.assembled(outside, shown, f" FROM ({sql})", [*keys, "w"], orders=orders, keys=keys)
    starts = [at for at, output in enumerate(outputs) if output.sql == plan.columns["_wstart"].sql]
    return replace(translation, time=f"c{starts[0]}") if starts else translation


def _fill_columns(select: SelectTranslator, outputs: Sequence[Typed], outside: Scope) -> list[FillColumn]:
    window = select.select.window
    assert window is not None
    values = list(window.fill_values)
    columns, wrong = [], TDengineError(errors.WRONG_VALUE_TYPE, "Filled values number mismatch")
    for at, (projection, output) in enumerate(zip(select.projections, outputs, strict=True)):
        if not calls_in(projection.node):
            columns.append(FillColumn(output.type, series=cast_to(outside.typed(projection.node), output.type)))
            continue
        constant = "NULL"
        if window.fill_values:
            if not values:
                raise wrong
            constant = cast_to(select.rows.typed(values.pop(0)), output.type)
        columns.append(FillColumn(output.type, aggregate=f"c{at}", constant=constant))
    if values:
        raise wrong
    return columns
