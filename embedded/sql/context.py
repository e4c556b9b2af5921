"""What a translation asks about its surroundings, and what it gives back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import pyarrow as pa

from embedded.schema import Table
from embedded.sql.statements import TableName
from embedded.sql.typed import Environment, Typed
from embedded.types import Field


@dataclass(frozen=True)
class SystemTable:
    """A table of information_schema or performance_schema: its fields and its rows."""

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

    `time` is the name of the column that still is the relation's primary timestamp. `tables` are Arrow tables that the
    SQL selects from.
    """

    sql: str
    fields: tuple[Field, ...]
    precision: str
    time: str | None = None
    tables: dict[str, pa.Table] = field(default_factory=dict)
