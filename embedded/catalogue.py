"""What the server tells about its databases and tables: SHOW, DESCRIBE and information_schema."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import pyarrow as pa

from embedded import errors
from embedded.errors import TDengineError, unsupported
from embedded.schema import INFORMATION_SCHEMA, PERFORMANCE_SCHEMA, Column, Database, Table
from embedded.sql.select import SystemTable
from embedded.types import (
    BIGINT,
    BOOL,
    DOUBLE,
    FLOAT,
    INT,
    JSON,
    SMALLINT,
    TIMESTAMP,
    TINYINT,
    USMALLINT,
    UTINYINT,
    VARCHAR,
    Field,
    Kind,
    Type,
)

Databases = dict[str, Database]


def _text(name: str, length: int) -> Field:
    return Field(name, Type(VARCHAR, length))


def _of(name: str, kind: Kind) -> Field:
    return Field(name, Type.of(kind))


DESCRIBE_FIELDS = (
    _text("field", 64),
    _text("type", 20),
    _of("length", INT),
    _text("note", 16),
    _text("encode", 12),
    _text("compress", 12),
    _text("level", 12),
)


def storage_options(kind: Kind) -> tuple[str, str, str]:
    """ENCODE, COMPRESS and LEVEL as TDengine chooses them by default; they mean nothing to DuckDB."""
    if kind in (FLOAT, DOUBLE):
        return "delta-d", "lz4", "medium"
    if kind is TIMESTAMP:
        return "delta-i", "lz4", "medium"
    if kind is BOOL:
        return "bit-packing", "zstd", "medium"
    if kind in (TINYINT, SMALLINT, UTINYINT, USMALLINT):
        return "simple8b", "zlib", "medium"
    return ("simple8b", "lz4", "medium") if kind.integer else ("disabled", "zstd", "medium")


def describe(table: Table) -> list[tuple[Any, ...]]:
    """The rows of DESCRIBE."""
    rows = []
    for column in table.columns:
        note, type_ = "COMPOSITE KEY" if column.key else "", column.type
        rows.append((column.name, _kind_text(type_), type_.length, note, *storage_options(type_.kind)))
    for tag in (table.stable or table).tags:
        rows.append((tag.name, tag.type.kind.name, tag.type.length, "TAG", *("disabled",) * 3))
    return rows


def show_create(table: Table) -> str:
    """The text of SHOW CREATE TABLE."""
    if table.stable is not None:
        names = ", ".join(f"`{tag.name}`" for tag in table.stable.tags)
        values = ", ".join(
            _tag_text(tag, value) for tag, value in zip(table.stable.tags, table.tag_values, strict=True)
        )
        return f"CREATE TABLE `{table.name}` USING `{table.stable.name}` ({names}) TAGS ({values})"
    columns = ", ".join(_column_text(column) for column in table.columns)
    if not table.is_super:
        return f"CREATE TABLE `{table.name}` ({columns})"
    tags = ", ".join(f"`{tag.name}` {tag.type}" for tag in table.tags)
    return f"CREATE STABLE `{table.name}` ({columns}) TAGS ({tags})"


def show_create_database(database: Database) -> str:
    """The text of SHOW CREATE DATABASE."""
    (row,) = _database_rows({database.name: database}, system=False)
    shown = dict(zip((field.name for field in _DATABASE_FIELDS), row, strict=True))
    options = " ".join(
        f"{word.upper()} " + (f"'{shown[word]}'" if word in _QUOTED_OPTIONS else str(int(shown[word])))
        if word not in ("duration", "keep")
        else f"{word.upper()} {shown[word]}"
        for word in _SHOWN_OPTIONS.split()
    )
    return f"CREATE DATABASE `{database.name}` {options} S3_CHUNKPAGES {shown['s3_chunkpages']} " + (
        f"S3_KEEPLOCAL {shown['s3_keeplocal']}m S3_COMPACT {shown['s3_compact']}"
    )


_SHOWN_OPTIONS = """
    buffer cachesize cachemodel comp duration wal_fsync_period maxrows minrows stt_trigger keep pages pagesize precision
    replica wal_level vgroups single_stable table_prefix table_suffix tsdb_pagesize wal_retention_period
    wal_retention_size keep_time_offset encrypt_algorithm
