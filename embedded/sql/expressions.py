"""Expressions over a relation: names resolved, types inferred as TDengine does, rendered as DuckDB SQL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from sqlglot import exp

from embedded import errors
from embedded.errors import TDengineError, unsupported
from embedded.sql import arithmetic, casts, conditions, functions, logic
from embedded.sql.casts import JsonValue, cast_to, common_type
from embedded.sql.conditions import is_condition
from embedded.sql.functions import Call, Function
from embedded.sql.relation import TBNAME_TYPE, Group, Relation
from embedded.sql.times import Duration, parse_time
from embedded.sql.typed import NULL, Environment, Typed, boolean, double, integer, text
from embedded.types import BIGINT, JSON, NULL_TYPE, TIMESTAMP, UBIGINT, Type

NOT_ALLOWED_FUNCTION = (
    "Some functions are allowed only in the SELECT list of a query. "
    "And, cannot be mixed with other non scalar functions or columns."
)


class Scope:
    """Translates expressions over one relation: of its rows, or (`grouped`) of groups of them."""

    def __init__(
        self,
        relation: Relation,
        env: Environment,
        parameters: Sequence[Typed] = (),
        grouped: bool = False,
        groups: Sequence[Group] = (),
        window: dict[str, Typed] | None = None,
        companion: str | None = None,
        row_functions: bool = False,
    ) -> None:
        self.parameters = parameters
        self.relation = relation
        self.env = env
        self.grouped = grouped
        self.groups = groups
        self.window = window or {}
        self.companion = companion
        self._group_sql = {group.typed.sql for group in groups} | set(relation.driving)
        self._row_functions = row_functions
        self._in_aggregate = False

    def condition(self, node: exp.Expr) -> str:
        """A condition, as SQL."""
        return logic.as_condition(self.typed(node))

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

    def output(self, node: exp.Expr) -> Typed:
        """An expression of the SELECT list, where a comparison with NULL is false (sclvector.c)."""
        typed = self.typed(node)
        if is_condition(node) and not typed.null:
            return replace(typed, sql=f"coalesce({typed.sql}, FALSE)")
        return typed

    def is_tag(self, node: exp.Expr) -> bool:
        """Whether an expression is a tag."""
        return isinstance(node, exp.Column) and any(c.tag and c.name == node.name for c in self.relation.columns)

    def instant_value(self, node: exp.Expr) -> int | None:
        """The epoch units of a constant, None if it is none."""
        typed = self.typed(node)
        if isinstance(typed.value, str):
            return parse_time(typed.value, self.env.precision, self.env.zone)
        return typed.value if isinstance(typed.value, int) else None

    # Columns.

    def _column(self, node: exp.Column) -> Typed:
        name, qualifier = node.name, node.table
        quoted = bool(node.this.args.get("quoted"))
        if not quoted and not qualifier and name in self.window:
            return self.window[name]
        found = [
            column
            for column in self.relation.columns
            if column.name == name and (not qualifier or qualifier in column.qualifiers)
        ]
        if (not quoted and name in _PSEUDO and not found) or (not found and name == "tbname"):
            return self._pseudo(name, qualifier)
        if qualifier and not any(qualifier in column.qualifiers for column in self.relation.columns):
            raise TDengineError(errors.TABLE_MISSING, f"Table does not exist: {qualifier}")
        if not found:
            raise TDengineError(errors.COLUMN_MISSING, f"Invalid column name: {name}")
        if len(found) > 1 and len({column.qualifiers for column in found}) > 1:
            raise TDengineError(errors.AMBIGUOUS_COLUMN, f"Column ambiguously defined: {name}")
        return self._row_value(found[0].typed, found[0].tag)

    def _row_value(self, typed: Typed, tag: bool) -> Typed:
        """A column's value: as it is, or where rows are grouped only if the group determines it."""
        if not self.grouped or self._in_aggregate:
            return typed
        if typed.sql in self._group_sql:
            return replace(typed, sql=f"any_value({typed.sql})") if typed.sql in self.relation.driving else typed
        if tag and self.relation.tbname in self._group_sql:
            return replace(typed, sql=f"any_value({typed.sql})")
        if self.companion is not None:
            return replace(typed, sql=self.companion.replace("{column}", typed.sql))
        if self.groups:
            raise TDengineError(errors.NOT_GROUPED, "Not a GROUP BY expression")
        raise TDengineError(errors.NOT_SINGLE_GROUP, "Not a single-group group function")

    def _pseudo(self, name: str, qualifier: str) -> Typed:
        if name == "tbname":
            if self.relation.tbname is None or (qualifier and qualifier not in self.relation.columns[0].qualifiers):
                raise TDengineError(errors.TBNAME, "Invalid tbname pseudo column")
            typed = Typed(self.relation.tbname, TBNAME_TYPE, exact=True)
            return typed if self.relation.tbname.startswith("'") else self._row_value(typed, tag=False)
        if name in ("_rowts", "_c0"):
            if self.relation.time is None:
                raise TDengineError(errors.COLUMN_MISSING, f"Invalid column name: {name}")
            return self._row_value(Typed(self.relation.time, Type.of(TIMESTAMP), exact=True), tag=False)
        if name in self.window:
            return self.window[name]
        if name.startswith("_w"):
            raise TDengineError(errors.WINDOW_COLUMN, "_WSTART, _WEND and _WDURATION can only be used in window query")
        if name.startswith("_i"):
            raise TDengineError(errors.INTERP_COLUMN, f"{name.upper()} can only be used in interp query")
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
        if at >= len(self.parameters):
            raise TDengineError(errors.INVALID_OPERATION, "parameter not bound")
        return self.parameters[at]

    # Operators.

    def _paren(self, node: exp.Paren) -> Typed:
        return self.typed(node.this)

    def _neg(self, node: exp.Neg) -> Typed:
        return arithmetic.negative(self.typed(node.this))

    def _arithmetic(self, node: exp.Binary) -> Typed:
        return arithmetic.operation(type(node), self.typed(node.left), self.typed(node.right), self.env)

    def _bits(self, node: exp.Binary) -> Typed:
        return arithmetic.bits(type(node), self.typed(node.left), self.typed(node.right))

    def _json_value(self, node: exp.JSONExtract) -> Typed:
        tag = self.typed(node.this)
        if tag.type.kind is not JSON:
            raise TDengineError(errors.WRONG_VALUE_TYPE, f"Invalid value type: {node.this.name}")
        return JsonValue.at(f"json_extract({tag.sql}, {conditions.json_path(node.expression.this)})")

    # CASE, CAST and functions.

    def _case(self, node: exp.Case) -> Typed:
        operand = self.typed(node.this) if node.this else None
        branches, results = [], []
        for branch in node.args["ifs"]:
            if operand is None:
                condition = self.condition(branch.this)
            else:
                condition = "{} = {}".format(*conditions.comparable(operand, self.typed(branch.this), self.env))
            results.append(self.typed(branch.args["true"]))
            branches.append(condition)
        default = node.args.get("default")
        if default is not None:
            results.append(self.typed(default))
        type_ = NULL_TYPE
        for result in results:
            if not result.null:
                type_ = result.type if type_ == NULL_TYPE else common_type(type_, result.type)
        values = [cast_to(result, type_) for result in results]
        sql = " ".join(f"WHEN {condition} THEN {value}" for condition, value in zip(branches, values, strict=False))
        otherwise = f" ELSE {values[-1]}" if default is not None else ""
        return Typed(f"(CASE {sql}{otherwise} END)", type_)

    def _cast_node(self, node: exp.Cast) -> Typed:
        target = node.args["to"].this
        casts.check_length(target)
        return Typed(casts.converted(self.typed(node.this), target, self.env), target)

    def _call(self, node: exp.Anonymous) -> Typed:
        name = node.name
        if name == "cols":
            return self._picked_column(*node.expressions)
        function = functions.find(name)
        if function.kind == "scalar":
            return self._scalar(name, function, [self.typed(argument) for argument in node.expressions])
        if self._in_aggregate:
            raise TDengineError(errors.NESTED_AGGREGATE, "Aggregate functions do not support nesting")
        if function.kind in ("rows", "interp"):
            if not self._row_functions or function.kind == "interp":
                raise TDengineError(errors.NOT_ALLOWED_FUNCTION, NOT_ALLOWED_FUNCTION)
        elif not self.grouped:
            raise TDengineError(errors.NO_AGGREGATE_HERE, "There mustn't be aggregation")
        self._in_aggregate = True
        try:
            arguments = [self._argument(function, argument) for argument in node.expressions]
        finally:
            self._in_aggregate = False
        return self._scalar(name, function, arguments)

    def _picked_column(self, call: exp.Anonymous, column: exp.Expr) -> Typed:
        """COLS: an expression of the row that a function picks."""
        self._in_aggregate = True
        try:
            value = self.typed(column)
            picked = companion_of(call, self)
        finally:
            self._in_aggregate = False
        if picked is None:
            raise TDengineError(errors.COLS_FUNCTION, "Invalid cols function: no function that picks a row")
        return Typed(picked.replace("{column}", value.sql), value.type)

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


