"""One connection's statements: parsed and translated by `sql`, carried out by `storage`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa

from embedded import errors, limits, showing, system_tables
from embedded.errors import TDengineError
from embedded.inserting import BindField, Inserter, tag_values
from embedded.protocol.binds import BoundColumn, BoundTable
from embedded.schema import INFORMATION_SCHEMA, PERFORMANCE_SCHEMA, Column, Database, Table
from embedded.sql import select, statements
from embedded.sql.parser import Insert, InsertSelect, Parsed, parse
from embedded.sql.times import utc_offset
from embedded.sql.typed import Environment, Typed, boolean, constant, double, integer, text
from embedded.sql.values import Literals, Moment
from embedded.storage import Rows, Storage, Write
from embedded.types import BOOL, JSON, PRECISIONS, TIMESTAMP, VARCHAR, Field, Type

USER = "root"
_SYSTEM_DATABASES = (INFORMATION_SCHEMA, PERFORMANCE_SCHEMA)


def zone_of(name: str) -> tzinfo:
    """The zone of that name; 0x0118 if there is none."""
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError):
        raise TDengineError(errors.INVALID_PARAMETER, f"Invalid timezone: {name}") from None


@dataclass(frozen=True)
class Update:
    """The outcome of a statement that returns no rows."""

    affected: int = 0


class Result:
    """The outcome of a query: its fields, the precision of its timestamps, and its rows in batches of 1 to 4096."""

    def __init__(
        self, fields: Sequence[Field], precision: str, batches: Iterator[pa.RecordBatch], rows: Rows | None
    ) -> None:
        self.fields = tuple(fields)
        self.precision = precision
        self._batches = batches
        self._rows = rows

    def next(self) -> pa.RecordBatch | None:
        """The next batch, or None at the end."""
        return next(self._batches, None)

    def close(self) -> None:
        """Let go of what the query holds."""
        if self._rows is not None:
            self._rows.close()

    @classmethod
    def of(cls, fields: Sequence[Field], rows: Sequence[Sequence[Any]], precision: str = "ms") -> Result:
        """A result of rows that are known already."""
        columns = zip(*rows, strict=True) if rows else ([] for _ in fields)
        arrays = [pa.array(column, field.type.arrow) for column, field in zip(columns, fields, strict=True)]
        table = pa.table(arrays, names=[f"c{at}" for at in range(len(fields))])
        return cls(fields, precision, iter(table.to_batches(max_chunksize=4096)), None)


@dataclass(frozen=True)
class Prepared:
    """A prepared statement; `fields` tell what each `?` of an INSERT is for, None for a query.

    `precision` is the number of the precision of the table's timestamps: 0 for ms, 1 for us, 2 for ns.
    """

    parsed: Parsed
    fields: list[BindField] | None
    precision: int = 0


class Session:
    """What one connection may do. Not to be used by two threads at once."""

    def __init__(self, storage: Storage, database: str | None = None, zone: str | None = None) -> None:
        self.storage = storage
        self.inserter = Inserter(storage, self.table, self._moment)
        self.database: str | None = None
        self.zone: tzinfo | None = None
        self.abandoned = False
        self._interrupt: Callable[[], None] = lambda: None
        if zone:
            self.zone = zone_of(zone)
        if database:
            self._use(statements.UseDatabase(database))

    @property
    def zone_text(self) -> str:
        """What TIMEZONE() says, `UTC (UTC, +0000)` for one."""
        offset = utc_offset(self.zone, time.time())
        sign = f"{'-' if offset < 0 else '+'}{abs(offset) // 3600:02}{abs(offset) // 60 % 60:02}"
        name = str(self.zone) if self.zone is not None else time.tzname[0]
        return f"{name} ({name}, {sign})"

    def asked(self) -> system_tables.Asked:
        """What the tables of the system databases are to be about."""
        return system_tables.Asked(self.storage.databases, USER, self.zone_text)

    def interrupt(self) -> None:
        """Let the query that is being carried out fail; may be called from another thread. One that begins goes on."""
        self._interrupt()

    def abandon(self) -> None:
        """Nobody waits for answers any more: what is being carried out and what comes yet is to fail."""
        self.abandoned = True
        self.interrupt()

    def execute(self, sql: str, parameters: Sequence[Typed] = ()) -> Update | Result:
        """Carry out one statement; raises TDengineError."""
        return self.run(_parsed(sql), parameters)

    def run(self, parsed: Parsed, parameters: Sequence[Typed] = ()) -> Update | Result:
        """Carry out a parsed statement whose `?` have these values."""
        if parsed.placeholders > len(parameters):
            raise TDengineError(errors.INVALID_OPERATION, "parameter not bound")
        statement = parsed.statement
        if isinstance(statement, Insert):
            return Update(self.inserter.insert(statement))
        if isinstance(statement, InsertSelect):
            return self._insert_select(statement, parameters)
        if isinstance(statement, statements.Query):
            return self._query(statement, parameters)
        return _RULES[type(statement)](self, statement)

    # Queries.

    def _query(self, query: statements.Query, parameters: Sequence[Typed]) -> Result:
        context = _Context(self, parameters)
        try:
            translation = select.translate(query, context)
        except RecursionError:
            raise _too_deep() from None
        if sum(field.type.wire_bytes for field in translation.fields) > limits.MOST_ROW_BYTES:
            raise TDengineError(errors.ROW_LENGTH, f"Row length exceeds max length {limits.MOST_ROW_BYTES}")
        if len(translation.sql) > limits.MOST_TRANSLATED:
            raise _too_long()
        return self._result(replace(translation, tables=translation.tables | context.lists))

    def _result(self, translation: select.Translation) -> Result:
        schema = pa.schema([(f"c{at}", field.type.arrow) for at, field in enumerate(translation.fields)])
        rows = self.storage.query(translation.sql, schema, translation.tables, self._begins)
        first = rows.next()

        def batches() -> Iterator[pa.RecordBatch]:
            batch = first
            while batch is not None:
                yield batch
                batch = rows.next()

        return Result(translation.fields, translation.precision, batches(), rows)

    def _begins(self, interrupt: Callable[[], None]) -> None:
        self._interrupt = interrupt

    # Databases.

    def _create_database(self, statement: statements.CreateDatabase) -> Update:
        with _allowed(errors.DATABASE_EXISTS, statement.if_not_exists):
            if statement.name in _SYSTEM_DATABASES:
                raise TDengineError(errors.DATABASE_EXISTS, "Database already exists")
            self.storage.create_database(statement.name, statement.precision, statement.options)
        return Update()

    def _alter_database(self, statement: statements.AlterDatabase) -> Update:
        self.storage.alter_database(statement.name, statement.options)
        return Update()

    def _drop_database(self, statement: statements.DropDatabase) -> Update:
        if statement.if_exists and statement.name not in self.storage.databases:
            return Update()
        self.storage.drop_database(statement.name)
        if self.database == statement.name:
            self.database = None
        return Update()

    def _use(self, statement: statements.UseDatabase) -> Update:
        if statement.name not in _SYSTEM_DATABASES:
            self.storage.database(statement.name)
        self.database = statement.name
        return Update()

    # Tables.

    def database_of(self, name: statements.TableName) -> Database:
        """The database that a table's name is in; 0x2616 without any, 0x0388 if it is missing."""
        database = name.database or self.database
        if database is None:
            raise TDengineError(errors.NO_DATABASE, "Database not specified")
        return self.storage.database(database)

    def table(self, name: statements.TableName) -> Table:
        """The table of that name; 0x2603 if it is missing."""
        table = self.database_of(name).tables.get(name.name)
        if table is None:
            raise TDengineError(errors.TABLE_MISSING, "Table does not exist")
        return table

    def _create_table(self, statement: statements.CreateTable) -> Update:
        database = self.database_of(statement.table)
        _check_definition(statement)
        tags = None if statement.tags is None else [(tag.name, tag.type) for tag in statement.tags]
        columns = [(column.name, column.type, column.key) for column in statement.columns]
        with _allowed(errors.TABLE_EXISTS, statement.if_not_exists):
            self.storage.create_table(database, statement.table.name, columns, tags)
        return Update()

    def _create_children(self, statement: statements.CreateChildTables) -> Update:
        literals = Literals("", self._moment("ms"))
        made = []
        for child in statement.children:
            stable = self.inserter.stable(child.stable)
            database = self.database_of(child.table)
            if database is not stable.database:
                raise TDengineError(0x2618, "Corresponding super table not in this db")
            if child.table.name in database.tables:
                if not child.if_not_exists:
                    raise TDengineError(errors.TABLE_EXISTS, "Table already exists")
                continue
            made.append((stable, database, child.table.name, tag_values(child, stable, literals)))
        for stable, database, name, tags in made:
            self.storage.create_child(stable, database, name, tags)
        return Update()

    def _drop_tables(self, statement: statements.DropTables) -> Update:
        found = []
        for name, if_exists in statement.tables:
            table = self.database_of(name).tables.get(name.name)
            if statement.super_only and table is not None and not table.is_super:
                table = None
            if table is None and not if_exists:
                if statement.super_only:
                    raise TDengineError(errors.STABLE_MISSING, "STable not exist")
                raise TDengineError(errors.TABLE_MISSING, "Table does not exist")
            if table is not None and table.is_super and len(statement.tables) > 1:
                raise TDengineError(errors.DROP_IN_BATCH, "Cannot drop super table in batch")
            if table is not None:
                found.append(table)
        for table in found:
            self.storage.drop_table(table)
        return Update()

    def _alter_table(self, statement: statements.AlterTable) -> Update:
        table = self.table(statement.table)
        _ALTERATIONS[statement.action](self, table, statement)
        return Update()

    def _set_tags(self, statement: statements.SetTags) -> Update:
        table = self.table(statement.table)
        literals = Literals("", self._moment(table.database.precision))
        changes = []
        for name, value in statement.values:
            tag = table.tag(name)
            if table.stable is None or tag is None:
                raise TDengineError(errors.TAG_MISSING, f"Invalid tag name: {name}")
            changes.append((tag, literals.convert(value, tag)))
        for tag, converted in changes:
            self.storage.set_tag(table, tag, converted)
        return Update()

    def _maintain(self, statement: statements.Maintain) -> Update:
        if statement.database is not None and statement.database not in _SYSTEM_DATABASES:
            self.storage.database(statement.database)
        return Update()

    def _add(self, table: Table, statement: statements.AlterTable) -> None:
        columns, tags = self._alterable(table, statement)
        if table.column(statement.name) or table.tag(statement.name):
            raise TDengineError(errors.DUPLICATED_COLUMN, "Duplicated column names")
        assert statement.type is not None
        part = tags if statement.action.endswith("tag") else columns
        if part is tags and JSON in (statement.type.kind, *(tag.type.kind for tag in tags)):
            raise TDengineError(errors.ONLY_ONE_JSON_TAG, "Only one tag if there is a json tag")
        prefix = "t" if part is tags else "c"
        number = 1 + max(int(column.physical[1:]) for column in part)
        part.append(Column(statement.name, statement.type, f"{prefix}{number}"))
        self.storage.alter(table, tuple(columns), tuple(tags))

    def _drop_column(self, table: Table, statement: statements.AlterTable) -> None:
        columns, tags = self._alterable(table, statement)
        part = tags if statement.action.endswith("tag") else columns
        column = self._existing(table, statement)
        if column is table.columns[0] or column.key:
            raise TDengineError(0x264A, "Primary timestamp column cannot be dropped")
        if len(part) == (1 if part is tags else 2):
            raise TDengineError(errors.ALTER_TABLE, "Invalid alter table statement")
        part.remove(column)
        self.storage.alter(table, tuple(columns), tuple(tags))

    def _modify(self, table: Table, statement: statements.AlterTable) -> None:
        columns, tags = self._alterable(table, statement)
        column, type_ = self._existing(table, statement), statement.type
        if type_ is None or type_.kind is not column.type.kind or type_.length <= column.type.length:
            raise TDengineError(
                errors.MODIFY_COLUMN,
                "Only varbinary/binary/nchar/geometry column length could be modified, "
                "and the length can only be increased, not decreased",
            )
        part = tags if statement.action.endswith("tag") else columns
        part[part.index(column)] = Column(column.name, type_, column.physical, column.key)
        self.storage.alter(table, tuple(columns), tuple(tags))

    def _rename(self, table: Table, statement: statements.AlterTable) -> None:
        columns, tags = self._alterable(table, statement)
        column = self._existing(table, statement)
        assert statement.new_name is not None
        if table.column(statement.new_name) or table.tag(statement.new_name):
            raise TDengineError(errors.DUPLICATED_COLUMN, "Duplicated column names")
        part = tags if statement.action.endswith("tag") else columns
        part[part.index(column)] = Column(statement.new_name, column.type, column.physical, column.key)
        self.storage.alter(table, tuple(columns), tuple(tags))

    def _alterable(self, table: Table, statement: statements.AlterTable) -> tuple[list[Column], list[Column]]:
        if table.stable is not None or (statement.action.endswith("tag") and not table.is_super):
            raise TDengineError(errors.ALTER_TABLE, "Invalid alter table statement")
        return list(table.columns), list(table.tags)

    def _existing(self, table: Table, statement: statements.AlterTable) -> Column:
        if statement.action.endswith("tag"):
            found, error = (
                table.tag(statement.name),
                TDengineError(errors.TAG_MISSING, f"Invalid tag name: {statement.name}"),
            )
        else:
            found = table.column(statement.name)
            error = TDengineError(errors.COLUMN_MISSING, f"Invalid column name: {statement.name}")
        if found is None:
            raise error
        return found

    # Rows.

    def _delete(self, statement: statements.Delete) -> Update:
        table = self.table(statement.table)
        condition = select.delete_conditions(statement.where, table, _Context(self, ()))
        return Update(self.storage.delete(table, condition))

    def _insert_select(self, statement: InsertSelect, parameters: Sequence[Typed]) -> Update:
        """INSERT INTO ... SELECT: rows are written batch by batch."""
        clause = statement.clause
        assert clause.table is not None
        table = self.table(clause.table)
        columns = self.inserter.listed(table, clause, statement.sql).columns
        result = self._query(statement.query, parameters)
        if len(result.fields) != len(columns):
            raise TDengineError(errors.COLUMN_COUNT_DIFFERS, "Illegal number of columns")
        affected = 0
        while (batch := result.next()) is not None:
            bound = [
                BoundColumn(column.type.kind, array.cast(column.type.arrow, safe=False))
                for array, column in zip(batch.columns, columns, strict=True)
            ]
            part = Insert([clause], statement.sql, 0)
            affected += self.storage.write(
                self.inserter.writes(self.inserter.bound_parts(part, [BoundTable(None, [], bound)]))
            )
        return Update(affected)

    def _moment(self, precision: str) -> Moment:
        now = time.time_ns()
        return Moment(precision, now, self.zone, utc_offset(self.zone, now / 1e9))

    # Prepared statements.

    def prepare(self, sql: str) -> Prepared:
        """Parse a statement with `?` and say what they are for; 0x022B if the table of an INSERT is missing."""
        parsed = _parsed(sql)
        if not isinstance(parsed.statement, Insert):
            return Prepared(parsed, None)
        return self.prepare_parsed(parsed.statement)

    def prepare_parsed(self, insert: Insert) -> Prepared:
        """The same for an INSERT that is read already."""
        fields, table = self.inserter.bind_fields(insert)
        return Prepared(Parsed(insert, insert.placeholders), fields, PRECISIONS.index(table.database.precision))

    def bound_writes(self, prepared: Prepared, tables: Sequence[BoundTable]) -> list[Write]:
        """Check what is bound to a prepared INSERT, and return the rows to write; raises BindError."""
        insert = prepared.parsed.statement
        assert isinstance(insert, Insert)
        return self.inserter.writes(self.inserter.bound_parts(insert, tables))


