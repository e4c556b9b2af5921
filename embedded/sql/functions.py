"""The table of functions.

For each its arguments, its result's type and its DuckDB SQL. A new function is a new entry here.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from embedded import VERSION, errors
from embedded.errors import TDengineError
from embedded.sql import decimals, geometry
from embedded.sql.times import Duration, parse_time
from embedded.sql.typed import Environment, Typed, bytes_sql, floor_to, integer, text, text_sql, wrapped
from embedded.types import (
    BIGINT,
    BOOL,
    DOUBLE,
    GEOMETRY,
    INT,
    NCHAR,
    TIMESTAMP,
    UBIGINT,
    UNITS_PER_SECOND,
    UTINYINT,
    VARCHAR,
    Kind,
    Type,
)


@dataclass(frozen=True)
class Call:
    """One call: the function's name, its arguments, and what it may depend on besides."""

    name: str
    args: tuple[Typed, ...]
    env: Environment

    def fail(self, code: int, what: str) -> TDengineError:
        """The error that TDengine gives for a bad argument."""
        return TDengineError(code, f"Invalid {what} : {self.name}")

    def bad_type(self) -> TDengineError:
        """0x2802, for an argument of a type that the function does not take."""
        return self.fail(errors.PARAMETER_TYPE, "parameter data type")

    def constant_integer(self, at: int, low: int, high: int) -> int:
        """The value of an argument that must be an integer literal within bounds."""
        value = self.args[at].value
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.bad_type()
        if not low <= value <= high:
            raise self.fail(errors.PARAMETER_RANGE, "parameter range")
        return value

    def time(self) -> str:
        """The SQL of the relation's primary timestamp."""
        if self.env.time is None:
            raise TDengineError(errors.INVALID_OPERATION, f"{self.name} needs a table with a primary timestamp")
        return self.env.time


Accepts = Callable[[Kind], bool]
Rule = Callable[[Call], Type]
Render = Callable[[Call], str]


def _any(kind: Kind) -> bool:
    return True


def _number(kind: Kind) -> bool:
    return kind.number


def _summable(kind: Kind) -> bool:
    return kind.number or kind.decimal


def _number_or_time(kind: Kind) -> bool:
    return kind.number or kind is TIMESTAMP


def _text(kind: Kind) -> bool:
    return kind.text


def _ordered(kind: Kind) -> bool:
    return kind.number or kind.text or kind.decimal


def _integer(kind: Kind) -> bool:
    return kind.integer


def _time(kind: Kind) -> bool:
    return kind in (TIMESTAMP, BIGINT) or kind.text


def _difference_kind(kind: Kind) -> bool:
    return kind.number or kind in (BOOL, TIMESTAMP)


def _geometry(kind: Kind) -> bool:
    return kind is GEOMETRY


def _timestamp(kind: Kind) -> bool:
    return kind is TIMESTAMP


@dataclass(frozen=True)
class Function:
    """One function.

    `kind` is scalar, aggregate (many rows to one), select (an aggregate that picks a row, whose other columns may stand
    beside it) or rows (returns some of the rows, or a value for each: `keep` is the condition of the rows that stay).
    `accepts` says which kinds each argument may have; the last holds for all that follow. `companion` is for `select`:
    the SQL template for another column of the picked row. `star` lets `*` be an argument: COUNT(*) counts rows, FIRST,
    LAST and LAST_ROW are done for each column. `counts` marks an aggregate that has a value over no rows.
    """

    kind: str
    accepts: tuple[Accepts, ...]
    type: Rule
    sql: Render
    least: int
    most: int
    companion: str | None = None
    star: bool = False
    counts: bool = False
    keep: Render | None = None

    def check(self, call: Call) -> None:
        """Raise 0x2801 or 0x2802 unless number and types of the arguments fit."""
        if not self.least <= len(call.args) <= self.most:
            raise call.fail(errors.PARAMETER_COUNT, "number of parameters")
        for at, argument in enumerate(call.args):
            accepts = self.accepts[min(at, len(self.accepts) - 1)]
            # A negative integer literal is a DOUBLE by its sign, and an integer all the same.
            whole = isinstance(argument.value, int) and argument.type.kind is DOUBLE
            if not argument.null and not accepts(BIGINT if whole else argument.type.kind):
                raise call.bad_type()


