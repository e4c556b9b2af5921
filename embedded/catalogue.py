"""What the server tells about its databases and tables: SHOW, DESCRIBE and information_schema."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from embedded.schema import Column, Database, Table
from embedded.types import (
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
    shown = dict(zip(DATABASE_COLUMNS.split(), database_row(database), strict=True))
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


DATABASE_COLUMNS = """
    name create_time vgroups ntables replica strict duration keep buffer pagesize pages minrows maxrows comp precision
    status retentions single_stable cachemodel cachesize wal_level wal_fsync_period wal_retention_period
    wal_retention_size stt_trigger table_prefix table_suffix tsdb_pagesize keep_time_offset s3_chunkpages s3_keeplocal
    s3_compact with_arbitrator encrypt_algorithm
"""
"""The columns of ins_databases, which SHOW CREATE DATABASE shows, too."""


def database_row(database: Database) -> tuple[Any, ...]:
    """What information_schema tells of a database, in the order of DATABASE_COLUMNS."""
    options = database.options

    def number(option: str, default: int) -> int:
        text = options.get(option, "")
        return int(text) if text.isdigit() else default

    tables = sum(not table.is_super for table in database.tables.values())
    return (
        *(database.name, database.created, number("vgroups", 2), tables, number("replica", 1), "on"),
        *(days(options.get("duration", "10d")), keep_text(options), number("buffer", 256), number("pagesize", 4)),
        *(number("pages", 256), number("minrows", 100), number("maxrows", 4096), number("comp", 2)),
        *(database.precision, "ready", None, False, options.get("cachemodel", "none"), number("cachesize", 1)),
        *(number("wal_level", 1), number("wal_fsync_period", 3000), number("wal_retention_period", 3600)),
        *(number("wal_retention_size", 0), number("stt_trigger", 2), number("table_prefix", 0)),
        *(number("table_suffix", 0), number("tsdb_pagesize", 4), 0, 131072, 525600, 1, 0, "none"),
    )


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


def keep_text(options: dict[str, str]) -> str:
    """KEEP as information_schema shows it: three durations."""
    parts = [days(part) for part in options.get("keep", "3650d").split(",")]
    return ",".join([*parts, *[parts[-1]] * (3 - len(parts))][:3])


def days(text: str) -> str:
    """A duration; a number without a unit is days."""
    return text if text[-1:].isalpha() else f"{text}d"


def table_type(table: Table) -> str:
    """The type that information_schema gives a table."""
    if table.is_super:
        return "SUPER_TABLE"
    return "CHILD_TABLE" if table.stable is not None else "NORMAL_TABLE"
