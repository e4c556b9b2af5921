"""Databases, tables and rows in DuckDB.

Rows are kept without an index: TDengine's rows come in the order of time nearly always, so a batch that is newer than
all before is appended, and only others look for rows to replace, inside the time range of the batch, where DuckDB's
zone maps leave little to read. With a primary key, inserting took five times as long and sweeping forty times.

Retention needs no compaction of our own (DuckDB 2.0.0, measured): while 6 million rows passed through a window of one
million, the process stayed between 156 and 184 MB, and a sweep step of 100,000 rows took 4 to 9 ms.
"""

from __future__ import annotations

import json
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from embedded import errors, limits
from embedded.errors import TDengineError
from embedded.schema import Column, Database, Table
from embedded.types import BY_CODE, Type

BATCH_ROWS = 4096
_SWEEP_ROWS = 100_000

_CATALOGUE = """
CREATE TABLE IF NOT EXISTS databases (id INTEGER, name VARCHAR, precision VARCHAR, options VARCHAR, created BIGINT);
CREATE TABLE IF NOT EXISTS tables (id INTEGER, database INTEGER, name VARCHAR, is_super BOOLEAN, columns VARCHAR,
    tags VARCHAR, created BIGINT, ordered BOOLEAN);
"""


@dataclass(frozen=True)
class Write:
    """Rows for one table: arrays in the order of `columns`, of which the first is the primary timestamp."""

    table: Table
    columns: tuple[Column, ...]
    arrays: tuple[pa.Array, ...]


class Rows:
    """The rows of a query, read from DuckDB as they are asked for."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, reader: pa.RecordBatchReader, schema: pa.Schema) -> None:
        self._cursor: duckdb.DuckDBPyConnection | None = cursor
        self._reader = reader
        self._schema = schema
        self._rest: pa.RecordBatch | None = None

    def next(self) -> pa.RecordBatch | None:
        """The next batch of 1 to 4096 rows, or None at the end."""
        while self._rest is None or not self._rest.num_rows:
            if self._cursor is None:
                return None
            try:
                batch = self._reader.read_next_batch()
            except StopIteration:
                self.close()
                return None
            except (duckdb.Error, pa.ArrowException) as error:
                self.close()
                raise _translated(error) from None
            self._rest = batch if batch.schema == self._schema else batch.cast(self._schema)
        rows = BATCH_ROWS
        if self._rest.nbytes > limits.BATCH_BYTES:
            rows = max(1, min(rows, self._rest.num_rows * limits.BATCH_BYTES // self._rest.nbytes))
        batch = self._rest.slice(0, rows)
        self._rest = self._rest.slice(rows)
        return batch

    def close(self) -> None:
        """Let go of the query, finished or not."""
        if self._cursor is not None:
            cursor, self._cursor = self._cursor, None
            self._reader.close()
            cursor.close()


def _translated(error: Exception) -> TDengineError:
    """An error of DuckDB in TDengine's terms; it should not come to this, so the text says where it is from."""
    text = str(error).splitlines()[0]
    if isinstance(error, duckdb.OutOfMemoryException):
        return TDengineError(errors.MEMORY_EXHAUSTED, "Query memory exhausted")
    if isinstance(error, duckdb.InterruptException):
        return TDengineError(errors.CANCELLED, "Query cancelled")
    if isinstance(error, duckdb.ConversionException | duckdb.OutOfRangeException) and "DECIMAL" in text:
        return TDengineError(errors.DECIMAL_OVERFLOW, "Decimal value overflow")
    if errors.TOO_LONG_A_RESULT in text:
        return TDengineError(errors.PARAMETER_RANGE, f"Invalid parameter range : {errors.TOO_LONG_A_RESULT}")
    if isinstance(error, duckdb.CatalogException):
        # Dropped by another connection while this one was translating its query.
        return TDengineError(errors.TABLE_MISSING, "Table does not exist")
    return TDengineError(errors.INVALID_OPERATION, f"embedded server: {text}")


