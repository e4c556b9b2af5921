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


@dataclass(frozen=True)
class _Column:
    name: str
    typed: Typed
    qualifiers: frozenset[str]
    tag: bool = False


@dataclass(frozen=True)
class _Relation:
    """What a SELECT selects from. `tbname` is the SQL of the table's name; `ordered`: rows come in the order of time as they lie."""

    sql: str
    columns: tuple[_Column, ...]
    precision: str
    time: str | None = None
    tbname: str | None = None
    sort: bool = False
    starred: int | None = None

    def star(self) -> tuple[_Column, ...]:
        """The columns that `*` stands for."""
        return self.columns if self.starred is None else self.columns[: self.starred]


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


@dataclass(frozen=True)
class _Group:
    """One thing that rows are grouped by: its expression as written, and translated."""

    node: exp.Expr
    typed: Typed


class _Scope:
    """Translates expressions over one relation: of its rows, or (`grouped`) of groups of them."""

    def __init__(
        self,
        translator: _Translator,
        relation: _Relation,
        env: Environment,
        grouped: bool = False,
        groups: Sequence[_Group] = (),
        window: dict[str, Typed] | None = None,
        companion: str | None = None,
        rows: Callable[[Call, Function], str] | None = None,
    ) -> None:
        self.translator = translator
        self.relation = relation
        self.env = env
        self.grouped = grouped
        self.groups = groups
        self.window = window or {}
        self.companion = companion
        self._group_sql = {group.typed.sql for group in groups}
        self._rows = rows
        self._in_aggregate = False

    def condition(self, node: exp.Expr) -> str:
        """A condition, as SQL."""
        typed = self.typed(node)
        if typed.type.kind is BOOL or typed.null:
            return typed.sql
        return f"({self._number(typed)} <> 0)"

    def typed(self, node: exp.Expr) -> Typed:
        """An expression; over groups, what is neither aggregated nor grouped by raises."""
        if self.grouped and not self._in_aggregate:
            for group in self.groups:
                if group.node == node:
                    return group.typed
        rule = _NODES.get(type(node))
        if rule is None:
            raise unsupported(f"the expression {node.sql()}")
        return rule(self, node)

    # Columns.

    def _column(self, node: exp.Column) -> Typed:
        name, qualifier = node.name, node.table
        quoted = bool(node.this.args.get("quoted"))
        if not quoted and name in _PSEUDO:
            return self._pseudo(name)
        found = [
            column
            for column in self.relation.columns
            if column.name == name and (not qualifier or qualifier in column.qualifiers)
        ]
        if not found and name == "tbname":
            return self._pseudo(name)
        if not found:
            raise TDengineError(errors.COLUMN_MISSING, f"Invalid column name: {name}")
        if len(found) > 1 and len({column.qualifiers for column in found}) > 1:
            raise TDengineError(errors.AMBIGUOUS_COLUMN, f"Column ambiguously defined: {name}")
        return self._row_value(found[0].typed, found[0].tag)

    def _row_value(self, typed: Typed, tag: bool) -> Typed:
        """A column's value: as it is, or where rows are grouped only if the group determines it."""
        if not self.grouped or self._in_aggregate or typed.sql in self._group_sql:
            return typed
        if tag and self.relation.tbname in self._group_sql:
            return replace(typed, sql=f"any_value({typed.sql})")
        if self.companion is not None:
            return replace(typed, sql=self.companion.replace("{column}", typed.sql))
        if self.groups:
            raise TDengineError(errors.NOT_GROUPED, "Not a GROUP BY expression")
        raise TDengineError(errors.NOT_SINGLE_GROUP, "Not a single-group group function")

    def _pseudo(self, name: str) -> Typed:
        if name == "tbname":
            if self.relation.tbname is None:
                raise TDengineError(errors.COLUMN_MISSING, "Invalid column name: tbname")
            typed = Typed(self.relation.tbname, TBNAME_TYPE, exact=True)
            return typed if not self.relation.tbname.startswith("r") else self._row_value(typed, tag=False)
        if name in ("_rowts", "_c0"):
            if self.relation.time is None:
                raise TDengineError(errors.COLUMN_MISSING, f"Invalid column name: {name}")
            return self._row_value(Typed(self.relation.time, Type.of(TIMESTAMP), exact=True), tag=False)
        if name in self.window:
            return self.window[name]
        if name.startswith("_w"):
            raise TDengineError(errors.WINDOW_COLUMN, "_WSTART, _WEND and _WDURATION can only be used in window query")
        raise unsupported(f"the pseudo column {name}")

    # Literals.

    def _literal(self, node: exp.Literal) -> Typed:
        if node.is_string:
            return text(node.this)
        digits = node.this
        if digits.isdigit():
            return _integer_literal(int(digits))
        if digits.startswith(("0x", "0b")):
            return _integer_literal(int(digits, 0))
        return double(float(digits))

    def _interval(self, node: exp.Interval) -> Typed:
        """A duration standing alone: its units, as an integer; functions that want a duration see its value."""
        duration = Duration.parse(node.this.this)
        return Typed(str(duration.units(self.env.precision)), Type.of(BIGINT), duration)

    def _placeholder(self, node: exp.Placeholder) -> Typed:
        at = int(node.this)
        if at >= len(self.translator.context.parameters):
            raise TDengineError(errors.INVALID_OPERATION, "parameter not bound")
        return self.translator.context.parameters[at]

    # Operators.

    def _paren(self, node: exp.Paren) -> Typed:
        return self.typed(node.this)

    def _neg(self, node: exp.Neg) -> Typed:
        typed = self.typed(node.this)
        if typed.constant and isinstance(typed.value, int | float) and not isinstance(typed.value, bool):
            return Typed(f"(-{typed.sql})", Type.of(DOUBLE), -typed.value)
        return Typed(f"(-{self._double(typed)})", Type.of(DOUBLE))

    def _arithmetic(self, node: exp.Binary) -> Typed:
        left, right = self.typed(node.left), self.typed(node.right)
        if left.null or right.null:
            return Typed("CAST(NULL AS DOUBLE)", Type.of(DOUBLE))
        moved = self._moved(node, left, right)
        if moved is not None:
            return moved
        one, other = self._double(left), self._double(right)
        if isinstance(node, exp.Div | exp.Mod):
            sign = "/" if isinstance(node, exp.Div) else "%"
            return Typed(f"({one} {sign} NULLIF({other}, 0))", Type.of(DOUBLE))
        sign = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*"}[type(node)]
        return Typed(f"({one} {sign} {other})", Type.of(DOUBLE))

    def _moved(self, node: exp.Binary, left: Typed, right: Typed) -> Typed | None:
        """A timestamp moved by a duration or an integer, or the difference of two."""
        if not isinstance(node, exp.Add | exp.Sub):
            return None
        kinds = (left.type.kind, right.type.kind)
        if TIMESTAMP not in kinds:
            return None
        if kinds == (TIMESTAMP, TIMESTAMP):
            if isinstance(node, exp.Add):
                raise TDengineError(errors.INVALID_OPERATION, "Invalid operation")
            return Typed(f"({left.sql} - {right.sql})", Type.of(BIGINT))
        if isinstance(node, exp.Add) and kinds[1] is TIMESTAMP:
            left, right = right, left
        if left.type.kind is not TIMESTAMP or not (
            right.type.kind.integer or right.type.kind is BOOL or right.type.kind is DOUBLE
        ):
            return None
        sign = 1 if isinstance(node, exp.Add) else -1
        if isinstance(right.value, Duration):
            return self._shifted(left, right.value, sign)
        if isinstance(right.value, int) and isinstance(left.value, int):
            return integer(left.value + sign * right.value, Type.of(TIMESTAMP))
        return Typed(f"({left.sql} {'+' if sign > 0 else '-'} CAST({right.sql} AS BIGINT))", Type.of(TIMESTAMP))

    def _shifted(self, moment: Typed, duration: Duration, sign: int) -> Typed:
        if isinstance(moment.value, int):
            return integer(duration.shift(moment.value, self.env.precision, sign), Type.of(TIMESTAMP))
        if not duration.months:
            units = sign * duration.units(self.env.precision)
            return Typed(f"({moment.sql} + {integer(units).sql})", Type.of(TIMESTAMP))
        units = UNITS_PER_SECOND[self.env.precision]
        second = f"make_timestamp({floor_to(moment.sql, units)} // {units} * 1000000)"
        shifted = f"epoch_us({second} + INTERVAL {sign * duration.months} MONTH) // 1000000 * {units}"
        return Typed(f"({shifted} + {moment.sql} - {floor_to(moment.sql, units)})", Type.of(TIMESTAMP))

    def _bits(self, node: exp.Binary) -> Typed:
        left, right = (f"CAST({self.typed(side).sql} AS BIGINT)" for side in (node.left, node.right))
        return Typed(f"({left} {'&' if isinstance(node, exp.BitwiseAnd) else '|'} {right})", Type.of(BIGINT))

    def _logic(self, node: exp.Connector) -> Typed:
        terms = [self.condition(term) for term in node.flatten()]
        return _bool("(" + (" AND " if isinstance(node, exp.And) else " OR ").join(terms) + ")")

    def _not(self, node: exp.Not) -> Typed:
        return _bool(f"(NOT {self.condition(node.this)})")

    def _is(self, node: exp.Is) -> Typed:
        return _bool(f"({self.typed(node.this).sql} IS NULL)")

    def _comparison(self, node: exp.Binary) -> Typed:
        left, right = self._comparable(self.typed(node.left), self.typed(node.right))
        return _bool(f"({left} {_COMPARISONS[type(node)]} {right})")

    def _between(self, node: exp.Between) -> Typed:
        value = self.typed(node.this)
        low = self._comparable(value, self.typed(node.args["low"]))
        high = self._comparable(value, self.typed(node.args["high"]))
        return _bool(f"({low[0]} >= {low[1]} AND {high[0]} <= {high[1]})")

    def _in(self, node: exp.In) -> Typed:
        value = self.typed(node.this)
        pairs = [self._comparable(value, self.typed(item)) for item in node.expressions]
        return _bool(f"({pairs[0][0]} IN ({', '.join(item for _, item in pairs)}))")

    def _like(self, node: exp.Like) -> Typed:
        value, pattern = self.typed(node.this), self.typed(node.expression)
        if not (value.type.kind.text and pattern.type.kind.text):
            raise TDengineError(errors.WRONG_VALUE_TYPE, "Invalid value type: like")
        negated = "NOT " if node.args.get("negate") else ""
        return _bool(f"({value.sql} {negated}ILIKE {pattern.sql} ESCAPE '\\')")

    def _match(self, node: exp.RegexpLike) -> Typed:
        value, pattern = self.typed(node.this), self.typed(node.expression)
        if not value.type.kind.text or not isinstance(pattern.value, str):
            raise TDengineError(errors.WRONG_VALUE_TYPE, "Invalid value type: match")
        return _bool(f"regexp_matches({value.sql}, {pattern.sql})")

    def _comparable(self, left: Typed, right: Typed) -> tuple[str, str]:
        """Two operands as SQL that compares as TDengine does: times with texts as times, texts with numbers as numbers."""
        if left.null or right.null:
            return left.sql, right.sql
        if left.type.kind is TIMESTAMP or right.type.kind is TIMESTAMP:
            return self._instant(left), self._instant(right)
        one, other = left.type.kind, right.type.kind
        if one.text and other.text:
            return left.sql, right.sql
        if one is BOOL and other is BOOL:
            return left.sql, right.sql
        if BOOL in (one, other) and (one.text or other.text):
            return self._as_bool(left), self._as_bool(right)
        return self._number(left), self._number(right)

    def _instant(self, typed: Typed) -> str:
        if not typed.type.kind.text:
            return self._number(typed)
        if not isinstance(typed.value, str):
            raise unsupported("a comparison of a text column with a timestamp")
        parsed = parse_time(typed.value, self.env.precision, self.env.zone)
        if parsed is None:
            raise TDengineError(errors.TIMESTAMP_VALUE, f"Incorrect TIMESTAMP value: {typed.value}")
        return integer(parsed).sql

    def _number(self, typed: Typed) -> str:
        if typed.type.kind is BOOL:
            return f"CAST({typed.sql} AS INTEGER)"
        return f"TRY_CAST({typed.sql} AS DOUBLE)" if typed.type.kind.text else typed.sql

    def _as_bool(self, typed: Typed) -> str:
        if typed.type.kind is BOOL:
            return typed.sql
        if isinstance(typed.value, str):
            return boolean(typed.value.lower() == "true" or typed.value not in ("", "0", "false")).sql
        return f"({self._number(typed)} <> 0)"

    def _double(self, typed: Typed) -> str:
        if typed.type.kind is BOOL:
            return f"CAST(CAST({typed.sql} AS INTEGER) AS DOUBLE)"
        word = "TRY_CAST" if typed.type.kind.text else "CAST"
        return f"{word}({typed.sql} AS DOUBLE)"

    # CASE, CAST and functions.

    def _case(self, node: exp.Case) -> Typed:
        operand = self.typed(node.this) if node.this else None
        branches, results = [], []
        for branch in node.args["ifs"]:
            if operand is None:
                condition = self.condition(branch.this)
            else:
                condition = "{} = {}".format(*self._comparable(operand, self.typed(branch.this)))
            results.append(self.typed(branch.args["true"]))
            branches.append(condition)
        default = node.args.get("default")
        if default is not None:
            results.append(self.typed(default))
        type_ = NULL_TYPE
        for result in results:
            if not result.null:
                type_ = result.type if type_ == NULL_TYPE else _common_type(type_, result.type)
        values = [_cast(result, type_.kind) for result in results]
        sql = " ".join(f"WHEN {condition} THEN {value}" for condition, value in zip(branches, values, strict=False))
        otherwise = f" ELSE {values[-1]}" if default is not None else ""
        return Typed(f"(CASE {sql}{otherwise} END)", type_)

    def _cast_node(self, node: exp.Cast) -> Typed:
        value, target = self.typed(node.this), node.args["to"].this
        return Typed(self._converted(value, target), target)

    def _converted(self, value: Typed, target: Type) -> str:
        """CAST: numbers cut towards zero and wrap at the end of their range, texts give the number they begin with."""
        kind, source = target.kind, value.type.kind
        if value.null:
            return f"CAST(NULL AS {kind.duckdb})"
        if kind is TIMESTAMP:
            return self._instant(value) if source.text else f"CAST({_whole(value)} AS BIGINT)"
        if kind.text:
            return self._as_text(value, target)
        sql = f"coalesce(TRY_CAST(regexp_extract({value.sql}, '^\\s*[-+]?[0-9]*\\.?[0-9]*([eE][-+]?[0-9]+)?') AS DOUBLE), 0)"
        if source.text and kind.integer:
            digits = f"regexp_extract({value.sql}, '^\\s*[-+]?[0-9]+')"
            return _wrapped(f"coalesce(TRY_CAST({digits} AS HUGEINT), 0)", kind)
        if source.text:
            return f"({sql} <> 0)" if kind is BOOL else f"CAST({sql} AS {kind.duckdb})"
        if kind is BOOL:
            return value.sql if source is BOOL else f"({value.sql} <> 0)"
        if kind.integer:
            return _wrapped(_whole(value), kind) if source is not kind else value.sql
        return f"CAST({self._number(value)} AS {kind.duckdb})"

    def _as_text(self, value: Typed, target: Type) -> str:
        source = value.type.kind
        if source in (FLOAT, DOUBLE):
            sql = f"printf('%.{6 if source is FLOAT else 6}f', CAST({value.sql} AS DOUBLE))"
        else:
            sql = value.sql if source.text else f"CAST({value.sql} AS VARCHAR)"
        if target.kind is NCHAR:
            return f"left({sql}, {target.length})"
        return f"(CASE WHEN strlen({sql}) <= {target.length} THEN {sql} ELSE left({sql}, {target.length}) END)"

    def _call(self, node: exp.Anonymous) -> Typed:
        name = node.name
        function = functions.find(name)
        if function.kind == "scalar":
            return self._scalar(name, function, [self.typed(argument) for argument in node.expressions])
        if self._in_aggregate:
            raise TDengineError(errors.NESTED_AGGREGATE, "Aggregate functions do not support nesting")
        if not self.grouped:
            raise TDengineError(errors.NO_AGGREGATE_HERE, "There mustn't be aggregation")
        self._in_aggregate = True
        try:
            arguments = [self._argument(function, argument) for argument in node.expressions]
        finally:
            self._in_aggregate = False
        return self._scalar(name, function, arguments)

    def _argument(self, function: Function, node: exp.Expr) -> Typed:
        if isinstance(node, exp.Star):
            if not function.star:
                raise unsupported("* as the argument of this function")
            return Typed("*", Type.of(BIGINT))
        return self.typed(node)

    def _scalar(self, name: str, function: Function, arguments: list[Typed]) -> Typed:
        call = Call(name, tuple(arguments), self.env)
        function.check(call)
        type_ = function.type(call)
        sql = function.sql(call)
        value = int(sql) if name in ("now", "today") else None
        return (
            Typed(sql if value is None else integer(value).sql, type_, value)
            if value is not None
            else Typed(f"({sql})", type_)
        )


