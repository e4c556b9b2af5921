"""Window clauses: which rows of a relation belong to one window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlglot import exp

from embedded import errors
from embedded.errors import TDengineError
from embedded.sql.expressions import Scope
from embedded.sql.relation import Relation
from embedded.sql.statements import Window
from embedded.sql.times import Duration
from embedded.sql.typed import Edges, Environment, Typed, floor_to
from embedded.types import BIGINT, BOOL, TIMESTAMP, UNITS_PER_SECOND, VARCHAR, Type

_DAY = Duration.parse("1d")
_MOST_SLIDES = 100


@dataclass(frozen=True)
class WindowPlan:
    """How a window clause is carried out.

    `source` is the FROM clause whose rows have the window's key, `key` the SQL to group by, and `columns` what
    `_wstart` and its like are. `step` is the distance of windows in epoch units where they lie at fixed distances,
    `shift` where one of them starts and `size` how long they are; `months` are those of a calendar window. `edges` is
    what functions know of the rows beside a window, `having` what a window must be like to count.
    """

    source: str
    key: str
    columns: dict[str, Typed]
    step: int = 0
    shift: int = 0
    size: int = 0
    months: int = 0
    edges: Edges | None = None
    having: str | None = None


def window_columns(start: str, end: str) -> dict[str, Typed]:
    """The pseudo columns of a window from `start` to `end`."""
    stamp = Type.of(TIMESTAMP)
    return {
        "_wstart": Typed(start, stamp),
        "_wend": Typed(end, stamp),
        "_wduration": Typed(f"({end} - {start})", Type.of(BIGINT)),
    }


def plan(
    window: Window,
    relation: Relation,
    where: str,
    env: Environment,
    rows: Scope,
    begin: int | None = None,
    beside: Sequence[str] = (),
) -> WindowPlan:
    """The plan of a window clause over the rows of `relation` for which `where` (a WHERE clause or nothing) holds.

    `begin` is where the WHERE's time range begins, `beside` the SQL of values that are wanted of the rows before and
    after each.
    """
    if relation.time is None:
        message = "Window query not supported, since the result of subquery not include valid timestamp column"
        raise TDengineError(errors.NO_WINDOW_TIME, message)
    made = _Made(relation, where, env, rows)
    if window.kind == "interval":
        if window.offset.nanoseconds and window.offset.nanoseconds >= window.interval.nanoseconds > 0:
            raise TDengineError(errors.OFFSET_TOO_BIG, "Interval offset should be shorter than interval")
        if window.interval.months:
            if window.sliding is not None:
                raise TDengineError(
                    errors.SLIDING_OF_MONTHS, "Does not support sliding when interval is natural month/year"
                )
            return made.calendar(window)
        return made.interval(window, begin, beside)
    rules = {"session": made.session, "state": made.state, "count": made.count, "event": made.event}
    return rules[window.kind](window)


def months_begin(index: str, shift: int, units: int) -> str:
    """The SQL of the instant at which a month begins, counted from the year 0 on, in a zone `shift` units ahead."""
    first = f"make_timestamp(CAST({index} // 12 AS BIGINT), CAST({index} % 12 + 1 AS BIGINT), 1, 0, 0, 0.0)"
    return f"(epoch_us({first}) // 1000000 * {units} - {shift})"


def months_of(instant: str, shift: int, units: int) -> str:
    """The SQL of the number of the month that an instant lies in."""
    stamp = f"make_timestamp({floor_to(f'({instant} + {shift})', units)} // {units} * 1000000)"
    return f"(year({stamp}) * 12 + month({stamp}) - 1)"


class _Made:
    """Makes plans over one relation."""

    def __init__(self, relation: Relation, where: str, env: Environment, rows: Scope) -> None:
        assert relation.time is not None
        self.from_ = f" FROM {relation.sql}{where}"
        self.relation = relation
        self.where = where
        self.time = relation.time
        self.name = relation.name
        self.env = env
        self.rows = rows
        keys = f"PARTITION BY {', '.join(env.partition)} " if env.partition else ""
        self.over = f"{keys}ORDER BY {relation.time}"

    def interval(self, window: Window, begin: int | None, beside: Sequence[str]) -> WindowPlan:
        env, name = self.env, self.name
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
        if window.auto_offset and begin is not None:
            shift = begin
        start = f"{name}.w"
        columns = window_columns(start, f"({start} + {size})")
        edges, more = self._edges(start, size, beside)
        if step == size:
            inner = f"SELECT {name}.*{more}, {floor_to(self.time, size, shift)} AS w{self.from_}"
            return WindowPlan(f" FROM ({inner}) AS {name}", start, columns, step, shift, size, edges=edges)
        if more:
            inner = f"(SELECT {name}.*{more}{self.from_}) AS {name}"
            from_ = f" FROM {inner}, "
        else:
            from_ = f" FROM {self.relation.sql}, "
        steps = f"(SELECT unnest(range({-(-size // step)})) AS n) AS steps"
        where = "" if more else self.where
        slid = f"SELECT {name}.*, {floor_to(self.time, step, shift)} - steps.n * {step} AS w{from_}{steps}{where}"
        source = f" FROM ({slid}) AS {name} WHERE {self.time} < {start} + {size}"
        return WindowPlan(source, start, columns, step, shift, size, edges=edges)

    def _edges(self, start: str, size: int, beside: Sequence[str]) -> tuple[Edges | None, str]:
        """The columns with the time and the values of the row before and after each, where a function wants them."""
        if not beside:
            return None, ""
        listed, values = "", {}
        for at, value in enumerate(dict.fromkeys([self.time, *beside])):
            listed += f", lag({value}) OVER ({self.over}) AS before{at}, lead({value}) OVER ({self.over}) AS after{at}"
            values[value] = (f"{self.name}.before{at}", f"{self.name}.after{at}")
        return Edges(start, size, *values[self.time], values), listed

    def calendar(self, window: Window) -> WindowPlan:
        """Windows of months, which begin at midnight of the session's zone on the first of a month."""
        months, units = window.interval.months, UNITS_PER_SECOND[self.env.precision]
        shift = self.env.offset * units
        index = f"({months_of(self.time, shift, units)} // {months} * {months})"
        start = f"{self.name}.w"
        next_ = months_begin(f"({months_of(start, shift, units)} + {months})", shift, units)
        inner = f"SELECT {self.name}.*, {months_begin(index, shift, units)} AS w{self.from_}"
        source = f" FROM ({inner}) AS {self.name}"
        return WindowPlan(source, start, window_columns(start, next_), shift=shift, months=months)

    # Windows that the rows themselves make.

    def _of_rows(self, source: str, least: Duration | None = None) -> WindowPlan:
        columns = window_columns(f"min({self.time})", f"max({self.time})")
        having = None
        if least is not None and least.nanoseconds:
            having = f"max({self.time}) - min({self.time}) >= {least.units(self.env.precision)}"
        return WindowPlan(source, f"{self.name}.w", columns, having=having)

    def _counted(self, mark: str, from_: str) -> str:
        """Each row with how many marked ones there are up to it."""
        name = self.name
        inner = f"SELECT {name}.*, CASE WHEN {mark} THEN 1 ELSE 0 END AS mark{from_}"
        return f" FROM (SELECT *, sum({name}.mark) OVER ({self.over}) AS w FROM ({inner}) AS {name}) AS {name}"

    def session(self, window: Window) -> WindowPlan:
        gap = window.interval.units(self.env.precision)
        if gap < 1:
            raise TDengineError(errors.SESSION_GAP, "SESSION gap should be fixed time window, and greater than 0")
        if self.rows.typed(window.expressions[0]).sql != self.time:
            raise TDengineError(errors.SESSION_COLUMN, "Only support SESSION on primary timestamp column")
        return self._of_rows(self._counted(f"{self.time} - lag({self.time}) OVER ({self.over}) > {gap}", self.from_))

    def state(self, window: Window) -> WindowPlan:
        """Rows without a state belong to no window."""
        typed = self.rows.typed(window.expressions[0])
        if not (typed.type.kind.integer or typed.type.kind in (BOOL, VARCHAR)):
            raise TDengineError(errors.STATE_TYPE, "Only support STATE_WINDOW on integer/bool/varchar column")
        if self.rows.is_tag(window.expressions[0]):
            raise TDengineError(errors.STATE_TAG, "Not support STATE_WINDOW on tag column")
        if typed.constant or not list(window.expressions[0].find_all(exp.Column)):
            raise TDengineError(errors.STATE_TYPE, "Only support STATE_WINDOW on integer/bool/varchar column")
        state = typed.sql
        present = f"{self.from_} {'AND' if self.where else 'WHERE'} {state} IS NOT NULL"
        changed = f"{state} IS DISTINCT FROM lag({state}) OVER ({self.over})"
        return self._of_rows(self._counted(changed, present), window.least)

    def count(self, window: Window) -> WindowPlan:
        size, *sliding = (int(node.this) for node in window.expressions)
        step = sliding[0] if sliding else size
        if size < 2 or not 1 <= step <= size:
            raise TDengineError(errors.INVALID_OPERATION, "Invalid count window: at least 2 rows, slid by 1 to as many")
        name = self.name
        number = f"(row_number() OVER ({self.over}) - 1)"
        if step == size:
            inner = f"SELECT {name}.*, {number} // {size} AS w{self.from_}"
            return self._of_rows(f" FROM ({inner}) AS {name}")
        numbered = f"SELECT {name}.*, {number} AS n{self.from_}"
        steps = f"(SELECT unnest(range({-(-size // step)})) AS k) AS steps"
        inner = f"SELECT {name}.*, {name}.n // {step} - steps.k AS w FROM ({numbered}) AS {name}, {steps}"
        return self._of_rows(f" FROM ({inner}) AS {name} WHERE {name}.w >= 0 AND {name}.n < {name}.w * {step} + {size}")

    def event(self, window: Window) -> WindowPlan:
        """From a row that fulfils the first condition to the next that fulfils the second, both included."""
        name = self.name
        start, end = (self.rows.condition(node) for node in window.expressions)
        before = f"({self.over} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)"
        ends = f"coalesce(sum(CASE WHEN {end} THEN 1 END) OVER {before}, 0)"
        inner = f"SELECT {name}.*, {ends} AS w, {start} AS opens, {end} AS closes{self.from_}"
        keys = ", ".join([*self.env.partition, f"{name}.w"])
        opened = f"bool_or({name}.opens) OVER (PARTITION BY {keys} ORDER BY {self.time})"
        closed = f"bool_or({name}.closes) OVER (PARTITION BY {keys})"
        outer = f"SELECT * FROM ({inner}) AS {name} QUALIFY {opened} AND {closed}"
        return self._of_rows(f" FROM ({outer}) AS {name}", window.least)
