"""Expressions over a relation: names resolved, types inferred as TDengine does, rendered as DuckDB SQL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlglot import exp

from embedded import errors
from embedded.errors import TDengineError, unsupported
from embedded.sql import decimals, functions
from embedded.sql.functions import Call, Function
from embedded.sql.times import Duration, parse_time
from embedded.sql.typed import (
    NULL,
    Environment,
    Typed,
    boolean,
    bytes_sql,
    double,
    floor_to,
    integer,
    text,
    text_sql,
    wrapped,
)
from embedded.sql.values import to_bytes
from embedded.types import (
    BIGINT,
    BOOL,
    DOUBLE,
    FLOAT,
    JSON,
    JSON_LENGTH,
    NCHAR,
    NULL_TYPE,
    TIMESTAMP,
    UBIGINT,
    UNITS_PER_SECOND,
    VARBINARY,
    VARCHAR,
    Type,
)

TBNAME_TYPE = Type(VARCHAR, 270)
NOT_ALLOWED_FUNCTION = (
    "Some functions are allowed only in the SELECT list of a query. "
    "And, cannot be mixed with other non scalar functions or columns."
)


@dataclass(frozen=True)
class RelationColumn:
    """A column that FROM offers: its name, its SQL, what it may be qualified by, and whether it is a tag."""

    name: str
    typed: Typed
    qualifiers: frozenset[str]
    tag: bool = False


@dataclass(frozen=True)
class Relation:
    """What a SELECT selects from.

    `time` and `tbname` are the SQL of the primary timestamp and of the table's name. `sort` says that the rows do not
    come in the order of time by themselves, `several` that it is more than one plain table or child. `times` are the
    primary timestamps of joined tables. `starred` is how many of the columns `*` stands for (None: all).
    """

    sql: str
    columns: tuple[RelationColumn, ...]
    precision: str
    time: str | None = None
    tbname: str | None = None
    sort: bool = False
    times: frozenset[str] = frozenset()
    several: bool = False
    starred: int | None = None

    def star(self) -> tuple[RelationColumn, ...]:
        """The columns that `*` stands for."""
        return self.columns if self.starred is None else self.columns[: self.starred]


@dataclass(frozen=True)
class JsonValue(Typed):
    """A value of a JSON tag: as the JSON that is shown, and as text, number or boolean (NULL where it is another)."""

    string: str = ""
    number: str = ""
    boolean: str = ""

    @classmethod
    def at(cls, extracted: str) -> JsonValue:
        """The value that DuckDB's `extracted` finds; TDengine shows numbers with nine digits."""
        sort = f"json_type({extracted})"
        number = f"CASE WHEN {sort} IN ('BIGINT', 'UBIGINT', 'DOUBLE') THEN CAST({extracted} AS DOUBLE) END"
        shown = (
            f"CASE {sort} WHEN 'NULL' THEN 'null' WHEN 'VARCHAR' THEN CAST({extracted} AS VARCHAR) "
            f"WHEN 'BOOLEAN' THEN CAST({extracted} AS VARCHAR) ELSE printf('%.9f', {number}) END"
        )
        return cls(
            f"({shown})",
            Type.of(JSON, JSON_LENGTH),
            string=f"(CASE WHEN {sort} = 'VARCHAR' THEN json_extract_string({extracted}, '$') END)",
            number=f"({number})",
            boolean=f"(CASE WHEN {sort} = 'BOOLEAN' THEN CAST({extracted} AS BOOLEAN) END)",
        )


