"""Aggregates, and those among them that pick a row."""

from __future__ import annotations

from embedded import errors
from embedded.errors import TDengineError
from embedded.sql import decimals
from embedded.sql.functions.call import FINEST, Call, Function, aggregate, duration, picks
from embedded.sql.functions.kinds import anything, duration_kind, number, number_or_time, ordered, summable, timestamp
from embedded.sql.typed import wrapped
from embedded.types import BIGINT, DOUBLE, UBIGINT, UNITS_PER_SECOND, Type


def sum_type(call: Call) -> Type:
    """The type of SUM and CSUM."""
    kind = call.args[0].type.kind
    if kind.decimal:
        return decimals.total(call.args[0].type)
    return Type.of(UBIGINT if kind.unsigned else BIGINT if kind.integer else DOUBLE)


def total(call: Call, over: str = "") -> str:
    """A sum, of all rows or OVER some; of integers it wraps around at the end of its range, as in C."""
    sql = call.args[0].sql
    kind = call.args[0].type.kind
    if kind.integer and kind.size == 8:
        return wrapped(f"sum({sql}){over}", kind)
    return f"sum({sql}){over}" if kind.integer or kind.decimal else f"sum({call.double}){over}"


def _mean_type(call: Call) -> Type:
    type_ = call.args[0].type
    return decimals.mean(type_) if type_.kind.decimal else Type.of(DOUBLE)


def _mean(call: Call) -> str:
    value = call.args[0]
    if not value.type.kind.decimal:
        return f"avg({call.double})"
    return decimals.quotient_sql(
        f"sum({value.sql})", decimals.total(value.type).scale, f"count({value.sql})", 0, decimals.mean(value.type)
    )


def _variance(call: Call) -> str:
    """Mean of the squares less the square of the mean, rounded in the order in which TDengine computes it.

    Squares of integers are of the integer's own size (four bytes at least) and wrap around, and so do their sums
    (STDDEV(u) and STDDEV(b) of tests/tdengine/dashboards.jsonl).
    """
    value, kind = call.args[0].sql, call.args[0].type.kind
    if not kind.integer:
        return f"(sum({call.double} * {call.double}) / count({value}) - avg({call.double}) * avg({call.double}))"
    whole = f"CAST({value} AS HUGEINT)"
    if kind.size == 8 and kind.unsigned:
        whole = f"({whole} - CASE WHEN {value} > {BIGINT.high} THEN {2**64}::HUGEINT ELSE 0 END)"
    square = f"{whole} * {whole}" if kind.size < 4 else wrapped(f"{whole} * {whole}", kind)
    wide = UBIGINT if kind.unsigned else BIGINT
    squares = wrapped(f"sum(CAST({square} AS HUGEINT))", wide)
    mean = f"(CAST({wrapped(f'sum({value})', wide)} AS DOUBLE) / count({value}))"
    return f"(CAST({squares} AS DOUBLE) / count({value}) - {mean} * {mean})"


def _deviation(call: Call) -> str:
    return f"sqrt(abs({_variance(call)}))"


def _elapsed(call: Call) -> str:
    """The time from the first row to the last, or in an INTERVAL up to its edges where rows follow on either side."""
    time = call.args[0].sql
    if time != call.env.time:
        raise TDengineError(errors.NOT_PRIMARY_TIME, f"Parameter should be primary timestamp : {call.name}")
    unit = duration(call, 1, FINEST[call.env.precision])
    first, last = f"min({time})", f"max({time})"
    edges = call.env.edges
    if edges is not None:
        start = f"any_value({edges.start})"
        first = f"(CASE WHEN arg_min_null({edges.before}, {time}) IS NOT NULL THEN {start} ELSE {first} END)"
        end = f"{start} + {edges.size}"
        more = f"arg_max_null({edges.after}, {time}) IS NOT NULL AND {last} <> {end} - 1"
        last = f"(CASE WHEN {more} THEN {end} ELSE {last} END)"
    return f"(({last} - {first}) / CAST({unit} AS DOUBLE))"


