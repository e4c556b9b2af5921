"""Window clauses: which rows of a relation belong to one window, and FILL of the windows that have none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlglot import exp

from embedded import errors
from embedded.errors import TDengineError, unsupported
from embedded.sql.expressions import Scope
from embedded.sql.statements import Window
from embedded.sql.times import Duration
from embedded.sql.typed import Environment, Typed, floor_to
from embedded.types import BIGINT, BOOL, TIMESTAMP, UNITS_PER_SECOND, VARCHAR, Type

_DAY = Duration.parse("1d")
_MOST_SLIDES = 100


@dataclass(frozen=True)
class WindowPlan:
    """How a window clause is carried out.

    `source` is the FROM clause whose rows have the window's key, `key` the SQL to group by, and `columns` what
    `_wstart` and its like are. `step` is the distance of windows in epoch units where they lie at fixed distances, and
    `shift` where one of them starts.
    """

    source: str
    key: str
    columns: dict[str, Typed]
    step: int = 0
    shift: int = 0
    interval: int = 0


def window_columns(start: str, end: str) -> dict[str, Typed]:
    """The pseudo columns of a window from `start` to `end`."""
    stamp = Type.of(TIMESTAMP)
    return {
        "_wstart": Typed(start, stamp),
        "_wend": Typed(end, stamp),
        "_wduration": Typed(f"({end} - {start})", Type.of(BIGINT)),
    }


def plan(window: Window, relation: str, where: str, time: str, env: Environment, rows: Scope) -> WindowPlan:
    """The plan of a window clause over the rows of `relation` for which `where` (a WHERE clause or nothing) holds."""
    name = time.split(".")[0]
    if window.kind == "interval":
        if window.offset.nanoseconds and window.offset.nanoseconds >= window.interval.nanoseconds > 0:
            raise TDengineError(errors.OFFSET_TOO_BIG, "Interval offset should be shorter than interval")
        if window.interval.months:
            if window.sliding is not None:
                raise TDengineError(
                    errors.SLIDING_OF_MONTHS, "Does not support sliding when interval is natural month/year"
                )
            return _calendar(window, relation, where, time, name, env)
        return _interval(window, relation, where, time, name, env)
    keys = f"PARTITION BY {', '.join(env.partition)} " if env.partition else ""
    return _by_rows(window, relation, where, time, name, f"{keys}ORDER BY {time}", env, rows)


def _interval(window: Window, relation: str, where: str, time: str, name: str, env: Environment) -> WindowPlan:
    size = window.interval.units(env.precision)
    step = size if window.sliding is None else window.sliding.units(env.precision)
    if size < 1:
        raise TDengineError(errors.INTERVAL_TOO_SMALL, f"Interval cannot be less than 1 {env.precision}")
    if step > size:
        raise TDengineError(errors.SLIDING_TOO_BIG, "sliding value no larger than the interval value")
    if step < 1 or size // step > _MOST_SLIDES:
        raise TDengineError(errors.SLIDING_TOO_SMALL, "sliding value can not less than 1% of interval value")
    shift = window.offset.units(env.precision)
    if size % _DAY.units(env.precision) == 0:
        shift -= env.offset * UNITS_PER_SECOND[env.precision]
    start = f"{name}.w"
    columns = window_columns(start, f"({start} + {size})")
    if step == size:
        inner = f"SELECT {name}.*, {floor_to(time, size, shift)} AS w FROM {relation}{where}"
        return WindowPlan(f" FROM ({inner}) AS {name}", start, columns, step, shift, size)
    steps = f"(SELECT unnest(range({-(-size // step)})) AS n) AS steps"
    inner = f"SELECT {name}.*, {floor_to(time, step, shift)} - steps.n * {step} AS w FROM {relation}, {steps}{where}"
    source = f" FROM ({inner}) AS {name} WHERE {time} < {start} + {size}"
    return WindowPlan(source, start, columns, step, shift, size)


def _calendar(window: Window, relation: str, where: str, time: str, name: str, env: Environment) -> WindowPlan:
    """Windows of months, which begin at midnight of the session's zone on the first of a month."""
    if window.fill not in (None, "none"):
        raise unsupported("FILL of calendar windows")
    months, units = window.interval.months, UNITS_PER_SECOND[env.precision]
    shift = env.offset * units
    stamp = f"make_timestamp({floor_to(f'({time} + {shift})', units)} // {units} * 1000000)"
    index = f"((year({stamp}) * 12 + month({stamp}) - 1) // {months} * {months})"
    first = f"make_timestamp(CAST({index} // 12 AS BIGINT), CAST({index} % 12 + 1 AS BIGINT), 1, 0, 0, 0.0)"
    begin = f"(epoch_us({first}) // 1000000 * {units} - {shift})"
    start = f"{name}.w"
    next_ = f"make_timestamp(({start} + {shift}) // {units} * 1000000) + INTERVAL {months} MONTH"
    end = f"(epoch_us({next_}) // 1000000 * {units} - {shift})"
    source = f" FROM (SELECT {name}.*, {begin} AS w FROM {relation}{where}) AS {name}"
    return WindowPlan(source, start, window_columns(start, end))


