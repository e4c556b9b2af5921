"""Queries: names resolved, types inferred as TDengine does, and translated to DuckDB SQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import pyarrow as pa
from sqlglot import exp

from embedded import errors
from embedded.errors import TDengineError, unsupported
from embedded.schema import Table
from embedded.sql import functions, windows
from embedded.sql.expressions import (
    NOT_ALLOWED_FUNCTION,
    Group,
    Relation,
    RelationColumn,
    Scope,
    cast_to,
    common_type,
)
from embedded.sql.functions import Call
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
from embedded.sql.typed import Environment, Typed, constant, text_sql
from embedded.sql.windows import FillColumn, WindowPlan
from embedded.types import NULL_TYPE, Field


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

    `time` is the index of the column that still is the relation's primary timestamp. `tables` are Arrow tables that the
    SQL selects from.
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
    """The DuckDB condition of a DELETE.

    A range of the timestamp, and for a super table conditions on tags; else 0x2655.
    """
    if where is None:
        return "TRUE"
    translator = _Translator(context)
    relation = translator.table_relation(table, None, "old")
    scope = Scope(relation, context.environment(table.database.precision, "old.c0"), context.parameters)
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
            fields.append(Field(one.name, other.type if one.type == NULL_TYPE else common_type(one.type, other.type)))
        casts = ", ".join(f"CAST(c{at} AS {field.type.duckdb}) AS c{at}" for at, field in enumerate(fields))
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

    def relation(self, item: FromItem | None, where: exp.Expr | None = None) -> Relation:
        """What FROM names; `where` may have the condition of a join."""
        if item is None:
            return Relation("", (), "ms")
        if isinstance(item, Derived):
            return self._derived(item)
        if isinstance(item, Join):
            return self._join(item, where)
        system = self.context.system_table(item.table)
        if system is not None:
            return self._system(item, system)
        return self.table_relation(self.context.table(item.table), item.alias, self.alias())

    def table_relation(self, table: Table, alias: str | None, name: str) -> Relation:
        """A table as a relation that is called `name` in the SQL."""
        qualifiers = frozenset([alias] if alias else [table.name])
        columns = [
            RelationColumn(column.name, Typed(f"{name}.{column.physical}", column.type, exact=True), qualifiers)
            for column in table.columns
        ]
        if table.stable is not None:
            values = zip(table.stable.tags, table.tag_values, strict=True)
            tags = [RelationColumn(tag.name, constant(value, tag.type), qualifiers, tag=True) for tag, value in values]
        else:
            tags = [
                RelationColumn(tag.name, Typed(f"{name}.{tag.physical}", tag.type, exact=True), qualifiers, tag=True)
                for tag in table.tags
            ]
        tbname = f"{name}.tbname" if table.is_super else text_sql(table.name)
        return Relation(
            f"{table.relation()} AS {name}",
            (*columns, *tags),
            table.database.precision,
            f"{name}.c0",
            tbname,
            times=frozenset([f"{name}.c0"]),
            several=table.is_super,
            sort=not table.is_super and not (table.stable or table).ordered,
            starred=len(columns) + (len(tags) if table.is_super else 0),
        )

    def children_relation(self, table: Table, alias: str | None) -> Relation:
        """The children of a super table (or a child) as a relation of their tags."""
        name = self.alias()
        qualifiers = frozenset([alias] if alias else [table.name])
        tags = [
            RelationColumn(tag.name, Typed(f"{name}.{tag.physical}", tag.type, exact=True), qualifiers, tag=True)
            for tag in (table.stable or table).tags
        ]
        only = "" if table.is_super else f" WHERE child = {table.child}"
        sql = f"(SELECT * FROM {table.children}{only}) AS {name}"
        return Relation(sql, tuple(tags), table.database.precision, tbname=f"{name}.tbname")

    def _system(self, item: Source, system: SystemTable) -> Relation:
        name = self.alias()
        self.tables[f"system_{name}"] = system.rows
        qualifiers = frozenset([item.alias] if item.alias else [item.table.name])
        columns = tuple(
            RelationColumn(field.name, Typed(f'{name}."{field.name}"', field.type, exact=True), qualifiers)
            for field in system.fields
        )
        return Relation(f"system_{name} AS {name}", columns, "ms")

    def _derived(self, item: Derived) -> Relation:
        inner = self.query(item.query)
        name = self.alias()
        qualifiers = frozenset([item.alias] if item.alias else [])
        columns = tuple(
            RelationColumn(field.name, Typed(f"{name}.c{at}", field.type, exact=True), qualifiers)
            for at, field in enumerate(inner.fields)
        )
        time = None if inner.time is None else f"{name}.c{inner.time}"
        return Relation(
            f"({inner.sql}) AS {name}",
            columns,
            inner.precision,
            time,
            times=frozenset([time] if time else []),
            several=True,
        )

    def _join(self, item: Join, where: exp.Expr | None) -> Relation:
        left, right = self.relation(item.left, where), self.relation(item.right, where)
        if left.precision != right.precision:
            raise unsupported("a join of tables with different precisions")
        both = Relation(
            f"{left.sql} {'CROSS' if item.condition is None else item.kind.upper()} JOIN {right.sql}",
            (*left.star(), *right.star()),
            left.precision,
            right.time if item.kind == "right" else left.time,
            sort=True,
            times=left.times | right.times,
            several=True,
        )
        env = self.context.environment(both.precision, both.time)
        scope = Scope(both, env, self.context.parameters)
        given = [node for node in (item.condition, where if item.kind == "inner" else None) if node is not None]
        if not given:
            raise TDengineError(errors.CROSS_JOIN, "Cross join not support")
        if left.times and right.times and not any(_joins_times(node, scope, left, right) for node in given):
            raise TDengineError(errors.JOIN_WITHOUT_TIME, "Expect ts equal")
        if item.condition is None:
            return both
        condition = scope.condition(item.condition)
        return replace(both, sql=f"{both.sql} ON {condition}")


def _joins_times(condition: exp.Expr, scope: Scope, left: Relation, right: Relation) -> bool:
    """Whether one of the terms joined by AND equates the primary timestamps of both sides, as TDengine's joins must."""
    for term in condition.flatten() if isinstance(condition, exp.And) else [condition]:
        node = term.unnest()
        if isinstance(node, exp.And) and _joins_times(node, scope, left, right):
            return True
        if isinstance(node, exp.EQ):
            sides = [{_column_sql(c, scope) for c in side.find_all(exp.Column)} for side in (node.left, node.right)]
            for one, other in (sides, sides[::-1]):
                if one and other and one <= left.times and other <= right.times:
                    return True
    return False


