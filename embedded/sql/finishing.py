"""What is done last in a SELECT: ORDER BY, LIMIT and SLIMIT, of all rows or of each partition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlglot import exp

from embedded import errors
from embedded.errors import TDengineError
from embedded.sql.statements import OrderItem, Projection, Query

Limit = tuple[int, int] | None


def order_sql(sql: str, item: OrderItem) -> str:
    """One item of ORDER BY; NULL comes first ascending and last descending, unless the item says otherwise."""
    direction = "DESC" if item.descending else "ASC"
    return f"{sql} {direction} NULLS {'FIRST' if item.nulls_first else 'LAST'}"


def limit_sql(limit: Limit) -> str:
    """LIMIT and OFFSET."""
    if limit is None:
        return ""
    count, offset = limit
    return f" LIMIT {count}" + (f" OFFSET {offset}" if offset else "")


def output_index(node: exp.Expr, names: Sequence[str]) -> int | None:
    """Which output an ORDER BY item means: by its number or by its name."""
    if isinstance(node, exp.Literal) and not node.is_string and node.this.isdigit():
        if not 1 <= int(node.this) <= len(names):
            raise TDengineError(errors.ORDER_POSITION, "ORDER BY item must be the number of a SELECT-list expression")
        return int(node.this) - 1
    if isinstance(node, exp.Column) and not node.table and node.name in names:
        return names.index(node.name)
    return None


def output_of(item: OrderItem, projections: Sequence[Projection]) -> int | None:
    """The output that an ORDER BY item means: by number, by alias, or as the same expression."""
    at = output_index(item.node, [projection.name if projection.aliased else "" for projection in projections])
    if at is None:
        return next((i for i, projection in enumerate(projections) if projection.node == item.node), None)
    return at


@dataclass(frozen=True)
class Parts:
    """The parts of a SELECT: its list (`... AS c0`), all from FROM on but what follows here, and how rows come.

    `orders` are those of ORDER BY, `natural` the order without one. `partition` are the keys of PARTITION BY, each of
    which LIMIT is for where there is no ORDER BY, `groups` those that SLIMIT counts. `time` is the SQL of a timestamp
    that goes along unseen, `outside` a condition on all rows.
    """

    listed: Sequence[str]
    rest: str
    orders: Sequence[str] = ()
    natural: Sequence[str] = ()
    partition: Sequence[str] = ()
    groups: Sequence[str] = ()
    distinct: bool = False
    time: str | None = None
    outside: str | None = None


def finished(parts: Parts, query: Query) -> str:
    """The whole SELECT."""
    by_partition = query.limit is not None and bool(parts.partition) and not query.order
    if query.slimit is not None and not parts.groups:
        raise TDengineError(
            errors.SLIMIT_WITHOUT_PARTITION, "slimit/soffset only available for PARTITION/GROUP BY query"
        )
    listed = [*parts.listed, *([f"{parts.time} AS ct"] if parts.time else [])]
    word = "SELECT DISTINCT" if parts.distinct else "SELECT"
    orders = list(parts.orders) or ([] if parts.distinct else list(parts.natural))
    if not by_partition and query.slimit is None:
        sql = f"{word} {', '.join(listed)}{parts.rest}"
        sql += (f" ORDER BY {', '.join(orders)}" if orders else "") + limit_sql(query.limit)
    else:
        sql = _limited_by_group(parts, query, word, listed, orders, by_partition)
    return f"SELECT * FROM ({sql}) WHERE {parts.outside}" if parts.outside else sql


def _limited_by_group(
    parts: Parts, query: Query, word: str, listed: Sequence[str], orders: Sequence[str], by_partition: bool
) -> str:
    keys = [f"{key} AS k{at}" for at, key in enumerate(parts.groups)]
    sorting = [_split(order) for order in orders]
    helpers = [f"{sql} AS o{at}" for at, (sql, _) in enumerate(sorting)]
    inner = f"{word} {', '.join([*listed, *keys, *helpers])}{parts.rest}"
    names = [f"k{at}" for at in range(len(keys))]
    order = ", ".join(f"o{at}{direction}" for at, (_, direction) in enumerate(sorting))
    numbers, conditions = [], []
    if query.slimit is not None:
        numbers.append(f"dense_rank() OVER (ORDER BY {', '.join(names)}) AS number")
        conditions.append(_between("number", query.slimit))
    if by_partition and query.limit is not None:
        by = ", ".join(names[: len(parts.partition)])
        numbers.append(f"row_number() OVER (PARTITION BY {by}{f' ORDER BY {order}' if order else ''}) AS place")
        conditions.append(_between("place", query.limit))
    shown = [f"c{at}" for at in range(len(parts.listed))] + (["ct"] if parts.time else [])
    numbered = f"SELECT *, {', '.join(numbers)} FROM ({inner})"
    sql = f"SELECT {', '.join(shown)} FROM ({numbered}) WHERE {' AND '.join(conditions)}"
    return sql + (f" ORDER BY {order}" if order else "") + limit_sql(None if by_partition else query.limit)


def _split(order: str) -> tuple[str, str]:
    """An item of ORDER BY as its expression and its direction."""
    for direction in (" ASC", " DESC"):
        for nulls in (" NULLS FIRST", " NULLS LAST", ""):
            if order.endswith(direction + nulls):
                return order.removesuffix(direction + nulls), direction + nulls
    return order, ""


def _between(number: str, limit: tuple[int, int]) -> str:
    count, offset = limit
    return f"{number} > {offset} AND {number} <= {offset + count}"