class Storage:
    """All databases, in memory or in the DuckDB file `path`, which only its owner may read.

    `memory` is how much DuckDB may hold there, `1GB` say. Methods may be called from any thread.
    """

    def __init__(self, path: Path | None = None, memory: str = limits.MEMORY) -> None:
        config: dict[str, str | bool | int | float | list[str]] = {
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "order_by_non_integer_literal": "true",  # `tbname` of a child is one text for all its rows
        }
        self._root = duckdb.connect(str(path) if path else ":memory:", config=config)
        if path is not None:
            path.chmod(0o600)
        else:
            self._root.execute(f"SET temp_directory = '{tempfile.gettempdir()}/embedded-duckdb-{id(self)}'")
        self._root.execute("SET python_enable_replacements = false; SET enable_progress_bar = false")
        self._root.execute(f"SET memory_limit = '{memory}'; SET max_temp_directory_size = '{limits.TEMPORARY}'")
        # One core stays for those who ask little.
        self._root.execute(f"SET threads = {max(1, len(os.sched_getaffinity(0)) - 1)}")
        self._lock = threading.RLock()
        self._writer = self._root.cursor()
        self.databases: dict[str, Database] = {}
        self._newest: dict[str, dict[int, int]] = {}
        self._last_id = 0
        self._load()

    def close(self) -> None:
        """Close DuckDB; what was committed is in the file even if a long write keeps this from closing it."""
        if self._lock.acquire(timeout=0.5):
            self._writer.close()
            self._root.close()

    def _load(self) -> None:
        self._writer.execute(_CATALOGUE)
        by_id: dict[int, Database] = {}
        for id_, name, precision, options, created in self._fetch("SELECT * FROM databases"):
            by_id[id_] = self.databases[name] = Database(id_, name, precision, json.loads(options), created)
            self._last_id = max(self._last_id, id_)
        for id_, database_id, name, is_super, columns, tags, created, ordered in self._fetch("SELECT * FROM tables"):
            database = by_id[database_id]
            table = Table(id_, database, name, created, _columns(columns), _columns(tags), is_super, ordered=ordered)
            database.tables[name] = table
            self._last_id = max(self._last_id, id_)
            child = "child" if is_super else "0"
            newest = self._fetch(f"SELECT {child}, max(c0) FROM {table.data} GROUP BY ALL")
            self._newest[table.data] = {number: latest for number, latest in newest if latest is not None}
            if is_super:
                for number, child_name, since, *values in self._fetch(f"SELECT * FROM {table.children}"):
                    database.tables[child_name] = _child(table, number, child_name, since, values)
                    self._last_id = max(self._last_id, number)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """All or nothing of what the writer does inside; errors of DuckDB become TDengine's."""
        self._writer.execute("BEGIN")
        try:
            yield
            self._writer.execute("COMMIT")
        except BaseException as error:
            with suppress(duckdb.Error):
                self._writer.execute("ROLLBACK")
            if isinstance(error, duckdb.Error):
                raise _translated(error) from None
            raise

    def _fetch(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self._writer.execute(sql, list(parameters)).fetchall()

    # Databases and tables.

    def create_database(self, name: str, precision: str, options: dict[str, str]) -> None:
        """Make a database; 0x0381 if it is there."""
        with self._lock:
            if name in self.databases:
                raise TDengineError(errors.DATABASE_EXISTS, "Database already exists")
            database = Database(self._new_id(), name, precision, options, _now_ms())
            self._writer.execute(
                "INSERT INTO databases VALUES (?, ?, ?, ?, ?)",
                [database.id, name, precision, json.dumps(options), database.created],
            )
            self.databases[name] = database

    def alter_database(self, name: str, options: dict[str, str]) -> None:
        """Change options of a database; 0x0388 if it is missing."""
        with self._lock:
            database = self.database(name)
            database.options.update(options)
            self._writer.execute(
                "UPDATE databases SET options = ? WHERE id = ?", [json.dumps(database.options), database.id]
            )

    def drop_database(self, name: str) -> None:
        """Drop a database and all that is in it; 0x0388 if it is missing."""
        with self._lock:
            database = self.database(name)
            with self._transaction():
                for table in database.tables.values():
                    if table.stable is None:
                        self._drop_data(table)
                self._writer.execute("DELETE FROM tables WHERE database = ?", [database.id])
                self._writer.execute("DELETE FROM databases WHERE id = ?", [database.id])
            del self.databases[name]
            for table in database.tables.values():
                self._newest.pop(table.data, None)

    def database(self, name: str) -> Database:
        """The database of that name; 0x0388 if it is missing."""
        database = self.databases.get(name)
        if database is None:
            raise TDengineError(errors.DATABASE_MISSING, "Database not exist")
        return database

    def create_table(
        self,
        database: Database,
        name: str,
        columns: Sequence[tuple[str, Type, bool]],
        tags: Sequence[tuple[str, Type]] | None,
    ) -> Table:
        """Make a plain table, or a super table if `tags` is not None, of (name, type, composite key) columns.

        0x0603 if it is there.
        """
        with self._lock:
            self._check_database(database)
            if name in database.tables:
                raise TDengineError(errors.TABLE_EXISTS, "Table already exists")
            table = Table(
                self._new_id(),
                database,
                name,
                _now_ms(),
                tuple(Column(column, type_, f"c{at}", key) for at, (column, type_, key) in enumerate(columns)),
                tuple(Column(tag, type_, f"t{at}") for at, (tag, type_) in enumerate(tags or ())),
                is_super=tags is not None,
            )
            parts = [f"{column.physical} {column.type.duckdb}" for column in table.columns] + ["stored BIGINT"]
            if table.is_super:
                parts.insert(0, "child INTEGER")
            with self._transaction():
                self._writer.execute(f"CREATE TABLE {table.data} ({', '.join(parts)})")
                if table.is_super:
                    kinds = "".join(f", {tag.physical} {tag.type.duckdb}" for tag in table.tags)
                    self._writer.execute(
                        f"CREATE TABLE {table.children} (child INTEGER, tbname VARCHAR, created BIGINT{kinds})"
                    )
                self._writer.execute(
                    "INSERT INTO tables VALUES (?, ?, ?, ?, ?, ?, ?, true)",
                    [
                        table.id,
                        database.id,
                        name,
                        table.is_super,
                        _json(table.columns),
                        _json(table.tags),
                        table.created,
                    ],
                )
            self._newest[table.data] = {}
            database.tables[name] = table
            return table

    def create_child(self, stable: Table, database: Database, name: str, tags: Sequence[Any]) -> Table:
        """Make a child of a super table with its tags' values, or return the one there is of that super table."""
        with self._lock:
            self._check(stable)
            present = database.tables.get(name)
            if present is not None:
                if present.stable is not stable:
                    raise TDengineError(errors.TABLE_EXISTS, "Table already exists")
                return present
            child = _child(stable, self._new_id(), name, _now_ms(), tags)
            marks = ", ".join("?" * (3 + len(tags)))
            self._writer.execute(
                f"INSERT INTO {stable.children} VALUES ({marks})", [child.child, name, child.created, *tags]
            )
            database.tables[name] = child
            return child

    def drop_table(self, table: Table) -> None:
        """Drop a table with its rows; with a super table go its children."""
        with self._lock:
            self._check(table)
            tables = table.database.tables
            with self._transaction():
                if table.stable is not None:
                    self._writer.execute(f"DELETE FROM {table.data} WHERE child = ?", [table.child])
                    self._writer.execute(f"DELETE FROM {table.children} WHERE child = ?", [table.child])
                else:
                    self._drop_data(table)
                    self._writer.execute("DELETE FROM tables WHERE id = ?", [table.id])
            del tables[table.name]
            if table.stable is None:
                self._newest.pop(table.data, None)
                for name in [name for name, child in tables.items() if child.stable is table]:
                    del tables[name]
            else:
                self._newest[table.data].pop(table.child, None)

    def _drop_data(self, table: Table) -> None:
        self._writer.execute(f"DROP TABLE {table.data}")
        if table.is_super:
            self._writer.execute(f"DROP TABLE {table.children}")

    def alter(self, table: Table, columns: tuple[Column, ...], tags: tuple[Column, ...]) -> None:
        """Give a plain or super table other columns and tags: added ones get NULL, missing ones go."""
        with self._lock:
            self._check(table)
            with self._transaction():
                for relation, before, after in (
                    (table.data, table.columns, columns),
                    (table.children, table.tags, tags),
                ):
                    old = {column.physical: column for column in before}
                    new = {column.physical: column for column in after}
                    for physical in old.keys() - new.keys():
                        self._writer.execute(f"ALTER TABLE {relation} DROP COLUMN {physical}")
                    for physical in sorted(new.keys() - old.keys()):
                        kind = new[physical].type.duckdb
                        self._writer.execute(f"ALTER TABLE {relation} ADD COLUMN {physical} {kind}")
                self._writer.execute(
                    "UPDATE tables SET columns = ?, tags = ? WHERE id = ?", [_json(columns), _json(tags), table.id]
                )
            kept = {tag.physical: at for at, tag in enumerate(table.tags)}
            for child in table.database.tables.values():
                if child.stable is table:
                    child.columns = columns
                    had = child.tag_values
                    child.tag_values = tuple(had[kept[t.physical]] if t.physical in kept else None for t in tags)
            table.columns, table.tags = columns, tags

    def set_tag(self, child: Table, tag: Column, value: Any) -> None:
        """Change one tag of a child."""
        with self._lock:
            self._check(child)
            self._writer.execute(
                f"UPDATE {child.children} SET {tag.physical} = ? WHERE child = ?", [value, child.child]
            )
            values = zip((child.stable or child).tags, child.tag_values, strict=True)
            child.tag_values = tuple(value if known is tag else old for known, old in values)

    def _check(self, table: Table) -> None:
        """0x2603 for a table that another connection has dropped since it was looked up."""
        self._check_database(table.database)
        if table.database.tables.get(table.name) is not table:
            raise TDengineError(errors.TABLE_MISSING, "Table does not exist")

    def _check_database(self, database: Database) -> None:
        if self.databases.get(database.name) is not database:
            raise TDengineError(errors.DATABASE_MISSING, "Database not exist")

    def _new_id(self) -> int:
        self._last_id += 1
        return self._last_id

    # Rows.

    def write(self, writes: Sequence[Write]) -> int:
        """Insert or replace rows, all or none; returns how many distinct keys were written.

        Of several rows with one key the last wins. A row that is there keeps the columns that a write does not name.
        """
        groups: dict[tuple[str, tuple[Column, ...]], list[Write]] = {}
        for write in writes:
            groups.setdefault((write.table.data, write.columns), []).append(write)
        with self._lock:
            for write in writes:
                self._check(write.table)
            with self._transaction():
                newest: list[tuple[str, int, int]] = []
                affected = sum(self._write_group(group, newest) for group in groups.values())
            for data, child, latest in newest:
                known = self._newest[data]
                known[child] = max(known.get(child, latest), latest)
            return affected

    def _write_group(self, writes: list[Write], newest: list[tuple[str, int, int]]) -> int:
        """Write rows of the same columns into one DuckDB table; notes the newest timestamp of each child."""
        table, columns = writes[0].table, writes[0].columns
        known = self._newest[table.data]
        appends = True
        for write in writes:
            bounds = pc.min_max(write.arrays[0])
            low, high = bounds["min"].as_py(), bounds["max"].as_py()
            if low is None:
                continue
            newest.append((table.data, write.table.child, high))
            latest = known.get(write.table.child)
            appends = appends and (latest is None or low > latest)
        batch, rows = _combined(writes)
        if not rows:
            return 0
        self._writer.register("batch", batch)
        try:
            if not appends or len({write.table.child for write in writes}) < len(writes):
                self._replace(table, columns, batch)
            else:
                names = ", ".join(batch.schema.names)
                self._writer.execute(f"INSERT INTO {table.data} ({names}) SELECT {names} FROM batch")
        finally:
            self._writer.unregister("batch")
        return rows

    def _replace(self, table: Table, columns: tuple[Column, ...], batch: pa.Table) -> None:
        """Replace the rows of the batch's keys, inside its time range only."""
        owner = table.stable or table
        if owner.ordered:
            owner.ordered = False
            for child in owner.database.tables.values():
                if child.stable is owner:
                    child.ordered = False
            self._writer.execute("UPDATE tables SET ordered = false WHERE id = ?", [owner.id])
        bounds = pc.min_max(batch["c0"])
        between = f"c0 BETWEEN {bounds['min'].as_py()} AND {bounds['max'].as_py()}"
        keys = [
            name for name in batch.schema.names if name in ("child", "c0") or (table.key and name == table.key.physical)
        ]
        same = " AND ".join(f"old.{key} = new.{key}" for key in keys)
        kept = [column.physical for column in table.columns if column not in columns]
        source = "batch"
        if kept:
            old = ", ".join(f"old.{name}" for name in kept)
            listed = ", ".join([*keys, *kept])
            self._writer.execute(
                f"CREATE OR REPLACE TEMP TABLE merged AS SELECT new.*, {old} FROM batch AS new LEFT JOIN "
                f"(SELECT {listed} FROM {table.data} WHERE {between}) AS old ON {same} ORDER BY new.c0"
            )
            source = "merged"
        self._writer.execute(f"DELETE FROM {table.data} AS old USING batch AS new WHERE old.{between} AND {same}")
        names = ", ".join([*batch.schema.names, *kept])
        self._writer.execute(f"INSERT INTO {table.data} ({names}) SELECT {names} FROM {source}")

    def delete(self, table: Table, condition: str) -> int:
        """Delete the rows for which `condition` (DuckDB SQL over c0) holds; returns how many."""
        only = f"({condition})"
        if table.stable is not None:
            only += f" AND child = {table.child}"
        with self._lock:
            self._check(table)
            return int(self._fetch(f"DELETE FROM {table.data} WHERE {only}")[0][0])

    def query(
        self,
        sql: str,
        schema: pa.Schema,
        tables: dict[str, pa.Table] | None = None,
        begins: Callable[[Callable[[], None]], None] = lambda interrupt: None,
    ) -> Rows:
        """Start a query whose result has that Arrow schema; `tables` are Arrow tables that it may select from.

        Before it runs, `begins` is given what lets it fail at once, to be called from any other thread.
        """
        cursor = self._root.cursor()

        def interrupt() -> None:
            with suppress(duckdb.Error):  # it may have been closed long ago
                cursor.interrupt()

        begins(interrupt)
        try:
            for name, table in (tables or {}).items():
                cursor.register(name, table)
            reader = cursor.sql(sql).to_arrow_reader(BATCH_ROWS)
        except duckdb.Error as error:
            cursor.close()
            raise _translated(error) from None
        return Rows(cursor, reader, schema)

    def sweep(self, stored_before: int) -> int:
        """Delete rows stored before that instant (epoch milliseconds), a bounded number of each table.

        Returns how many.

        Age counts from when a row was stored, so that old timestamps can be tried out. Call again while it returns
        rows.
        """
        deleted = 0
        with self._lock:
            names = list(self._newest)
        for name in names:
            with self._lock:
                if name not in self._newest:
                    continue
                deleted += int(
                    self._fetch(
                        f"DELETE FROM {name} WHERE rowid IN "
                        f"(SELECT rowid FROM {name} WHERE stored < {stored_before} LIMIT {_SWEEP_ROWS})"
                    )[0][0]
                )
        return deleted

    def memory(self) -> int:
        """Bytes that DuckDB holds."""
        with self._lock:
            return int(self._fetch("SELECT sum(memory_usage_bytes) FROM duckdb_memory()")[0][0])


def _combined(writes: list[Write]) -> tuple[pa.Table, int]:
    """The rows of all writes in the order of time, one row a key, with their child and time of storing."""
    table, columns = writes[0].table, writes[0].columns
    names = [column.physical for column in columns]
    parts = []
    for write in writes:
        part = pa.table(list(write.arrays), names=names)
        if table.has_children:
            part = part.append_column("child", pa.array([write.table.child] * part.num_rows, pa.int32()))
        parts.append(part)
    combined = parts[0] if len(parts) == 1 else pa.concat_tables(parts).combine_chunks()
    times = combined["c0"].combine_chunks() if isinstance(combined["c0"], pa.ChunkedArray) else combined["c0"]
    rising = len(times) < 2 or pc.all(pc.less(times.slice(0, len(times) - 1), times.slice(1))).as_py()
    if not rising:
        keys = [name for name in ("child", "c0") if name in combined.schema.names]
        if table.key is not None and table.key.physical in names:
            keys.append(table.key.physical)
        last = {key: at for at, key in enumerate(zip(*(combined[name].to_pylist() for name in keys), strict=True))}
        combined = combined.take(pa.array(last.values(), pa.int64())).sort_by("c0")
    stored = pa.array([_now_ms()] * combined.num_rows, pa.int64())
    return combined.append_column("stored", stored), combined.num_rows


def _child(stable: Table, number: int, name: str, created: int, tags: Sequence[Any]) -> Table:
    return Table(
        number,
        stable.database,
        name,
        created,
        stable.columns,
        stable=stable,
        child=number,
        tag_values=tuple(tags),
        ordered=stable.ordered,
    )


def _json(columns: Sequence[Column]) -> str:
    return json.dumps(
        [
            [
                *(column.name, column.type.kind.code, column.type.length, column.physical, column.key),
                *(column.type.precision, column.type.scale),
            ]
            for column in columns
        ]
    )


def _columns(text: str) -> tuple[Column, ...]:
    return tuple(
        Column(name, Type(BY_CODE[code], length, precision, scale), physical, key)
        for name, code, length, physical, key, precision, scale in json.loads(text)
    )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