def _column_sql(column: exp.Column, scope: Scope) -> str | None:
    """The SQL of a column that the relation has; WHERE may name columns of tables that join later."""
    try:
        return scope.typed(column).sql
    except TDengineError:
        return None


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
        self.relation = self._children() or translator.relation(select.source, select.where)
        self.env = translator.context.environment(self.relation.precision, self.relation.time)
        self.rows = self._scope()
        self.partition = [Group(item.node, self.rows.typed(item.node)) for item in select.partition]
        self.env = replace(self.env, partition=tuple(group.typed.sql for group in self.partition))

    def _scope(self, **more: Any) -> Scope:
        return Scope(self.relation, self.env, self.translator.context.parameters, **more)

    def translate(self) -> Translation:
        """The whole SELECT."""
        select = self.select
        where = f" WHERE {self.rows.condition(select.where)}" if select.where is not None else ""
        projections = self._expanded(select.projections)
        calls = [call for projection in projections for call in _calls(projection.node)]
        calls += [call for item in self.query.order for call in _calls(item.node)]
        kinds = {functions.find(call.name).kind for call in calls}
        if select.window is not None and select.group:
            raise TDengineError(errors.GROUP_AND_WINDOW, "GROUP BY and WINDOW-clause can't be used together")
        if self.relation.several and any(call.name == "percentile" for call in calls):
            message = "percentile is only supported in single table query"
            raise TDengineError(errors.SINGLE_TABLE_ONLY, message)
        if "rows" in kinds:
            self._check_row_functions(calls)
            return self._chosen_rows(projections, calls, where)
        if kinds or select.group or select.window is not None or select.having is not None:
            return self._grouped(projections, calls, where)
        return self._plain(projections, where)

    def _check_row_functions(self, calls: list[exp.Anonymous]) -> None:
        """TOP, DIFF and their like stand alone, or with others that give as many rows."""
        names = {call.name for call in calls}
        distinct = sum(call not in calls[:at] for at, call in enumerate(calls))
        if names & _MANY_ROWS and (self.select.window or self.select.group):
            raise unsupported(f"{calls[0].name.upper()} in windows or groups")
        if any(functions.find(name).kind != "rows" for name in names) or (distinct > 1 and not names <= _EACH_ROW):
            raise TDengineError(errors.NOT_ALLOWED_FUNCTION, NOT_ALLOWED_FUNCTION)
        if len(names) > 1:
            raise TDengineError(errors.ROW_FUNCTIONS_MIXED, "Some functions cannot be mixed")
        if self.select.window or self.select.group:
            message = f"{calls[0].name} function is not supported in window query or group query"
            raise TDengineError(errors.NOT_ALLOWED_FUNCTION, message)
        if self.select.having is not None:
            raise TDengineError(errors.NOT_ALLOWED_FUNCTION, NOT_ALLOWED_FUNCTION)

    # The three shapes of a SELECT.

    def _plain(self, projections: list[Projection], where: str) -> Translation:
        """Rows as they are."""
        outputs = [self.rows.typed(projection.node) for projection in projections]
        return self._assembled(self.rows, projections, outputs, self._from(where), "", self._by_time())

    def _chosen_rows(self, projections: list[Projection], calls: list[exp.Anonymous], where: str) -> Translation:
        """Some of the rows, or a value for each: TOP, UNIQUE, DIFF and their like."""
        scope = self._scope(row_functions=True)
        outputs = [scope.typed(projection.node) for projection in projections]
        conditions = []
        for call in calls:
            keep = functions.find(call.name).keep
            arguments = tuple(self.rows.typed(argument) for argument in call.expressions)
            if keep is not None:
                conditions.append(f"({keep(Call(call.name, arguments, self.env))})")
        qualify = f" QUALIFY {' AND '.join(dict.fromkeys(conditions))}"
        order = [*self.env.partition, self.relation.time or "1"]
        return self._assembled(scope, projections, outputs, self._from(where), qualify, order)

    def _grouped(self, projections: list[Projection], calls: list[exp.Anonymous], where: str) -> Translation:
        """Aggregates: of all rows, of groups, or of windows."""
        select = self.select
        plan = self._window_plan(where)
        if plan is not None and not calls:
            # A column that is no function and no key is the error that TDengine sees first.
            outside = self._scope(grouped=True, groups=self.partition, window=plan.columns)
            for projection in projections:
                outside.typed(projection.node)
            raise TDengineError(errors.NO_FUNCTION_IN_WINDOW, "No valid function in window query")
        groups = [*self.partition, *self._groups(projections)]
        if select.window is not None and select.window.kind == "state":
            groups += [Group(node, self.rows.typed(node)) for node in select.window.expressions]
        keys = list(dict.fromkeys(group.typed.sql for group in groups)) + ([plan.key] if plan else [])
        columns = plan.columns if plan else {}
        scope = self._scope(grouped=True, groups=groups, window=columns, companion=self._companion(projections))
        outputs = [scope.typed(projection.node) for projection in projections]
        having = [scope.condition(select.having)] if select.having is not None else []
        if not keys and not any(functions.find(call.name).counts for call in calls):
            having.append("count(*) > 0")
        clauses = (f" GROUP BY {', '.join(keys)}" if keys else "") + (
            f" HAVING {' AND '.join(having)}" if having else ""
        )
        source = plan.source if plan else self._from(where)
        if plan is not None and select.window is not None and select.window.fill not in (None, "none"):
            return self._filled(select.window, plan, projections, outputs, source + clauses)
        order = [*self.env.partition, *([plan.columns["_wstart"].sql] if plan else [])] if plan else []
        return self._assembled(scope, projections, outputs, source, clauses, order, columns)

    def _filled(
        self, window: Window, plan: WindowPlan, projections: list[Projection], outputs: list[Typed], source: str
    ) -> Translation:
        """Windows without rows filled in, over the time range that WHERE must give."""
        names = ["_rowts", "_c0", *(c.name for c in self.relation.columns if c.typed.sql == self.relation.time)]
        low, high = windows.time_range(self.select.where, names, self.rows)
        if low is None or high is None or high < low:
            raise TDengineError(errors.FILL_RANGE, "Start(end) time of query range required or time range too large")
        groups = [Group(group.node, replace(group.typed, sql=f"s.k{at}")) for at, group in enumerate(self.partition)]
        series = windows.window_columns("s.w", f"(s.w + {plan.interval})")
        outside = self._scope(grouped=True, groups=groups, window=series)
        values = iter(window.fill_values)
        columns = []
        for at, (projection, output) in enumerate(zip(projections, outputs, strict=True)):
            if not _calls(projection.node):
                columns.append(FillColumn(series=cast_to(outside.typed(projection.node), output.type)))
                continue
            constant = "NULL"
            if window.fill_values:
                value = next(values, None)
                if value is None:
                    raise TDengineError(errors.WRONG_VALUE_TYPE, "Filled values number mismatch")
                constant = cast_to(self.rows.typed(value), output.type)
            columns.append(FillColumn(aggregate=f"c{at}", constant=constant))
        if next(values, None) is not None:
            raise TDengineError(errors.WRONG_VALUE_TYPE, "Filled values number mismatch")
        listed = [f"{group.typed.sql} AS k{at}" for at, group in enumerate(self.partition)] + [f"{plan.key} AS w"]
        listed += [f"{cast_to(output, output.type)} AS c{at}" for at, output in enumerate(outputs)]
        grouped = f"SELECT {', '.join(listed)}{source}"
        sql = windows.filled(window.fill or "null", grouped, plan, len(self.partition), (low, high), columns)
        casts = ", ".join(f"CAST(c{at} AS {output.type.duckdb}) AS c{at}" for at, output in enumerate(outputs))
        sql = f"SELECT {casts} FROM ({sql})"
        orders = []
        for item in self.query.order:
            at_output = _output_of(item, projections)
            if at_output is None:
                raise unsupported("ORDER BY of something not selected, with FILL")
            orders.append(_order_sql(f"c{at_output}", item))
        sql += (f" ORDER BY {', '.join(orders)}" if orders else "") + _limit_sql(self.query.limit)
        return self._translation(sql, projections, outputs, plan.columns)

    def _assembled(
        self,
        scope: Scope,
        projections: list[Projection],
        outputs: list[Typed],
        source: str,
        clauses: str,
        default_order: list[str],
        window: dict[str, Typed] | None = None,
    ) -> Translation:
        """SELECT list, source, ORDER BY and limits put together."""
        select, query = self.select, self.query
        listed = ", ".join(f"{cast_to(output, output.type)} AS c{at}" for at, output in enumerate(outputs))
        orders = [order for item in query.order if (order := self._order(scope, item, projections, outputs))]
        orders = orders or ([] if select.distinct else default_order)
        keys = list(dict.fromkeys([*self.env.partition, *(self.rows.typed(node).sql for node in self._group_nodes)]))
        conditions, limit = [], query.limit
        if query.slimit is not None:
            if not keys:
                raise TDengineError(
                    errors.SLIMIT_WITHOUT_PARTITION, "slimit/soffset only available for PARTITION/GROUP BY query"
                )
            rank = f"dense_rank() OVER (ORDER BY {', '.join(keys)})"
            conditions.append(_between(rank, query.slimit))
        if self.partition and limit is not None and not query.order:
            order = ", ".join(default_order) or "1"
            conditions.append(
                _between(f"row_number() OVER (PARTITION BY {', '.join(self.env.partition)} ORDER BY {order})", limit)
            )
            limit = None
        sql = f"SELECT {'DISTINCT ' if select.distinct else ''}{listed}{source}{clauses}"
        if conditions:
            sql += f"{' AND' if ' QUALIFY ' in clauses else ' QUALIFY'} {' AND '.join(conditions)}"
        sql += (f" ORDER BY {', '.join(orders)}" if orders else "") + _limit_sql(limit)
        return self._translation(sql, projections, outputs, window or {})

    def _translation(
        self, sql: str, projections: list[Projection], outputs: list[Typed], window: dict[str, Typed]
    ) -> Translation:
        fields = tuple(Field(item.name, output.type) for item, output in zip(projections, outputs, strict=True))
        times = [self.relation.time, *(column.sql for name, column in window.items() if name == "_wstart")]
        time = next((at for at, output in enumerate(outputs) if output.sql in times), None)
        return Translation(sql, fields, self.relation.precision, time, self.translator.tables)

    # The parts.

    def _children(self) -> Relation | None:
        """For a query of tags only (SELECT TAGS, SELECT DISTINCT tbname) the children themselves, with rows or not."""
        source = self.select.source
        if not isinstance(source, Source) or not (self.select.distinct or self.select.tags_mode):
            return None
        if self.translator.context.system_table(source.table) is not None:
            return None
        table = self.translator.context.table(source.table)
        if not table.has_children:
            if self.select.tags_mode:
                raise TDengineError(errors.TAGS_OF_PLAIN, "Tags can only applied to super table and child table")
            return None
        nodes = [projection.node for projection in self.select.projections]
        if self.select.where is not None:
            nodes.append(self.select.where)
        for node in nodes:
            names = [column.name for column in node.find_all(exp.Column)]
            if not names or not all(name == "tbname" or table.tag(name) for name in names):
                return None
        return self.translator.children_relation(table, source.alias)

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
        starred = any(isinstance(argument, exp.Star) for argument in node.expressions)
        if len(node.expressions) == 1 and not starred:
            return [projection]
        arguments: list[exp.Expr] = []
        for argument in node.expressions:
            stars = [_column_node(column) for column in self.relation.star() if not column.tag]
            arguments += stars if isinstance(argument, exp.Star) else [argument]
        return [
            Projection(
                exp.Anonymous(this=node.name, expressions=[argument]), f"{node.name}({argument.name})", aliased=False
            )
            for argument in arguments
        ]

    def _from(self, where: str) -> str:
        return f" FROM {self.relation.sql}{where}" if self.relation.sql else where

    def _window_plan(self, where: str) -> WindowPlan | None:
        if self.select.window is None:
            return None
        if self.relation.time is None:
            raise TDengineError(
                errors.NO_WINDOW_TIME,
                "Window query not supported, since the result of subquery not include valid timestamp column",
            )
        return windows.plan(self.select.window, self.relation.sql, where, self.relation.time, self.env, self.rows)

    _group_nodes: Sequence[exp.Expr] = ()

    def _groups(self, projections: Sequence[Projection]) -> list[Group]:
        groups, nodes = [], []
        by_alias = {projection.name: projection.node for projection in projections if projection.aliased}
        for node in self.select.group:
            if isinstance(node, exp.Column) and not node.table and node.name in by_alias and not self._has(node.name):
                node = by_alias[node.name]
            if _calls(node):
                raise TDengineError(errors.NO_AGGREGATE_HERE, "There mustn't be aggregation")
            nodes.append(node)
            typed = self.rows.typed(node)
            if typed.constant:
                # A bare number would be the place of a column to DuckDB.
                typed = replace(typed, sql=f"CASE WHEN TRUE THEN {typed.sql} END")
            groups.append(Group(node, typed))
        self._group_nodes = nodes
        return groups

    def _has(self, name: str) -> bool:
        return any(column.name == name for column in self.relation.columns)

    def _companion(self, projections: Sequence[Projection]) -> str | None:
        """How columns beside the only picking function (MAX, LAST, ...) get the value of the row that it picks."""
        calls = [call for projection in projections for call in _calls(projection.node)]
        if not calls or any(call != calls[0] for call in calls):
            return None
        function = functions.find(calls[0].name)
        if function.companion is None or not calls[0].expressions:
            return None
        picked = self.rows.typed(calls[0].expressions[0]).sql
        return function.companion.replace("{0}", picked).replace("{time}", self.relation.time or "0")

    def _order(self, scope: Scope, item: OrderItem, projections: Sequence[Projection], outputs: Sequence[Typed]) -> str:
        """One item of ORDER BY as SQL; nothing for a constant, which DuckDB would not take."""
        at = _output_of(item, projections)
        if at is not None:
            if self.select.distinct:
                return _order_sql(f"c{at}", item)
            return "" if _is_constant(projections[at].node) else _order_sql(outputs[at].sql, item)
        if self.select.distinct:
            raise TDengineError(errors.NOT_SELECTED, "Not SELECTed expression")
        typed = scope.typed(item.node)
        return "" if _is_constant(item.node) else _order_sql(typed.sql, item)

    def _by_time(self) -> list[str]:
        if self.relation.time is None or not (self.relation.sort or self.partition):
            return list(self.env.partition)
        return [*self.env.partition, self.relation.time]


