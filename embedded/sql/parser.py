"""From the text of a statement to its dataclass."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from embedded.errors import syntax_error
from embedded.sql import ddl, queries
from embedded.sql.dialect import Reader
from embedded.sql.insert import InsertReader
from embedded.sql.scanner import lower_outside_quotes
from embedded.sql.statements import InsertClause, Query, Statement, TableName

_REFUSED = """
    explain compact balance grant revoke kill merge split redistribute restore pause resume assign sync s3migrate
""".split()

_RULES: dict[str, Callable[[Reader], Statement]] = {
    "select": queries.query,
    "(": queries.query,
    "create": ddl.create,
    "drop": ddl.drop,
    "alter": ddl.alter,
    "use": ddl.use,
    "describe": ddl.describe,
    "desc": ddl.describe,
    "show": ddl.show,
    **dict.fromkeys(("flush", "trim", "reset"), ddl.maintain),
    **dict.fromkeys(_REFUSED, ddl.refuse),
    "delete": ddl.delete,
}


@dataclass(frozen=True)
class Insert:
    """An INSERT: its clauses, its text in lower case (errors quote it), and how many `?` it has."""

    clauses: list[InsertClause]
    sql: str
    placeholders: int

    @property
    def unnamed(self) -> bool:
        """Whether it is an INSERT INTO ? without USING, which needs a table before its columns are known."""
        return len(self.clauses) == 1 and self.clauses[0].table is None and self.clauses[0].using is None

    def named(self, table: str) -> "Insert":
        """The same INSERT into a table, `name` or `database.name`."""
        database, _, name = table.rpartition(".")
        clause = replace(self.clauses[0], table=TableName(database or None, name))
        return Insert([clause], self.sql, self.placeholders - 1)


@dataclass(frozen=True)
class InsertSelect:
    """INSERT INTO table SELECT ...: the clause without rows, the text, and the query."""

    clause: InsertClause
    sql: str
    query: Query


@dataclass(frozen=True)
class Parsed:
    """A statement and how many `?` it has."""

    statement: Statement | Insert | InsertSelect
    placeholders: int


def parse(sql: str) -> Parsed:
    """Read one statement. Raises TDengineError: 0x2600 where TDengine's parser would, 0x0216 in an INSERT."""
    lowered = lower_outside_quotes(sql)
    head = lowered.lstrip()
    if head.startswith(("insert", "import")):
        inserting = InsertReader(lowered)
        clauses = inserting.clauses()
        if inserting.query_start is None:
            return Parsed(Insert(clauses, lowered, inserting.placeholders), inserting.placeholders)
        if len(clauses) > 1:
            raise syntax_error(lowered[inserting.query_start :])
        reader = Reader(lowered, inserting.query_start)
        query = queries.query(reader)
        reader.finish()
        return Parsed(InsertSelect(clauses[0], lowered, query), reader.placeholders)
    reader = Reader(lowered)
    rule = _RULES.get(reader.peek())
    if rule is None:
        raise reader.error()
    statement = rule(reader)
    reader.finish()
    return Parsed(statement, reader.placeholders)
