"""The data of a stmt2 bind: for each table its name, its tags and its columns."""

import struct
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from embedded.protocol.frames import FrameError
from embedded.types import BOOL, BY_CODE, VARCHAR, Kind

_HEAD = struct.Struct("<IiiiIII")
_ITEM = struct.Struct("<Iii")


@dataclass(frozen=True)
class BoundColumn:
    """One bound column (or tag: one row): the kind that the client's helper chose, and the values in its Arrow type.

    DECIMALs come as text.
    """

    kind: Kind
    values: pa.Array


@dataclass(frozen=True)
class BoundTable:
    """What is bound for one table; the name is None where the statement names the table itself."""

    name: str | None = None
    tags: list[BoundColumn] = field(default_factory=list)
    columns: list[BoundColumn] = field(default_factory=list)


class _LengthError(FrameError):
    """What is bound is shorter or longer than is stated."""


def decode(data: bytes) -> list[BoundTable]:
    """Read the data part of a stmt2 bind; FrameError if it is truncated or inconsistent."""
    try:
        return _decode(data)
    except (struct.error, IndexError, UnicodeDecodeError, pa.ArrowInvalid) as error:
        raise FrameError(f"malformed bind: {error}") from None


def _decode(data: bytes) -> list[BoundTable]:
    total, tables, tags, columns, names_at, tags_at, columns_at = _HEAD.unpack_from(data)
    if total != len(data) or tables < 0 or tables * 2 > len(data) + 2 or min(tags, columns) < 0:
        raise FrameError(f"malformed bind: {total} bytes and {tables} tables stated, {len(data)} bytes received")
    names = _names(data, names_at, tables) if names_at else [None] * tables
    tag_items = _section(data, tags_at, tables, tags) if tags_at else [[] for _ in range(tables)]
    column_items = _section(data, columns_at, tables, columns) if columns_at else [[] for _ in range(tables)]
    return [BoundTable(*parts) for parts in zip(names, tag_items, column_items, strict=True)]


def _names(data: bytes, at: int, tables: int) -> list[str | None]:
    lengths = struct.unpack_from(f"<{tables}H", data, at)
    at += 2 * tables
    names: list[str | None] = []
    for length in lengths:
        names.append(_take(data, at, length).rstrip(b"\0").decode() if length else None)
        at += length
    return names


def _section(data: bytes, at: int, tables: int, items: int) -> list[list[BoundColumn]]:
    lengths = struct.unpack_from(f"<{tables}I", data, at)
    at += 4 * tables
    section = []
    for table, length in enumerate(lengths):
        part = _take(data, at, length)
        position, columns = 0, []
        for place in range(items):
            try:
                column, size = _item(part, position)
            except _LengthError:
                # taosAdapter's words (stmt2 in its C part).
                message = f"bind data length error, tableIndex: {table}, fieldIndex: {place}"
                raise FrameError(message) from None
            columns.append(column)
            position += size
        if position != length:
            raise FrameError("malformed bind: section of a wrong length")
        section.append(columns)
        at += length
    return section


def _item(data: bytes, at: int) -> tuple[BoundColumn, int]:
    total, code, count = _ITEM.unpack_from(data, at)
    kind = BY_CODE.get(code)
    if kind is None:
        raise FrameError(f"malformed bind: unknown type {code}")
    if count < 0:
        raise FrameError("malformed bind: negative row count")
    position = at + _ITEM.size
    nulls = _take(data, position, count)
    position += count
    have_length = data[position]
    position += 1
    lengths = b""
    if have_length:
        lengths = _take(data, position, 4 * count)
        position += 4 * count
    (size,) = struct.unpack_from("<I", data, position)
    buffer = _take(data, position + 4, size)
    if position + 4 + size != at + total:
        raise _LengthError("malformed bind: item of a wrong length")
    return BoundColumn(kind, _array(kind, count, nulls, lengths, buffer)), total


def _array(kind: Kind, count: int, nulls: bytes, lengths: bytes, buffer: bytes) -> pa.Array:
    """The bound values as an Arrow array that shares the message's memory where it can."""
    flags = pa.Array.from_buffers(pa.uint8(), count, [None, pa.py_buffer(nulls)])
    valid = pc.equal(flags, 0)
    kind = VARCHAR if kind.decimal else kind
    missing = count - (pc.sum(valid).as_py() or 0)
    if missing == count and not buffer:
        return pa.nulls(count, kind.arrow)
    bitmap = valid.buffers()[1] if missing else None
    if kind.size:
        if len(buffer) != count * kind.size:
            raise _LengthError("malformed bind: buffer of a wrong length")
        if kind is BOOL:
            flags = pa.Array.from_buffers(pa.uint8(), count, [bitmap, pa.py_buffer(buffer)])
            return pc.not_equal(flags, 0)
        return pa.Array.from_buffers(kind.arrow, count, [bitmap, pa.py_buffer(buffer)])
    if len(lengths) != 4 * count:
        raise _LengthError("malformed bind: lengths missing")
    sizes = pa.Array.from_buffers(pa.int32(), count, [None, pa.py_buffer(lengths)])
    if missing:
        sizes = pc.if_else(valid, sizes, 0)
    if count and (pc.min(sizes).as_py() < 0 or pc.sum(sizes).as_py() > len(buffer)):
        raise FrameError("malformed bind: text beyond its end")
    offsets = pa.concat_arrays([pa.array([0], pa.int32()), pc.cumulative_sum(sizes).cast(pa.int32())])
    array = pa.Array.from_buffers(kind.arrow, count, [bitmap, offsets.buffers()[1], pa.py_buffer(buffer)])
    array.validate(full=True)
    return array


def _take(data: bytes, at: int, length: int) -> bytes:
    part = data[at : at + length]
    if len(part) < length:
        raise _LengthError("malformed bind: truncated")
    return part