def _fixed(kind: Kind, length: int | None = None) -> Rule:
    return lambda call: Type.of(kind, length)


def _same(call: Call) -> Type:
    return call.args[0].type


def _same_number(call: Call) -> Type:
    """The argument's type; NULL is a BIGINT."""
    return Type.of(BIGINT) if call.args[0].null else call.args[0].type


def _template(sql: str) -> Render:
    """SQL with {0}, {1}, ... for the arguments and {time} for the relation's timestamp."""

    def render(call: Call) -> str:
        values = [argument.sql for argument in call.args]
        return sql.format(*values, time=call.time() if "{time}" in sql else "")

    return render


def _make(
    kind: str,
    accepts: Accepts | tuple[Accepts, ...],
    type_: Rule | Kind,
    sql: str | Render,
    count: int | tuple[int, int] | None = None,
    companion: str | None = None,
    star: bool = False,
    counts: bool = False,
) -> Function:
    rules = accepts if isinstance(accepts, tuple) else (accepts,)
    least, most = (
        count if isinstance(count, tuple) else (count, count) if count is not None else (len(rules), len(rules))
    )
    return Function(
        kind,
        rules or (_any,),
        _fixed(type_) if isinstance(type_, Kind) else type_,
        _template(sql) if isinstance(sql, str) else sql,
        least,
        most,
        companion,
        star,
        counts,
    )


def _scalar(
    accepts: Accepts | tuple[Accepts, ...],
    type_: Rule | Kind,
    sql: str | Render,
    count: int | tuple[int, int] | None = None,
) -> Function:
    return _make("scalar", accepts, type_, sql, count)


def _math(sql: str, count: int = 1) -> Function:
    """A function of numbers with a DOUBLE result; what is not finite becomes NULL, as in TDengine."""
    accepts = (_number,) * count
    wrapped = sql
    for at in range(count):
        wrapped = wrapped.replace(f"{{{at}}}", f"CAST({{{at}}} AS DOUBLE)")
    return _scalar(accepts, DOUBLE, f"(CASE WHEN isfinite({wrapped}) THEN {wrapped} END)")


def _sum_type(call: Call) -> Type:
    kind = call.args[0].type.kind
    if kind.decimal:
        return decimals.total(call.args[0].type)
    return Type.of(UBIGINT if kind.unsigned else BIGINT if kind.integer else DOUBLE)


def _sum(call: Call, over: str = "") -> str:
    """A sum, of all rows or OVER some; of integers it wraps around at the end of its range, as in C."""
    sql = call.args[0].sql
    kind = call.args[0].type.kind
    if kind.integer and kind.size == 8:
        return wrapped(f"sum({sql}){over}", kind)
    return f"sum({sql}){over}" if kind.integer or kind.decimal else f"sum(CAST({sql} AS DOUBLE)){over}"


def _mean_type(call: Call) -> Type:
    type_ = call.args[0].type
    return decimals.mean(type_) if type_.kind.decimal else Type.of(DOUBLE)


def _mean(call: Call) -> str:
    value = call.args[0]
    if not value.type.kind.decimal:
        return f"avg(CAST({value.sql} AS DOUBLE))"
    return decimals.quotient_sql(
        f"sum({value.sql})", decimals.total(value.type).scale, f"count({value.sql})", 0, decimals.mean(value.type)
    )


def _bytes(type_: Type, nchar: bool) -> int:
    """Bytes of a text with its two of length, as NCHAR at four bytes a character."""
    if nchar:
        return 4 * type_.length + 2 if type_.kind is NCHAR else 4 * (type_.length + 2)
    return type_.length + 2


