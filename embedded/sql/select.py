"""Queries: names resolved, types inferred as TDengine does, and translated to DuckDB SQL."""

from __future__ import annotations

from sqlglot import exp

from embedded import errors
from embedded.errors import TDengineError
from embedded.schema import Table
from embedded.sql.casts import common_type
from embedded.sql.context import Context, SystemTable, Translation
from embedded.sql.expressions import Scope
from embedded.sql.finishing import limit_sql, order_sql, output_index
from embedded.sql.shapes import SelectTranslator
from embedded.sql.sources import Sources
from embedded.sql.statements import Query, Union_
from embedded.types import NULL_TYPE, Field

__all__ = ["Context", "SystemTable", "Translation", "delete_conditions", "translate"]


def translate(query: Query, context: Context) -> Translation:
    """Translate a query; raises TDengineError for what TDengine refuses and for what this server does not know."""
    return _Translator(context).query(query)


class _Translator:
    def __init__(self, context: Context) -> None:
        self.context = context
        self.sources = Sources(context, lambda query: self.query(query, nested=True))

    def query(self, query: Query, nested: bool = False) -> Translation:
        """A whole query with its ORDER BY and LIMIT."""
        if isinstance(query.body, Union_):
            return self._union(query, query.body)
        return SelectTranslator(self.sources, query.body, query, nested).translate()

    def _union(self, query: Query, union: Union_) -> Translation:
        left, right = self.query(union.left), self.query(union.right)
        if len(left.fields) != len(right.fields):
            raise TDengineError(errors.COLUMN_COUNT_DIFFERS, "Query block has incorrect number of result columns")
        fields = []
        for one, other in zip(left.fields, right.fields, strict=True):
            fields.append(Field(one.name, other.type if one.type == NULL_TYPE else common_type(one.type, other.type)))
        casts = ", ".join(f"CAST(c{at} AS {field.type.duckdb}) AS c{at}" for at, field in enumerate(fields))
        word = "UNION ALL" if union.all else "UNION"
        sql = f"SELECT {casts} FROM ({left.sql}) {word} SELECT {casts} FROM ({right.sql})"
        orders = []
        for item in query.order:
            at = output_index(item.node, [field.name for field in fields])
            if at is None:
                raise TDengineError(errors.NOT_SELECTED, "Not SELECTed expression")
            orders.append(order_sql(f"c{at}", item))
        if orders or query.limit:
            ordered = f" ORDER BY {', '.join(orders)}" if orders else ""
            sql = f"SELECT * FROM ({sql}){ordered}{limit_sql(query.limit)}"
        return Translation(sql, tuple(fields), left.precision, left.time, self.sources.tables)


def delete_conditions(where: exp.Expr | None, table: Table, context: Context) -> str:
    """The DuckDB condition of a DELETE.

    A range of the timestamp, and for a super table conditions on tags; else 0x2655, and 0x264C for tbname.
    """
    if where is None:
        return "TRUE"
    relation = Sources(context, _no_subquery).table_relation(table, None, "old")
    scope = Scope(relation, context.environment(table.database.precision, "old.c0"), context.parameters)
    times, tags = [], []
    for term in where.flatten() if isinstance(where, exp.And) else [where]:
        names = {column.name for column in term.find_all(exp.Column)}
        if "tbname" in names:
            raise TDengineError(errors.TBNAME, "Invalid tbname pseudo column")
        if names and names <= {table.columns[0].name, "_rowts", "_c0"} and _is_range(term):
            times.append(scope.condition(term))
        elif table.is_super and names and all(table.tag(name) for name in names):
            tags.append(scope.condition(term))
        else:
            raise TDengineError(errors.DELETE_RANGE, "The DELETE statement must only have a definite time window range")
    if tags:
        times.append(f"child IN (SELECT child FROM {table.children} AS old WHERE {' AND '.join(tags)})")
    return " AND ".join(f"({condition})" for condition in times).replace("old.", "")


def _no_subquery(query: Query) -> Translation:
    raise NotImplementedError


def _is_range(node: exp.Expr) -> bool:
    node = node.unnest()
    if isinstance(node, exp.And):
        return _is_range(node.left) and _is_range(node.right)
    return isinstance(node, exp.EQ | exp.GT | exp.GTE | exp.LT | exp.LTE | exp.Between)