@dataclass(frozen=True)
class Group:
    """One thing that rows are grouped by: its expression as written, and translated."""

    node: exp.Expr
    typed: Typed


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
        self._group_sql = {group.typed.sql for group in groups}
        self._row_functions = row_functions
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
        if not quoted and name in _PSEUDO:
            return self._pseudo(name)
        found = [
            column
            for column in self.relation.columns
            if column.name == name and (not qualifier or qualifier in column.qualifiers)
        ]
        if not found and name == "tbname":
            return self._pseudo(name)
        if qualifier and not any(qualifier in column.qualifiers for column in self.relation.columns):
            raise TDengineError(errors.TABLE_MISSING, f"Table does not exist: {qualifier}")
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
            return typed if self.relation.tbname.startswith("'") else self._row_value(typed, tag=False)
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
        if at >= len(self.parameters):
            raise TDengineError(errors.INVALID_OPERATION, "parameter not bound")
        return self.parameters[at]

    # Operators.

    def _paren(self, node: exp.Paren) -> Typed:
        return self.typed(node.this)

    def _neg(self, node: exp.Neg) -> Typed:
        typed = self.typed(node.this)
        if typed.constant and isinstance(typed.value, int | float) and not isinstance(typed.value, bool):
            return Typed(f"(-{typed.sql})", Type.of(DOUBLE), -typed.value)
        if typed.type.kind.decimal:
            return Typed(f"(-{typed.sql})", typed.type)
        return Typed(f"(-{self._double(typed)})", Type.of(DOUBLE))

    def _arithmetic(self, node: exp.Binary) -> Typed:
        left, right = self.typed(node.left), self.typed(node.right)
        if left.null or right.null:
            return Typed("CAST(NULL AS DOUBLE)", Type.of(DOUBLE))
        moved = self._moved(node, left, right)
        if moved is not None:
            return moved
        exact = self._decimal(node, left, right)
        if exact is not None:
            return exact
        one, other = self._double(left), self._double(right)
        if isinstance(node, exp.Div | exp.Mod):
            sign = "/" if isinstance(node, exp.Div) else "%"
            return Typed(f"({one} {sign} NULLIF({other}, 0))", Type.of(DOUBLE))
        sign = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*"}[type(node)]
        return Typed(f"({one} {sign} {other})", Type.of(DOUBLE))

    def _decimal(self, node: exp.Binary, left: Typed, right: Typed) -> Typed | None:
        """Arithmetic of a DECIMAL with another or with an integer, which gives a DECIMAL."""
        digits = [decimals.digits(side.type) for side in (left, right)]
        if not (left.type.kind.decimal or right.type.kind.decimal) or None in digits:
            return None
        one, other = (Type.decimal(*found) for found in digits if found is not None)
        result = decimals.RULES[type(node)](one, other)
        a, b = (f"CAST({side.sql} AS DECIMAL(38, {type_.scale}))" for side, type_ in ((left, one), (right, other)))
        if isinstance(node, exp.Div):
            sql = decimals.quotient_sql(a, one.scale, b, other.scale, result)
        elif isinstance(node, exp.Mod):
            sql = f"{a} % NULLIF({b}, 0)"
        else:
            if isinstance(node, exp.Mul) and one.scale + other.scale > 38:
                raise unsupported("a product of DECIMALs with more than 38 digits behind the point")
            sign = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*"}[type(node)]
            sql = f"{a} {sign} {b}"
        return Typed(f"CAST({sql} AS {result.duckdb})", result, exact=True)

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
        left, right = (f"TRY_CAST({self._operand(side)} AS BIGINT)" for side in (node.left, node.right))
        return Typed(f"({left} {'&' if isinstance(node, exp.BitwiseAnd) else '|'} {right})", Type.of(BIGINT))

    def _operand(self, node: exp.Expr) -> str:
        """A number for an operator; bytes and whole JSON tags are none."""
        typed = self.typed(node)
        return typed.sql if typed.type.kind.integer else self._double(typed)

    def _logic(self, node: exp.Connector) -> Typed:
        terms = [self.condition(term) for term in node.flatten()]
        return _bool("(" + (" AND " if isinstance(node, exp.And) else " OR ").join(terms) + ")")

    def _not(self, node: exp.Not) -> Typed:
        return _bool(f"(NOT {self.condition(node.this)})")

    def _is(self, node: exp.Is) -> Typed:
        return _bool(f"({self.typed(node.this).sql} IS NULL)")

    def _comparison(self, node: exp.Binary) -> Typed:
        return _bool(self._compared(self.typed(node.left), _COMPARISONS[type(node)], self.typed(node.right)))

    def _between(self, node: exp.Between) -> Typed:
        value = self.typed(node.this)
        low = self._compared(value, ">=", self.typed(node.args["low"]))
        return _bool(f"({low} AND {self._compared(value, '<=', self.typed(node.args['high']))})")

    def _in(self, node: exp.In) -> Typed:
        value = self.typed(node.this)
        items = [self.typed(item) for item in node.expressions]
        if value.type.kind.text and all(item.type.kind.text for item in items):
            return _bool(f"({value.sql} IN ({', '.join(item.sql for item in items)}))")
        return _bool("(" + " OR ".join(self._compared(value, "=", item) for item in items) + ")")

    def _compared(self, left: Typed, operator: str, right: Typed) -> str:
        """A comparison; TDengine takes two floating-point numbers for equal that are within 4 FLT_EPSILON (tcompare.h).

        So `WHERE f = 0.1` finds a FLOAT of 0.1, which is 0.10000000149.
        """
        if JSON in (left.type.kind, right.type.kind):
            return self._json_compared(left, operator, right)
        one, other = self._comparable(left, right)
        if not {left.type.kind, right.type.kind} <= {FLOAT, DOUBLE} or left.null or right.null:
            return f"({one} {operator} {other})"
        difference = f"CAST({one} AS DOUBLE) - CAST({other} AS DOUBLE)"
        return f"({_TOLERANT[operator].format(difference)})"

    def _json_compared(self, left: Typed, operator: str, right: Typed) -> str:
        """A value of a JSON tag with a constant: they compare only where both are text, number or boolean."""
        if not isinstance(left, JsonValue):
            left, right, operator = right, left, _MIRRORED.get(operator, operator)
        if not isinstance(left, JsonValue) or isinstance(right, JsonValue) or right.null:
            raise unsupported("such a comparison of a JSON tag")
        kind = right.type.kind
        if kind.text:
            return f"({left.string} {operator} {right.sql})"
        if kind is BOOL:
            return f"({left.boolean} {operator} {right.sql})"
        return f"({left.number} {operator} {self._number(right)})"

    def _json_value(self, node: exp.JSONExtract) -> Typed:
        tag = self.typed(node.this)
        if tag.type.kind is not JSON:
            raise TDengineError(errors.WRONG_VALUE_TYPE, f"Invalid value type: {node.this.name}")
        path = text_sql('$."' + node.expression.this.replace('"', '\\"') + '"')
        return JsonValue.at(f"json_extract({tag.sql}, {path})")

    def _contains(self, node: exp.ArrayContains) -> Typed:
        tag, key = self.typed(node.this), self.typed(node.expression)
        if tag.type.kind is not JSON or not isinstance(key.value, str):
            raise TDengineError(errors.WRONG_VALUE_TYPE, "Invalid value type: contains")
        path = text_sql('$."' + key.value.replace('"', '\\"') + '"')
        return _bool(f"json_exists({tag.sql}, {path})")

    def _like(self, node: exp.Like) -> Typed:
        value, pattern = self.typed(node.this), self.typed(node.expression)
        if isinstance(value, JsonValue):
            value = Typed(value.string, Type(VARCHAR, JSON_LENGTH))
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
        """Two operands as SQL that compares as TDengine does: text with a time as a time, with a number as a number."""
        if left.null or right.null:
            return left.sql, right.sql
        if left.type.kind.raw or right.type.kind.raw:
            return self._raw(left), self._raw(right)
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

    def _raw(self, typed: Typed) -> str:
        """Bytes, or the text literal of some."""
        if typed.type.kind.raw:
            return typed.sql
        data = to_bytes(typed.value) if isinstance(typed.value, str) else None
        if data is None:
            raise TDengineError(errors.WRONG_VALUE_TYPE, "Invalid value type: varbinary")
        return bytes_sql(data)

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
        if isinstance(typed, JsonValue):
            return typed.number
        if typed.type.kind.raw or typed.type.kind is JSON:
            raise TDengineError(errors.INVALID_OPERATION, "Invalid operation")
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
        if isinstance(typed, JsonValue):
            return typed.number
        if typed.type.kind.raw or typed.type.kind is JSON:
            raise TDengineError(errors.INVALID_OPERATION, "Invalid operation")
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
                type_ = result.type if type_ == NULL_TYPE else common_type(type_, result.type)
        values = [cast_to(result, type_) for result in results]
        sql = " ".join(f"WHEN {condition} THEN {value}" for condition, value in zip(branches, values, strict=False))
        otherwise = f" ELSE {values[-1]}" if default is not None else ""
        return Typed(f"(CASE {sql}{otherwise} END)", type_)

    def _cast_node(self, node: exp.Cast) -> Typed:
        value, target = self.typed(node.this), node.args["to"].this
        if target.kind.size == 0 and not 2 < target.wire_bytes <= _MOST_BYTES:
            most = f"{(_MOST_BYTES - 2) // 4}] NCHARS" if target.kind is NCHAR else f"{_MOST_BYTES - 2}] bytes"
            raise TDengineError(errors.FUNCTION, f"CAST function converted length should be in range (0, {most}")
        return Typed(self._converted(value, target), target)

    def _converted(self, value: Typed, target: Type) -> str:
        """CAST: numbers cut towards zero and wrap at the end of their range, texts give the number they begin with."""
        kind, source = target.kind, value.type.kind
        if value.null:
            return f"CAST(NULL AS {target.duckdb})"
        if source.raw or kind.raw or source is JSON or kind is JSON:
            return self._bytes_converted(value, target)
        if kind is TIMESTAMP:
            return self._instant(value) if source.text else f"TRY_CAST({_whole(value)} AS BIGINT)"
        if kind.text:
            return self._as_text(value, target)
        middle = target.duckdb if kind.decimal else "DOUBLE"
        sql = f"coalesce(TRY_CAST(regexp_extract({value.sql}, '{_LEADING_NUMBER}') AS {middle}), 0)"
        if source.text and kind.integer:
            digits = f"regexp_extract({value.sql}, '^\\s*[-+]?[0-9]+')"
            return wrapped(f"coalesce(TRY_CAST({digits} AS HUGEINT), 0)", kind)
        if source.text:
            return f"({sql} <> 0)" if kind is BOOL else f"CAST({sql} AS {target.duckdb})"
        if kind.decimal:
            return f"CAST({self._number(value)} AS {target.duckdb})"
        if kind is BOOL:
            return value.sql if source is BOOL else f"({value.sql} <> 0)"
        if kind.integer:
            return wrapped(_whole(value), kind) if source is not kind else value.sql
        return f"CAST({self._number(value)} AS {kind.duckdb})"

    def _bytes_converted(self, value: Typed, target: Type) -> str:
        """CAST to VARBINARY, of a literal; TDengine knows none of VARBINARY."""
        if value.type.kind is VARBINARY:
            raise TDengineError(errors.PARAMETER_TYPE, "Invalid parameter data type : cast")
        if target.kind is not VARBINARY or not isinstance(value.value, str):
            raise unsupported(f"CAST of {value.type.kind.name} as {target.kind.name}")
        data = to_bytes(value.value)
        if data is None:
            raise TDengineError(errors.VARBINARY_VALUE, "Invalid varbinary value: cast")
        return bytes_sql(data[: target.length])

    def _as_text(self, value: Typed, target: Type) -> str:
        source = value.type.kind
        if source in (FLOAT, DOUBLE):
            sql = f"printf('%.6f', CAST({value.sql} AS DOUBLE))"
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
        if function.kind == "rows":
            if not self._row_functions:
                raise TDengineError(errors.NOT_ALLOWED_FUNCTION, NOT_ALLOWED_FUNCTION)
        elif not self.grouped:
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