def _twa(call: Call) -> str:
    """Time-weighted average: the area below the line through the points, by the time between first and last.

    In an INTERVAL the line goes on to the window's edges, where there are rows beyond them.
    """
    value, time = call.args[0].sql, call.time()
    present = f"FILTER ({value} IS NOT NULL)"
    point = f"{{'t': CAST({time} AS BIGINT), 'v': {call.double}}}"
    points = f"list({point} ORDER BY {time}) {present}"
    edges = call.env.edges
    if edges is not None:
        points = f"list_concat(list_concat({_edge(call, first=True)}, {points}), {_edge(call, first=False)})"
    steps = "list_zip(p[:-2], p[2:])"
    area = f"list_sum(list_transform({steps}, lambda s: (s[1].v + s[2].v) / 2 * (s[2].t - s[1].t)))"
    mean = f"CASE WHEN len(p) = 1 THEN p[1].v ELSE {area} / NULLIF(p[-1].t - p[1].t, 0) END"
    return f"(list_transform([{points}], lambda p: {mean})[1])"


def _edge(call: Call, first: bool) -> str:
    """The point in a list where the line to a row beyond crosses an edge of the window; an empty list without one."""
    edges = call.env.edges
    assert edges is not None
    time, value = call.time(), call.double
    pick, beyond, values = ("arg_min", edges.before, 0) if first else ("arg_max", edges.after, 1)
    at = f"any_value({edges.start})" if first else f"(any_value({edges.start}) + {edges.size - 1})"
    other = f"CAST({edges.values[call.args[0].sql][values]} AS DOUBLE)"
    near_t, near_v = (f"{'min' if first else 'max'}({time})", f"{pick}_null({value}, {time})")
    far_t, far_v = f"{pick}_null({beyond}, {time})", f"{pick}_null({other}, {time})"
    line = f"{far_v} + ({near_v} - {far_v}) * ({at} - {far_t}) / CAST({near_t} - {far_t} AS DOUBLE)"
    point = f"{{'t': CAST({at} AS BIGINT), 'v': {line}}}"
    return f"(CASE WHEN {far_v} IS NULL OR {near_v} IS NULL OR {near_t} = {at} THEN [] ELSE [{point}] END)"


def _irate(call: Call) -> str:
    """The rate of increase a second between the last two values; a fall is taken for a counter's restart."""
    values = f"arg_max({call.double}, {call.time()}, 2)"
    times = f"max({call.time()}, 2) FILTER ({call.args[0].sql} IS NOT NULL)"
    rise = f"(CASE WHEN {values}[1] >= {values}[2] THEN {values}[1] - {values}[2] ELSE {values}[1] END)"
    units = UNITS_PER_SECOND[call.env.precision]
    return f"coalesce({rise} * {units} / ({times}[1] - {times}[2]), 0)"


_FIRST = "arg_min_null({column}, CASE WHEN {0} IS NOT NULL THEN {time} END)"
_LAST = "arg_max_null({column}, CASE WHEN {0} IS NOT NULL THEN {time} END)"
FUNCTIONS: dict[str, Function] = {
    "count": aggregate(anything, BIGINT, "count({0})", star=True, counts=True),
    "sum": aggregate(summable, sum_type, total),
    "avg": aggregate(summable, _mean_type, _mean),
    "spread": aggregate(number_or_time, DOUBLE, "CAST(max({0}) AS DOUBLE) - CAST(min({0}) AS DOUBLE)"),
    "stddev": aggregate(number, DOUBLE, _deviation),
    "stddev_pop": aggregate(number, DOUBLE, _deviation),
    "var_pop": aggregate(number, DOUBLE, lambda call: f"abs({_variance(call)})"),
    "hyperloglog": aggregate(anything, BIGINT, "count(DISTINCT {0})", counts=True),
    "elapsed": aggregate((timestamp, duration_kind), DOUBLE, _elapsed, (1, 2)),
    "irate": aggregate(number, DOUBLE, _irate),
    "twa": aggregate(number, DOUBLE, _twa),
    "min": picks(ordered, "min({0})", "arg_min_null({column}, {0})"),
    "max": picks(ordered, "max({0})", "arg_max_null({column}, {0})"),
    "first": picks(anything, "arg_min({0}, {time})", _FIRST, star=True),
    "last": picks(anything, "arg_max({0}, {time})", _LAST, star=True),
    "last_row": picks(anything, "arg_max_null({0}, {time})", "arg_max_null({column}, {time})", star=True),
    "mode": picks(anything, "mode({0})", "arg_max_null({column}, {time})"),
}
