"""INSERT, from SQL text and from binds: checked against the tables, and made into writes.

Everything of a statement is checked before a child is made or a row is written.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import InvalidOperation
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from embedded import catalogue, errors
from embedded.errors import TDengineError, insert_error, unsupported
from embedded.protocol.binds import BoundColumn, BoundTable
from embedded.schema import Column, Database, Table
from embedded.sql.parser import Insert
from embedded.sql.statements import ChildTable, InsertClause, Row, TableName, Value
from embedded.sql.values import Literals, Moment, json_tag, to_decimal
from embedded.storage import Storage, Write
from embedded.types import JSON, NCHAR, UNITS_PER_SECOND, VARCHAR, Type

TABLE_NAME, TAG, COLUMN = 4, 2, 1
"""What a `?` of a prepared INSERT is for, as stmt2 numbers it."""

TBNAME = Column("tbname", Type(VARCHAR, 192), "tbname")
_LATEST = {"ms": 31_556_995_200_000, "us": 31_556_995_200_000_000, "ns": 9_214_646_400_000_000_000}
_MOST_NAME_BYTES = 192
_UNIT_SECONDS = {"m": 60, "h": 3600, "d": 86400}


class BindError(TDengineError):
    """A refused bind.

    `exec_message` is what TDengine then says to an exec (its client library keeps a message of its own).
    """

    def __init__(self, code: int, message: str, exec_message: str | None = None) -> None:
        super().__init__(code, message)
        self.exec_message = message if exec_message is None else exec_message


@dataclass(frozen=True)
class BindField:
    """One `?` of a prepared INSERT.

    The column or tag it is for (`TBNAME`: the table's name) and which of the three it is.
    """

    column: Column
    bind_type: int


@dataclass(frozen=True)
class _Child:
    """A child that is made, if it is not there, when all is checked."""

    stable: Table
    name: str
    tags: Sequence[Any]


@dataclass(frozen=True)
class _Part:
    """Checked rows for one table."""

    target: Table | _Child
    columns: tuple[Column, ...]
    arrays: tuple[pa.Array, ...]


@dataclass(frozen=True)
class Listed:
    """The column list of an INSERT, resolved: columns with values, and for a super table its tags and tbname too."""

    items: tuple[Column, ...]
    columns: tuple[Column, ...]
    tags: tuple[Column, ...] = ()


@dataclass
class Inserter:
    """Checks and writes INSERTs of one session; `table` finds a table by its name in a statement."""

    storage: Storage
    table: Callable[[TableName], Table]
    moment: Callable[[str], Moment]

    def insert(self, insert: Insert) -> int:
        """Carry out an INSERT of literals; returns the rows affected."""
        parts: list[_Part] = []
        for clause in insert.clauses:
            parts += self._clause_parts(clause, insert.sql)
        return self.storage.write(self.writes(parts))

    def writes(self, parts: Sequence[_Part]) -> list[Write]:
        """Make the children that are not there yet, and the writes."""
        writes = []
        for part in parts:
            target = part.target
            if isinstance(target, _Child):
                target = self.storage.create_child(target.stable, target.stable.database, target.name, target.tags)
            writes.append(Write(target, part.columns, part.arrays))
        return writes

    def _clause_parts(self, clause: InsertClause, sql: str) -> list[_Part]:
        assert clause.table is not None
        if clause.using is not None:
            stable = self.stable(clause.using.stable)
            literals = Literals(sql, self.moment(stable.database.precision))
            if len(clause.using.tags) < len(clause.using.tag_names or stable.tags):
                raise insert_error(sql[clause.using.end :], "invalid data or symbol")
            child = _Child(stable, clause.table.name, tag_values(clause.using, stable, literals))
            columns = self.listed(stable, clause, sql).columns
            return [_part(child, columns, literals.columns(columns, clause.rows), stable.database)]
        table = self.table(clause.table)
        literals = Literals(sql, self.moment(table.database.precision))
        listed = self.listed(table, clause, sql)
        if table.is_super:
            return self._super_parts(table, listed, clause.rows, literals)
        return [_part(table, listed.columns, literals.columns(listed.columns, clause.rows), table.database)]

    def _super_parts(self, stable: Table, listed: Listed, rows: Sequence[Row], literals: Literals) -> list[_Part]:
        """INSERT INTO a super table with tbname among the columns: rows go to the children they name."""
        by_name: dict[str, list[Row]] = {}
        tags: dict[str, list[Any]] = {}
        for row in rows:
            literals.check_count(row, len(listed.items))
            values = dict(zip(listed.items, row.values, strict=True))
            name = literals.convert(values[TBNAME], TBNAME)
            data = Row(tuple(values[column] for column in listed.columns), row.end)
            by_name.setdefault(name, []).append(data)
            if name not in tags:
                given = {tag: literals.convert(values[tag], tag) for tag in listed.tags}
                tags[name] = [given.get(tag) for tag in stable.tags]
        return [
            _part(
                _Child(stable, name, tags[name]),
                listed.columns,
                literals.columns(listed.columns, data),
                stable.database,
            )
            for name, data in by_name.items()
        ]

    def stable(self, name: TableName) -> Table:
        """The super table of that name."""
        table = self.table(name)
        if not table.is_super:
            raise TDengineError(errors.INVALID_OPERATION, "create table only from super table is allowed")
        return table

    def listed(self, table: Table, clause: InsertClause, sql: str) -> Listed:
        """The columns that an INSERT names, or all of them; 0x2602 for an unknown one."""
        into_super = table.is_super and clause.using is None
        if clause.columns is None:
            if into_super:
                raise insert_error(
                    sql[clause.after_table :], "(...tbname, ts...) bounded cols is expected for supertable insertion"
                )
            return Listed(table.columns, table.columns)
        known = {column.name: column for column in (*table.columns, *((*table.tags, TBNAME) if into_super else ()))}
        items: list[Column] = []
        for name in clause.columns:
            column = known.get(name)
            if column is None:
                raise TDengineError(errors.COLUMN_MISSING, f"Invalid column name: {name}")
            if column in items:
                raise insert_error(name, "duplicated column name")
            items.append(column)
        if table.columns[0] not in items:
            raise TDengineError(errors.INVALID_OPERATION, "Primary timestamp column should not be null")
        if table.key is not None and table.key not in items:
            raise TDengineError(errors.INVALID_OPERATION, "Primary key column should not be none")
        if into_super and TBNAME not in items:
            raise TDengineError(errors.INVALID_OPERATION, "tbname column should not be null")
        columns = tuple(item for item in items if item in table.columns)
        return Listed(tuple(items), columns, tuple(item for item in items if item in table.tags))

    # Prepared statements.

    def bind_fields(self, insert: Insert) -> tuple[list[BindField], Table]:
        """What each `?` is for, and the table or super table; 0x022B if it is missing."""
        clauses = insert.clauses
        if len(clauses) != 1 or len(clauses[0].rows) != 1:
            raise unsupported("a prepared INSERT of several tables or rows")
        clause = clauses[0]
        try:
            if clause.using is not None:
                table = self.stable(clause.using.stable)
            elif clause.table is None:
                raise unsupported("INSERT INTO ? without USING")
            else:
                table = self.table(clause.table)
        except TDengineError as error:
            if error.code == errors.TABLE_MISSING:
                raise TDengineError(errors.STMT_TABLE_MISSING, "Table does not exist") from None
            raise
        fields = [BindField(TBNAME, TABLE_NAME)] if clause.table is None else []
        if clause.using is not None:
            tags = zip(named_tags(clause.using, table), clause.using.tags, strict=True)
            fields += [BindField(tag, TAG) for tag, value in tags if value.sort == "placeholder"]
        listed = self.listed(table, clause, insert.sql)
        values = clause.rows[0].values
        if len(values) != len(listed.items):
            raise TDengineError(errors.COLUMN_COUNT, "Illegal number of columns")
        if any(value.sort != "placeholder" for value in values):
            raise unsupported("a prepared INSERT of ? and literals mixed")
        for item in listed.items:
            bind_type = TABLE_NAME if item is TBNAME else TAG if item in listed.tags else COLUMN
            fields.append(BindField(item, bind_type))
        return fields, table

    def bound_parts(self, insert: Insert, tables: Sequence[BoundTable]) -> list[_Part]:
        """Check what is bound against the tables; raises BindError."""
        clause = insert.clauses[0]
        parts = []
        for bound in tables:
            target: Table | _Child
            if clause.using is not None:
                table = self.stable(clause.using.stable)
                name = bound.name if clause.table is None else clause.table.name
                literals = Literals(insert.sql, self.moment(table.database.precision))
                target = _Child(table, _bound_name(name), _bound_tags(clause.using, table, bound, literals))
            else:
                assert clause.table is not None
                target = table = self.table(clause.table)
            listed = self.listed(table, clause, insert.sql)
            if table.is_super and clause.using is None:
                target = _Child(table, _bound_name(bound.name), _super_tags(table, listed, bound))
            if len(bound.columns) != len(listed.columns):
                raise BindError(errors.ADAPTER, "stmt column count not match")
            arrays = [
                _checked(item, column, primary=column is table.columns[0])
                for item, column in zip(bound.columns, listed.columns, strict=True)
            ]
            if len({len(array) for array in arrays}) > 1:
                raise BindError(errors.INVALID_OPERATION, "row number in each bind param should be the same")
            parts.append(_part(target, listed.columns, arrays, table.database))
        return parts


def _part(target: Table | _Child, columns: tuple[Column, ...], arrays: Sequence[pa.Array], database: Database) -> _Part:
    """A part with the timestamp moved to the front, which storage expects, and its times checked."""
    at = next(i for i, column in enumerate(columns) if column.physical == "c0")
    order = [at, *(i for i in range(len(columns)) if i != at)]
    _check_times(arrays[at], database)
    return _Part(target, tuple(columns[i] for i in order), tuple(arrays[i] for i in order))


def _check_times(times: pa.Array, database: Database) -> None:
    """0x060B for timestamps older than the database's KEEP, or beyond the year 2970 (ns: 2262)."""
    if not len(times):
        return
    bounds = pc.min_max(times)
    keep = catalogue.keep_text(database.options).rsplit(",", 1)[-1]
    oldest = (time.time_ns() // 10**9 - int(keep[:-1]) * _UNIT_SECONDS[keep[-1]]) * UNITS_PER_SECOND[database.precision]
    if bounds["min"].as_py() < oldest or bounds["max"].as_py() > _LATEST[database.precision]:
        raise TDengineError(errors.TIMESTAMP_RANGE, "Timestamp data out of range")


def named_tags(using: ChildTable, stable: Table) -> list[Column]:
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


def tag_values(using: ChildTable, stable: Table, literals: Literals) -> list[Any]:
    """The values of all tags of a super table in their order, NULL for those that are not named."""
    given = {
        tag: literals.convert(value, tag) for tag, value in zip(named_tags(using, stable), using.tags, strict=True)
    }
    return [given.get(tag) for tag in stable.tags]


def _bound_name(name: str | None) -> str:
    """The child that a bind names, without its database."""
    if not name:
        raise BindError(errors.INVALID_OPERATION, "table name not bound")
    if len(name.rpartition(".")[2].replace("`", "").encode()) > _MOST_NAME_BYTES:
        raise BindError(errors.INVALID_OPERATION, "table name is too long")
    return name.replace("`", "").split(".")[-1]


def _bound_tags(using: ChildTable, stable: Table, bound: BoundTable, literals: Literals) -> list[Any]:
    items = iter(bound.tags)

    def value_of(tag: Column, value: Value) -> Any:
        if value.sort != "placeholder":
            return literals.convert(value, tag)
        item = next(items, None)
        if item is None:
            raise BindError(errors.ADAPTER, "stmt tags count not match" if bound.tags else "Tags are empty")
        return _checked(item, tag)[0].as_py()

    given = {tag: value_of(tag, value) for tag, value in zip(named_tags(using, stable), using.tags, strict=True)}
    return [given.get(tag) for tag in stable.tags]


def _super_tags(stable: Table, listed: Listed, bound: BoundTable) -> list[Any]:
    if len(bound.tags) != len(listed.tags):
        raise BindError(errors.ADAPTER, "stmt tags count not match")
    given = {tag: _checked(item, tag)[0].as_py() for tag, item in zip(listed.tags, bound.tags, strict=True)}
    return [given.get(tag) for tag in stable.tags]


def _checked(item: BoundColumn, column: Column, primary: bool = False) -> pa.Array:
    """A bound column, if it fits the table's; BindError if it does not."""
    kind, array = column.type.kind, item.values
    if item.kind is not kind and not (item.kind.decimal and kind.decimal) and not (item.kind.text and kind is JSON):
        raise BindError(errors.INVALID_OPERATION, "column type mis-match with buffer type")
    if (primary or column.key) and array.null_count:
        raise BindError(errors.KEY_NULL, "Primary key column should not be null", "Value too long for column/tag")
    if kind is NCHAR and len(array) and (pc.max(pc.utf8_length(array)).as_py() or 0) > column.type.length:
        raise BindError(errors.VALUE_TOO_LONG, f"Value too long for column/tag: {column.name}")
    if kind.decimal:
        return _decimals(array, column)
    if kind is JSON:
        return _json_tags(array)
    if kind.raw and len(array) and (pc.max(pc.binary_length(array)).as_py() or 0) > column.type.length:
        raise BindError(errors.VALUE_TOO_LONG, f"Value too long for column/tag: {column.name}")
    if kind is VARCHAR and len(array) and (pc.max(pc.binary_length(array)).as_py() or 0) > column.type.length:
        raise BindError(errors.VALUE_TOO_LONG, "Value too long for column/tag", "success")
    return array


def _decimals(array: pa.Array, column: Column) -> pa.Array:
    """Bound texts (or a query's DECIMALs) as the column's DECIMALs."""
    texts = array.cast(pa.string())
    try:
        numbers = [None if text is None else to_decimal(text, column.type) for text in texts.to_pylist()]
    except InvalidOperation:
        raise BindError(errors.INVALID_OPERATION, f"invalid decimal data: {column.name}") from None
    if numbers.count(None) > texts.null_count:
        raise BindError(errors.DECIMAL_OVERFLOW, "Decimal value overflow")
    return pa.array(numbers, column.type.arrow)


def _json_tags(array: pa.Array) -> pa.Array:
    try:
        return pa.array([None if text is None else json_tag(text) for text in array.to_pylist()], pa.string())
    except ValueError as error:
        raise BindError(errors.INVALID_OPERATION, str(error)) from None
