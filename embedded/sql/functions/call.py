"""What an entry of the table of functions is made of: its arguments' kinds, its result's type, its DuckDB SQL."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from embedded import errors
from embedded.errors import TDengineError
from embedded.sql.functions.kinds import Accepts, anything, number
from embedded.sql.times import Duration, parse_time
from embedded.sql.typed import Environment, Typed, integer
from embedded.types import BIGINT, DOUBLE, Kind, Type


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

    def bad_value(self) -> TDengineError:
        """0x2803, for a literal that the function does not take."""
        return self.fail(errors.PARAMETER_VALUE, "parameter value")

    def constant_integer(self, at: int, low: int, high: int) -> int:
        """The value of an argument that must be an integer literal within bounds."""
        value = self.args[at].value
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.bad_type()
        if not low <= value <= high:
            raise self.fail(errors.PARAMETER_RANGE, "parameter range")
        return value

    def constant_text(self, at: int) -> str:
        """The value of an argument that must be a text literal."""
        value = self.args[at].value
        if not isinstance(value, str):
            raise self.bad_value()
        return value

    def time(self) -> str:
        """The SQL of the relation's primary timestamp."""
        if self.env.time is None:
            message = f"The {self.name} function is dependent on the timeline, which is not available"
            raise TDengineError(errors.NOT_ALLOWED_FUNCTION, message)
        return self.env.time

    @property
    def double(self) -> str:
        """The first argument as a DOUBLE."""
        return f"CAST({self.args[0].sql} AS DOUBLE)"

    @property
    def key(self) -> tuple[str, ...]:
        """What tells this call from others in one query."""
        return (self.name, *(argument.sql for argument in self.args))

    def helper(self) -> str:
        """The column that `Function.prepare` made for this call."""
        return self.env.helpers[self.key]


Rule = Callable[[Call], Type]
Render = Callable[[Call], str]


@dataclass(frozen=True)
class Function:
    """One function.

    `kind` is scalar, aggregate (many rows to one), select (an aggregate that picks a row, whose other columns may stand
    beside it), rows (returns some of the rows, or a value for each: `keep` is the condition of the rows that stay) or
    interp.
    `accepts` says which kinds each argument may have; the last holds for all that follow. `companion` is for `select`:
    the SQL template for another column of the picked row. `star` lets `*` be an argument: COUNT(*) counts rows, FIRST,
    LAST and LAST_ROW are done for each column. `counts` marks an aggregate that has a value over no rows. `prepare` is
    for `rows`: a column that is computed before, because window functions do not nest. `order` is how the rows of one
    that chooses rows come, by the primary timestamp if it is None.
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
    prepare: Render | None = None
    order: Render | None = None

    def check(self, call: Call) -> None:
        """Raise 0x2801 or 0x2802 unless number and types of the arguments fit."""
        if not self.least <= len(call.args) <= self.most:
            raise call.fail(errors.PARAMETER_COUNT, "number of parameters")
        for at, argument in enumerate(call.args):
            accepts = self.accepts[min(at, len(self.accepts) - 1)]
            if not argument.null and not accepts(argument.type.kind):
                raise call.bad_type()


def fixed(kind: Kind, length: int | None = None) -> Rule:
    """The same type whatever the arguments."""
    return lambda call: Type.of(kind, length)


def same(call: Call) -> Type:
    """The type of the first argument."""
    return call.args[0].type


def same_number(call: Call) -> Type:
    """The type of the first argument; NULL is a BIGINT."""
    return Type.of(BIGINT) if call.args[0].null else call.args[0].type


def template(sql: str) -> Render:
    """SQL with {0}, {1}, ... for the arguments and {time} for the relation's timestamp."""

    def render(call: Call) -> str:
        values = [argument.sql for argument in call.args]
        return sql.format(*values, time=call.time() if "{time}" in sql else "")

    return render


Count = int | tuple[int, int] | None


