"""The raw block: rows by column, as results are sent and as the older prepared statement binds them."""

import struct
import sys
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from embedded.protocol.frames import FrameError
from embedded.types import BOOL, BY_CODE, DECIMAL, DECIMAL64, NCHAR, Kind, Type

MAX_ROWS = 4096
"""TDengine sends at most this many rows in one block."""

_HEADER = struct.Struct("<iiiiIQ")
_COLUMN = struct.Struct("<Bi")
_SERVER_FLAGS = 0x80000000
_REVERSED_BITS = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_BIG_ENDIAN = sys.byteorder == "big"


def encode(batch: pa.RecordBatch, types: Sequence[Type]) -> bytes:
    """The block of `batch`, whose columns are in the Arrow types of `types`; it must have at least one row."""
    if _BIG_ENDIAN:
        raise RuntimeError("the embedded server needs a little-endian machine")
    columns = [_encode_column(array, type_.kind) for array, type_ in zip(batch.columns, types, strict=True)]
    schema = b"".join(_COLUMN.pack(type_.kind.code, type_.block_bytes) for type_ in types)
    lengths = struct.pack(f"<{len(types)}i", *(length for length, _ in columns))
    body = b"".join(data for _, data in columns)
    total = _HEADER.size + len(schema) + len(lengths) + len(body) + 1
    header = _HEADER.pack(1, total, batch.num_rows, len(types), _SERVER_FLAGS, 0)
    return b"".join((header, schema, lengths, body, b"\0"))


def _encode_column(array: pa.Array, kind: Kind) -> tuple[int, bytes]:
    """The stated length and the bytes of one column: bitmap and values, or offsets and prefixed values."""
    rows = len(array)
    if kind.size:
        if kind is DECIMAL64:
            # pyarrow 26 fills the NULLs of a decimal64 with other rows' values.
            array = pa.Array.from_buffers(pa.int64(), rows, array.buffers(), array.null_count, array.offset)
        zero = pa.scalar(Decimal(0) if kind is DECIMAL else kind is not BOOL and 0, array.type)
        values = pc.fill_null(array, zero) if array.null_count else array
        if kind is BOOL:
            values = values.cast(pa.uint8())
        start = values.offset * kind.size
        data = values.buffers()[1][start : start + rows * kind.size].to_pybytes()
        return len(data), _null_bitmap(array) + data
    texts = array.cast(pa.binary()) if kind is not NCHAR else _utf32(array)
    lengths = pc.binary_length(texts).cast(pa.uint16())
    prefix = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(2), rows, [lengths.buffers()[0], lengths.buffers()[1]], offset=lengths.offset
    )
    items = pc.binary_join_element_wise(prefix.cast(pa.binary()), texts, b"")
    ends = pa.Array.from_buffers(pa.int32(), rows + 1, [None, items.buffers()[1]], offset=items.offset)
    first, last = ends[0].as_py(), ends[rows].as_py()
    starts = pc.subtract(ends.slice(0, rows), first) if first else ends.slice(0, rows)
    offsets = pc.if_else(items.is_valid(), starts, pa.scalar(-1, pa.int32()))
    data = items.buffers()[2][first:last].to_pybytes() if items.buffers()[2] is not None else b""
    head = offsets.buffers()[1][offsets.offset * 4 : (offsets.offset + rows) * 4].to_pybytes()
    return len(data), head + data


def _null_bitmap(array: pa.Array) -> bytes:
    """One bit a row, the highest bit first, set where the value is NULL."""
    size = (len(array) + 7) // 8
    if not array.null_count:
        return bytes(size)
    bits = bytes(array.is_null().buffers()[1])[:size].translate(_REVERSED_BITS)
    return bits[:-1] + bytes([bits[-1] & (0xFF << (-len(array) % 8)) & 0xFF])


def _utf32(array: pa.Array) -> pa.Array:
    """The strings of `array` as UTF-32LE byte strings, converted in one piece."""
    if array.null_count == len(array):
        return pa.nulls(len(array), pa.binary())
    ends = pa.Array.from_buffers(pa.int32(), len(array) + 1, [None, array.buffers()[1]], offset=array.offset)
    text = array.buffers()[2][ends[0].as_py() : ends[len(array)].as_py()].to_pybytes().decode()
    lengths = pc.fill_null(pc.utf8_length(array), 0)
    offsets = pa.concat_arrays([pa.array([0], pa.int32()), pc.multiply(pc.cumulative_sum(lengths), 4).cast(pa.int32())])
    valid = array.is_valid().buffers()[1] if array.null_count else None
    buffers = [valid, offsets.buffers()[1], pa.py_buffer(text.encode("utf-32-le"))]
    return pa.Array.from_buffers(pa.binary(), len(array), buffers)


def decode(block: bytes) -> list[tuple[Kind, list[Any]]]:
    """Read a block into one (kind, Python values) pair a column; FrameError if it is truncated or inconsistent.

    Text is str for VARCHAR and NCHAR. Timestamps are integers: their unit is not transmitted.
    """
    try:
        return _decode(block)
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise FrameError(f"malformed block: {error}") from None


def _decode(block: bytes) -> list[tuple[Kind, list[Any]]]:
    _version, _total, rows, count, _flags, _group = _HEADER.unpack_from(block)
    if rows < 0 or count < 0 or rows > len(block) * 8 or count * (_COLUMN.size + 4) > len(block):
        raise FrameError(f"malformed block: {rows} rows of {count} columns in {len(block)} bytes")
    at = _HEADER.size
    codes = []
    for _ in range(count):
        code, _bytes = _COLUMN.unpack_from(block, at)
        if code not in BY_CODE or BY_CODE[code].decimal:
            raise FrameError(f"malformed block: unknown type {code}")
        codes.append(code)
        at += _COLUMN.size
    lengths = struct.unpack_from(f"<{count}i", block, at)
    at += 4 * count
    columns = []
    for code, length in zip(codes, lengths, strict=True):
        kind = BY_CODE[code]
        head = (rows + 7) // 8 if kind.size else 4 * rows
        if length < 0 or at + head + length > len(block) or (kind.size and length < rows * kind.size):
            raise FrameError("malformed block: column beyond its end")
        columns.append((kind, _decode_column(kind, rows, block[at : at + head], block[at + head : at + head + length])))
        at += head + length
    return columns


_FORMATS = {1: "?", 2: "b", 3: "h", 4: "i", 5: "q", 6: "f", 7: "d", 9: "q", 11: "B", 12: "H", 13: "I", 14: "Q"}


def _decode_column(kind: Kind, rows: int, head: bytes, data: bytes) -> list[Any]:
    if kind.size:
        values = struct.unpack_from(f"<{rows}{_FORMATS[kind.code]}", data)
        return [None if head[row >> 3] & (0x80 >> (row & 7)) else value for row, value in enumerate(values)]
    texts: list[Any] = []
    for offset in struct.unpack(f"<{rows}i", head):
        if offset < 0:
            texts.append(None)
            continue
        (length,) = struct.unpack_from("<H", data, offset)
        item = data[offset + 2 : offset + 2 + length]
        if len(item) < length:
            raise FrameError("malformed block: text beyond its end")
        texts.append(item if kind.raw else item.decode("utf-32-le" if kind is NCHAR else "utf-8"))
    return texts