def _parsed(sql: str) -> Parsed:
    """A statement, unless it is too long or nests too deep."""
    if len(sql.encode(errors="replace")) > limits.MOST_STATEMENT_BYTES:
        raise _too_long()
    try:
        return parse(sql)
    except RecursionError:
        raise _too_deep() from None


def _too_long() -> TDengineError:
    return TDengineError(errors.STATEMENT_TOO_LONG, "SQL statement too long check maxSQLLength config")


def _too_deep() -> TDengineError:
    return TDengineError(errors.SYNTAX, "syntax error: the statement nests too deep")


class _Context:
    """What `sql.select` asks about a session."""

    def __init__(self, session: Session, parameters: Sequence[Typed]) -> None:
        self.parameters = parameters
        self._session = session
        self._now = time.time_ns()
        self.lists: dict[str, pa.Table] = {}

    def environment(self, precision: str, time: str | None) -> Environment:
        session = self._session
        return Environment(
            precision,
            time,
            self._now,
            utc_offset(session.zone, self._now / 1e9),
            session.zone,
            session.zone_text,
            session.database,
            USER,
            lists=self.lists,
        )

    def table(self, name: statements.TableName) -> Table:
        try:
            return self._session.table(name)
        except TDengineError as error:
            if error.code in (errors.TABLE_MISSING, errors.DATABASE_MISSING):
                raise TDengineError(error.code, f"Fail to get table info, error: {error.message}") from None
            raise

    def system_table(self, name: statements.TableName) -> select.SystemTable | None:
        database = name.database or self._session.database
        if database not in _SYSTEM_DATABASES:
            return None
        return system_tables.system_table(database, name.name, self._session.asked())


