"""One connection's statements: parsed and translated by `sql`, carried out by `storage`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from embedded import catalogue, errors
from embedded.errors import TDengineError, insert_error, unsupported
from embedded.protocol.binds import BoundColumn, BoundTable
from embedded.schema import INFORMATION_SCHEMA, PERFORMANCE_SCHEMA, Column, Database, Table
from embedded.sql import select, statements
from embedded.sql.ddl import check_type
from embedded.sql.parser import Insert, Parsed, parse
from embedded.sql.times import utc_offset
from embedded.sql.typed import Environment, Typed, boolean, double, integer, text
from embedded.sql.values import Literals, Moment
from embedded.storage import Rows, Storage, Write
from embedded.types import BOOL, NCHAR, PRECISIONS, TIMESTAMP, UNITS_PER_SECOND, VARCHAR, Field, Type

USER = "root"
_SYSTEM_DATABASES = (INFORMATION_SCHEMA, PERFORMANCE_SCHEMA)
_KEEP_DAYS = 3650
_LATEST = {"ms": 31_556_995_200_000, "us": 31_556_995_200_000_000, "ns": 9_214_646_400_000_000_000}
TABLE_NAME, TAG, COLUMN = 4, 2, 1


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
        arrays = [pa.array(column, field.type.kind.arrow) for column, field in zip(columns, fields, strict=True)]
        table = pa.table(arrays, names=[f"c{at}" for at in range(len(fields))])
        return cls(fields, precision, iter(table.to_batches(max_chunksize=4096)), None)


@dataclass(frozen=True)
class BindField:
    """One `?` of a prepared INSERT: the column or tag it is for (None: the table's name) and which of the three it is."""

    column: Column | None
    bind_type: int


@dataclass(frozen=True)
class Prepared:
    """A prepared statement; `fields` tell what each `?` of an INSERT is for, None for a query."""

    parsed: Parsed
    fields: list[BindField] | None
    precision: int = 0


class BindError(TDengineError):
    """A refused bind. `exec_message` is what TDengine then says to an exec (its client library keeps a message of its own)."""

    def __init__(self, code: int, message: str, exec_message: str | None = None) -> None:
        super().__init__(code, message)
        self.exec_message = message if exec_message is None else exec_message


class Session:
    """What one connection may do. Not to be used by two threads at once."""

    def __init__(self, storage: Storage, database: str | None = None, zone: str | None = None) -> None:
        self.storage = storage
        self.database: str | None = None
        self.zone: tzinfo | None = None
        self._zone_name = zone
        if zone:
            try:
                self.zone = ZoneInfo(zone)
            except (OSError, ValueError):
                raise TDengineError(errors.INVALID_OPERATION, f"Invalid timezone: {zone}") from None
        if database:
            self._use(statements.UseDatabase(database))

    def execute(self, sql: str, parameters: Sequence[Typed] = ()) -> Update | Result:
        """Carry out one statement; raises TDengineError."""
        return self.run(parse(sql), parameters)

    def run(self, parsed: Parsed, parameters: Sequence[Typed] = ()) -> Update | Result:
        """Carry out a parsed statement whose `?` have these values."""
        if parsed.placeholders > len(parameters):
            raise TDengineError(errors.INVALID_OPERATION, "parameter not bound")
        statement = parsed.statement
        if isinstance(statement, Insert):
            return self._insert(statement)
        if isinstance(statement, statements.Query):
            return self._query(statement, parameters)
        return _RULES[type(statement)](self, statement)

    # Queries.

    def _query(self, query: statements.Query, parameters: Sequence[Typed]) -> Result:
        translation = select.translate(query, _Context(self, parameters))
        return self._result(translation)

    def _result(self, translation: select.Translation) -> Result:
        schema = pa.schema([(f"c{at}", field.type.kind.arrow) for at, field in enumerate(translation.fields)])
        rows = self.storage.query(translation.sql, schema, translation.tables)
        first = rows.next()

        def batches() -> Iterator[pa.RecordBatch]:
            batch = first
            while batch is not None:
                yield batch
                batch = rows.next()

        return Result(translation.fields, translation.precision, batches(), rows)

    # Databases.

    def _create_database(self, statement: statements.CreateDatabase) -> Update:
        if statement.name in _SYSTEM_DATABASES or statement.name in self.storage.databases:
            if statement.if_not_exists:
                return Update()
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
        if statement.if_not_exists and statement.table.name in database.tables:
            return Update()
        tags = None if statement.tags is None else [(tag.name, check_type(tag.type)) for tag in statement.tags]
        columns = [(column.name, check_type(column.type), column.key) for column in statement.columns]
        self.storage.create_table(database, statement.table.name, columns, tags)
        return Update()

    def _create_children(self, statement: statements.CreateChildTables) -> Update:
        literals = Literals("", self._moment("ms"))
        made = []
        for child in statement.children:
            stable = self._stable(child.stable)
            database = self.database_of(child.table)
            if database is not stable.database:
                raise TDengineError(0x2618, "Corresponding super table not in this db")
            if child.table.name in database.tables:
                if not child.if_not_exists:
                    raise TDengineError(errors.TABLE_EXISTS, "Table already exists")
                continue
            made.append((stable, database, child.table.name, _tags(child, stable, literals)))
        for stable, database, name, tags in made:
            self.storage.create_child(stable, database, name, tags)
        return Update()

    def _stable(self, name: statements.TableName) -> Table:
        table = self.table(name)
        if not table.is_super:
            raise TDengineError(errors.INVALID_OPERATION, "Not super table")
        return table

    def _drop_tables(self, statement: statements.DropTables) -> Update:
        found = []
        for name, if_exists in statement.tables:
            table = self.database_of(name).tables.get(name.name)
            if table is None and not if_exists:
                raise TDengineError(errors.TABLE_MISSING, "Table does not exist")
            if table is not None:
                found.append(table)
        for table in found:
            self.storage.drop_table(table)
        return Update()

    def _alter_table(self, statement: statements.AlterTable) -> Update:
        table = self.table(statement.table)
        _ALTERATIONS[statement.action](self, table, statement)
        return Update()

    def _set_tag(self, table: Table, statement: statements.AlterTable) -> None:
        tag = table.tag(statement.name)
        if table.stable is None or tag is None or statement.value is None:
            raise TDengineError(errors.TAG_MISSING, f"Invalid tag name: {statement.name}")
        value = Literals("", self._moment(table.database.precision)).convert(statement.value, tag)
        self.storage.set_tag(table, tag, value)

    def _add(self, table: Table, statement: statements.AlterTable) -> None:
        columns, tags = self._alterable(table, statement)
        if table.column(statement.name) or table.tag(statement.name):
            raise TDengineError(errors.DUPLICATED_COLUMN, "Duplicated column names")
        assert statement.type is not None
        part = tags if statement.action.endswith("tag") else columns
        prefix = "t" if part is tags else "c"
        number = 1 + max(int(column.physical[1:]) for column in part)
        part.append(Column(statement.name, check_type(statement.type), f"{prefix}{number}"))
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
            raise TDengineError(0x264B, "Only varbinary/binary/nchar/geometry column length could be modified")
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

    # What there is.

    def _describe(self, statement: statements.Describe) -> Result:
        return Result.of(catalogue.DESCRIBE_FIELDS, catalogue.describe(self.table(statement.table)))

    def _show(self, statement: statements.Show) -> Result:
        if statement.what == "databases":
            return _names("name", 64, [*_SYSTEM_DATABASES, *self.storage.databases])
        if statement.what == "create_database":
            assert statement.database is not None
            database = self.storage.database(statement.database)
            sql = f"CREATE DATABASE `{database.name}` PRECISION '{database.precision}' KEEP {catalogue.keep_text(database.options)}"
            return _shown("Database", 65, database.name, "Create Database", 4096, sql)
        if statement.what.startswith("create_"):
            assert statement.table is not None
            table = self.table(statement.table)
            tags = self.storage.tags_of(table) if table.stable is not None else ()
            sql = catalogue.show_create(table, tags)
            return _shown("Table", 193, table.name, "Create Table", 3145726, sql)
        if statement.what in ("tags", "table_tags"):
            raise unsupported("SHOW TAGS")
        name = statement.database or self.database
        if name is None:
            raise TDengineError(errors.NO_DATABASE, "Database not specified")
        if name in _SYSTEM_DATABASES:
            return _names("table_name", 192, [])
        found = list(self.storage.database(name).tables.values())
        if statement.what == "stables":
            return _names("stable_name", 192, catalogue.like((t.name for t in found if t.is_super), statement.like))
        wanted = {"child": "CHILD_TABLE", "normal": "NORMAL_TABLE"}.get(statement.only or "")
        names = (t.name for t in found if not t.is_super and wanted in (None, catalogue.table_type(t)))
        return _names("table_name", 192, catalogue.like(names, statement.like))

    # Rows.

    def _delete(self, statement: statements.Delete) -> Update:
        table = self.table(statement.table)
        condition = select.delete_conditions(statement.where, table, _Context(self, ()))
        return Update(self.storage.delete(table, condition))

    def _insert(self, insert: Insert) -> Update:
        """Everything is checked before anything is written, new children included."""
        prepared: list[tuple[Callable[[], Table], tuple[Column, ...], list[pa.Array]]] = []
        for clause in insert.clauses:
            assert clause.table is not None
            literals: Literals
            if clause.using is not None:
                stable = self._stable(clause.using.stable)
                database = self.database_of(clause.table)
                literals = Literals(insert.sql, self._moment(stable.database.precision))
                tags = _tags(clause.using, stable, literals)
                table, name = stable, clause.table.name
                prepared_table = _child_maker(self.storage, stable, database, name, tags)
            else:
                table = self.table(clause.table)
                if table.is_super:
                    raise insert_error(
                        insert.sql[clause.after_table :],
                        "(...tbname, ts...) bounded cols is expected for supertable insertion",
                    )
                literals = Literals(insert.sql, self._moment(table.database.precision))
                prepared_table = _present(table)
            columns = _bound_columns(table, clause.columns, insert.sql)
            arrays = literals.columns(columns, clause.rows)
            _check_times(arrays[0], table.database)
            columns, arrays = _key_first(columns, arrays)
            prepared.append((prepared_table, columns, arrays))
        writes = [Write(make(), columns, tuple(arrays)) for make, columns, arrays in prepared]
        return Update(self.storage.write(writes))

    def _moment(self, precision: str) -> Moment:
        now = time.time_ns()
        return Moment(precision, now, self.zone, utc_offset(self.zone, now / 1e9))

    # Prepared statements.

    def prepare(self, sql: str) -> Prepared:
        """Parse a statement with `?` and say what they are for; 0x022B if the table of an INSERT is missing."""
        parsed = parse(sql)
        if not isinstance(parsed.statement, Insert):
            return Prepared(parsed, None)
        clauses = parsed.statement.clauses
        if len(clauses) != 1 or len(clauses[0].rows) != 1:
            raise unsupported("a prepared INSERT of several tables or rows")
        clause = clauses[0]
        fields: list[BindField] = []
        try:
            if clause.using is not None:
                table = self._stable(clause.using.stable)
            elif clause.table is None:
                raise unsupported("INSERT INTO ? without USING")
            else:
                table = self.table(clause.table)
        except TDengineError as error:
            if error.code == errors.TABLE_MISSING:
                raise TDengineError(errors.STMT_TABLE_MISSING, "Table does not exist") from None
            raise
        if clause.table is None:
            fields.append(BindField(None, TABLE_NAME))
        if clause.using is not None:
            tags = _named_tags(clause.using, table)
            values = clause.using.tags
            fields += [BindField(t, TAG) for t, v in zip(tags, values, strict=True) if v.sort == "placeholder"]
        columns = _bound_columns(table, clause.columns, parsed.statement.sql)
        values = clause.rows[0].values
        if len(values) != len(columns):
            raise TDengineError(errors.COLUMN_COUNT, "Illegal number of columns")
        if any(value.sort != "placeholder" for value in values):
            raise unsupported("a prepared INSERT of ? and literals mixed")
        fields += [BindField(column, COLUMN) for column in columns]
        return Prepared(parsed, fields, PRECISIONS.index(table.database.precision))

    def bound_writes(self, prepared: Prepared, tables: Sequence[BoundTable]) -> list[Write]:
        """Check what is bound against the tables, make new children, and return the rows to write; raises BindError."""
        insert = prepared.parsed.statement
        assert isinstance(insert, Insert)
        clause = insert.clauses[0]
        checked: list[tuple[Callable[[], Table], tuple[Column, ...], list[pa.Array]]] = []
        for bound in tables:
            if clause.using is not None:
                table = self._stable(clause.using.stable)
                name = bound.name if clause.table is None else clause.table.name
                if not name:
                    raise BindError(errors.INVALID_OPERATION, "table name not bound")
                named = statements.TableName(*name.split(".", 1)) if "." in name else statements.TableName(None, name)
                make = _child_maker(
                    self.storage,
                    table,
                    table.database,
                    named.name,
                    self._bound_tags(prepared, clause.using, table, bound),
                )
            else:
                assert clause.table is not None
                table = self.table(clause.table)
                make = _present(table)
            columns = _bound_columns(table, clause.columns, insert.sql)
            if len(bound.columns) != len(columns):
                raise BindError(errors.ADAPTER, "stmt column count not match")
            arrays = [
                _checked(item, column, primary=column is table.columns[0])
                for item, column in zip(bound.columns, columns, strict=True)
            ]
            if len({len(array) for array in arrays}) > 1:
                raise BindError(errors.INVALID_OPERATION, "row number in each bind param should be the same")
            columns, arrays = _key_first(columns, arrays)
            _check_times(arrays[0], table.database)
            checked.append((make, columns, arrays))
        return [Write(make(), columns, tuple(arrays)) for make, columns, arrays in checked]

    def _bound_tags(
        self, prepared: Prepared, using: statements.ChildTable, stable: Table, bound: BoundTable
    ) -> list[Any]:
        tags: list[Any] = [None] * len(stable.tags)
        items = iter(bound.tags)
        literals = Literals("", self._moment(stable.database.precision))
        for tag, value in zip(_named_tags(using, stable), using.tags, strict=True):
            at = stable.tags.index(tag)
            if value.sort != "placeholder":
                tags[at] = literals.convert(value, tag)
                continue
            item = next(items, None)
            if item is None:
                raise BindError(errors.ADAPTER, "stmt tags count not match")
            tags[at] = _checked(item, tag)[0].as_py()
        return tags


class _Context:
    """What `sql.select` asks about a session."""

    def __init__(self, session: Session, parameters: Sequence[Typed]) -> None:
        self.parameters = parameters
        self._session = session
        self._now = time.time_ns()

    def environment(self, precision: str, time: str | None) -> Environment:
        session = self._session
        return Environment(
            precision,
            time,
            self._now,
            utc_offset(session.zone, self._now / 1e9),
            session.zone,
            _zone_text(session),
            session.database,
            USER,
        )

    def table(self, name: statements.TableName) -> Table:
        try:
            return self._session.table(name)
        except TDengineError as error:
            if error.code in (errors.TABLE_MISSING, errors.DATABASE_MISSING):
                raise TDengineError(error.code, f"Fail to get table info, error: {error.message}") from None
            raise

    def system_table(self, name: statements.TableName) -> select.SystemTable | None:
        if (name.database or self._session.database) != INFORMATION_SCHEMA:
            return None
        return catalogue.system_table(name.name, self._session.storage.databases)


def _zone_text(session: Session) -> str:
    """What TIMEZONE() says, `UTC (UTC, +0000)` for one."""
    offset = utc_offset(session.zone, time.time())
    sign = f"{'-' if offset < 0 else '+'}{abs(offset) // 3600:02}{abs(offset) // 60 % 60:02}"
    if session.zone is not None:
        return f"{session.zone} ({session.zone}, {sign})"
    return f"{time.tzname[0]} ({time.tzname[0]}, {sign})"


def _names(column: str, length: int, names: Sequence[str]) -> Result:
    return Result.of([Field(column, Type(VARCHAR, length))], [(name,) for name in names])


def _shown(first: str, length: int, name: str, second: str, sql_length: int, sql: str) -> Result:
    fields = [Field(first, Type(VARCHAR, length)), Field(second, Type(VARCHAR, sql_length))]
    return Result.of(fields, [(name, sql)])


def _check_definition(statement: statements.CreateTable) -> None:
    columns, tags = statement.columns, statement.tags or ()
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
            raise TDengineError(0x2672, "primary key column must be second column")
        if column.key and at == 1 and not ((kind.integer and kind.size >= 4) or kind is VARCHAR):
            raise TDengineError(0x2673, "primary key column must be of type int, uint, bigint, ubigint, and varchar")


def _present(table: Table) -> Callable[[], Table]:
    return lambda: table


def _child_maker(
    storage: Storage, stable: Table, database: Database, name: str, tags: Sequence[Any]
) -> Callable[[], Table]:
    return lambda: storage.create_child(stable, database, name, tags)


def _bound_columns(table: Table, names: tuple[tuple[str, int], ...] | None, sql: str) -> tuple[Column, ...]:
    """The columns that an INSERT names, or all of them."""
    if names is None:
        return table.columns
    found = []
    for name, start in names:
        column = table.column(name)
        if column is None:
            raise insert_error(sql[start:], "invalid column/tag name")
        if column in found:
            raise insert_error(sql[start:], "duplicated column name")
        found.append(column)
    if table.columns[0] not in found:
        raise TDengineError(errors.INVALID_OPERATION, "primary timestamp column can not be null")
    if table.key is not None and table.key not in found:
        raise TDengineError(errors.INVALID_OPERATION, "primary key column can not be null")
    return tuple(found)


def _key_first(columns: tuple[Column, ...], arrays: list[pa.Array]) -> tuple[tuple[Column, ...], list[pa.Array]]:
    """The timestamp moved to the front, which storage expects."""
    at = next(i for i, column in enumerate(columns) if column.physical == "c0")
    if at == 0:
        return columns, arrays
    order = [at, *(i for i in range(len(columns)) if i != at)]
    return tuple(columns[i] for i in order), [arrays[i] for i in order]


def _check_times(times: pa.Array, database: Database) -> None:
    """0x060B for timestamps older than the database's KEEP, or beyond the year 2970 (ns: 2262)."""
    if not len(times):
        return
    bounds = pc.min_max(times)
    keep = catalogue.keep_text(database.options).rsplit(",", 1)[-1]
    seconds = (
        int(keep[:-1]) * {"m": 60, "h": 3600, "d": 86400}.get(keep[-1], 86400)
        if keep[:-1].isdigit()
        else 86400 * _KEEP_DAYS
    )
    oldest = (time.time_ns() // 10**9 - seconds) * UNITS_PER_SECOND[database.precision]
    if bounds["min"].as_py() < oldest or bounds["max"].as_py() > _LATEST[database.precision]:
        raise TDengineError(errors.TIMESTAMP_RANGE, "Timestamp data out of range")


def _named_tags(using: statements.ChildTable, stable: Table) -> list[Column]:
    """The tags that USING names, or all of them; 0x260D if the number of values differs."""
    if using.tag_names is None:
        tags = list(stable.tags)
    else:
        tags = []
        for name in using.tag_names:
            tag = stable.tag(name)
            if tag is None:
                raise TDengineError(errors.TAG_MISSING, f"Invalid tag name: {name}")
            tags.append(tag)
    if len(tags) != len(using.tags):
        raise TDengineError(errors.TAGS_NOT_MATCHED, "Tags number not matched")
    return tags


def _tags(using: statements.ChildTable, stable: Table, literals: Literals) -> list[Any]:
    """The values of all tags of a super table in their order, NULL for those that are not named."""
    values: list[Any] = [None] * len(stable.tags)
    for tag, value in zip(_named_tags(using, stable), using.tags, strict=True):
        values[stable.tags.index(tag)] = literals.convert(value, tag)
    return values


def _checked(item: BoundColumn, column: Column, primary: bool = False) -> pa.Array:
    """A bound column, if it fits the table's; BindError if it does not."""
    if item.kind is not column.type.kind:
        raise BindError(errors.INVALID_OPERATION, "column type mis-match with buffer type")
    array = item.values
    if (primary or column.key) and array.null_count:
        raise BindError(errors.KEY_NULL, "Primary key column should not be null", "Value too long for column/tag")
    if column.type.kind is NCHAR and len(array) and (pc.max(pc.utf8_length(array)).as_py() or 0) > column.type.length:
        raise BindError(errors.VALUE_TOO_LONG, f"Value too long for column/tag: {column.name}")
    if (
        column.type.kind is VARCHAR
        and len(array)
        and (pc.max(pc.binary_length(array)).as_py() or 0) > column.type.length
    ):
        raise BindError(errors.VALUE_TOO_LONG, "Value too long for column/tag", "success")
    return array


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
    statements.Describe: Session._describe,
    statements.Show: Session._show,
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
    "set_tag": Session._set_tag,
}

__all__ = ["BindError", "BindField", "Prepared", "Result", "Session", "Update", "field", "parameter"]