def _by_rows(
    window: Window, relation: str, where: str, time: str, name: str, over: str, env: Environment, rows: Scope
) -> WindowPlan:
    """Windows that the rows themselves make: by gaps in time, by a state, by events, or by number."""
    columns = window_columns(f"min({time})", f"max({time})")

    def counted(mark: str, condition: str = where) -> str:
        inner = f"SELECT {name}.*, CASE WHEN {mark} THEN 1 ELSE 0 END AS mark FROM {relation}{condition}"
        return f" FROM (SELECT *, sum({name}.mark) OVER ({over}) AS w FROM ({inner}) AS {name}) AS {name}"

    if window.kind == "session":
        gap = window.interval.units(env.precision)
        if gap < 1:
            raise TDengineError(errors.SESSION_GAP, "SESSION gap should be fixed time window, and greater than 0")
        if rows.typed(window.expressions[0]).sql != time:
            raise TDengineError(errors.SESSION_COLUMN, "Only support SESSION on primary timestamp column")
        return WindowPlan(counted(f"{time} - lag({time}) OVER ({over}) > {gap}"), f"{name}.w", columns)
    if window.kind == "state":
        typed = rows.typed(window.expressions[0])
        if not (typed.type.kind.integer or typed.type.kind in (BOOL, VARCHAR)):
            raise TDengineError(errors.STATE_TYPE, "Only support STATE_WINDOW on integer/bool/varchar column")
        if rows.is_tag(window.expressions[0]):
            raise TDengineError(errors.STATE_TAG, "Not support STATE_WINDOW on tag column")
        state = typed.sql
        present = f"{where} AND {state} IS NOT NULL" if where else f" WHERE {state} IS NOT NULL"
        return WindowPlan(
            counted(f"{state} IS DISTINCT FROM lag({state}) OVER ({over})", present), f"{name}.w", columns
        )
    if window.kind == "count":
        size, *sliding = (int(node.this) for node in window.expressions)
        step = sliding[0] if sliding else size
        if size < 2 or not 1 <= step <= size:
            raise TDengineError(errors.INVALID_OPERATION, "Invalid count window: at least 2 rows, slid by 1 to as many")
        number = f"(row_number() OVER ({over}) - 1)"
        if step == size:
            inner = f"SELECT {name}.*, {number} // {size} AS w FROM {relation}{where}"
            return WindowPlan(f" FROM ({inner}) AS {name}", f"{name}.w", columns)
        numbered = f"SELECT {name}.*, {number} AS n FROM {relation}{where}"
        steps = f"(SELECT unnest(range({-(-size // step)})) AS k) AS steps"
        inner = f"SELECT {name}.*, {name}.n // {step} - steps.k AS w FROM ({numbered}) AS {name}, {steps}"
        return WindowPlan(
            f" FROM ({inner}) AS {name} WHERE {name}.w >= 0 AND {name}.n < {name}.w * {step} + {size}",
            f"{name}.w",
            columns,
        )
    start, end = (rows.condition(node) for node in window.expressions)
    ends = (
        f"coalesce(sum(CASE WHEN {end} THEN 1 END) OVER ({over} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0)"
    )
    inner = f"SELECT {name}.*, {ends} AS w, {start} AS opens, {end} AS closes FROM {relation}{where}"
    keys = ", ".join([*env.partition, f"{name}.w"])
    opened = f"bool_or({name}.opens) OVER (PARTITION BY {keys} ORDER BY {time})"
    closed = f"bool_or({name}.closes) OVER (PARTITION BY {keys})"
    outer = f"SELECT * FROM ({inner}) AS {name} QUALIFY {opened} AND {closed}"
    return WindowPlan(f" FROM ({outer}) AS {name}", f"{name}.w", columns)


def time_range(where: exp.Expr | None, is_time: Sequence[str], rows: Scope) -> tuple[int | None, int | None]:
    """The first and last timestamp that a WHERE lets through, as far as its terms joined by AND say."""
    low: int | None = None
    high: int | None = None
    for low_bound, high_bound in _bounds(where, is_time, rows):
        if low_bound is not None:
            low = low_bound if low is None else max(low, low_bound)
        if high_bound is not None:
            high = high_bound if high is None else min(high, high_bound)
    return low, high


