"""Functions of the rows of a series: those that choose rows, and those with a value for each."""

from __future__ import annotations

import random

from embedded.sql.functions.aggregates import sum_type, total
from embedded.sql.functions.call import FINEST, Call, Function, Render, duration, make, rows, same
from embedded.sql.functions.kinds import (
    anything,
    duration_kind,
    integer_kind,
    interpolable,
    number,
    subtractable,
    text_kind,
)
from embedded.types import BIGINT, BOOL, DOUBLE, TIMESTAMP, Type


def _over(call: Call, order: str | None = None, frame: str = "", also: str = "") -> str:
    """OVER (...): inside the query's partition, in the order of time."""
    keys = [*call.env.partition, *([also] if also else [])]
    partition = f"PARTITION BY {', '.join(keys)} " if keys else ""
    return f"OVER ({partition}ORDER BY {order or call.time()}{frame})"


def _present(call: Call) -> str:
    return f"{call.args[0].sql} IS NOT NULL"


# A value for each row.


def _difference(call: Call) -> str:
    """The difference to the last value before that is not NULL; integers wrap around."""
    kind = call.args[0].type.kind
    whole = kind.integer or kind in (BOOL, TIMESTAMP)
    value = f"CAST({call.args[0].sql} AS {'HUGEINT' if whole else 'DOUBLE'})"
    sql = f"({value} - lag({value} IGNORE NULLS) {_over(call)})"
    shown = (
        f"CAST((({sql} + {2**63}) % {2**64}::HUGEINT + {2**64}) % {2**64}::HUGEINT - {2**63} AS BIGINT)"
        if whole
        else sql
    )
    return f"CASE WHEN {sql} >= 0 THEN {shown} END" if _ignored(call) in (1, 3) else shown


def _difference_type(call: Call) -> Type:
    kind = call.args[0].type.kind
    return Type.of(BIGINT if kind.integer or kind in (BOOL, TIMESTAMP) else DOUBLE)


def _ignored(call: Call) -> int:
    """DIFF's option: 1 makes negative differences NULL, 2 leaves out NULL, 3 does both."""
    return call.constant_integer(1, 0, 3) if len(call.args) == 2 else 0


def _keeps_difference(call: Call) -> str:
    if _ignored(call) in (2, 3):
        return f"({_difference(call)}) IS NOT NULL"
    return f"row_number() {_over(call)} > 1"


def _derivative(call: Call) -> str:
    value, time = call.double, call.time()
    unit = duration(call, 1, "1s", any_length=True)
    before = f"lag(CASE WHEN {_present(call)} THEN {time} END IGNORE NULLS) {_over(call)}"
    return f"(({value} - lag({value} IGNORE NULLS) {_over(call)}) * {unit} / ({time} - {before}))"


def _keeps_derivative(call: Call) -> str:
    found = _derivative(call)
    return f"{found} >= 0" if call.constant_integer(2, 0, 1) else f"{found} IS NOT NULL"


def _moving_size(call: Call) -> int:
    return call.constant_integer(1, 1, 1000)


def _moving(call: Call) -> str:
    frame = f" ROWS {_moving_size(call) - 1} PRECEDING"
    return f"avg({call.double}) {_over(call, frame=frame, also=_present(call))}"


def _keeps_moving(call: Call) -> str:
    return f"{_present(call)} AND row_number() {_over(call, also=_present(call))} >= {_moving_size(call)}"


_OPERATORS = {"lt": "<", "gt": ">", "le": "<=", "ge": ">=", "ne": "<>", "eq": "="}


def _in_state(call: Call) -> str:
    operator = _OPERATORS.get(call.constant_text(1).lower())
    if operator is None:
        raise call.bad_value()
    return f"({call.args[0].sql} {operator} {call.args[2].sql})"


def _state_number(call: Call) -> str:
    """How often the state was left up to a row: what tells one stretch of a state from the next."""
    return f"count(CASE WHEN NOT {_in_state(call)} THEN 1 END) {_over(call)}"


def _state_value(call: Call, value: str) -> str:
    return f"CASE WHEN {_present(call)} THEN CASE WHEN {_in_state(call)} THEN {value} ELSE -1 END END"


def _stretch(call: Call) -> str:
    return f"{call.helper()}, coalesce({_in_state(call)}, FALSE)"


def _state_count(call: Call) -> str:
    return _state_value(call, f"row_number() {_over(call, also=_stretch(call))}")


def _state_duration(call: Call) -> str:
    unit = duration(call, 3, FINEST[call.env.precision])
    return _state_value(call, f"({call.time()} - min({call.time()}) {_over(call, also=_stretch(call))}) // {unit}")


# Some of the rows.


def _ranked(direction: str) -> Render:
    """Whether a row is among the K with the greatest or least values."""

    def keep(call: Call) -> str:
        value, count = call.args[0].sql, call.constant_integer(1, 1, 100)
        ranks = f"row_number() {_over(call, f'{value} {direction} NULLS LAST, {call.time()}')}"
        return f"{ranks} <= {count} AND {_present(call)}"

    return keep


def _ordered(direction: str) -> Render:
    return lambda call: f"{call.args[0].sql} {direction}"


def _tail(call: Call) -> str:
    offset = call.constant_integer(2, 0, 100) if len(call.args) == 3 else 0
    place = f"row_number() {_over(call, f'{call.time()} DESC')}"
    return f"{place} > {offset} AND {place} <= {offset + call.constant_integer(1, 1, 100)}"


def _unique(call: Call) -> str:
    return f"row_number() {_over(call, also=call.args[0].sql)} = 1"


def _sample(call: Call) -> str:
    by_chance = (
        f"row_number() {_over(call, f'{call.args[0].sql} IS NULL, hash({call.time()} + {random.getrandbits(32)})')}"
    )
    return f"{by_chance} <= {call.constant_integer(1, 1, 1000)} AND {_present(call)}"


CHOOSING = frozenset(["top", "bottom", "sample", "tail", "unique"])
"""Those that choose rows."""

FUNCTIONS: dict[str, Function] = {
    "diff": rows((subtractable, integer_kind), _difference_type, _difference, _keeps_difference, (1, 2)),
    "derivative": rows((number, duration_kind, integer_kind), DOUBLE, _derivative, _keeps_derivative, 3),
    "csum": rows(number, sum_type, lambda call: total(call, f" {_over(call)}"), "{0} IS NOT NULL"),
    "mavg": rows((number, integer_kind), DOUBLE, _moving, _keeps_moving),
    "statecount": rows((number, text_kind, number), BIGINT, _state_count, None, prepare=_state_number),
    "stateduration": rows(
        (number, text_kind, number, duration_kind), BIGINT, _state_duration, None, (3, 4), prepare=_state_number
    ),
    "interp": make("interp", (interpolable, integer_kind), same, "{0}", (1, 2)),
    "top": rows((number, integer_kind), same, "{0}", _ranked("DESC"), order=_ordered("ASC")),
    "bottom": rows((number, integer_kind), same, "{0}", _ranked("ASC"), order=_ordered("DESC")),
    "unique": rows(anything, same, "{0}", _unique),
    "tail": rows(
        (anything, integer_kind, integer_kind), same, "{0}", _tail, (2, 3), order=lambda call: f"{call.time()} DESC"
    ),
    "sample": rows((anything, integer_kind), same, "{0}", _sample),
}
