"""The SELECT list: what `*` stands for, functions that make several columns, and what names and numbers refer to."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from embedded import errors
from embedded.errors import TDengineError
from embedded.sql import functions
from embedded.sql.relation import Relation, RelationColumn
from embedded.sql.statements import Projection

_EACH_COLUMN = frozenset(["first", "last", "last_row"])


def calls_in(node: exp.Expr, in_cols: bool = True) -> list[exp.Anonymous]:
    """The calls of aggregate, picking and row functions in an expression; those inside COLS only if `in_cols`."""
    if node.find(exp.Anonymous) is None:
        return []
    return [
        call
        for call in node.find_all(exp.Anonymous)
        if call.name != "cols"
        and functions.find(call.name).kind != "scalar"
        and (in_cols or not any(isinstance(p, exp.Anonymous) and p.name == "cols" for p in _ancestors(call)))
    ]


def _ancestors(node: exp.Expr) -> list[exp.Expr]:
    found = []
    while node.parent is not None:
        node = node.parent
        found.append(node)
    return found


def is_constant(node: exp.Expr) -> bool:
    """Whether an expression is the same for all rows."""
    return node.find(exp.Column) is None and not calls_in(node)


def expanded(projections: Sequence[Projection], relation: Relation) -> list[Projection]:
    """The SELECT list with each * and each function of several columns replaced by what it stands for."""
    found: list[Projection] = []
    for projection in projections:
        node = projection.node
        if isinstance(node, exp.Star) or (isinstance(node, exp.Column) and isinstance(node.this, exp.Star)):
            found += _starred(node, relation)
        elif isinstance(node, exp.Anonymous) and node.name == "cols":
            found += _cols(node, projection)
        elif isinstance(node, exp.Anonymous) and node.name in _EACH_COLUMN and not projection.aliased:
            found += _each_column(node, projection, relation)
        else:
            found.append(projection)
    return found


def _starred(node: exp.Expr, relation: Relation) -> list[Projection]:
    if not relation.columns:
        raise TDengineError(errors.SYNTAX, "SELECT * needs a FROM")
    qualifier = node.table if isinstance(node, exp.Column) else ""
    stars = [column for column in relation.star() if not qualifier or qualifier in column.qualifiers]
    if not stars:
        raise TDengineError(errors.TABLE_MISSING, f"Table does not exist: {qualifier}")
    return [Projection(_column_node(column), column.name, aliased=False) for column in stars]


def _cols(node: exp.Anonymous, projection: Projection) -> list[Projection]:
    """COLS(function, column, ...): a column of the row that the function picks, for each."""
    call, *columns = node.expressions
    if not columns or not isinstance(call, exp.Anonymous) or functions.find(call.name).kind != "select":
        raise TDengineError(errors.COLS_FUNCTION, "Invalid cols function")
    if projection.aliased and len(columns) > 1:
        raise TDengineError(errors.COLS_FUNCTION, "Invalid using alias for cols function")
    return [
        Projection(
            exp.Anonymous(this="cols", expressions=[call.copy(), column.this.copy()]),
            projection.name if projection.aliased else column.alias,
            aliased=True,
        )
        for column in columns
    ]


def _each_column(node: exp.Anonymous, projection: Projection, relation: Relation) -> list[Projection]:
    """FIRST, LAST and LAST_ROW of * or of several columns: one result each."""
    starred = any(isinstance(argument, exp.Star) for argument in node.expressions)
    if len(node.expressions) == 1 and not starred:
        return [projection]
    arguments: list[exp.Expr] = []
    for argument in node.expressions:
        stars = [_column_node(column) for column in relation.star() if not column.tag]
        arguments += stars if isinstance(argument, exp.Star) else [argument]
    return [
        Projection(
            exp.Anonymous(this=node.name, expressions=[argument]), f"{node.name}({argument.name})", aliased=False
        )
        for argument in arguments
    ]


def _column_node(column: RelationColumn) -> exp.Column:
    qualifier = next(iter(column.qualifiers), None)
    return exp.Column(
        this=exp.Identifier(this=column.name, quoted=True),
        table=exp.Identifier(this=qualifier) if qualifier else None,
    )


def referred(node: exp.Expr, projections: Sequence[Projection], relation: Relation) -> exp.Expr:
    """What an item of GROUP BY or PARTITION BY means: an output by its number or its alias, or itself."""
    if isinstance(node, exp.Literal) and not node.is_string and node.this.isdigit():
        at = int(node.this)
        return projections[at - 1].node if 1 <= at <= len(projections) else node
    if isinstance(node, exp.Column) and not node.table:
        known = any(column.name == node.name for column in relation.columns)
        for projection in projections:
            if projection.aliased and projection.name == node.name and not known:
                return projection.node
    return node
