"""Aggregates that tell of the distribution of values."""

from __future__ import annotations

import itertools
import json
import math
from typing import Any

from embedded.errors import PARAMETER_RANGE
from embedded.sql.functions.call import Call, Function, aggregate, fixed, let
from embedded.sql.functions.kinds import integer_kind, number, text_kind
from embedded.sql.typed import text_sql
from embedded.types import DOUBLE, VARCHAR, Type

_MOST_BINS = 1000


def _fraction(call: Call, at: int = 1) -> float:
    value = call.args[at].value
    if not isinstance(value, int | float):
        raise call.bad_type()
    if not 0 <= value <= 100:
        raise call.fail(PARAMETER_RANGE, "parameter range")
    return value / 100


def _percentile_type(call: Call) -> Type:
    """Several percentages give a text that lists them."""
    return Type(VARCHAR, 3198) if len(call.args) > 2 else Type.of(DOUBLE)


def _percentile(call: Call) -> str:
    """Interpolated between the two nearest values."""
    found = [f"quantile_cont({call.double}, {_fraction(call, at)})" for at in range(1, len(call.args))]
    if len(found) == 1:
        return found[0]
    return "('[' || " + " || ', ' || ".join(f"printf('%.6f', {one})" for one in found) + " || ']')"


def _apercentile(call: Call) -> str:
    """As TDengine estimates it, by a histogram (thistogram.c) or a t-digest (tdigest.c) of the values.

    Here each value has its own bin, as in TDengine while there are at most 500 different ones.
    """
    fraction = _fraction(call)
    method = call.constant_text(2) if len(call.args) == 3 else "default"
    if method.lower() not in ("default", "t-digest"):
        raise call.bad_value()
    values = f"list_sort(list({call.double}) FILTER ({call.args[0].sql} IS NOT NULL))"
    of_sorted = _by_digest(fraction) if method.lower() == "t-digest" else _by_histogram(fraction)
    return let("v", values, f"CASE WHEN len(v) > 0 THEN {of_sorted} END")


def _by_histogram(fraction: float) -> str:
    """The quantile of the sorted list v: on the curve whose slope goes from one bin's count to the next one's."""

    def last(value: str) -> str:
        return f"(len(v) - list_position(list_reverse(v), {value}) + 1)"

    position = f"({fraction!r}::DOUBLE * len(v))"
    rest = f"({position} - b.below)"
    here = "b.value + (b.next - b.value) * "
    root = "sqrt(4.0 * b.count * b.count + 8.0 * (b.next_count - b.count) * " + rest + ")"
    curve = f"{here} (-2 * b.count + {root}) / (2 * (b.next_count - b.count))"
    inside = f"CASE WHEN b.count = b.next_count THEN {here} {rest} / b.next_count ELSE {curve} END"
    bins = (
        "{'below': n.below, 'value': v[n.below], 'count': n.below - list_position(v, v[n.below]) + 1, "
        f"'next': n.next, 'next_count': {last('n.next')} - n.below}}"
    )
    next_ = f"v[CAST(floor({position}) AS BIGINT) + 1]"
    found = let("n", f"{{'next': {next_}, 'below': list_position(v, {next_}) - 1}}", let("b", bins, inside))
    first = last("v[1]")
    return f"CASE WHEN {position} <= {first} THEN v[1] WHEN {position} >= len(v) THEN v[-1] ELSE {found} END"


def _by_digest(fraction: float) -> str:
    """The quantile of the sorted list v, each of whose values is a centroid of weight one."""
    position = f"({fraction!r}::DOUBLE * len(v))"
    at = f"(CAST(floor({position}) AS BIGINT) + 1)"
    left, right = f"(v[greatest({at} - 1, 1)] + v[{at}]) / 2", f"(v[{at}] + v[least({at} + 1, len(v))]) / 2"
    part = f"({position} - floor({position}))"
    line = f"({left}) * (1 - {part}) + ({right}) * {part}"
    return f"CASE WHEN len(v) = 1 THEN v[1] WHEN {position} >= len(v) THEN v[-1] ELSE {line} END"


def _bins(call: Call) -> list[float]:
    """The limits of HISTOGRAM's bins."""
    kind, described = call.constant_text(1).lower(), call.constant_text(2)
    try:
        given = json.loads(described)
        if kind == "user_input":
            limits = [float(limit) for limit in given]
            if isinstance(given, dict) or limits != sorted(set(limits)):
                raise call.bad_value()
        else:
            limits = _generated(kind, given)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
        raise call.bad_value() from None
    if not 2 <= len(limits) <= _MOST_BINS + 1:
        raise call.bad_value()
    return limits