_PSEUDO = frozenset(["tbname", "_rowts", "_c0", "_wstart", "_wend", "_wduration", "_qstart", "_qend", "_qduration"])
_COMPARISONS = {exp.EQ: "=", exp.NEQ: "<>", exp.GT: ">", exp.GTE: ">=", exp.LT: "<", exp.LTE: "<="}
_NODES: dict[type[exp.Expr], Callable[[_Scope, Any], Typed]] = {
    exp.Column: _Scope._column,
    exp.Literal: _Scope._literal,
    exp.Boolean: lambda scope, node: boolean(node.this),
    exp.Null: lambda scope, node: NULL,
    exp.Interval: _Scope._interval,
    exp.Placeholder: _Scope._placeholder,
    exp.Paren: _Scope._paren,
    exp.Neg: _Scope._neg,
    **dict.fromkeys((exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod), _Scope._arithmetic),
    **dict.fromkeys((exp.BitwiseAnd, exp.BitwiseOr), _Scope._bits),
    **dict.fromkeys((exp.And, exp.Or), _Scope._logic),
    exp.Not: _Scope._not,
    exp.Is: _Scope._is,
    **dict.fromkeys(_COMPARISONS, _Scope._comparison),
    exp.Between: _Scope._between,
    exp.In: _Scope._in,
    exp.Like: _Scope._like,
    exp.RegexpLike: _Scope._match,
    exp.Case: _Scope._case,
    exp.Cast: _Scope._cast_node,
    exp.Anonymous: _Scope._call,
}


