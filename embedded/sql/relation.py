"""What a SELECT selects from: columns with their SQL, and which of them is the time."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlglot import exp

from embedded.sql.typed import Typed
from embedded.types import VARCHAR, Type

TBNAME_TYPE = Type(VARCHAR, 270)


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

    `name` is what its SQL is called there. `time` and `tbname` are the SQL of the primary timestamp and of the table's
    name. `sort` says that the rows do not come in the order of time by themselves, `several` that it is more than one
    plain table or child. `times` are the primary timestamps of joined tables. `starred` is how many of the columns `*`
    stands for (None: all). `driving` are the columns of the row that each window of a WINDOW JOIN is made for.
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
    name: str = ""
    driving: tuple[str, ...] = ()

    def star(self) -> tuple[RelationColumn, ...]:
        """The columns that `*` stands for."""
        return self.columns if self.starred is None else self.columns[: self.starred]

    def with_tbname(self) -> Relation:
        """The same with the table's name as a column that may be qualified, for a join."""
        if self.tbname is None or not self.columns:
            return self
        own = RelationColumn("tbname", Typed(self.tbname, TBNAME_TYPE), self.columns[0].qualifiers)
        starred = len(self.columns) if self.starred is None else self.starred
        return replace(self, columns=(*self.columns, own), starred=starred)


@dataclass(frozen=True)
class Group:
    """One thing that rows are grouped by: its expression as written, and translated."""

    node: exp.Expr
    typed: Typed