"""
_QUOTED_OPTIONS = frozenset(["cachemodel", "precision", "encrypt_algorithm"])


def _column_text(column: Column) -> str:
    encode, compress, level = storage_options(column.type.kind)
    key = " COMPOSITE KEY" if column.key else ""
    return f"`{column.name}` {column.type} ENCODE '{encode}' COMPRESS '{compress}' LEVEL '{level}'{key}"


def _kind_text(type_: Type) -> str:
    return str(type_) if type_.kind.decimal else type_.kind.name


def tag_text(value: Any) -> str | None:
    """A tag's value as SHOW TAGS shows it, bytes in hexadecimal digits."""
    if value is None:
        return None
    return f"\\x{value.hex().upper()}" if isinstance(value, bytes) else str(value)


def _tag_text(tag: Column, value: Any) -> str:
    """A tag's value as SHOW CREATE TABLE shows it."""
    if value is None:
        return "NULL"
    if tag.type.kind is JSON:
        return str(value)
    return f'"{tag_text(value)}"' if tag.type.kind.text or tag.type.kind.raw else str(value).lower()


def like(names: Iterable[str], pattern: str | None) -> list[str]:
    """The names that a LIKE of SHOW lets through; it ignores case."""
    if pattern is None:
        return list(names)
    parts = (".*" if char == "%" else "." if char == "_" else re.escape(char) for char in pattern)
    matcher = re.compile("".join(parts), re.IGNORECASE | re.DOTALL)
    return [name for name in names if matcher.fullmatch(name)]


def system_table(name: str, databases: Databases) -> SystemTable:
    """A table of information_schema; 0x2603 if there is none of that name."""
    rule = _TABLES.get(name)
    if name in _WITHOUT:
        raise unsupported(f"information_schema.{name}")
    if rule is None:
        raise TDengineError(errors.TABLE_MISSING, "Fail to get table info, error: Table does not exist")
    fields, rows = rule
    values = list(rows(databases))
    columns = zip(*values, strict=True) if values else ([] for _ in fields)
    arrays = [pa.array(column, field.type.arrow) for column, field in zip(columns, fields, strict=True)]
    return SystemTable(fields, pa.table(arrays, names=[field.name for field in fields]))


def keep_text(options: dict[str, str]) -> str:
    """KEEP as information_schema shows it: three durations."""
    parts = [_days(part) for part in options.get("keep", "3650d").split(",")]
    return ",".join([*parts, *[parts[-1]] * (3 - len(parts))][:3])


def _days(text: str) -> str:
    """A duration; a number without a unit is days."""
    return text if text[-1:].isalpha() else f"{text}d"


_DATABASE_FIELDS = (
    *(_text("name", 64), _of("create_time", TIMESTAMP), _of("vgroups", SMALLINT), _of("ntables", BIGINT)),
    *(_of("replica", TINYINT), _text("strict", 4), _text("duration", 10), _text("keep", 32), _of("buffer", INT)),
    *(_of("pagesize", INT), _of("pages", INT), _of("minrows", INT), _of("maxrows", INT), _of("comp", TINYINT)),
    *(_text("precision", 2), _text("status", 10), _text("retentions", 60), _of("single_stable", BOOL)),
    *(_text("cachemodel", 11), _of("cachesize", INT), _of("wal_level", TINYINT), _of("wal_fsync_period", INT)),
    *(_of("wal_retention_period", INT), _of("wal_retention_size", BIGINT), _of("stt_trigger", SMALLINT)),
    *(_of("table_prefix", SMALLINT), _of("table_suffix", SMALLINT), _of("tsdb_pagesize", INT)),
    *(_of("keep_time_offset", INT), _of("s3_chunkpages", INT), _of("s3_keeplocal", INT), _of("s3_compact", TINYINT)),
    *(_of("with_arbitrator", TINYINT), _text("encrypt_algorithm", 16)),
)


def _database_rows(databases: Databases, system: bool = True) -> Iterable[tuple[Any, ...]]:
    for name in (INFORMATION_SCHEMA, PERFORMANCE_SCHEMA) if system else ():
        yield (name, None, None, *((None,) * 12), "ready", *((None,) * 18))
    for database in databases.values():
        options = database.options

        def number(option: str, default: int, options: dict[str, str] = options) -> int:
            text = options.get(option, "")
            return int(text) if text.isdigit() else default

        tables = sum(not table.is_super for table in database.tables.values())
        yield (
            *(database.name, database.created, number("vgroups", 2), tables, number("replica", 1), "on"),
            *(_days(options.get("duration", "10d")), keep_text(options), number("buffer", 256), number("pagesize", 4)),
            *(number("pages", 256), number("minrows", 100), number("maxrows", 4096), number("comp", 2)),
            *(database.precision, "ready", None, False, options.get("cachemodel", "none"), number("cachesize", 1)),
            *(number("wal_level", 1), number("wal_fsync_period", 3000), number("wal_retention_period", 3600)),
            *(number("wal_retention_size", 0), number("stt_trigger", 2), number("table_prefix", 0)),
            *(number("table_suffix", 0), number("tsdb_pagesize", 4), 0, 131072, 525600, 1, 0, "none"),
        )


