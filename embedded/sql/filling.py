"""FILL: windows that have no rows, made up from the time range and from the windows beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from embedded import errors
from embedded.errors import TDengineError, unsupported
from embedded.sql.windows import WindowPlan, months_begin, months_of
from embedded.types import UNITS_PER_SECOND, Type

_MOST_WINDOWS = 10_000_000
_TOO_LARGE = "Start(end) time of query range required or time range too large"


@dataclass(frozen=True)
class FillColumn:
    """One output of a filled query, of a type.

    SQL over the series `s` where the window gives it, else the aggregate's column and its constant.
    """

    type: Type
    series: str | None = None
    aggregate: str = ""
    constant: str = "NULL"


def filled(
    mode: str,
    grouped: str,
    plan: WindowPlan,
    keys: int,
    span: tuple[int | None, int | None],
    columns: Sequence[FillColumn],
    precision: str,
) -> str:
    """The SQL of a query with FILL: columns c0, ... for the outputs, k0, ... for the partition and w for the window.

    `grouped` is the SELECT of windows with rows, which has the same columns, `span` the time that WHERE lets through.
    """
    low, high = span
    if low is None or high is None or high < low:
        raise TDengineError(errors.FILL_RANGE, _TOO_LARGE)
    listed = ", ".join(f"k{at}" for at in range(keys))
    series = _series(plan, low, high, precision)
    if keys:
        series = f"SELECT * FROM (SELECT DISTINCT {listed} FROM g), ({series})"
    elif not mode.endswith("_f"):
        series = f"SELECT * FROM ({series}) WHERE EXISTS (SELECT 1 FROM g)"
    same = " AND ".join(["g.w = s.w", *(f"g.k{at} IS NOT DISTINCT FROM s.k{at}" for at in range(keys))])
    partition = "PARTITION BY " + ", ".join(f"s.k{at}" for at in range(keys)) + " " if keys else ""
    outputs = [
        f"CAST({column.series or _value(mode, column, partition)} AS {column.type.duckdb}) AS c{at}"
        for at, column in enumerate(columns)
    ]
    outputs += [*(f"s.k{at} AS k{at}" for at in range(keys)), "s.w AS w"]
    joined = f"({series}) AS s LEFT JOIN g ON {same}"
    return f"WITH g AS MATERIALIZED ({grouped}) SELECT {', '.join(outputs)} FROM {joined}"


def _series(plan: WindowPlan, low: int, high: int, precision: str) -> str:
    """The SELECT of where all windows begin, from the first that `low` lies in to the last that `high` does."""
    if plan.months:
        units = UNITS_PER_SECOND[precision]
        first, last = (
            f"{months_of(f'({bound})', plan.shift, units)} // {plan.months} * {plan.months}" for bound in (low, high)
        )
        months = f"SELECT unnest(range({first}, {last} + 1, {plan.months})) AS m"
        return f"SELECT {months_begin('m', plan.shift, units)} AS w FROM ({months})"
    first_at, last_at = ((bound - plan.shift) // plan.step * plan.step + plan.shift for bound in (low, high))
    while first_at - plan.step + plan.size > low:
        first_at -= plan.step
    if (last_at - first_at) // plan.step > _MOST_WINDOWS:
        raise TDengineError(errors.FILL_RANGE, _TOO_LARGE)
    return f"SELECT unnest(range({first_at}, {last_at + 1}, {plan.step})) AS w"


def _value(mode: str, column: FillColumn, partition: str) -> str:
    """The value of an output in a window, with rows or without.

    PREV, NEXT and a VALUE stand in for NULL in a window with rows, too (tfill.c, doFillOneRow).
    """
    value = f"g.{column.aggregate}"
    before = f"OVER ({partition}ORDER BY s.w ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)"
    after = f"OVER ({partition}ORDER BY s.w ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING)"
    present = f"CASE WHEN g.w IS NOT NULL THEN {{'w': s.w, 'v': {value}}} END"
    if mode in ("null", "null_f"):
        return value
    if mode in ("value", "value_f"):
        return f"coalesce({value}, {column.constant})"
    if mode == "prev":
        return f"coalesce({value}, last_value({value} IGNORE NULLS) {before})"
    following = f"first_value({present} IGNORE NULLS) {after}"
    if mode == "next":
        return f"coalesce({value}, ({following}).v)"
    if mode == "linear":
        if not column.type.kind.number:
            return value
        preceding = f"last_value({present} IGNORE NULLS) {before}"
        return f"CASE WHEN g.w IS NULL THEN {_line(preceding, following, column)} ELSE {value} END"
    raise unsupported(f"FILL({mode.upper()})")


def _line(left: str, right: str, column: FillColumn) -> str:
    """The point of the line between the windows beside; of integers cut towards zero."""
    one, other = f"({left})", f"({right})"
    slope = f"(CAST({other}.v AS DOUBLE) - CAST({one}.v AS DOUBLE)) / ({other}.w - {one}.w)"
    line = f"CAST({one}.v AS DOUBLE) + {slope} * (s.w - {one}.w)"
    return f"trunc({line})" if column.type.kind.integer else line
