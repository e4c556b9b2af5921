"""The rules of SELECT above its expressions."""

from sqlglot import exp

from embedded.errors import unsupported
from embedded.sql.dialect import Reader
from embedded.sql.statements import (
    Derived,
    FromItem,
    Interpolation,
    Join,
    OrderItem,
    Projection,
    Query,
    Select,
    Source,
    Union_,
    Window,
)
from embedded.sql.times import ZERO, Duration

_NAME_BYTES = 64
_FILL_MODES = frozenset(["none", "null", "null_f", "value", "value_f", "prev", "next", "linear", "near"])


def query(reader: Reader) -> Query:
    """A query: SELECTs joined by UNION, then ORDER BY, SLIMIT and LIMIT of the whole."""
    first = _operand(reader)
    body: Select | Union_ | None = first.body if not _has_tail(first) else None
    combined = first
    while reader.accept("union"):
        keep_all = reader.accept("all")
        combined = Query(Union_(combined, _operand(reader), keep_all))
        body = combined.body
    if body is None:
        if not _at_tail(reader):
            return combined
        raise reader.error()
    order = _order(reader)
    slimit = _limit(reader, "slimit", "soffset")
    limit = _limit(reader, "limit", "offset")
    return Query(body, order, limit, slimit)


def _operand(reader: Reader) -> Query:
    if reader.accept("("):
        with reader.deeper():
            inner = query(reader)
        reader.expect(")")
        return inner
    return Query(_select(reader))


def _has_tail(node: Query) -> bool:
    return bool(node.order or node.limit or node.slimit)


def _at_tail(reader: Reader) -> bool:
    return reader.peek() in ("order", "limit", "slimit")


def _select(reader: Reader) -> Select:
    reader.expect("select")
    distinct = reader.accept("distinct")
    if not distinct:
        reader.accept("all")
    tags_mode = reader.accept("tags")
    projections = tuple(reader.listed(lambda: _projection(reader)))
    if not reader.accept("from"):
        if reader.accept("where"):
            reader.expression_node()  # without a table TDengine reads a condition and forgets it
        return Select(projections, distinct=distinct, tags_mode=tags_mode)
    source = _from(reader)
    where = reader.expression_node() if reader.accept("where") else None
    partition = tuple(reader.listed(lambda: _projection(reader))) if reader.clause("partition", "by") else ()
    interpolation = _interpolation(reader)
    window = None if interpolation is not None else _window(reader)
    group: tuple[exp.Expr, ...] = ()
    if reader.clause("group", "by"):
        group = tuple(reader.listed(lambda: _scalar(reader)))
    having = reader.expression_node() if reader.accept("having") else None
    return Select(projections, source, distinct, tags_mode, where, partition, window, group, having, interpolation)


def _scalar(reader: Reader) -> exp.Expr:
    return reader.expression_node()


def _projection(reader: Reader) -> Projection:
    if reader.accept("*"):
        return Projection(exp.Star(), "*", aliased=False)
    start = reader.position()
    node = reader.expression_node()
    name = node.name if isinstance(node, exp.Column) else reader.text_since(start).removeprefix("`")
    aliased = reader.accept("as") or reader.at_name()
    if aliased:
        name = reader.name()
    return Projection(node, name.encode()[:_NAME_BYTES].decode(errors="ignore"), aliased)


def _from(reader: Reader) -> FromItem:
    left: FromItem = _from_item(reader)
    while True:
        kind = reader.one_of(("inner", "left", "right", "full"))
        sort = None
        if kind in ("left", "right", "full"):
            sort = (
                None if reader.accept("outer") or kind == "full" else reader.one_of(("semi", "anti", "asof", "window"))
            )
        if kind is not None or reader.peek() == "join":
            reader.expect("join")
            left = _joined(reader, left, kind or "inner", sort)
        elif reader.accept(","):
            left = Join(left, _from_item(reader), None)
        else:
            return left


def _joined(reader: Reader, left: FromItem, kind: str, sort: str | None) -> Join:
    """What follows JOIN: the other table, ON, WINDOW_OFFSET and JLIMIT. ASOF and WINDOW need no ON."""
    right = _from_item(reader)
    condition = None
    if sort in ("asof", "window"):
        condition = reader.expression_node() if reader.accept("on") else None
    elif kind != "inner" or reader.peek() == "on":
        reader.expect("on")
        condition = reader.expression_node()
    offsets: tuple[tuple[int, Duration], ...] = ()
    if sort == "window":
        reader.expect("window_offset")
        offsets = tuple(reader.parenthesised(lambda: _offset(reader)))
        if len(offsets) != 2:
            raise reader.error()
    most = None
    if sort in ("asof", "window") and reader.accept("jlimit"):
        most = reader.integer()
    return Join(left, right, condition, kind, sort, offsets, most)