def companion_of(call: exp.Anonymous, scope: Scope) -> str | None:
    """How the value of another column is had from the row that MAX, LAST and their like pick; None if they do not."""
    function = functions.find(call.name)
    if function.companion is None or not call.expressions:
        return None
    picked = scope.typed(call.expressions[0]).sql
    return function.companion.replace("{0}", picked).replace("{time}", scope.relation.time or "0")


_PSEUDO_TEXT = """
    tbname _rowts _c0 _wstart _wend _wduration _qstart _qend _qduration _irowts _irowts_origin _isfilled
"""
_PSEUDO = frozenset(_PSEUDO_TEXT.split())
_NODES: dict[type[exp.Expr], Callable[[Scope, Any], Typed]] = {
    exp.Column: Scope._column,
    exp.Literal: Scope._literal,
    exp.Boolean: lambda scope, node: boolean(node.this),
    exp.Null: lambda scope, node: NULL,
    exp.Interval: Scope._interval,
    exp.Placeholder: Scope._placeholder,
    exp.Paren: Scope._paren,
    exp.Neg: Scope._neg,
    **dict.fromkeys((exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod), Scope._arithmetic),
    **dict.fromkeys((exp.BitwiseAnd, exp.BitwiseOr), Scope._bits),
    **logic.NODES,
    exp.JSONExtract: Scope._json_value,
    exp.Case: Scope._case,
    exp.Cast: Scope._cast_node,
    exp.Anonymous: Scope._call,
}


def _integer_literal(value: int) -> Typed:
    if value <= BIGINT.high:
        return integer(value)
    return integer(value, Type.of(UBIGINT)) if value <= UBIGINT.high else double(float(value))