def _bool(sql: str) -> Typed:
    return Typed(sql, Type.of(BOOL), exact=True)


def _integer_literal(value: int) -> Typed:
    if value <= BIGINT.high:
        return integer(value)
    return integer(value, Type.of(UBIGINT)) if value <= UBIGINT.high else double(float(value))


def _whole(value: Typed) -> str:
    """A number cut to an integer, of any size."""
    if value.type.kind is BOOL:
        return f"CAST({value.sql} AS HUGEINT)"
    return f"CAST(trunc({value.sql}) AS HUGEINT)" if not value.type.kind.integer else f"CAST({value.sql} AS HUGEINT)"


def _wrapped(sql: str, kind: Kind) -> str:
    """A HUGEINT in the range of an integer type, wrapped around as C does."""
    size = 2 ** (8 * kind.size)
    moved = f"((({sql}) - ({kind.low})) % {size} + {size}) % {size} + ({kind.low})"
    return f"CAST({moved} AS {kind.duckdb})"


def _common_type(one: Type, other: Type) -> Type:
    """The type that holds both, for CASE and UNION."""
    if other == NULL_TYPE or one == other:
        return one
    if one == NULL_TYPE:
        return other
    if one.kind.text or other.kind.text:
        kind = NCHAR if NCHAR in (one.kind, other.kind) else VARCHAR
        lengths = [type_.length if type_.kind.text else 24 for type_ in (one, other)]
        return Type(kind, max(lengths))
    if one.kind is other.kind:
        return one
    if TIMESTAMP in (one.kind, other.kind):
        return Type.of(TIMESTAMP)
    if one.kind in (FLOAT, DOUBLE) or other.kind in (FLOAT, DOUBLE):
        return Type.of(DOUBLE)
    return Type.of(BIGINT)


