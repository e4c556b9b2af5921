"""FROM: tables, subqueries and joins as relations."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
from sqlglot import exp

from embedded.errors import unsupported
from embedded.schema import Table
from embedded.sql import joins
from embedded.sql.context import Context, SystemTable, Translation
from embedded.sql.relation import Relation, RelationColumn
from embedded.sql.statements import Derived, FromItem, Join, Query, Source
from embedded.sql.typed import Typed, constant, text_sql


class Sources:
    """Translates what FROM names; `subquery` translates a query that stands there."""

    def __init__(self, context: Context, subquery: Callable[[Query], Translation]) -> None:
        self.context = context
        self.tables: dict[str, pa.Table] = {}
        self._subquery = subquery
        self._aliases = 0

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
            name=name,
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
        return Relation(sql, tuple(tags), table.database.precision, tbname=f"{name}.tbname", name=name)

    def _system(self, item: Source, system: SystemTable) -> Relation:
        name = self.alias()
        self.tables[f"system_{name}"] = system.rows
        qualifiers = frozenset([item.alias] if item.alias else [item.table.name])
        columns = tuple(
            RelationColumn(field.name, Typed(f'{name}."{field.name}"', field.type, exact=True), qualifiers)
            for field in system.fields
        )
        return Relation(f"system_{name} AS {name}", columns, "ms", name=name)

    def _derived(self, item: Derived) -> Relation:
        inner = self._subquery(item.query)
        name = self.alias()
        qualifiers = frozenset([item.alias] if item.alias else [])
        columns = tuple(
            RelationColumn(field.name, Typed(f"{name}.c{at}", field.type, exact=True), qualifiers)
            for at, field in enumerate(inner.fields)
        )
        time = None if inner.time is None else f"{name}.{inner.time}"
        times = frozenset([time] if time else [])
        sql = f"({inner.sql}) AS {name}"
        return Relation(sql, columns, inner.precision, time, times=times, several=True, name=name)

    def _join(self, item: Join, where: exp.Expr | None) -> Relation:
        left, right = (self.relation(side, where).with_tbname() for side in (item.left, item.right))
        if left.precision != right.precision:
            raise unsupported("a join of tables with different precisions")
        env = self.context.environment(left.precision, left.time)
        return joins.joined(item, left, right, where, env, self.context.parameters, self.alias)