@contextmanager
def _allowed(code: int, allowed: bool) -> Iterator[None]:
    """Let an error of that code pass where it is allowed: IF NOT EXISTS, where another connection was first."""
    try:
        yield
    except TDengineError as error:
        if not allowed or error.code != code:
            raise


def _check_definition(statement: statements.CreateTable) -> None:
    columns, tags = statement.columns, statement.tags or ()
    if any(column.type.kind is JSON for column in columns):
        raise TDengineError(errors.JSON_COLUMN, "Only tag can be json type")
    if len(tags) > 1 and any(tag.type.kind is JSON for tag in tags):
        raise TDengineError(errors.ONLY_ONE_JSON_TAG, "Only one tag if there is a json tag")
    if any(tag.type.kind.decimal for tag in tags):
        raise TDengineError(errors.INVALID_OPERATION, "Decimal type is not allowed for tag")
    names = [column.name for column in (*columns, *tags)]
    if len(set(names)) < len(names):
        raise TDengineError(errors.DUPLICATED_COLUMN, "Duplicated column names")
    if columns[0].type.kind is not TIMESTAMP:
        raise TDengineError(errors.FIRST_COLUMN, "First column must be timestamp")
    if len(columns) < 2:
        raise TDengineError(errors.COLUMN_COUNT, "Illegal number of columns")
    for at, column in enumerate(columns):
        kind = column.type.kind
        if column.key and at > 1:
            raise TDengineError(errors.KEY_NOT_SECOND, "primary key column must be second column")
        if column.key and at == 1 and not ((kind.integer and kind.size >= 4) or kind is VARCHAR):
            raise TDengineError(
                errors.KEY_TYPE, "primary key column must be of type int, uint, bigint, ubigint, and varchar"
            )
    _check_lengths(statement)