def _offset(reader: Reader) -> tuple[int, Duration]:
    sign = -1 if reader.accept("-") else 1
    return sign, Duration.parse(reader.duration())


def _from_item(reader: Reader) -> FromItem:
    if reader.accept("("):
        with reader.deeper():
            if reader.peek() not in ("select", "("):
                joined = _from(reader)
                reader.expect(")")
                return joined
            inner = query(reader)
        reader.expect(")")
        return Derived(inner, _alias(reader))
    return Source(reader.table_name(), _alias(reader))


def _alias(reader: Reader) -> str | None:
    return reader.name() if reader.accept("as") or reader.at_name() else None


def _window(reader: Reader) -> Window | None:
    if reader.accept("interval"):
        interval, offset, auto = _durations(reader)
        sliding = None
        if reader.accept("sliding"):
            sliding = _duration(reader)
        fill, values = _fill(reader)
        return Window("interval", interval, offset, sliding, fill=fill, fill_values=values, auto_offset=auto)
    if reader.accept("session"):
        reader.expect("(")
        column = reader.expression_node()
        reader.expect(",")
        gap = Duration.parse(reader.duration())
        reader.expect(")")
        return Window("session", gap, expressions=(column,))
    if reader.accept("state_window"):
        reader.expect("(")
        state = reader.operand()
        reader.expect(")")
        return Window("state", expressions=(state,), least=_true_for(reader))
    if reader.accept("event_window"):
        reader.expect("start", "with")
        start = reader.expression_node()
        reader.expect("end", "with")
        end = reader.expression_node()
        return Window("event", expressions=(start, end), least=_true_for(reader))
    if reader.accept("count_window"):
        counts = reader.parenthesised(reader.integer)
        if len(counts) > 2:
            raise reader.error()
        return Window("count", expressions=tuple(exp.Literal.number(count) for count in counts))
    return None


def _true_for(reader: Reader) -> Duration:
    """TRUE_FOR(duration): windows that are shorter do not count."""
    if not reader.accept("true_for"):
        return ZERO
    reader.expect("(")
    least = Duration.parse(reader.duration())
    reader.expect(")")
    return least


def _duration(reader: Reader) -> Duration:
    """One in parentheses."""
    reader.expect("(")
    found = Duration.parse(reader.duration())
    reader.expect(")")
    return found


def _durations(reader: Reader) -> tuple[Duration, Duration, bool]:
    reader.expect("(")
    interval, offset, auto = Duration.parse(reader.duration()), ZERO, False
    if reader.accept(","):
        auto = reader.accept("auto")
        offset = ZERO if auto else Duration.parse(reader.duration())
    reader.expect(")")
    return interval, offset, auto


def _interpolation(reader: Reader) -> Interpolation | None:
    """RANGE(from[, to]) EVERY(duration) FILL(mode)."""
    if reader.peek() not in ("range", "every", "fill"):
        return None
    bounds: tuple[exp.Expr, ...] = ()
    if reader.accept("range"):
        bounds = tuple(reader.parenthesised(reader.operand))
        if len(bounds) > 2:
            raise unsupported("RANGE with a third argument")
    every = None
    if reader.accept("every"):
        every = _duration(reader)
    fill, values = _fill(reader)
    return Interpolation(bounds, every, fill, values)


def _fill(reader: Reader) -> tuple[str | None, tuple[exp.Expr, ...]]:
    if not reader.accept("fill"):
        return None, ()
    reader.expect("(")
    mode = reader.one_of(_FILL_MODES)
    if mode is None:
        raise reader.error()
    values: tuple[exp.Expr, ...] = ()
    if mode.startswith("value"):
        reader.expect(",")
        values = tuple(reader.listed(reader.expression_node))
    reader.expect(")")
    return mode, values


def _order(reader: Reader) -> tuple[OrderItem, ...]:
    return tuple(reader.listed(lambda: _order_item(reader))) if reader.clause("order", "by") else ()


def _order_item(reader: Reader) -> OrderItem:
    node = reader.expression_node()
    descending = reader.accept("desc")
    if not descending:
        reader.accept("asc")
    nulls_first = not descending
    if reader.accept("nulls"):
        nulls_first = reader.accept("first")
        if not nulls_first:
            word = reader.one_of(("last",))
            if word is None:
                raise reader.error()
    return OrderItem(node, descending, nulls_first)


def _limit(reader: Reader, word: str, offset_word: str) -> tuple[int, int] | None:
    if not reader.accept(word):
        return None
    first = reader.integer()
    if reader.accept(","):
        return reader.integer(), first
    return first, reader.integer() if reader.accept(offset_word) else 0
