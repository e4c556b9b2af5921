"""What databases and tables are made of: the words that SQL and storage share.

Storage names a table's columns c0, c1, ... and its tags t0, t1, ... in DuckDB, because TDengine's quoted names keep
their case and DuckDB's do not. A super table's rows are all in one DuckDB table, each with its child's number.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from embedded.types import Type

INFORMATION_SCHEMA = "information_schema"
PERFORMANCE_SCHEMA = "performance_schema"


@dataclass(frozen=True)
class Column:
    """A column or tag; `physical` is its name in DuckDB, `key` marks the second part of a composite primary key."""

    name: str
    type: Type
    physical: str
    key: bool = False


@dataclass
class Database:
    """A database; its tables by name."""

    id: int
    name: str
    precision: str
    options: dict[str, str]
    created: int
    tables: dict[str, Table] = field(default_factory=dict)


@dataclass
class Table:
    """A plain table, a super table, or a child, which has its super table's columns, a number and tag values.

    `columns[0]` is the primary timestamp. `ordered` says that the rows lie in the order of their timestamps.
    """

    id: int
    database: Database
    name: str
    created: int
    columns: tuple[Column, ...]
    tags: tuple[Column, ...] = ()
    is_super: bool = False
    stable: Table | None = None
    child: int = 0
    tag_values: tuple[Any, ...] = ()
    ordered: bool = True

    @property
    def data(self) -> str:
        """The DuckDB table that holds the rows."""
        return f"data{(self.stable or self).id}"

    @property
    def children(self) -> str:
        """The DuckDB table that holds a super table's children and their tags."""
        return f"children{(self.stable or self).id}"

    @property
    def has_children(self) -> bool:
        """Whether rows carry the number of a child: a super table or a child."""
        return self.is_super or self.stable is not None

    def relation(self) -> str:
        """What to select from in DuckDB: all columns, and for super tables the tags and `tbname`.

        A child is not joined to its tags, which are constants: a join need not keep the order of the rows.
        """
        if self.stable is not None:
            return f"(SELECT * FROM {self.data} WHERE child = {self.child})"
        if not self.is_super:
            return self.data
        tags = "".join(f", tags.{tag.physical}" for tag in self.tags)
        return (
            f"(SELECT rows.*, tags.tbname{tags} FROM {self.data} AS rows "
            f"JOIN {self.children} AS tags ON tags.child = rows.child)"
        )

    def column(self, name: str) -> Column | None:
        """The column of that name."""
        return next((column for column in self.columns if column.name == name), None)

    def tag(self, name: str) -> Column | None:
        """The tag of that name."""
        return next((tag for tag in (self.stable or self).tags if tag.name == name), None)

    @property
    def key(self) -> Column | None:
        """The second column of a composite primary key."""
        return next((column for column in self.columns if column.key), None)
