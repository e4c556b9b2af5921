"""What TDengine says of a table and its database: the columns, and the precision of timestamps."""

from dataclasses import dataclass

import taosws

from tdengine.settings import Settings
from tdengine.sql import literal

TICKS_PER_SECOND = {"ms": 10**3, "us": 10**6, "ns": 10**9}
"""What one second is worth in a timestamp of each precision that a database can have."""


@dataclass(frozen=True)
class Column:
    """A column as DESCRIBE tells it: `type` in TDengine's words, `length` in characters or bytes, `note` TAG or KEY."""

    name: str
    type: str
    length: int
    note: str

    @property
    def declaration(self) -> str:
        """The type as CREATE TABLE takes it: `FLOAT`, `NCHAR(10)`."""
        return f"{self.type}({self.length})" if self.type in ("NCHAR", "VARCHAR", "BINARY", "VARBINARY") else self.type


def describe(connection: taosws.Connection, at: Settings) -> list[Column]:
    """The columns of the table, its tags last. Raises taosws.QueryError (NO_DATABASE, NO_TABLE among others)."""
    rows = list(connection.query(f"DESCRIBE {at.full_name}"))
    return [Column(name, type_, length, note) for name, type_, length, note, *_ in rows]


def precision_of(connection: taosws.Connection, database: str) -> str | None:
    """The precision of a database's timestamps, ms, us or ns, or None if there is no such database."""
    wanted = f"name = {literal(database)}"
    rows = list(connection.query(f"SELECT `precision` FROM information_schema.ins_databases WHERE {wanted}"))
    return str(rows[0][0]) if rows else None
