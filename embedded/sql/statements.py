"""The statements that the parser makes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlglot import exp

from embedded.sql.times import ZERO, Duration
from embedded.types import Type


@dataclass(frozen=True)
class TableName:
    """A table as the statement names it; the database is None where it is left to USE."""

    database: str | None
    name: str


@dataclass(frozen=True)
class ColumnDefinition:
    """A column or tag of CREATE TABLE; `key` marks the second column of a composite primary key."""

    name: str
    type: Type
    key: bool = False


@dataclass(frozen=True)
class CreateDatabase:
    name: str
    if_not_exists: bool
    precision: str = "ms"
    options: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class AlterDatabase:
    name: str
    options: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class DropDatabase:
    name: str
    if_exists: bool


@dataclass(frozen=True)
class UseDatabase:
    name: str


@dataclass(frozen=True)
class CreateTable:
    """A plain table, or a super table where `tags` is not None."""

    table: TableName
    columns: tuple[ColumnDefinition, ...]
    tags: tuple[ColumnDefinition, ...] | None
    if_not_exists: bool


class Value(NamedTuple):
    """A literal of INSERT or TAGS: the scanner's sort and text and where it starts; `text` of a string is its value."""

    sort: str
    text: str
    start: int
    shift: tuple[int, Duration] | None = None


@dataclass(frozen=True)
class ChildTable:
    """USING: a child, its super table and its tags, in the order of the super table if `tag_names` is None.

    `end` is where the parenthesis after the tags of an INSERT closes.
    """

    table: TableName
    stable: TableName
    tag_names: tuple[str, ...] | None
    tags: tuple[Value, ...]
    if_not_exists: bool = False
    end: int = 0


@dataclass(frozen=True)
class CreateChildTables:
    children: tuple[ChildTable, ...]


@dataclass(frozen=True)
class DropTables:
    """DROP TABLE or (`super_only`) DROP STABLE; each table with its own IF EXISTS."""

    tables: tuple[tuple[TableName, bool], ...]
    super_only: bool = False


@dataclass(frozen=True)
class AlterTable:
    """`action` is one of add_column, drop_column, modify_column, rename_column, add_tag, drop_tag, modify_tag,
    rename_tag.
    """

    table: TableName
    action: str
    name: str
    type: Type | None = None
    new_name: str | None = None


@dataclass(frozen=True)
class SetTags:
    """ALTER TABLE ... SET TAG of a child."""

    table: TableName
    values: tuple[tuple[str, Value], ...]


@dataclass(frozen=True)
class Maintain:
    """A statement that changes nothing here; the database that it names must be there."""

    database: str | None


@dataclass(frozen=True)
class Describe:
    table: TableName


@dataclass(frozen=True)
class Show:
    """SHOW of what `what` says: databases, tables, stables, create_table, create_stable, create_database, tags, ...

    `tags` are those that SHOW TABLE TAGS names, None for all.
    """

    what: str
    database: str | None = None
    table: TableName | None = None
    like: str | None = None
    only: str | None = None
    tags: tuple[str, ...] | None = None


class Row(NamedTuple):
    """One row of VALUES, and where its closing parenthesis is."""

    values: tuple[Value, ...]
    end: int


@dataclass(frozen=True)
class InsertClause:
    """What an INSERT does to one table (None: `?`). `rows` hold literals in the order of `columns` (None: all columns).

    `after_table` is where the text after the table's name starts, which an error quotes.
    """

    table: TableName | None
    after_table: int
    using: ChildTable | None
    columns: tuple[str, ...] | None
    rows: Sequence[Row]


@dataclass(frozen=True)
class Delete:
    table: TableName
    where: exp.Expr | None


@dataclass(frozen=True)
class Projection:
    """One item of a SELECT list: its expression, the name the result shows, and whether that is an alias."""

    node: exp.Expr
    name: str
    aliased: bool


@dataclass(frozen=True)
class Window:
    """A window clause: kind `interval`, `session`, `state`, `event` or `count`, with what is in its parentheses.

    `auto_offset` is INTERVAL(..., AUTO), `least` the duration of TRUE_FOR.
    """

    kind: str
    interval: Duration = ZERO
    offset: Duration = ZERO
    sliding: Duration | None = None
    expressions: tuple[exp.Expr, ...] = ()
    fill: str | None = None
    fill_values: tuple[exp.Expr, ...] = ()
    auto_offset: bool = False
    least: Duration = ZERO


@dataclass(frozen=True)
class Interpolation:
    """RANGE, EVERY and FILL of INTERP; one bound is a single instant."""

    bounds: tuple[exp.Expr, ...] = ()
    every: Duration | None = None
    fill: str | None = None
    fill_values: tuple[exp.Expr, ...] = ()


@dataclass(frozen=True)
class OrderItem:
    node: exp.Expr
    descending: bool
    nulls_first: bool


@dataclass(frozen=True)
class Derived:
    """A subquery in FROM."""

    query: "Query"
    alias: str | None


@dataclass(frozen=True)
class Source:
    """A table in FROM."""

    table: TableName
    alias: str | None


@dataclass(frozen=True)
class Join:
    """A join with the condition of ON, or by a comma without one.

    `kind` is inner, left, right or full, `sort` semi, anti, asof or window (None: plain). `offsets` are WINDOW_OFFSET's
    (sign, duration), `most` is JLIMIT's number.
    """

    left: "FromItem"
    right: "FromItem"
    condition: exp.Expr | None
    kind: str = "inner"
    sort: str | None = None
    offsets: tuple[tuple[int, Duration], ...] = ()
    most: int | None = None


FromItem = Source | Derived | Join


@dataclass(frozen=True)
class Select:
    projections: tuple[Projection, ...]
    source: FromItem | None = None
    distinct: bool = False
    tags_mode: bool = False
    where: exp.Expr | None = None
    partition: tuple[Projection, ...] = ()
    window: Window | None = None
    group: tuple[exp.Expr, ...] = ()
    having: exp.Expr | None = None
    interpolation: Interpolation | None = None


@dataclass(frozen=True)
class Union_:
    """UNION of two queries, ALL or distinct."""

    left: "Query"
    right: "Query"
    all: bool


@dataclass(frozen=True)
class Query:
    """A SELECT or UNION with what orders and limits its result; limits are (count, offset)."""

    body: Select | Union_
    order: tuple[OrderItem, ...] = ()
    limit: tuple[int, int] | None = None
    slimit: tuple[int, int] | None = None


Statement = (
    CreateDatabase
    | AlterDatabase
    | DropDatabase
    | UseDatabase
    | CreateTable
    | CreateChildTables
    | DropTables
    | AlterTable
    | SetTags
    | Maintain
    | Describe
    | Show
    | Delete
    | Query
)
