"""Queries: names resolved, types inferred as TDengine does, and translated to DuckDB SQL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import pyarrow as pa
from sqlglot import exp

from embedded import errors
from embedded.errors import TDengineError, unsupported
from embedded.schema import Table
from embedded.sql import functions
from embedded.sql.functions import Call, Function
from embedded.sql.scanner import INTEGER
from embedded.sql.statements import (
    Derived,
    FromItem,
    Join,
    OrderItem,
    Projection,
    Query,
    Select,
    Source,
    TableName,
    Union_,
    Window,
)
from embedded.sql.times import Duration, parse_time
from embedded.sql.typed import NULL, Environment, Typed, boolean, double, floor_to, integer, text, text_sql
from embedded.types import (
    BIGINT,
    BOOL,
    DOUBLE,
    FLOAT,
    NCHAR,
    NULL_TYPE,
    TIMESTAMP,
    UBIGINT,
    UNITS_PER_SECOND,
    VARCHAR,
    Field,
    Kind,
    Type,
)

TBNAME_TYPE = Type(VARCHAR, 270)


@dataclass(frozen=True)
class SystemTable:
    """A table of information_schema: its fields and its rows."""

    fields: tuple[Field, ...]
    rows: pa.Table


class Context(Protocol):
    """What a translation asks about its surroundings."""

    parameters: Sequence[Typed]

    def environment(self, precision: str, time: str | None) -> Environment:
        """What functions may depend on, for a relation of that precision and primary timestamp."""

    def table(self, name: TableName) -> Table:
        """The table of a FROM; raises the errors that SELECT gives."""

    def system_table(self, name: TableName) -> SystemTable | None:
        """The table of information_schema of that name, or None if the name is of another database."""


@dataclass(frozen=True)
class Translation:
    """A query in DuckDB SQL, whose columns are called c0, c1, ... there.

    `time` is the index of the column that still is the relation's primary timestamp. `tables` are Arrow tables that the SQL selects from.
    """

    sql: str
    fields: tuple[Field, ...]
    precision: str
    time: int | None = None
    tables: dict[str, pa.Table] = field(default_factory=dict)


def translate(query: Query, context: Context) -> Translation:
    """Translate a query; raises TDengineError for what TDengine refuses and for what this server does not know."""
    return _Translator(context).query(query)


def delete_conditions(where: exp.Expr | None, table: Table, context: Context) -> str:
    """The DuckDB condition of a DELETE: a range of the timestamp, and for a super table conditions on tags; else 0x2655."""
    if where is None:
        return "TRUE"
    translator = _Translator(context)
    relation = translator.table_relation(table, None, "old")
    scope = _Scope(translator, relation, context.environment(table.database.precision, "old.c0"))
    times, tags = [], []
    for term in where.flatten() if isinstance(where, exp.And) else [where]:
        names = {column.name for column in term.find_all(exp.Column)}
        if names and names <= {table.columns[0].name, "_rowts", "_c0"} and _is_range(term):
            times.append(scope.condition(term))
        elif table.is_super and names and all(name == "tbname" or table.tag(name) for name in names):
            tags.append(scope.condition(term))
        else:
            raise TDengineError(errors.DELETE_RANGE, "The DELETE statement must only have a definite time window range")
    if tags:
        times.append(f"child IN (SELECT child FROM {table.children} AS old WHERE {' AND '.join(tags)})")
    return " AND ".join(f"({condition})" for condition in times).replace("old.", "")


def _is_range(node: exp.Expr) -> bool:
    node = node.unnest()
    if isinstance(node, exp.And):
        return _is_range(node.left) and _is_range(node.right)
    return isinstance(node, exp.EQ | exp.GT | exp.GTE | exp.LT | exp.LTE | exp.Between)


class _Translator:
    def __init__(self, context: Context) -> None:
        self.context = context
        self.tables: dict[str, pa.Table] = {}
        self._aliases = 0

    def query(self, query: Query) -> Translation:
        """A whole query with its ORDER BY and LIMIT."""
        if isinstance(query.body, Union_):
            return self._union(query, query.body)
        return _SelectTranslator(self, query.body, query).translate()

    def _union(self, query: Query, union: Union_) -> Translation:
        left, right = self.query(union.left), self.query(union.right)
        if len(left.fields) != len(right.fields):
            raise TDengineError(errors.COLUMN_COUNT_DIFFERS, "Query block has incorrect number of result columns")
        fields = []
        for one, other in zip(left.fields, right.fields, strict=True):
            fields.append(Field(one.name, other.type if one.type == NULL_TYPE else _common_type(one.type, other.type)))
        casts = ", ".join(f"CAST(c{at} AS {field.type.kind.duckdb}) AS c{at}" for at, field in enumerate(fields))
        word = "UNION ALL" if union.all else "UNION"
        sql = f"SELECT {casts} FROM ({left.sql}) {word} SELECT {casts} FROM ({right.sql})"
        orders = []
        for item in query.order:
            at = _output_index(item.node, [field.name for field in fields])
            if at is None:
                raise TDengineError(errors.NOT_SELECTED, "Not SELECTed expression")
            orders.append(_order_sql(f"c{at}", item))
        if orders or query.limit:
            sql = (
                f"SELECT * FROM ({sql})"
                + (f" ORDER BY {', '.join(orders)}" if orders else "")
                + _limit_sql(query.limit)
            )
        return Translation(sql, tuple(fields), left.precision, left.time, self.tables)

    def alias(self) -> str:
        """A name for a relation that no other has."""
        self._aliases += 1
        return f"r{self._aliases}"

    def relation(self, item: FromItem | None) -> _Relation:
        """What FROM names."""
        if item is None:
            return _Relation("", (), "ms")
        if isinstance(item, Derived):
            return self._derived(item)
        if isinstance(item, Join):
            return self._join(item)
        system = self.context.system_table(item.table)
        if system is not None:
            return self._system(item, system)
        return self.table_relation(self.context.table(item.table), item.alias, self.alias())

    def table_relation(self, table: Table, alias: str | None, name: str) -> _Relation:
        """A table as a relation that is called `name` in the SQL."""
        qualifiers = frozenset([alias] if alias else [table.name])
        columns = [
            _Column(column.name, Typed(f"{name}.{column.physical}", column.type, exact=True), qualifiers)
            for column in table.columns
        ]
        tags = [
            _Column(tag.name, Typed(f"{name}.{tag.physical}", tag.type, exact=True), qualifiers, tag=True)
            for tag in (table.stable or table).tags
        ]
        tbname = f"{name}.tbname" if table.has_children else text_sql(table.name)
        return _Relation(
            f"{table.relation()} AS {name}",
            (*columns, *tags),
            table.database.precision,
            f"{name}.c0",
            tbname,
            sort=not table.is_super and not (table.stable or table).ordered,
            starred=len(columns) + (len(tags) if table.is_super else 0),
        )

    def _system(self, item: Source, system: SystemTable) -> _Relation:
        name = self.alias()
        self.tables[f"system_{name}"] = system.rows
        qualifiers = frozenset([item.alias] if item.alias else [item.table.name])
        columns = tuple(
            _Column(field.name, Typed(f'{name}."{field.name}"', field.type, exact=True), qualifiers)
            for field in system.fields
        )
        return _Relation(f"system_{name} AS {name}", columns, "ms")

    def _derived(self, item: Derived) -> _Relation:
        inner = self.query(item.query)
        name = self.alias()
        qualifiers = frozenset([item.alias] if item.alias else [])
        columns = tuple(
            _Column(field.name, Typed(f"{name}.c{at}", field.type, exact=True), qualifiers)
            for at, field in enumerate(inner.fields)
        )
        time = None if inner.time is None else f"{name}.c{inner.time}"
        return _Relation(f"({inner.sql}) AS {name}", columns, inner.precision, time)

    def _join(self, item: Join) -> _Relation:
        left, right = self.relation(item.left), self.relation(item.right)
        if left.precision != right.precision:
            raise unsupported("a join of tables with different precisions")
        both = _Relation(
            f"{left.sql} JOIN {right.sql}", (*left.star(), *right.star()), left.precision, left.time, sort=True
        )
        condition = _Scope(self, both, self.context.environment(both.precision, both.time)).condition(item.condition)
        return replace(both, sql=f"{both.sql} ON {condition}")


def _order_sql(sql: str, item: OrderItem) -> str:
    direction = "DESC" if item.descending else "ASC"
    return f"{sql} {direction} NULLS {'FIRST' if item.nulls_first else 'LAST'}"


def _limit_sql(limit: tuple[int, int] | None) -> str:
    if limit is None:
        return ""
    count, offset = limit
    return f" LIMIT {count}" + (f" OFFSET {offset}" if offset else "")


def _output_index(node: exp.Expr, names: Sequence[str]) -> int | None:
    """Which output an ORDER BY item means: by its number or by its name."""
    if isinstance(node, exp.Literal) and not node.is_string and node.this.isdigit():
        if not 1 <= int(node.this) <= len(names):
            raise TDengineError(errors.ORDER_POSITION, "ORDER BY item must be the number of a SELECT-list expression")
        return int(node.this) - 1
    if isinstance(node, exp.Column) and not node.table and node.name in names:
        return names.index(node.name)
    return None


class _SelectTranslator:
    """Translates one SELECT with the ORDER BY and LIMIT of its query."""

    def __init__(self, translator: _Translator, select: Select, query: Query) -> None:
        self.translator = translator
        self.select = select
        self.query = query
        self.relation = translator.relation(select.source)
        self.env = translator.context.environment(self.relation.precision, self.relation.time)
        self.rows = _Scope(translator, self.relation, self.env)

    def translate(self) -> Translation:
        """The whole SELECT."""
        select = self.select
        where = self.rows.condition(select.where) if select.where is not None else None
        projections = self._expanded(select.projections)
        calls = [call for projection in projections for call in _calls(projection.node)]
        for item in self.query.order:
            calls += _calls(item.node)
        kinds = {functions.find(call.name).kind for call in calls}
        if "rows" in kinds:
            raise unsupported("this function")
        grouped = bool(kinds & {"aggregate", "select"} or select.group or select.window or select.having)
        if select.window is not None and select.group:
            raise TDengineError(errors.GROUP_AND_WINDOW, "GROUP BY and WINDOW-clause can't be used together")
        source, window = self._source(where)
        groups = self._groups(projections, grouped)
        keys = list(dict.fromkeys([group.typed.sql for group in groups] + window.keys))
        scope = self.rows
        if grouped:
            companion = self._companion(projections)
            scope = _Scope(self.translator, self.relation, self.env, True, groups, window.columns, companion)
        outputs = [scope.typed(projection.node) for projection in projections]
        having = scope.condition(select.having) if select.having is not None else None
        if grouped and not keys and not any(functions.find(call.name).counts for call in calls):
            having = f"({having}) AND count(*) > 0" if having else "count(*) > 0"
        return self._assembled(scope, projections, outputs, source, keys, having, grouped, window)

    def _assembled(
        self,
        scope: _Scope,
        projections: list[Projection],
        outputs: list[Typed],
        source: str,
        keys: list[str],
        having: str | None,
        grouped: bool,
        window: _WindowColumns,
    ) -> Translation:
        select, query = self.select, self.query
        fields = tuple(
            Field(projection.name, output.type) for projection, output in zip(projections, outputs, strict=True)
        )
        listed = ", ".join(f"{_cast(output, output.type.kind)} AS c{at}" for at, output in enumerate(outputs))
        orders = [self._order(scope, item, projections, outputs) for item in query.order]
        if not orders:
            orders = self._default_order(grouped, keys, window)
        sql = f"SELECT {'DISTINCT ' if select.distinct else ''}{listed}{source}"
        if keys:
            sql += f" GROUP BY {', '.join(keys)}"
        if having:
            sql += f" HAVING {having}"
        partition = [group.typed.sql for group in self._partition]
        limit = query.limit
        if partition and query.slimit is not None:
            count, offset = query.slimit
            rank = f"dense_rank() OVER (ORDER BY {', '.join(partition)})"
            sql += f" QUALIFY {rank} > {offset} AND {rank} <= {offset + count}"
        elif query.slimit is not None:
            raise TDengineError(errors.SLIMIT_WITHOUT_PARTITION, "slimit/soffset only available for PARTITION BY query")
        if partition and limit is not None and not query.order:
            count, offset = limit
            number = f"row_number() OVER (PARTITION BY {', '.join(partition)} ORDER BY {', '.join(orders) or '1'})"
            sql += f"{' AND' if query.slimit else ' QUALIFY'} {number} > {offset} AND {number} <= {offset + count}"
            limit = None
        if orders:
            sql += f" ORDER BY {', '.join(orders)}"
        sql += _limit_sql(limit)
        time = next((at for at, output in enumerate(outputs) if output.sql in (self.relation.time, window.start)), None)
        return Translation(sql, fields, self.relation.precision, time, self.translator.tables)

    def _expanded(self, projections: Sequence[Projection]) -> list[Projection]:
        """The SELECT list with each * replaced by the columns it stands for."""
        expanded = []
        for projection in projections:
            node = projection.node
            if isinstance(node, exp.Star) or (isinstance(node, exp.Column) and isinstance(node.this, exp.Star)):
                if not self.relation.columns:
                    raise TDengineError(errors.SYNTAX, "SELECT * needs a FROM")
                qualifier = node.table if isinstance(node, exp.Column) else ""
                stars = [c for c in self.relation.star() if not qualifier or qualifier in c.qualifiers]
                if not stars:
                    raise TDengineError(errors.TABLE_MISSING, f"Table does not exist: {qualifier}")
                expanded += [Projection(_column_node(c), c.name, aliased=False) for c in stars]
            elif isinstance(node, exp.Anonymous) and node.name in _EXPANDING and not projection.aliased:
                expanded += self._each_column(node, projection)
            else:
                expanded.append(projection)
        return expanded

    def _each_column(self, node: exp.Anonymous, projection: Projection) -> list[Projection]:
        """FIRST, LAST and LAST_ROW of * or of several columns: one result each."""
        arguments: list[exp.Expr] = []
        for argument in node.expressions:
            if isinstance(argument, exp.Star):
                arguments += [_column_node(column) for column in self.relation.star()]
            else:
                arguments.append(argument)
        if len(arguments) == 1 and not any(isinstance(argument, exp.Star) for argument in node.expressions):
            return [projection]
        return [
            Projection(
                exp.Anonymous(this=node.name, expressions=[argument]), f"{node.name}({argument.name})", aliased=False
            )
            for argument in arguments
        ]

    def _source(self, where: str | None) -> tuple[str, _WindowColumns]:
        """FROM and WHERE, and with a window clause the columns that it adds."""
        if self.select.source is None:
            return (f" WHERE {where}" if where else ""), _WindowColumns()
        condition = f" WHERE {where}" if where else ""
        window = self.select.window
        self._partition = [
            _Group(projection.node, self.rows.typed(projection.node)) for projection in self.select.partition
        ]
        if window is None:
            return f" FROM {self.relation.sql}{condition}", _WindowColumns()
        if self.relation.time is None:
            raise TDengineError(errors.INVALID_OPERATION, "window query needs a table with a primary timestamp")
        name = self.relation.time.split(".")[0]
        columns = _window_columns(window, self.relation.time, name, self.env, self._partition, self.rows)
        inner = f"SELECT {name}.*, {columns.added} FROM {self.relation.sql}{columns.joined}{condition}"
        return f" FROM ({inner}) AS {name}{columns.filter}", columns

    _partition: Sequence[_Group] = ()

    def _groups(self, projections: Sequence[Projection], grouped: bool) -> list[_Group]:
        groups = list(self._partition) if grouped else []
        by_alias = {projection.name: projection.node for projection in projections if projection.aliased}
        for node in self.select.group:
            if isinstance(node, exp.Column) and not node.table and node.name in by_alias and not self._has(node.name):
                node = by_alias[node.name]
            if any(True for _ in _calls(node, aggregates_only=True)):
                raise TDengineError(errors.NO_AGGREGATE_HERE, "There mustn't be aggregation")
            groups.append(_Group(node, self.rows.typed(node)))
        return groups

    def _has(self, name: str) -> bool:
        return any(column.name == name for column in self.relation.columns)

    def _companion(self, projections: Sequence[Projection]) -> str | None:
        """How columns beside the only picking function (MAX, LAST, ...) get the value of the row that it picks."""
        calls = [call for p in projections for call in _calls(p.node, aggregates_only=True)]
        chosen = [call for call in calls if functions.find(call.name).companion]
        if len(calls) != len(chosen) or not chosen or any(call != chosen[0] for call in chosen):
            return None
        function = functions.find(chosen[0].name)
        arguments = [self.rows.typed(argument) for argument in chosen[0].expressions]
        assert function.companion is not None
        return function.companion.replace("{0}", arguments[0].sql).replace("{time}", self.relation.time or "0")

    def _order(
        self, scope: _Scope, item: OrderItem, projections: Sequence[Projection], outputs: Sequence[Typed]
    ) -> str:
        names = [projection.name if projection.aliased else "" for projection in projections]
        at = _output_index(item.node, names)
        if at is None:
            at = next((i for i, projection in enumerate(projections) if projection.node == item.node), None)
        typed = outputs[at] if at is not None else scope.typed(item.node)
        return _order_sql(f"c{at}" if at is not None and self.select.distinct else typed.sql, item)

    def _default_order(self, grouped: bool, keys: Sequence[str], window: _WindowColumns) -> list[str]:
        if window.keys:
            return [*(group.typed.sql for group in self._partition), *window.keys]
        if grouped or self.select.distinct or not self.relation.sort or self.relation.time is None:
            return []
        return [self.relation.time]


_EXPANDING = frozenset(["first", "last", "last_row"])


def _calls(node: exp.Expr, aggregates_only: bool = True) -> list[exp.Anonymous]:
    """The calls of aggregate, picking and row functions in an expression."""
    return [call for call in node.find_all(exp.Anonymous) if functions.find(call.name).kind != "scalar"]


def _column_node(column: _Column) -> exp.Column:
    qualifier = next(iter(column.qualifiers), None)
    return exp.Column(
        this=exp.Identifier(this=column.name, quoted=True),
        table=exp.Identifier(this=qualifier) if qualifier else None,
    )


__all__ = ["INTEGER", "Context", "SystemTable", "Translation", "delete_conditions", "translate"]