def _generated(kind: str, given: dict[str, Any]) -> list[float]:
    start, count, open_ = float(given["start"]), given["count"], given["infinity"]
    if not isinstance(count, int) or not 1 <= count <= _MOST_BINS or not isinstance(open_, bool):
        raise ValueError(count)
    if kind == "linear_bin":
        step = float(given["width"])
        limits = [start + at * step for at in range(count + 1)]
    elif kind == "log_bin" and start != 0:
        step = float(given["factor"])
        limits = [start * step**at for at in range(count + 1)]
    else:
        raise ValueError(kind)
    if limits != sorted(set(limits)) or not all(map(math.isfinite, limits)):
        if limits[::-1] != sorted(set(limits)):
            raise ValueError(step)
        limits = limits[::-1]
    return [-math.inf, *limits, math.inf] if open_ else limits


def _histogram(call: Call) -> str:
    """One row a bin; a bin has what is above its lower limit and not above its upper one."""
    limits = _bins(call)
    normalized = call.constant_integer(3, 0, 1)
    value = call.double
    pairs = list(itertools.pairwise(limits))
    counts = ", ".join(
        f"count(*) FILTER ({value} > {_limit(low)} AND {value} <= {_limit(high)})" for low, high in pairs
    )
    heads = ", ".join(text_sql(f'{{"lower_bin":{low:g}, "upper_bin":{high:g}, "count":') for low, high in pairs)
    shown = "n[i]"
    if normalized:
        shown = "printf('%.6f', CASE WHEN list_sum(n) = 0 THEN 0.0 ELSE CAST(n[i] AS DOUBLE) / list_sum(n) END)"
    listed = let("n", f"[{counts}]", f"list_transform([{heads}], lambda h, i: h || {shown} || '}}')")
    return f"unnest({listed})"


def _limit(value: float) -> str:
    return f"CAST('{value!r}' AS DOUBLE)"


def _least_squares(call: Call) -> str:
    """Slope and intercept of the line through the values, whose abscissas begin at one number and grow by another."""
    start, step = (argument.value for argument in call.args[1:])
    if not isinstance(start, int | float) or not isinstance(step, int | float):
        raise call.bad_type()
    values = f"list({call.double} ORDER BY {call.env.time or '1'}) FILTER ({call.args[0].sql} IS NOT NULL)"
    n, first, step_ = "CAST(len(y) AS DOUBLE)", f"CAST({start} AS DOUBLE)", f"CAST({step} AS DOUBLE)"
    places = f"({n} * ({n} - 1) / 2)"
    squares = f"({n} * ({n} - 1) * (2 * {n} - 1) / 6)"
    sums = (
        f"{{'n': {n}, 'x': {n} * {first} + {step_} * {places}, 'y': list_sum(y), "
        f"'xx': {n} * {first} * {first} + 2 * {first} * {step_} * {places} + {step_} * {step_} * {squares}, "
        f"'xy': {first} * list_sum(y) + {step_} * list_inner_product(CAST(range(len(y)) AS DOUBLE[]), y)}}"
    )
    slope = "(s.n * s.xy - s.x * s.y) / NULLIF(s.n * s.xx - s.x * s.x, 0)"
    intercept = "(s.y - k * s.x) / s.n"
    line = let("k", slope, f"'{{slop:' || {_number('k')} || ', intercept:' || {_number(intercept)} || '}}'")
    return let("y", values, f"CASE WHEN len(y) > 0 THEN {let('s', sums, line)} END")


def _number(sql: str) -> str:
    """A number with six decimals, or where that is too long with an exponent (leastSQRFinalize)."""
    short = f"printf('%.6f', {sql})"
    return f"CASE WHEN strlen({short}) > 25 THEN printf('%.16e', {sql}) ELSE {short} END"


FUNCTIONS: dict[str, Function] = {
    "percentile": aggregate((number, number), _percentile_type, _percentile, (2, 11)),
    "apercentile": aggregate((number, number, text_kind), DOUBLE, _apercentile, (2, 3)),
    "histogram": aggregate((number, text_kind, text_kind, integer_kind), fixed(VARCHAR, 510), _histogram),
    "leastsquares": aggregate((number, number, number), fixed(VARCHAR, 126), _least_squares),
}