def table_type(table: Table) -> str:
    """The type that information_schema gives a table."""
    if table.is_super:
        return "SUPER_TABLE"
    return "CHILD_TABLE" if table.stable is not None else "NORMAL_TABLE"


def _all_tables(databases: Databases) -> list[Table]:
    return [table for database in databases.values() for table in list(database.tables.values())]


def _table_rows(databases: Databases) -> Iterable[tuple[Any, ...]]:
    for table in _all_tables(databases):
        if not table.is_super:
            stable = table.stable.name if table.stable is not None else None
            uid = table.id or table.child
            yield (
                *(table.name, table.database.name, table.created, len(table.columns), stable, uid, 2, 0, None),
                table_type(table),
            )


def _stable_rows(databases: Databases) -> Iterable[tuple[Any, ...]]:
    for table in _all_tables(databases):
        if table.is_super:
            yield (
                *(table.name, table.database.name, table.created, len(table.columns), len(table.tags), table.created),
                *(None, "5000a,5000a", "-1a,-1a", ""),
            )


def _column_rows(databases: Databases) -> Iterable[tuple[Any, ...]]:
    for table in _all_tables(databases):
        for column in table.columns:
            yield (
                *(table.name, table.database.name, table_type(table), column.name, str(column.type)),
                *(column.type.wire_bytes, None, None, None),
            )


def _tag_rows(databases: Databases) -> Iterable[tuple[Any, ...]]:
    for table in _all_tables(databases):
        if table.stable is not None:
            for tag, value in zip(table.stable.tags, table.tag_values, strict=True):
                yield (table.name, table.database.name, table.stable.name, tag.name, str(tag.type), tag_text(value))


TAG_FIELDS = (
    *(_text("table_name", 192), _text("db_name", 64), _text("stable_name", 192), _text("tag_name", 64)),
    *(_text("tag_type", 32), _text("tag_value", 16384)),
)
_WITHOUT = frozenset(
    """ins_anodes ins_anodes_full ins_arbgroups ins_cluster ins_compact_details ins_compacts ins_configs
    ins_dnode_variables ins_dnodes ins_encryptions ins_filesets ins_functions ins_grants ins_grants_full
    ins_grants_logs ins_indexes ins_machines ins_mnodes ins_qnodes ins_snodes ins_stream_tasks ins_streams
    ins_subscriptions ins_topics ins_transaction_details ins_tsmas ins_user_privileges ins_users ins_users_full
    ins_vgroups ins_views ins_vnodes""".split()
)
_TABLES: dict[str, tuple[tuple[Field, ...], Callable[[Databases], Iterable[tuple[Any, ...]]]]] = {
    "ins_databases": (_DATABASE_FIELDS, _database_rows),
    "ins_tables": (
        (
            *(_text("table_name", 192), _text("db_name", 64), _of("create_time", TIMESTAMP), _of("columns", INT)),
            *(_text("stable_name", 192), _of("uid", BIGINT), _of("vgroup_id", INT), _of("ttl", INT)),
            *(_text("table_comment", 1024), _text("type", 21)),
        ),
        _table_rows,
    ),
    "ins_stables": (
        (
            *(_text("stable_name", 192), _text("db_name", 64), _of("create_time", TIMESTAMP), _of("columns", INT)),
            *(_of("tags", INT), _of("last_update", TIMESTAMP), _text("table_comment", 1024), _text("watermark", 64)),
            *(_text("max_delay", 64), _text("rollup", 128)),
        ),
        _stable_rows,
    ),
    "ins_columns": (
        (
            *(_text("table_name", 192), _text("db_name", 64), _text("table_type", 21), _text("col_name", 64)),
            *(_text("col_type", 32), _of("col_length", INT), _of("col_precision", INT), _of("col_scale", INT)),
            _of("col_nullable", INT),
        ),
        _column_rows,
    ),
    "ins_tags": (TAG_FIELDS, _tag_rows),
}