_MOST_BYTES = 65519
_LEADING_NUMBER = r"^\s*[-+]?[0-9]*\.?[0-9]*([eE][-+]?[0-9]+)?"
_PSEUDO = frozenset(["tbname", "_rowts", "_c0", "_wstart", "_wend", "_wduration", "_qstart", "_qend", "_qduration"])
_TOLERANT = {
    "=": "abs({0}) <= 4.76837158203125e-07",
    "<>": "abs({0}) > 4.76837158203125e-07",
    ">": "{0} > 4.76837158203125e-07",
    ">=": "{0} >= -4.76837158203125e-07",
    "<": "{0} < -4.76837158203125e-07",
    "<=": "{0} <= 4.76837158203125e-07",
}
_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_COMPARISONS = {exp.EQ: "=", exp.NEQ: "<>", exp.GT: ">", exp.GTE: ">=", exp.LT: "<", exp.LTE: "<="}
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
    **dict.fromkeys((exp.And, exp.Or), Scope._logic),
    exp.Not: Scope._not,
    exp.Is: Scope._is,
    **dict.fromkeys(_COMPARISONS, Scope._comparison),
    exp.Between: Scope._between,
    exp.In: Scope._in,
    exp.Like: Scope._like,
    exp.RegexpLike: Scope._match,
    exp.JSONExtract: Scope._json_value,
    exp.ArrayContains: Scope._contains,
    exp.Case: Scope._case,
    exp.Cast: Scope._cast_node,
    exp.Anonymous: Scope._call,
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
    return (
        f"TRY_CAST(trunc({value.sql}) AS HUGEINT)" if not value.type.kind.integer else f"CAST({value.sql} AS HUGEINT)"
    )


