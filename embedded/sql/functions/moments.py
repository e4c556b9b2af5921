"""Functions of instants and dates."""

from __future__ import annotations

from collections.abc import Callable

from embedded import errors
from embedded.errors import TDengineError
from embedded.sql import timeformat
from embedded.sql.functions.call import FINEST, Call, Function, duration, fixed, moment, scalar
from embedded.sql.functions.kinds import duration_kind, instant, integer_kind, number_or_time, text_kind
from embedded.sql.times import Duration, parse_time
from embedded.sql.typed import floor_to, integer, text_sql
from embedded.types import BIGINT, TIMESTAMP, UNITS_PER_SECOND, VARCHAR, Type


def _truncate(call: Call) -> str:
    unit = duration(call, 1, "1a")
    day = Duration.parse("1d").units(call.env.precision)
    local = len(call.args) < 3 or call.args[2].value != 0
    shift = -call.env.offset * UNITS_PER_SECOND[call.env.precision] if local and unit >= day else 0
    return floor_to(moment(call), unit, shift)


def _difference(call: Call) -> str:
    unit = duration(call, 2, FINEST[call.env.precision])
    return f"CAST(trunc(({moment(call)} - {moment(call, 1)}) / {unit}) AS BIGINT)"


def microseconds(sql: str, precision: str) -> str:
    """Epoch units as DuckDB's microseconds."""
    if precision == "ms":
        return f"CAST({sql} AS BIGINT) * 1000"
    return sql if precision == "us" else f"({sql}) // 1000"


def _to_iso8601(call: Call) -> str:
    """Text of an instant in the zone of the argument or of the session, with as many digits as the precision has."""
    offset = call.env.offset
    suffix = f"{'-' if offset < 0 else '+'}{abs(offset) // 3600:02}{abs(offset) // 60 % 60:02}"
    if len(call.args) == 2:
        zone = call.args[1].value
        found = parse_time(f"1970-01-01 00:00:00{zone}", "ms", None) if isinstance(zone, str) and zone else None
        if found is None:
            raise TDengineError(errors.FUNCTION, "Invalid timzone format")
        offset, suffix = -found // 1000, str(zone)
    units = UNITS_PER_SECOND[call.env.precision]
    digits = len(str(units)) - 1
    local = f"({moment(call)} + {offset * units})"
    second = f"make_timestamp(CAST({floor_to(local, units)} AS BIGINT) // {units} * 1000000)"
    fraction = f"lpad(CAST(({local} % {units} + {units}) % {units} AS VARCHAR), {digits}, '0')"
    return f"(strftime({second}, '%Y-%m-%dT%H:%M:%S.') || {fraction} || {text_sql(suffix)})"


def _to_unixtimestamp_type(call: Call) -> Type:
    if len(call.args) == 1:
        return Type.of(BIGINT)
    if call.args[1].value not in (0, 1):
        raise TDengineError(errors.FUNCTION, "TO_UNIXTIMESTAMP function second parameter should be 0/1")
    return Type.of(TIMESTAMP if call.args[1].value == 1 else BIGINT)


def _to_unixtimestamp(call: Call) -> str:
    argument = call.args[0]
    if argument.type.kind is TIMESTAMP:
        return argument.sql
    if not argument.type.kind.text:
        raise call.bad_type()
    return moment(call)


def _to_char(call: Call) -> str:
    if call.args[1].null:
        return "NULL"
    return timeformat.written(moment(call), call.constant_text(1), call.env)


def _to_timestamp(call: Call) -> str:
    if call.args[0].null or call.args[1].null:
        return "CAST(NULL AS BIGINT)"
    format_ = call.constant_text(1)
    if not isinstance(call.args[0].value, str):
        raise errors.unsupported("TO_TIMESTAMP of a text column")
    try:
        found = timeformat.read(call.args[0].value, format_, call.env.precision, call.env.zone)
    except timeformat.FormatError:
        raise TDengineError(errors.TO_TIMESTAMP_FORMAT, "Func to_timestamp failed for format mismatch") from None
    except ValueError:
        raise TDengineError(errors.TO_TIMESTAMP_VALUE, "Func to_timestamp failed for wrong timestamp") from None
    return integer(found).sql


