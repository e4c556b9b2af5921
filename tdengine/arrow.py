"""TDengine's types as Arrow's, in which Perspective takes rows fastest and without loss."""

from collections.abc import Callable, Sequence
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
"""TDengine's types: the Arrow type that holds each one whole, and how a value of taosws becomes one of it."""


def arrow_type(column: Column) -> tuple[pa.DataType, Callable[[Any], Any] | None]:
    """The Arrow type of a column, and how its values become one of it. Raises TDengineError for an unknown type."""
    try:
        return ARROW_TYPES[column.type.partition("(")[0].strip()]
    except KeyError:
        raise TDengineError(f"column {column.name!r} has type {column.type}, which this program cannot show") from None


def ipc_stream(arrays: Sequence[pa.Array], schema: pa.Schema) -> bytes:
    """Columns as one Arrow IPC stream, the form in which Perspective takes rows."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as stream:
        stream.write_batch(pa.record_batch(arrays, schema=schema))
    return bytes(sink.getvalue())