def common_type(one: Type, other: Type) -> Type:
    """The type that holds both, for CASE and UNION."""
    if other == NULL_TYPE or one == other:
        return one
    if one == NULL_TYPE:
        return other
    if JSON in (one.kind, other.kind) or one.kind.raw or other.kind.raw:
        if one.kind is not other.kind:
            raise unsupported(f"{one.kind.name} and {other.kind.name} in one column")
        return Type(one.kind, max(one.length, other.length))
    if one.kind.text or other.kind.text:
        kind = NCHAR if NCHAR in (one.kind, other.kind) else VARCHAR
        lengths = [type_.length if type_.kind.text else 24 for type_ in (one, other)]
        return Type(kind, max(lengths))
    if one.kind.decimal or other.kind.decimal:
        return decimals.common(one, other)
    if one.kind is other.kind:
        return one
    if TIMESTAMP in (one.kind, other.kind):
        return Type.of(TIMESTAMP)
    if one.kind in (FLOAT, DOUBLE) or other.kind in (FLOAT, DOUBLE):
        return Type.of(DOUBLE)
    return Type.of(BIGINT)


def cast_to(value: Typed, type_: Type) -> str:
    """A value in the DuckDB type of `type_`."""
    exact = value.exact and value.type.duckdb == type_.duckdb
    return value.sql if exact else f"CAST({value.sql} AS {type_.duckdb})"