def make(
    kind: str, accepts: Accepts | tuple[Accepts, ...], type_: Rule | Kind, sql: str | Render, count: Count = None
) -> Function:
    """A function; `count` is how many arguments it takes, or the least and most (None: one for each of `accepts`)."""
    rules = accepts if isinstance(accepts, tuple) else (accepts,)
    least, most = count if isinstance(count, tuple) else (count, count) if count is not None else (len(rules),) * 2
    return Function(
        kind,
        rules or (anything,),
        fixed(type_) if isinstance(type_, Kind) else type_,
        template(sql) if isinstance(sql, str) else sql,
        least,
        most,
    )


def scalar(
    accepts: Accepts | tuple[Accepts, ...], type_: Rule | Kind, sql: str | Render, count: Count = None
) -> Function:
    """A function of one row's values."""
    return make("scalar", accepts, type_, sql, count)


def aggregate(
    accepts: Accepts | tuple[Accepts, ...],
    type_: Rule | Kind,
    sql: str | Render,
    count: Count = None,
    star: bool = False,
    counts: bool = False,
) -> Function:
    """A function of many rows with one result."""
    return replace(make("aggregate", accepts, type_, sql, count), star=star, counts=counts)


def picks(accepts: Accepts, sql: str, companion: str, star: bool = False) -> Function:
    """An aggregate that picks a row."""
    return replace(make("select", accepts, same, sql, 1), companion=companion, star=star)


def rows(
    accepts: Accepts | tuple[Accepts, ...],
    type_: Rule | Kind,
    sql: str | Render,
    keep: str | Render | None,
    count: Count = None,
    prepare: Render | None = None,
    order: Render | None = None,
) -> Function:
    """A function that returns some of the rows, or a value for each."""
    made = make("rows", accepts, type_, sql, count)
    return replace(made, keep=template(keep) if isinstance(keep, str) else keep, prepare=prepare, order=order)


def moment(call: Call, at: int = 0) -> str:
    """An argument that is an instant as epoch units: a timestamp, an integer, or a text."""
    argument = call.args[at]
    if argument.type.kind.text and not argument.null:
        if not isinstance(argument.value, str):
            return text_instant(argument.sql, call.env)
        parsed = parse_time(argument.value, call.env.precision, call.env.zone)
        return "NULL" if parsed is None else integer(parsed).sql
    return f"CAST({argument.sql} AS BIGINT)" if argument.null else argument.sql


def text_instant(sql: str, env: Environment) -> str:
    """A text of a column as epoch units, NULL where it is no time; without a zone it is in the session's."""
    zoned = f"regexp_matches({sql}, '(Z|z|[-+][0-9]{{2}}:?([0-9]{{2}})?)\\s*$')"
    micros = f"epoch_us(TRY_CAST(CASE WHEN {zoned} THEN {sql} ELSE {sql} || 'Z' END AS TIMESTAMPTZ))"
    micros = f"({micros} - CASE WHEN {zoned} THEN 0 ELSE {env.offset * 1_000_000} END)"
    if env.precision == "ns":
        return f"({micros} * 1000)"
    return micros if env.precision == "us" else f"({micros} // 1000)"


def duration(call: Call, at: int, default: str, any_length: bool = False) -> int:
    """An argument that is a duration literal, in units of the precision; one of a unit unless any length will do."""
    if len(call.args) <= at or call.args[at].null:
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
FINEST = {"ms": "1a", "us": "1u", "ns": "1b"}
"""The duration of one unit of a precision."""


def math(sql: str, count: int = 1) -> Function:
    """A function of numbers with a DOUBLE result; what is not finite becomes NULL, as in TDengine."""
    wrapped = sql
    for at in range(count):
        wrapped = wrapped.replace(f"{{{at}}}", f"CAST({{{at}}} AS DOUBLE)")
    return scalar((number,) * count, DOUBLE, f"(CASE WHEN isfinite({wrapped}) THEN {wrapped} END)")


def let(name: str, value: str, then: str) -> str:
    """`then` with `name` standing for `value`, which DuckDB computes once."""
    return f"list_transform([{value}], lambda {name}: {then})[1]"
