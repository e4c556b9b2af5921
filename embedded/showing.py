"""What the server tells about its databases and tables: SHOW and DESCRIBE, as fields, rows and their precision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from embedded import catalogue, errors, system_tables
from embedded.errors import TDengineError
from embedded.schema import INFORMATION_SCHEMA, PERFORMANCE_SCHEMA, Table
from embedded.sql.relation import TBNAME_TYPE
from embedded.sql.statements import Describe, Show
from embedded.system_columns import FIELDS
from embedded.types import INT, VARCHAR, Field, Type

if TYPE_CHECKING:
    from embedded.engine import Session

Shown = tuple[Sequence[Field], Sequence[Sequence[Any]], str]
_SYSTEM_DATABASES = (INFORMATION_SCHEMA, PERFORMANCE_SCHEMA)
_LOCAL_FIELDS = [
    Field(name, Type(VARCHAR, length))
    for name, length in (("name", 30), ("value", 4094), ("scope", 6), ("category", 6), ("info", 62))
]


def describe(session: Session, statement: Describe) -> Shown:
    """DESCRIBE: columns and tags."""
    return catalogue.DESCRIBE_FIELDS, catalogue.describe(session.table(statement.table)), "ms"


def show(session: Session, statement: Show) -> Shown:
    """SHOW of anything."""
    rule = {
        "databases": _databases,
        "create_database": _create_database,
        "create_table": _create_table,
        "create_stable": _create_table,
        "tags": _tags,
        "table_tags": _table_tags,
        "tables": _tables,
        "stables": _tables,
        "alive": _alive,
        "local_variables": _local_variables,
    }.get(statement.what, _system)
    return rule(session, statement)


def _names(column: str, length: int, names: Sequence[str]) -> Shown:
    return [Field(column, Type(VARCHAR, length))], [(name,) for name in names], "ms"


def _texts(first: str, length: int, name: str, second: str, sql_length: int, sql: str) -> Shown:
    return [Field(first, Type(VARCHAR, length)), Field(second, Type(VARCHAR, sql_length))], [(name, sql)], "ms"


def _databases(session: Session, statement: Show) -> Shown:
    system = () if statement.only == "user" else _SYSTEM_DATABASES
    return _names("name", 64, [*system, *(() if statement.only == "system" else session.storage.databases)])


def _create_database(session: Session, statement: Show) -> Shown:
    assert statement.database is not None
    database = session.storage.database(statement.database)
    sql = catalogue.show_create_database(database)
    return _texts("Database", 65, database.name, "Create Database", 4096, sql)


def _create_table(session: Session, statement: Show) -> Shown:
    table = _named(session, statement)
    return _texts("Table", 193, table.name, "Create Table", 3145726, catalogue.show_create(table))


def _named(session: Session, statement: Show) -> Table:
    assert statement.table is not None
    return session.table(statement.table)


def _tables(session: Session, statement: Show) -> Shown:
    name = statement.database or session.database
    if name is None:
        raise TDengineError(errors.NO_DATABASE, "Database not specified")
    if name in _SYSTEM_DATABASES:
        found = system_tables.names(name) if statement.what == "tables" and statement.only is None else []
        return _names(f"{statement.what[:-1]}_name", 192, catalogue.like(found, statement.like))
    tables = list(session.storage.database(name).tables.values())
    if statement.what == "stables":
        names = (table.name for table in tables if table.is_super)
        return _names("stable_name", 192, catalogue.like(names, statement.like))
    wanted = {"child": "CHILD_TABLE", "normal": "NORMAL_TABLE"}.get(statement.only or "")
    names = (table.name for table in tables if not table.is_super and wanted in (None, catalogue.table_type(table)))
    return _names("table_name", 192, catalogue.like(names, statement.like))


def _table_tags(session: Session, statement: Show) -> Shown:
    """The tags of all children of a super table, one child a row; with their names unless tags are named."""
    table = _named(session, statement)
    if not table.is_super:
        raise TDengineError(errors.TAGS_OF_PLAIN, "Tags can only applied to super table and child table")
    fields = [Field("tbname", TBNAME_TYPE)] if statement.tags is None else []
    places: list[int] = []
    for name in statement.tags if statement.tags is not None else [tag.name for tag in table.tags]:
        tag = table.tag(name)
        if tag is None and name != "tbname":
            raise TDengineError(errors.TAG_MISSING, f"Invalid tag name: {name}")
        places.append(table.tags.index(tag) if tag is not None else -1)
        fields.append(Field(name, tag.type if tag is not None else TBNAME_TYPE))
    children = [child for child in table.database.tables.values() if child.stable is table]
    rows = []
    for child in children:
        values = [child.name if at < 0 else child.tag_values[at] for at in places]
        rows.append([child.name, *values] if statement.tags is None else values)
    return fields, rows, table.database.precision


def _tags(session: Session, statement: Show) -> Shown:
    """The tags of a child, one a row."""
    table = _named(session, statement)
    if table.stable is None:
        raise TDengineError(errors.TAGS_OF_PLAIN, "Tags can only applied to super table and child table")
    head = (table.name, table.database.name, table.stable.name)
    values = zip(table.stable.tags, table.tag_values, strict=True)
    rows = [(*head, tag.name, str(tag.type), catalogue.tag_text(value)) for tag, value in values]
    return FIELDS["ins_tags"], rows, "ms"


def _alive(session: Session, statement: Show) -> Shown:
    """SHOW CLUSTER ALIVE: 0, as recorded of a TDengine of one node."""
    if statement.database is not None:
        session.storage.database(statement.database)
    return [Field("status", Type.of(INT))], [(0,)], "ms"


def _local_variables(session: Session, statement: Show) -> Shown:
    variables = system_tables.variables(session.asked())
    known = catalogue.like([row[0] for row in variables], statement.like)
    return _LOCAL_FIELDS, [(*row, "") for row in variables if row[0] in known], "ms"


_SHOWN_COLUMNS = {
    "ins_functions": ["name"],
    "ins_topics": ["topic_name"],
    "ins_streams": ["stream_name", "status", "message"],
}


def _system(session: Session, statement: Show) -> Shown:
    """The rows of a table of information_schema or performance_schema, of one database where SHOW names it."""
    fields, rows = FIELDS[statement.what], system_tables.rows(statement.what, session.asked())
    places = {field.name: at for at, field in enumerate(fields)}
    if statement.database is not None:
        session.storage.database(statement.database)
    database = statement.database or (session.database if statement.what in _OF_A_DATABASE else None)
    if statement.what in _OF_A_DATABASE and database is None:
        raise TDengineError(errors.NO_DATABASE, "Database not specified")
    if database is not None and "db_name" in places:
        rows = [row for row in rows if row[places["db_name"]] == database]
    if statement.like is not None:
        first = "name" if "name" in places else fields[0].name
        known = catalogue.like([row[places[first]] for row in rows], statement.like)
        rows = [row for row in rows if row[places[first]] in known]
    shown = _SHOWN_COLUMNS.get(statement.what, list(places))
    listed = [[row[places[name]] for name in shown] for row in rows]
    return [fields[places[name]] for name in shown], listed, "ms"


_OF_A_DATABASE = frozenset(["ins_vgroups", "ins_views", "ins_tsmas"])