def _date_part(part: str | Callable[[Call], str], most: int = 1) -> Function:
    def render(call: Call) -> str:
        local = f"({moment(call)} + {call.env.offset * UNITS_PER_SECOND[call.env.precision]})"
        stamp = f"make_timestamp({microseconds(local, call.env.precision)})"
        return (part if isinstance(part, str) else part(call)).replace("{0}", stamp)

    return scalar((instant, integer_kind), BIGINT, render, (1, most))


_MONDAY_FIRST = (1, 3, 5, 7)
_FROM_ZERO = (0, 1, 4, 5)
_FOUR_DAYS = (1, 3, 4, 6)


def _week(call: Call) -> str:
    """The week of the year in one of MySQL's eight modes (TDengine's doc of WEEK has their table)."""
    mode = call.constant_integer(1, 0, 7) if len(call.args) == 2 and not call.args[1].null else 0

    def first_week(year: str) -> str:
        """The day of the year, from 0 and maybe negative, on which the first week begins."""
        new_year = f"make_date({year}, 1, 1)"
        day = f"(isodow({new_year}) - 1)" if mode in _MONDAY_FIRST else f"dayofweek({new_year})"
        if mode in _FOUR_DAYS:
            return f"(CASE WHEN {day} <= 3 THEN -{day} ELSE 7 - {day} END)"
        return f"((7 - {day}) % 7)"

    this, last = "CAST(year({0}) AS INTEGER)", "(CAST(year({0}) AS INTEGER) - 1)"
    day = "(dayofyear({0}) - 1)"
    length, last_length = (f"dayofyear(make_date({year}, 12, 31))" for year in (this, last))
    before = "0"
    if mode not in _FROM_ZERO:
        before = f"(({day} + {last_length} - {first_week(last)}) // 7 + 1)"
    number = f"(({day} - {first_week(this)}) // 7 + 1)"
    if mode in (3, 6):
        number = f"(CASE WHEN {day} - {length} >= {first_week(f'({this} + 1)')} THEN 1 ELSE {number} END)"
    return f"(CASE WHEN {day} < {first_week(this)} THEN {before} ELSE {number} END)"


def _now(call: Call) -> str:
    return str(call.env.now * UNITS_PER_SECOND[call.env.precision] // 10**9)


def _today(call: Call) -> str:
    second = call.env.now // 10**9 + call.env.offset
    midnight = second - second % 86400 - call.env.offset
    return str(midnight * UNITS_PER_SECOND[call.env.precision])


FUNCTIONS: dict[str, Function] = {
    "now": scalar((), TIMESTAMP, _now, 0),
    "today": scalar((), TIMESTAMP, _today, 0),
    "timetruncate": scalar((instant, duration_kind, integer_kind), TIMESTAMP, _truncate, (2, 3)),
    "timediff": scalar((instant, instant, duration_kind), BIGINT, _difference, (2, 3)),
    "to_iso8601": scalar((instant, text_kind), fixed(VARCHAR, 62), _to_iso8601, (1, 2)),
    "to_unixtimestamp": scalar((instant, integer_kind), _to_unixtimestamp_type, _to_unixtimestamp, (1, 2)),
    "to_char": scalar((number_or_time, text_kind), fixed(VARCHAR, 4094), _to_char),
    "to_timestamp": scalar((text_kind, text_kind), TIMESTAMP, _to_timestamp),
    "week": _date_part(_week, most=2),
    "weekofyear": _date_part("week({0})"),
    "weekday": _date_part("(isodow({0}) - 1)"),
    "dayofweek": _date_part("(dayofweek({0}) + 1)"),
}