def _concat_type(call: Call) -> Type:
    """NCHAR if any argument is. TDengine adds up the bytes, each argument's two bytes of length included."""
    nchar = any(argument.type.kind is NCHAR for argument in call.args)
    separators = 0
    args = call.args
    if call.name == "concat_ws":
        separators = _bytes(args[0].type, nchar) * (len(args) - 2)
        args = args[1:]
    total = sum(_bytes(argument.type, nchar) for argument in args) + separators
    return Type(NCHAR, (total - 2) // 4) if nchar else Type(VARCHAR, total - 2)


def _concat(call: Call) -> str:
    return "(" + " || ".join(argument.sql for argument in call.args) + ")"


def _concat_ws(call: Call) -> str:
    """NULL if any argument is, unlike DuckDB's."""
    separator, *parts = (argument.sql for argument in call.args)
    return f"({f' || {separator} || '.join(parts)})"


def _trim_type(call: Call) -> Type:
    """The type of a literal loses the length of the blanks that go; a column's type keeps it."""
    argument = call.args[0]
    if isinstance(argument.value, str):
        kept = {"ltrim": argument.value.lstrip, "rtrim": argument.value.rstrip}.get(call.name, argument.value.strip)(
            " "
        )
        return Type(argument.type.kind, len(kept.encode()))
    return argument.type


def _of_bytes(kind: Kind, size: int) -> Type:
    """A text type of so many bytes, the two of its length included."""
    return Type(kind, (size - 2) // 4 if kind is NCHAR else size - 2)


def _whole_trim_type(call: Call) -> Type:
    """TRIM's type is as long as its argument, and of NCHAR four times that in bytes."""
    type_ = call.args[0].type
    return _of_bytes(NCHAR, 4 * type_.wire_bytes) if type_.kind is NCHAR else type_


def _replace_type(call: Call) -> Type:
    """As long as if all of the text were replaced (builtins.c, translateReplace)."""
    whole, old, new = (argument.type.wire_bytes for argument in call.args)
    kind = call.args[0].type.kind
    if kind is NCHAR and call.args[2].type.kind is not NCHAR:
        new *= 4
    return _of_bytes(kind, max(whole, whole + whole // old * (new - old)))


def _trimmed(sql: str, call: Call, end: str) -> str:
    """The text without a text that is repeated at an end of it."""
    taken = call.args[1].value
    if not isinstance(taken, str):
        raise errors.unsupported("TRIM of a text that is no literal")
    if not taken:
        return sql
    pattern = f"(?:{re.escape(taken)})+"
    return f"regexp_replace({sql}, {text_sql('^' + pattern if end == '^' else pattern + '$')}, '')"


def _substr(call: Call) -> str:
    """From a position that counts from 1, or from the end if negative; 0 gives an empty text."""
    string, start = call.args[0].sql, call.args[1].sql
    length = f", CAST(greatest({call.args[2].sql}, 0) AS BIGINT)" if len(call.args) == 3 else ""
    return f"CASE WHEN {start} = 0 THEN '' ELSE substr({string}, CAST({start} AS BIGINT){length}) END"


def _round(call: Call) -> str:
    """Halves away from zero; DuckDB does so for DOUBLE."""
    digits = f"CAST({call.args[1].sql} AS INTEGER)" if len(call.args) == 2 else "0"
    return f"round(CAST({call.args[0].sql} AS DOUBLE), {digits})"


def _geometry_bytes(call: Call) -> str:
    argument = call.args[0]
    if isinstance(argument.value, str):
        try:
            return bytes_sql(geometry.to_bytes(argument.value))
        except geometry.GeometryError:
            raise call.fail(errors.PARAMETER_VALUE, "parameter value") from None
    return f"ST_AsWKB(TRY_CAST({argument.sql} AS GEOMETRY))"


def _geometry_text(call: Call) -> str:
    """WKT with six decimals in each number, as TDengine writes it."""
    parts = f"regexp_extract_all(ST_AsText(ST_GeomFromWKB({call.args[0].sql})), '[-+.e0-9]+|[^-+.e0-9]+')"
    written = f"list_transform({parts}, lambda x: coalesce(printf('%.6f', TRY_CAST(x AS DOUBLE)), x))"
    return f"array_to_string({written}, '')"


def _moment(call: Call, at: int = 0) -> str:
    """An argument that is an instant as epoch units: a timestamp, an integer, or a text."""
    argument = call.args[at]
    if argument.type.kind.text:
        if not isinstance(argument.value, str):
            raise errors.unsupported(f"{call.name.upper()} of a text column")
        parsed = parse_time(argument.value, call.env.precision, call.env.zone)
        return "NULL" if parsed is None else integer(parsed).sql
    return argument.sql


def _duration(call: Call, at: int, default: str, any_length: bool = False) -> int:
    """An argument that is a duration literal, in units of the precision; one of a unit unless any length will do."""
    if len(call.args) <= at:
        return max(Duration.parse(default).units(call.env.precision), 1)
    value = call.args[at].value
    if not isinstance(value, Duration):
        raise call.bad_type()
    units = value.units(call.env.precision)
    if not any_length and value not in _TIME_UNITS:
        # TDengine's own words for a unit that is none.
        raise call.fail(errors.TIME_UNIT, "timzone format")
    if value.months or units < 1:
        raise TDengineError(errors.TIME_UNIT_TOO_SMALL, f"Time unit is too small : {call.name}")
    return units


_TIME_UNITS = frozenset(Duration.parse(f"1{unit}") for unit in "buasmhdw")


def _is_duration(kind: Kind) -> bool:
    return kind is BIGINT


def _time_truncate(call: Call) -> str:
    unit = _duration(call, 1, "1a")
    day = Duration.parse("1d").units(call.env.precision)
    local = len(call.args) < 3 or call.args[2].value != 0
    shift = -call.env.offset * UNITS_PER_SECOND[call.env.precision] if local and unit >= day else 0
    return floor_to(_moment(call), unit, shift)


def _time_diff(call: Call) -> str:
    unit = _duration(call, 2, "1b" if call.env.precision == "ns" else "1u" if call.env.precision == "us" else "1a")
    return f"CAST(trunc(({_moment(call)} - {_moment(call, 1)}) / {unit}) AS BIGINT)"


def _elapsed(call: Call) -> str:
    if call.args[0].sql != call.env.time:
        raise TDengineError(errors.NOT_PRIMARY_TIME, f"Parameter should be primary timestamp : {call.name}")
    unit = _duration(call, 1, {"ms": "1a", "us": "1u", "ns": "1b"}[call.env.precision])
    return f"((max({call.args[0].sql}) - min({call.args[0].sql})) / CAST({unit} AS DOUBLE))"


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
    moment = _moment(call)
    local = f"({moment} + {offset * units})"
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
    return _moment(call)


def _date_part(part: str | Callable[[Call], str], most: int = 1) -> Function:
    def render(call: Call) -> str:
        local = f"({_moment(call)} + {call.env.offset * UNITS_PER_SECOND[call.env.precision]})"
        stamp = f"make_timestamp({microseconds(local, call.env.precision)})"
        return (part if isinstance(part, str) else part(call)).format(stamp)

    return _scalar((_time, _integer), BIGINT, render, (1, most))


def _week(call: Call) -> str:
    """The week of the year; by default weeks begin on Sunday and the days before the first Sunday are in week 0."""
    mode = call.constant_integer(1, 0, 7) if len(call.args) == 2 else 0
    if mode == 3:
        return "week({0})"
    if mode not in (0, 5):
        raise errors.unsupported(f"WEEK with mode {mode}")
    return f"CAST(strftime({{0}}, '{'%W' if mode == 5 else '%U'}') AS BIGINT)"


def _repeat_type(call: Call) -> Type:
    """As long as the text repeated; of a column's count the most that a VARCHAR holds."""
    type_, count = call.args[0].type, call.args[1].value
    return _of_bytes(type_.kind, type_.wire_bytes * max(count, 1) if isinstance(count, int) else 65519)


def _substring_index(call: Call) -> str:
    string, delimiter = call.args[0].sql, call.args[1].sql
    count = call.args[2].value
    if not isinstance(count, int):
        raise errors.unsupported("SUBSTRING_INDEX with a count that is no literal")
    parts = f"string_split({string}, {delimiter})"
    kept = f"{parts}[:{count}]" if count > 0 else f"{parts}[{count}:]"
    return "''" if count == 0 else f"array_to_string({kept}, {delimiter})"


def _char_type(call: Call) -> Type:
    return Type(VARCHAR, 4 * len(call.args))


def _char(call: Call) -> str:
    """The ASCII characters of the codes; others would be bytes that are no text."""
    codes = [argument.value for argument in call.args]
    if not all(isinstance(code, int) and 0 < code < 128 for code in codes):
        raise errors.unsupported("CHAR of other than ASCII codes")
    return " || ".join(f"chr({code})" for code in codes)


def _now(call: Call) -> str:
    return str(call.env.now * UNITS_PER_SECOND[call.env.precision] // 10**9)


def _today(call: Call) -> str:
    second = call.env.now // 10**9 + call.env.offset
    midnight = second - second % 86400 - call.env.offset
    return str(midnight * UNITS_PER_SECOND[call.env.precision])


def _literal(value: Callable[[Call], str | None]) -> Function:
    """A function without arguments whose text result is known at once."""

    def type_(call: Call) -> Type:
        found = value(call)
        return Type(VARCHAR, len(found.encode()) if found is not None else 0)

    def sql(call: Call) -> str:
        found = value(call)
        return "NULL" if found is None else text(found).sql

    return _scalar((), type_, sql, 0)


def _glibc_random(seed: int) -> float:
    """The first number of C's srand(seed).

    Rand(), which is what RAND(seed) gives (glibc's additive feedback generator).
    """
    state = [seed or 1]
    for at in range(1, 31):
        state.append(16807 * state[at - 1] % 2147483647)
    for at in range(31, 34):
        state.append(state[at - 31])
    for at in range(34, 345):
        state.append((state[at - 31] + state[at - 3]) & 0xFFFFFFFF)
    return (state[344] >> 1) / 2147483647


def _rand(call: Call) -> str:
    if not call.args:
        return repr(random.random()) if call.env.time is None else "random()"
    return repr(_glibc_random(call.constant_integer(0, 0, 2**32 - 1)))


def _percentile_type(call: Call) -> Type:
    """Several percentages give a text that lists them."""
    return Type(VARCHAR, 3198) if len(call.args) > 2 else Type.of(DOUBLE)


def _percentile(call: Call) -> str:
    """Interpolated between the two nearest values."""
    value = f"CAST({call.args[0].sql} AS DOUBLE)"
    found = [f"quantile_cont({value}, {_fraction(call, at)})" for at in range(1, len(call.args))]
    if len(found) == 1:
        return found[0]
    return "('[' || " + " || ', ' || ".join(f"printf('%.6f', {one})" for one in found) + " || ']')"


def _apercentile(call: Call) -> str:
    """A value near the percentile; TDengine estimates by a histogram, here it is the exact lower one."""
    return f"quantile_disc(CAST({call.args[0].sql} AS DOUBLE), {_fraction(call)})"


def _fraction(call: Call, at: int = 1) -> float:
    value = call.args[at].value
    if not isinstance(value, int | float):
        raise call.bad_type()
    if not 0 <= value <= 100:
        raise call.fail(errors.PARAMETER_RANGE, "parameter range")
    return value / 100


def _twa(call: Call) -> str:
    """Time-weighted average: the area below the line through the points, by the time between first and last."""
    value, moment = f"CAST({call.args[0].sql} AS DOUBLE)", call.time()
    present = f"FILTER ({call.args[0].sql} IS NOT NULL)"
    points = f"list({{'t': {moment}, 'v': {value}}} ORDER BY {moment}) {present}"
    steps = f"list_zip(({points})[:-2], ({points})[2:])"
    area = f"list_sum(list_transform({steps}, lambda p: (p[1].v + p[2].v) / 2 * (p[2].t - p[1].t)))"
    span = f"(max({moment}) {present} - min({moment}) {present})"
    return f"(CASE WHEN count({value}) = 1 THEN min({value}) ELSE {area} / NULLIF({span}, 0) END)"


def _variance(call: Call) -> str:
    """Mean of the squares less the square of the mean, rounded in the order in which TDengine computes it."""
    value = f"CAST({call.args[0].sql} AS DOUBLE)"
    return f"(sum({value} * {value}) / count({value}) - avg({value}) * avg({value}))"


def _irate(call: Call) -> str:
    """The rate of increase a second between the last two values; a fall is taken for a counter's restart."""
    values = f"arg_max(CAST({call.args[0].sql} AS DOUBLE), {call.time()}, 2)"
    times = f"max({call.time()}, 2) FILTER ({call.args[0].sql} IS NOT NULL)"
    rise = f"(CASE WHEN {values}[1] >= {values}[2] THEN {values}[1] - {values}[2] ELSE {values}[1] END)"
    units = UNITS_PER_SECOND[call.env.precision]
    return f"coalesce({rise} * {units} / ({times}[1] - {times}[2]), 0)"


def _over(call: Call, order: str | None = None, frame: str = "", also: str = "") -> str:
    """OVER (...) for a function of rows: inside the query's partition, in the order of time."""
    keys = [*call.env.partition, *([also] if also else [])]
    partition = f"PARTITION BY {', '.join(keys)} " if keys else ""
    return f"OVER ({partition}ORDER BY {order or call.time()}{frame})"


def _difference(call: Call) -> str:
    kind = call.args[0].type.kind
    target = "DOUBLE" if not kind.integer and kind is not BOOL and kind is not TIMESTAMP else "BIGINT"
    value = f"CAST({call.args[0].sql} AS {target})"
    sql = f"({value} - lag({value} IGNORE NULLS) {_over(call)})"
    if len(call.args) == 2 and call.constant_integer(1, 0, 3) in (1, 3):
        return f"CASE WHEN {sql} >= 0 THEN {sql} END"
    return sql


def _difference_type(call: Call) -> Type:
    kind = call.args[0].type.kind
    return Type.of(BIGINT if kind.integer or kind in (BOOL, TIMESTAMP) else DOUBLE)


def _derivative(call: Call) -> str:
    value, moment = f"CAST({call.args[0].sql} AS DOUBLE)", call.time()
    unit = _duration(call, 1, "1s", any_length=True)
    sql = f"(({value} - lag({value}) {_over(call)}) * {unit} / ({moment} - lag({moment}) {_over(call)}))"
    return f"CASE WHEN {sql} >= 0 THEN {sql} END" if call.constant_integer(2, 0, 1) else sql


def _not_first(call: Call) -> str:
    return f"row_number() {_over(call)} > 1"


def _ranked(direction: str) -> Render:
    """Whether a row is among the K with the greatest or least values."""

    def keep(call: Call) -> str:
        value, count = call.args[0].sql, call.constant_integer(1, 1, 100)
        number = f"row_number() {_over(call, f'{value} {direction} NULLS LAST, {call.time()}')}"
        return f"{number} <= {count} AND {value} IS NOT NULL"

    return keep


def _tail(call: Call) -> str:
    offset = call.constant_integer(2, 0, 100) if len(call.args) == 3 else 0
    number = f"row_number() {_over(call, f'{call.time()} DESC')}"
    return f"{number} > {offset} AND {number} <= {offset + call.constant_integer(1, 1, 100)}"


def _moving(call: Call) -> str:
    rows = call.constant_integer(1, 1, 1000)
    return f"avg(CAST({call.args[0].sql} AS DOUBLE)) {_over(call, frame=f' ROWS {rows - 1} PRECEDING')}"


def _rows(
    accepts: Accepts | tuple[Accepts, ...],
    type_: Rule | Kind,
    sql: str | Render,
    keep: str | Render,
    count: int | tuple[int, int] | None = None,
) -> Function:
    made = _make("rows", accepts, type_, sql, count)
    return replace(made, keep=_template(keep) if isinstance(keep, str) else keep)


def _picks(accepts: Accepts, sql: str, companion: str, star: bool = False) -> Function:
    return _make("select", accepts, _same, sql, 1, companion, star)


def _aggregate(
    accepts: Accepts | tuple[Accepts, ...],
    type_: Rule | Kind,
    sql: str | Render,
    star: bool = False,
    counts: bool = False,
) -> Function:
    return _make("aggregate", accepts, type_, sql, star=star, counts=counts)


FUNCTIONS: dict[str, Function] = {
    # Aggregates.
    "count": _aggregate(_any, BIGINT, "count({0})", star=True, counts=True),
    "sum": _aggregate(_summable, _sum_type, _sum),
    "avg": _aggregate(_summable, _mean_type, _mean),
    "spread": _aggregate(_number_or_time, DOUBLE, "CAST(max({0}) AS DOUBLE) - CAST(min({0}) AS DOUBLE)"),
    "stddev": _aggregate(_number, DOUBLE, lambda call: f"sqrt(abs({_variance(call)}))"),
    "stddev_pop": _aggregate(_number, DOUBLE, lambda call: f"sqrt(abs({_variance(call)}))"),
    "var_pop": _aggregate(_number, DOUBLE, lambda call: f"abs({_variance(call)})"),
    "hyperloglog": _aggregate(_any, BIGINT, "count(DISTINCT {0})", counts=True),
    "percentile": _make("aggregate", (_number, _number), _percentile_type, _percentile, (2, 11)),
    "apercentile": _make("aggregate", (_number, _number, _text), DOUBLE, _apercentile, (2, 3)),
    "elapsed": _make("aggregate", (_timestamp, _is_duration), DOUBLE, _elapsed, (1, 2)),
    "irate": _aggregate(_number, DOUBLE, _irate),
    "twa": _aggregate(_number, DOUBLE, _twa),
    # Aggregates that pick a row.
    "min": _picks(_ordered, "min({0})", "arg_min_null({column}, {0})"),
    "max": _picks(_ordered, "max({0})", "arg_max_null({column}, {0})"),
    "first": _picks(
        _any, "arg_min({0}, {time})", "arg_min_null({column}, CASE WHEN {0} IS NOT NULL THEN {time} END)", star=True
    ),
    "last": _picks(
        _any, "arg_max({0}, {time})", "arg_max_null({column}, CASE WHEN {0} IS NOT NULL THEN {time} END)", star=True
    ),
    "last_row": _picks(_any, "arg_max_null({0}, {time})", "arg_max_null({column}, {time})", star=True),
    "mode": _picks(_any, "mode({0})", "arg_max_null({column}, {time})"),
    # Some of the rows, or a value for each.
    "top": _rows((_number, _integer), _same, "{0}", _ranked("DESC")),
    "bottom": _rows((_number, _integer), _same, "{0}", _ranked("ASC")),
    "unique": _rows(_any, _same, "{0}", lambda call: f"row_number() {_over(call, also=call.args[0].sql)} = 1"),
    "tail": _rows((_any, _integer, _integer), _same, "{0}", _tail, (2, 3)),
    "sample": _rows(
        (_any, _integer),
        _same,
        "{0}",
        lambda call: (
            f"row_number() {_over(call, f'hash({call.time()} + {random.getrandbits(32)})')} "
            f"<= {call.constant_integer(1, 1, 1000)} AND {call.args[0].sql} IS NOT NULL"
        ),
    ),
    "diff": _rows((_difference_kind, _integer), _difference_type, _difference, _not_first, (1, 2)),
    "derivative": _rows((_number, _is_duration, _integer), DOUBLE, _derivative, _not_first, 3),
    "csum": _rows(_number, _sum_type, lambda call: _sum(call, f" {_over(call)}"), "{0} IS NOT NULL"),
    "mavg": _rows(
        (_number, _integer),
        DOUBLE,
        _moving,
        lambda call: f"row_number() {_over(call)} >= {call.constant_integer(1, 1, 1000)}",
    ),
    # Numbers.
    "abs": _scalar(_number, _same_number, "abs({0})"),
    "ceil": _scalar(_number, _same_number, "ceil({0})"),
    "floor": _scalar(_number, _same_number, "floor({0})"),
    "round": _scalar((_number, _integer), _same, _round, (1, 2)),
    "sign": _scalar(_number, _same_number, "sign({0})"),
    "sqrt": _math("sqrt({0})"),
    "exp": _math("exp({0})"),
    "ln": _math("ln({0})"),
    "sin": _math("sin({0})"),
    "cos": _math("cos({0})"),
    "tan": _math("tan({0})"),
    "asin": _math("asin({0})"),
    "acos": _math("acos({0})"),
    "atan": _math("atan({0})"),
    "degrees": _math("degrees({0})"),
    "radians": _math("radians({0})"),
    "pow": _math("pow({0}, {1})", 2),
    "mod": _math("{0} % NULLIF({1}, 0)", 2),
    "truncate": _scalar((_number, _integer), _same, "trunc(CAST({0} AS DOUBLE) * pow(10, {1})) / pow(10, {1})"),
    "log": _scalar(
        (_number, _number),
        DOUBLE,
        lambda call: (
            f"ln(CAST({call.args[0].sql} AS DOUBLE))"
            if len(call.args) == 1
            else "(ln(CAST({} AS DOUBLE)) / ln(CAST({} AS DOUBLE)))".format(*(argument.sql for argument in call.args))
        ),
        (1, 2),
    ),
    "pi": _scalar((), DOUBLE, "pi()", 0),
    "rand": _scalar((_integer,), DOUBLE, _rand, (0, 1)),
    # Texts.
    "upper": _scalar(_text, _same, "upper({0})"),
    "lower": _scalar(_text, _same, "lower({0})"),
    "length": _scalar(
        _text,
        BIGINT,
        lambda call: f"{'4 * length' if call.args[0].type.kind is NCHAR else 'strlen'}({call.args[0].sql})",
    ),
    "char_length": _scalar(_text, BIGINT, "length({0})"),
    "concat": _scalar(_text, _concat_type, _concat, (2, 8)),
    "concat_ws": _scalar(_text, _concat_type, _concat_ws, (3, 9)),
    "substr": _scalar((_text, _integer), _same, _substr, (2, 3)),
    "substring": _scalar((_text, _integer), _same, _substr, (2, 3)),
    "ltrim": _scalar(_text, _trim_type, "ltrim({0})"),
    "rtrim": _scalar(_text, _trim_type, "rtrim({0})"),
    "trim": _scalar(_text, _whole_trim_type, "trim({0})"),
    "trim both": _scalar(
        (_text, _text), _whole_trim_type, lambda call: _trimmed(_trimmed(call.args[0].sql, call, "^"), call, "$")
    ),
    "trim leading": _scalar((_text, _text), _whole_trim_type, lambda call: _trimmed(call.args[0].sql, call, "^")),
    "trim trailing": _scalar((_text, _text), _whole_trim_type, lambda call: _trimmed(call.args[0].sql, call, "$")),
    "repeat": _scalar((_text, _integer), _repeat_type, "repeat({0}, greatest({1}, 0)::BIGINT)"),
    "substring_index": _scalar((_text, _text, _integer), _same, _substring_index),
    "position": _scalar((_text, _text), BIGINT, "strpos({1}, {0})"),
    "char": _scalar(_integer, _char_type, _char, (1, 255)),
    "replace": _scalar(_text, _replace_type, "replace({0}, {1}, {2})", 3),
    "ascii": _scalar(_text, UTINYINT, "CASE WHEN {0} = '' THEN 0 ELSE CAST('0x' || left(hex({0}), 2) AS UTINYINT) END"),
    # Geometries.
    "st_astext": _scalar(_geometry, _fixed(VARCHAR, 65517), _geometry_text),
    "st_geomfromtext": _scalar(_text, _fixed(GEOMETRY, 65517), _geometry_bytes),
    # Times.
    "now": _scalar((), TIMESTAMP, _now, 0),
    "today": _scalar((), TIMESTAMP, _today, 0),
    "timezone": _literal(lambda call: call.env.zone_name),
    "timetruncate": _scalar((_time, _is_duration, _integer), TIMESTAMP, _time_truncate, (2, 3)),
    "timediff": _scalar((_time, _time, _is_duration), BIGINT, _time_diff, (2, 3)),
    "to_iso8601": _scalar((_time, _text), _fixed(VARCHAR, 62), _to_iso8601, (1, 2)),
    "to_unixtimestamp": _scalar((_time, _integer), _to_unixtimestamp_type, _to_unixtimestamp, (1, 2)),
    "week": _date_part(_week, most=2),
    "weekofyear": _date_part("week({0})"),
    "weekday": _date_part("(isodow({0}) - 1)"),
    "dayofweek": _date_part("(dayofweek({0}) + 1)"),
    # The session.
    "database": _literal(lambda call: call.env.database),
    "server_version": _literal(lambda call: VERSION),
    "client_version": _literal(lambda call: VERSION),
    "current_user": _literal(lambda call: f"{call.env.user}@127.0.0.1"),
    "user": _literal(lambda call: f"{call.env.user}@127.0.0.1"),
    "server_status": _scalar((), INT, "1", 0),
}

BOOLEAN = Type.of(BOOL)


_ONLY_IN_TDENGINE = frozenset(
    """cols date dayname find_in_set forecast greatest histogram interp least leastsquares like_in_set st_contains
    st_containsproperly st_covers st_equals st_intersects st_makepoint st_touches statecount stateduration to_char
    to_json to_timestamp""".split()
)


def find(name: str) -> Function:
    """The function of that name; 0x0374 if TDengine has none."""
    function = FUNCTIONS.get(name)
    if function is None and name in _ONLY_IN_TDENGINE:
        raise errors.unsupported(f"the function {name.upper()}")
    if function is None:
        raise TDengineError(errors.FUNCTION_MISSING, "Func not exists")
    return function