def _cast(value: Typed, kind: Kind) -> str:
    return (
        f"CAST({value.sql} AS {kind.duckdb})" if value.type.kind.duckdb != kind.duckdb or not value.exact else value.sql
    )


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


@dataclass(frozen=True)
class _WindowColumns:
    """What a window clause adds: columns of the inner SELECT, keys to group by, and `_wstart` and its like."""

    keys: list[str] = field(default_factory=list)
    columns: dict[str, Typed] = field(default_factory=dict)
    added: str = ""
    joined: str = ""
    filter: str = ""
    start: str | None = None


def _window_columns(
    window: Window,
    time: str,
    name: str,
    env: Environment,
    partition: Sequence[_Group],
    rows: _Scope,
) -> _WindowColumns:
    stamp = Type.of(TIMESTAMP)

    def columns(start: str, end: str) -> dict[str, Typed]:
        return {
            "_wstart": Typed(start, stamp),
            "_wend": Typed(end, stamp),
            "_wduration": Typed(f"({end} - {start})", Type.of(BIGINT)),
        }

    start = f"{name}.w"
    if window.kind == "interval":
        if window.fill not in (None, "none"):
            raise unsupported("FILL")
        unit = window.interval.units(env.precision)
        if window.interval.months:
            months = window.interval.months
            units = UNITS_PER_SECOND[env.precision]
            shift = env.offset * units
            stamp_sql = f"make_timestamp({floor_to(f'({time} + {shift})', units)} // {units} * 1000000)"
            index = f"(year({stamp_sql}) * 12 + month({stamp_sql}) - 1) // {months} * {months}"
            date = "make_timestamp(CAST({0} // 12 AS BIGINT), CAST({0} % 12 + 1 AS BIGINT), 1, 0, 0, 0.0)"
            begin = f"(epoch_us({date.format(f'({index})')}) // 1000000 * {units} - {shift})"
            end = f"(epoch_us(make_timestamp(({start} + {shift}) // {units} * 1000000) + INTERVAL {months} MONTH) // 1000000 * {units} - {shift})"
            return _WindowColumns([start], columns(start, end), f"{begin} AS w", start=start)
        if unit < 1:
            raise TDengineError(0x2615, f"Interval cannot be less than 1 {env.precision}")
        day = Duration.parse("1d").units(env.precision)
        shift = window.offset.units(env.precision)
        if unit % day == 0:
            shift -= env.offset * UNITS_PER_SECOND[env.precision]
        end = f"({start} + {unit})"
        sliding = window.sliding.units(env.precision) if window.sliding is not None else unit
        if sliding == unit:
            return _WindowColumns([start], columns(start, end), f"{floor_to(time, unit, shift)} AS w", start=start)
        last = floor_to(time, sliding, shift)
        count = -(-unit // sliding)
        joined = f", (SELECT unnest(range({count})) AS n) AS steps"
        added = f"{last} - steps.n * {sliding} AS w"
        return _WindowColumns(
            [start], columns(start, end), added, joined, f" WHERE {time} < {start} + {unit}", start=start
        )
    over = f"OVER ({'PARTITION BY ' + ', '.join(g.typed.sql for g in partition) + ' ' if partition else ''}ORDER BY {time})"
    if window.kind == "session":
        gap = window.interval.units(env.precision)
        changed = f"{time} - lag({time}) {over} > {gap}"
    elif window.kind == "state":
        value = rows.typed(window.expressions[0]).sql
        changed = f"{value} IS DISTINCT FROM lag({value}) {over}"
    elif window.kind == "count":
        size = int(window.expressions[0].this)
        if len(window.expressions) > 1 and int(window.expressions[1].this) != size:
            raise unsupported("COUNT_WINDOW with sliding")
        number = f"(row_number() {over} - 1) // {size}"
        return _WindowColumns([start], columns(f"min({time})", f"max({time})"), f"{number} AS w")
    else:
        raise unsupported(f"{window.kind.upper()}_WINDOW")
    return _WindowColumns(
        [start], columns(f"min({time})", f"max({time})"), f"CASE WHEN {changed} THEN {time} END AS mark, 0 AS w"
    )


__all__ = ["INTEGER", "Context", "SystemTable", "Translation", "delete_conditions", "translate"]
