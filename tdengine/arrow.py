"""TDengine's types as Arrow's, in which Perspective takes rows fastest and without loss."""

import struct
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa

from tdengine.describing import Column
from tdengine.errors import TDengineError


def _hex(value: bytes | None) -> str | None:
    return None if value is None else value.hex()


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


ARROW_TYPES: dict[str, tuple[pa.DataType, Callable[[Any], Any] | None]] = {
    "BOOL": (pa.bool_(), None),
    "TINYINT": (pa.int8(), None),
    "SMALLINT": (pa.int16(), None),
    "INT": (pa.int32(), None),
    "BIGINT": (pa.int64(), None),
    "TINYINT UNSIGNED": (pa.uint8(), None),
    "SMALLINT UNSIGNED": (pa.uint16(), None),
    "INT UNSIGNED": (pa.uint32(), None),
    "BIGINT UNSIGNED": (pa.uint64(), None),
    "FLOAT": (pa.float32(), None),
    "DOUBLE": (pa.float64(), None),
    "TIMESTAMP": (pa.timestamp("ms"), None),
    "VARCHAR": (pa.string(), None),
    "BINARY": (pa.string(), None),
    "NCHAR": (pa.string(), None),
    "JSON": (pa.string(), _text),
    "VARBINARY": (pa.string(), _hex),
    "GEOMETRY": (pa.string(), _hex),
    "BLOB": (pa.string(), _hex),
    "DECIMAL": (pa.float64(), float),
}
"""TDengine's types: the Arrow type of each one, in which only a DECIMAL is rounded, and how values become that."""

LETTERS = {
    pa.int8(): "b",
    pa.int16(): "h",
    pa.int32(): "i",
    pa.int64(): "q",
    pa.uint8(): "B",
    pa.uint16(): "H",
    pa.uint32(): "I",
    pa.uint64(): "Q",
    pa.float32(): "f",
    pa.float64(): "d",
    pa.timestamp("ms"): "q",
}
"""What the struct module calls those of them that are numbers."""

END = b"\xff\xff\xff\xff\0\0\0\0"
"""The end of an Arrow IPC stream."""

EXACT = 2**53
"""Beyond this a browser rounds whole numbers, as JavaScript has no others than doubles."""


def may_be_long(column: Column) -> bool:
    """Whether a column's numbers may have more digits than a browser keeps."""
    return column.type in ("BIGINT", "BIGINT UNSIGNED") or column.type.startswith("DECIMAL")


def is_long(value: Any) -> bool:
    """Whether a number of such a column has more digits than a browser keeps."""
    if isinstance(value, Decimal):
        return value.is_finite() and Decimal(repr(float(value))) != value
    return value is not None and abs(value) > EXACT


def arrow_type(column: Column, as_text: bool = False) -> tuple[pa.DataType, Callable[[Any], Any] | None]:
    """The Arrow type of a column, and how its values become one of it. Raises TDengineError for an unknown type."""
    if as_text and may_be_long(column):
        return pa.string(), _text
    try:
        return ARROW_TYPES[column.type.partition("(")[0].strip()]
    except KeyError:
        raise TDengineError(f"column {column.name!r} has type {column.type}, which this program cannot show") from None


def array(values: Sequence[Any], of: pa.DataType) -> pa.Array:
    """Values as an Arrow array: numbers without a NULL among them are packed at once, in half the time."""
    if letter := LETTERS.get(of):
        try:
            packed = struct.pack(f"={len(values)}{letter}", *values)
        except (struct.error, OverflowError):
            pass
        else:
            return pa.Array.from_buffers(of, len(values), [None, pa.py_buffer(packed)], 0)
    return pa.array(values, of)


def ipc_stream(arrays: Sequence[pa.Array], schema: pa.Schema) -> bytes:
    """Columns as one Arrow IPC stream, the form in which Perspective takes rows."""
    batch = pa.RecordBatch.from_arrays(arrays, schema=schema)
    return b"".join((schema.serialize(), batch.serialize(), END))