def _between(number: str, limit: tuple[int, int]) -> str:
    count, offset = limit
    return f"{number} > {offset} AND {number} <= {offset + count}"


def _output_of(item: OrderItem, projections: Sequence[Projection]) -> int | None:
    """The output that an ORDER BY item means: by number, by alias, or as the same expression."""
    at = _output_index(item.node, [projection.name if projection.aliased else "" for projection in projections])
    if at is None:
        return next((i for i, projection in enumerate(projections) if projection.node == item.node), None)
    return at


_MANY_ROWS = frozenset(["top", "bottom", "sample"])
_EACH_ROW = frozenset(["diff", "derivative", "csum", "mavg"])
_EXPANDING = frozenset(["first", "last", "last_row"])


def _calls(node: exp.Expr) -> list[exp.Anonymous]:
    """The calls of aggregate, picking and row functions in an expression."""
    return [call for call in node.find_all(exp.Anonymous) if functions.find(call.name).kind != "scalar"]


def _is_constant(node: exp.Expr) -> bool:
    return node.find(exp.Column) is None and not _calls(node)


def _column_node(column: RelationColumn) -> exp.Column:
    qualifier = next(iter(column.qualifiers), None)
    return exp.Column(
        this=exp.Identifier(this=column.name, quoted=True),
        table=exp.Identifier(this=qualifier) if qualifier else None,
    )