def _check_lengths(statement: statements.CreateTable) -> None:
    columns, tags = statement.columns, statement.tags or ()
    for column in (*columns, *tags):
        if column.type.kind.size == 0 and column.type.kind is not JSON and column.type.wire_bytes > _MOST_BYTES:
            raise TDengineError(errors.COLUMN_LENGTH, "Invalid column length for var length type")
    if sum(tag.type.wire_bytes for tag in tags) > _MOST_TAG_BYTES:
        raise TDengineError(errors.TAGS_LENGTH, f"Tags length exceeds max length {_MOST_TAG_BYTES}")
    if sum(column.type.wire_bytes for column in columns) > _MOST_ROW_BYTES:
        raise TDengineError(errors.ROW_LENGTH, f"Row length exceeds max length {_MOST_ROW_BYTES}")


_MOST_BYTES, _MOST_TAG_BYTES, _MOST_ROW_BYTES = 65519, 16384, 65531


def parameter(item: BoundColumn) -> Typed:
    """The value bound to a `?` of a query."""
    value = item.values[0].as_py() if len(item.values) else None
    kind = item.kind
    if value is None:
        return Typed("NULL", Type.of(kind), None)
    if kind is BOOL:
        return boolean(value)
    if kind.text:
        return text(value)
    if kind.decimal:
        return double(float(value))
    if kind.raw or kind is JSON:
        return constant(value, Type(kind, len(value)))
    return double(value) if isinstance(value, float) else integer(value, Type.of(kind))


_RULES: dict[type, Callable[[Session, Any], Update | Result]] = {
    statements.CreateDatabase: Session._create_database,
    statements.AlterDatabase: Session._alter_database,
    statements.DropDatabase: Session._drop_database,
    statements.UseDatabase: Session._use,
    statements.CreateTable: Session._create_table,
    statements.CreateChildTables: Session._create_children,
    statements.DropTables: Session._drop_tables,
    statements.AlterTable: Session._alter_table,
    statements.SetTags: Session._set_tags,
    statements.Maintain: Session._maintain,
    statements.Describe: lambda session, statement: Result.of(*showing.describe(session, statement)),
    statements.Show: lambda session, statement: Result.of(*showing.show(session, statement)),
    statements.Delete: Session._delete,
}
_ALTERATIONS: dict[str, Callable[[Session, Table, statements.AlterTable], None]] = {
    "add_column": Session._add,
    "add_tag": Session._add,
    "drop_column": Session._drop_column,
    "drop_tag": Session._drop_column,
    "modify_column": Session._modify,
    "modify_tag": Session._modify,
    "rename_column": Session._rename,
    "rename_tag": Session._rename,
}
