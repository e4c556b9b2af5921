"""One SELECT, in one of its shapes: rows as they are, rows chosen or followed, groups and windows, interpolations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlglot import exp

from embedded import errors
from embedded.errors import TDengineError
from embedded.sql import functions, grouping, interpolation, timerange
from embedded.sql.casts import cast_to
from embedded.sql.context import Translation
from embedded.sql.expressions import NOT_ALLOWED_FUNCTION, Scope
from embedded.sql.finishing import Parts, finished, order_sql, output_of
from embedded.sql.functions import Call
from embedded.sql.functions.series import CHOOSING
from embedded.sql.projections import calls_in, expanded, is_constant, referred
from embedded.sql.relation import Group, Relation
from embedded.sql.sources import Sources
from embedded.sql.statements import OrderItem, Projection, Query, Select, Source
from embedded.sql.typed import Typed, integer
from embedded.types import BIGINT, TIMESTAMP, Field, Type

_IN_WINDOWS = frozenset(["top", "bottom", "sample"])
_EACH_ROW = frozenset(["diff", "derivative", "csum", "mavg", "statecount", "stateduration"])


class SelectTranslator:
    """Translates one SELECT with the ORDER BY and LIMIT of its query; `nested`: it stands in a FROM."""

    def __init__(self, sources: Sources, select: Select, query: Query, nested: bool = False) -> None:
        self.sources = sources
        self.select = select
        self.query = query
        self.nested = nested
        self.relation = self._children() or sources.relation(select.source, select.where)
        self.env = sources.context.environment(self.relation.precision, self.relation.time)
        self.rows = Scope(self.relation, self.env, sources.context.parameters)
        self.projections = expanded(self._named_partition(), self.relation)
        self.partition = [self._group(item.node) for item in select.partition]
        self.env = replace(self.env, partition=tuple(group.typed.sql for group in self.partition))
        self.whole = self._whole_query()
        self.rows = self.scope()
        self.outside: str | None = None

    def scope(self, window: dict[str, Typed] | None = None, **more: Any) -> Scope:
        """A scope over the relation."""
        return Scope(
            self.relation, self.env, self.sources.context.parameters, window=self.whole | (window or {}), **more
        )

    def translate(self) -> Translation:
        """The whole SELECT."""
        select = self.select
        where = self._where()
        calls = [call for projection in self.projections for call in calls_in(projection.node)]
        calls += [call for item in self.query.order for call in calls_in(item.node)]
        kinds = {functions.find(call.name).kind for call in calls}
        if select.window is not None and select.group:
            raise TDengineError(errors.GROUP_AND_WINDOW, "GROUP BY and WINDOW-clause can't be used together")
        if self.relation.several and any(call.name == "percentile" for call in calls):
            message = "percentile is only supported in single table query"
            raise TDengineError(errors.SINGLE_TABLE_ONLY, message)
        if "interp" in kinds or select.interpolation is not None:
            return interpolation.translate(self, calls, where)
        if "rows" in kinds:
            self._check_row_functions(calls)
            return self._chosen_rows(calls, where)
        if kinds or select.group or select.window is not None or select.having is not None:
            return grouping.translate(self, calls, where)
        outputs = [self.rows.output(projection.node) for projection in self.projections]
        return self.assembled(self.rows, outputs, self.from_(where), self._by_time())

    def _where(self) -> str:
        """The WHERE clause; a condition without columns is one on the result, of which it leaves nothing or all."""
        node = self.select.where
        if node is None:
            return ""
        typed = self.rows.typed(node)
        if typed.null:
            self.outside = "FALSE"
            return ""
        condition = self.rows.condition(node)
        if node.find(exp.Column) is None and node.find(exp.Placeholder) is None and self.relation.sql:
            self.outside = condition
            return ""
        return f" WHERE {condition}"

    def _whole_query(self) -> dict[str, Typed]:
        """`_qstart` and its like: the time range of the whole query."""
        if not any(
            column.name.startswith("_q") for item in self.projections for column in item.node.find_all(exp.Column)
        ):
            return {}
        low, high = timerange.time_range(self.select.where, self.rows)
        start = timerange.EVERYTHING[0] if low is None else low
        end = timerange.EVERYTHING[1] if high is None else high
        stamp = Type.of(TIMESTAMP)
        length = Typed(f"({end}::HUGEINT - ({start})::HUGEINT)::BIGINT", Type.of(BIGINT))
        return {"_qstart": integer(start, stamp), "_qend": integer(end, stamp), "_qduration": length}

    # Rows chosen, or with values of their own.

    def _check_row_functions(self, calls: list[exp.Anonymous]) -> None:
        """TOP, DIFF and their like stand alone, or with others that give as many rows."""
        names = {call.name for call in calls}
        distinct = sum(call not in calls[:at] for at, call in enumerate(calls))
        if any(functions.find(name).kind != "rows" for name in names) or (distinct > 1 and not names <= _EACH_ROW):
            raise TDengineError(errors.NOT_ALLOWED_FUNCTION, NOT_ALLOWED_FUNCTION)
        if len(names) > 1:
            raise TDengineError(errors.ROW_FUNCTIONS_MIXED, "Some functions cannot be mixed")
        if (self.select.window or self.select.group) and not names <= _IN_WINDOWS:
            message = f"{calls[0].name} function is not supported in window query or group query"
            raise TDengineError(errors.NOT_ALLOWED_FUNCTION, message)
        if self.select.having is not None:
            raise TDengineError(errors.NOT_ALLOWED_FUNCTION, NOT_ALLOWED_FUNCTION)

    def _chosen_rows(self, calls: list[exp.Anonymous], where: str) -> Translation:
        """Some of the rows, or a value for each: TOP, UNIQUE, DIFF and their like; of each group or window, too."""
        source, columns, inside = self.from_(where), {}, list(self.env.partition)
        if self.select.window is not None or self.select.group:
            plan = grouping.window_plan(self, calls, where)
            inside += [group.typed.sql for group in self.groups()]
            if plan is not None:
                source, inside = plan.source, [*inside, plan.key]
                columns = grouping.columns_of_rows(plan, inside)
        env = replace(self.env, partition=tuple(inside))
        outer, self.env = self.env, env
        rows = self.scope()
        made = [self._made(call, rows) for call in calls]
        prepared = {call.key: call for call in made if functions.find(call.name).prepare is not None}
        if prepared:
            source, env = self._prepared(list(prepared.values()), source)
        self.env = env
        scope = self.scope(row_functions=True, window=columns)
        outputs = [scope.output(projection.node) for projection in self.projections]
        self.env = outer
        conditions = []
        for call in made:
            keep = functions.find(call.name).keep
            if keep is not None:
                conditions.append(f"({keep(call)})")
        joined = " OR " if all(call.name == "diff" for call in made) else " AND "
        qualify = f" QUALIFY {joined.join(dict.fromkeys(conditions))}" if conditions else ""
        order = functions.find(made[0].name).order
        natural = [*inside, order(made[0]) if order is not None else self.relation.time or "1"]
        hidden = self.relation.time if self.nested and made[0].name not in CHOOSING else None
        return self.assembled(scope, outputs, source + qualify, natural, columns, hidden)

    def _made(self, call: exp.Anonymous, rows: Scope) -> Call:
        return Call(call.name, tuple(rows.typed(argument) for argument in call.expressions), rows.env)

    def _prepared(self, calls: Sequence[Call], source: str) -> tuple[str, Any]:
        """A source with the columns that functions want computed before, and the environment that knows them."""
        name = self.relation.name
        listed, helpers = "", {}
        for at, call in enumerate(calls):
            prepare = functions.find(call.name).prepare
            assert prepare is not None
            listed += f", {prepare(call)} AS h{at}"
            helpers[call.key] = f"{name}.h{at}"
        env = replace(calls[0].env, helpers=helpers)
        return f" FROM (SELECT {name}.*{listed}{source}) AS {name}", env

    # The parts.

    def assembled(
        self,
        scope: Scope,
        outputs: Sequence[Typed],
        rest: str,
        natural: Sequence[str],
        window: dict[str, Typed] | None = None,
        hidden: str | None = None,
        orders: Sequence[str] | None = None,
        keys: Sequence[str] | None = None,
        ties: Sequence[str] = (),
    ) -> Translation:
        """SELECT list, source, ORDER BY and limits put together; `ties` order what ORDER BY leaves open."""
        query, select = self.query, self.select
        if orders is None:
            orders = [order for item in query.order if (order := self._order(scope, item, outputs))]
            orders = [*orders, *ties] if orders else []
        partition = list(self.env.partition) if keys is None else keys
        groups = list(dict.fromkeys([*partition, *([] if keys is not None else (g.typed.sql for g in self.groups()))]))
        fields = tuple(Field(item.name, out.type) for item, out in zip(self.projections, outputs, strict=True))
        times = [self.relation.time, *(column.sql for name, column in (window or {}).items() if name == "_wstart")]
        time = next((f"c{at}" for at, output in enumerate(outputs) if output.sql in times), None)
        if time is None and hidden is not None and not select.distinct:
            time = "ct"
        listed = [f"{cast_to(output, output.type)} AS c{at}" for at, output in enumerate(outputs)]
        seen = hidden if time == "ct" else None
        parts = Parts(listed, rest, orders, natural, partition, groups, select.distinct, seen, self.outside)
        return Translation(finished(parts, query), fields, self.relation.precision, time, self.sources.tables)

    def from_(self, where: str) -> str:
        """FROM and WHERE; without a relation there is nothing to select from."""
        return f" FROM {self.relation.sql}{where}" if self.relation.sql else ""

    def groups(self) -> list[Group]:
        """What GROUP BY groups by."""
        return [self._group(node) for node in self.select.group]

    def _group(self, node: exp.Expr) -> Group:
        node = referred(node, self.projections, self.relation)
        if calls_in(node):
            raise TDengineError(errors.NO_AGGREGATE_HERE, "There mustn't be aggregation")
        typed = self.rows.typed(node)
        if isinstance(typed.value, int | float):
            # A bare number would be the place of a column to DuckDB.
            typed = replace(typed, sql=f"CASE WHEN TRUE THEN {typed.sql} END")
        return Group(node, typed)

    def _named_partition(self) -> Sequence[Projection]:
        """The SELECT list with the names that PARTITION BY gives (`PARTITION BY tbname AS t`) replaced."""
        named = {item.name: item.node for item in self.select.partition if item.aliased}
        if not named:
            return self.select.projections

        def replaced(node: exp.Expr) -> exp.Expr:
            if isinstance(node, exp.Column) and not node.table and node.name in named:
                return named[node.name].copy()
            return node

        return [
            replace(item, node=item.node.transform(replaced), aliased=item.aliased or item.name in named)
            if item.node.find(exp.Column)
            else item
            for item in self.select.projections
        ]

    def _order(self, scope: Scope, item: OrderItem, outputs: Sequence[Typed]) -> str:
        """One item of ORDER BY as SQL; nothing for a constant, which DuckDB would not take."""
        at = output_of(item, self.projections)
        if at is not None:
            if self.select.distinct:
                return order_sql(f"c{at}", item)
            return "" if is_constant(self.projections[at].node) else order_sql(outputs[at].sql, item)
        if self.select.distinct:
            raise TDengineError(errors.NOT_SELECTED, "Not SELECTed expression")
        typed = scope.typed(item.node)
        return "" if is_constant(item.node) else order_sql(typed.sql, item)

    def _by_time(self) -> list[str]:
        if self.relation.time is None or not (self.relation.sort or self.partition):
            return list(self.env.partition)
        return [*self.env.partition, self.relation.time]

    def _children(self) -> Relation | None:
        """For a query of tags only (SELECT TAGS, SELECT DISTINCT tbname) the children themselves, with rows or not."""
        source, select = self.select.source, self.select
        if not isinstance(source, Source) or not (select.distinct or select.tags_mode):
            return None
        if self.sources.context.system_table(source.table) is not None:
            return None
        table = self.sources.context.table(source.table)
        if not table.has_children:
            if select.tags_mode:
                raise TDengineError(errors.TAGS_OF_PLAIN, "Tags can only applied to super table and child table")
            return None
        nodes = [projection.node for projection in select.projections]
        if select.where is not None:
            nodes.append(select.where)
        for node in nodes:
            names = [column.name for column in node.find_all(exp.Column)]
            if not names or not all(name == "tbname" or table.tag(name) for name in names):
                return None
        return self.sources.children_relation(table, source.alias)