def _bounds(where: exp.Expr | None, is_time: Sequence[str], rows: Scope) -> list[tuple[int | None, int | None]]:
    bounds: list[tuple[int | None, int | None]] = []
    for term in where.flatten() if isinstance(where, exp.And) else [where]:
        node = term.unnest() if term is not None else None
        if isinstance(node, exp.And):
            bounds += _bounds(node, is_time, rows)
        elif isinstance(node, exp.Between) and _is_time(node.this, is_time):
            bounds.append((rows.instant_value(node.args["low"]), rows.instant_value(node.args["high"])))
        elif isinstance(node, exp.EQ | exp.GT | exp.GTE | exp.LT | exp.LTE):
            left, right = node.left, node.right
            kind: type[exp.Expr] = type(node)
            if not _is_time(left, is_time):
                left, right, kind = right, left, _MIRRORED.get(kind, kind)
            value = rows.instant_value(right) if _is_time(left, is_time) else None
            if value is not None:
                bounds.append(_BOUNDS[kind](value))
    return bounds


def _is_time(node: exp.Expr, names: Sequence[str]) -> bool:
    return isinstance(node, exp.Column) and node.name in names


_MIRRORED: dict[type[exp.Expr], type[exp.Expr]] = {exp.GT: exp.LT, exp.GTE: exp.LTE, exp.LT: exp.GT, exp.LTE: exp.GTE}
_BOUNDS: dict[type[exp.Expr], Callable[[int], tuple[int | None, int | None]]] = {
    exp.EQ: lambda value: (value, value),
    exp.GT: lambda value: (value + 1, None),
    exp.GTE: lambda value: (value, None),
    exp.LT: lambda value: (None, value - 1),
    exp.LTE: lambda value: (None, value),
}


@dataclass(frozen=True)
class FillColumn:
    """One output of a filled query.

    SQL over the series `s` where the window gives it, else the aggregate's column and its constant.
    """

    series: str | None = None
    aggregate: str = ""
    constant: str = "NULL"


def filled(
    mode: str, grouped: str, plan_: WindowPlan, keys: int, span: tuple[int, int], columns: Sequence[FillColumn]
) -> str:
    """The SQL of a query with FILL.

    `grouped` is the SELECT of windows with rows: columns k0, ... for the partition, w for the window, c0, ... for the
    outputs.
    """
    first, last = ((bound - plan_.shift) // plan_.step * plan_.step + plan_.shift for bound in span)
    if (last - first) // plan_.step > 10_000_000:
        raise TDengineError(errors.FILL_RANGE, "Start(end) time of query range required or time range too large")
    listed = ", ".join(f"k{at}" for at in range(keys))
    series = f"SELECT unnest(range({first}, {last + 1}, {plan_.step})) AS w"
    if keys:
        series = f"SELECT * FROM (SELECT DISTINCT {listed} FROM g), ({series})"
    elif not mode.endswith("_f"):
        series += " WHERE EXISTS (SELECT 1 FROM g)"
    same = " AND ".join(["g.w = s.w", *(f"g.k{at} IS NOT DISTINCT FROM s.k{at}" for at in range(keys))])
    partition = "PARTITION BY " + ", ".join(f"s.k{at}" for at in range(keys)) + " " if keys else ""
    outputs = ", ".join(
        f"{column.series or _filled(mode, column, partition)} AS c{at}" for at, column in enumerate(columns)
    )
    order = ", ".join([*(f"s.k{at}" for at in range(keys)), "s.w"])
    joined = f"({series}) AS s LEFT JOIN g ON {same}"
    return f"WITH g AS MATERIALIZED ({grouped}) SELECT {outputs} FROM {joined} ORDER BY {order}"


def _filled(mode: str, column: FillColumn, partition: str) -> str:
    value = f"g.{column.aggregate}"
    before = f"OVER ({partition}ORDER BY s.w ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)"
    after = f"OVER ({partition}ORDER BY s.w ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING)"
    if mode in ("null", "null_f"):
        return value
    if mode in ("value", "value_f"):
        return f"CASE WHEN g.w IS NULL THEN {column.constant} ELSE {value} END"
    previous, following = f"last_value({value} IGNORE NULLS) {before}", f"first_value({value} IGNORE NULLS) {after}"
    if mode == "prev":
        return f"CASE WHEN g.w IS NULL THEN {previous} ELSE {value} END"
    if mode == "next":
        return f"CASE WHEN g.w IS NULL THEN {following} ELSE {value} END"
    if mode == "linear":
        known = f"CASE WHEN {value} IS NOT NULL THEN s.w END"
        left, right = f"last_value({known} IGNORE NULLS) {before}", f"first_value({known} IGNORE NULLS) {after}"
        line = f"{previous} + ({following} - {previous}) * CAST(s.w - {left} AS DOUBLE) / ({right} - {left})"
        return f"CASE WHEN g.w IS NULL THEN {line} ELSE {value} END"
    raise unsupported(f"FILL({mode.upper()})")
