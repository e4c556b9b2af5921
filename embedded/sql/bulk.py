"""Long lists of plain rows in an INSERT, read by columns: fast, and only where the result is beyond doubt.

What is plain: numbers, NULL, TRUE, FALSE, and texts in single quotes without a comma, parenthesis, backslash, quote or
line break. Such a list is CSV but for its parentheses, and Arrow reads it forty times as fast as tokens are read.
Whatever Arrow would not take as TDengine does (and every error) is left to the slow way, which knows the exact words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from embedded.schema import Column
from embedded.types import BOOL, DOUBLE, FLOAT, NCHAR, TIMESTAMP, VARCHAR, Type

_VALUE = r"(?:'[^'\\(),\r\n]*+'|-?[0-9]++(?:\.[0-9]++(?:e[-+]?[0-9]++)?)?|null|true|false)"
# Atomic groups, as a possessive repeat of a group goes too far in Python before 3.11.5.
_ROW = rf"\({_VALUE}(?>(?:,\ ?{_VALUE})*)\)"
_ROWS = re.compile(rf"{_ROW}(?>(?:,?\ ?{_ROW})*)")
_FEWEST = 50
_FLOAT_MAX = pa.scalar(3.4028234663852886e38)
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[-+]\d\d:?\d\d)", re.IGNORECASE)


def find(sql: str, at: int) -> str | None:
    """The list of plain rows that starts there, if it is long enough to be worth it."""
    found = _ROWS.match(sql, at)
    return found[0] if found is not None and found[0].count("(") >= _FEWEST else None


def read(text: str, columns: Sequence[Column], precision: str) -> list[pa.Array] | None:
    """The rows as one array a column; None where the slow way must decide.

    The first column is the primary timestamp: it must rise, so that no two rows have one key.
    """
    types = [_csv_type(column.type) for column in columns]
    if any(type_ is None for type_ in types):
        return None
    lines = text.replace("),", ")").replace(") ", ")").replace("(", "").replace(")", "\n").replace(", ", ",")
    names = [str(at) for at in range(len(columns))]
    try:
        table = csv.read_csv(
            pa.py_buffer(lines.encode()),
            csv.ReadOptions(column_names=names, use_threads=False),
            csv.ParseOptions(quote_char="'", ignore_empty_lines=False),
            csv.ConvertOptions(
                column_types=dict(zip(names, types, strict=True)),
                null_values=["null"],
                true_values=["true"],
                false_values=["false"],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )
        arrays = [_fitted(table[at].combine_chunks(), column, precision) for at, column in enumerate(columns)]
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None
    if any(array is None for array in arrays):
        return None
    fitted = [array for array in arrays if array is not None]
    times = fitted[0]
    if any(array.null_count for array, column in zip(fitted, columns, strict=True) if column.key) or times.null_count:
        return None
    rising = pc.all(pc.less(times.slice(0, len(times) - 1), times.slice(1))).as_py()
    return fitted if rising in (True, None) else None


def _csv_type(type_: Type) -> pa.DataType | None:
    kind = type_.kind
    if kind in (FLOAT, DOUBLE):
        return pa.float64()
    if kind is TIMESTAMP or kind.text:
        return pa.string()
    return kind.arrow if kind.integer or kind is BOOL else None


def _fitted(array: pa.Array, column: Column, precision: str) -> pa.Array | None:
    """A column's array in its own type, None if a value does not fit it."""
    kind = column.type.kind
    if kind is TIMESTAMP:
        return _times(array, precision)
    if kind in (FLOAT, DOUBLE):
        largest = pc.max(pc.abs(array))
        finite = pc.all(pc.is_finite(array)).as_py() is not False
        if not finite or (kind is FLOAT and pc.greater(largest, _FLOAT_MAX).as_py()):
            return None
        return array.cast(kind.arrow)
    if kind in (NCHAR, VARCHAR):
        lengths = pc.utf8_length(array) if kind is NCHAR else pc.binary_length(array)
        return array if (pc.max(lengths).as_py() or 0) <= column.type.length else None
    return array


def _times(array: pa.Array, precision: str) -> pa.Array | None:
    """Epoch integers, or texts with a zone; anything else is for the slow way."""
    first = next(_present(array), None)
    if first is None or first.lstrip("-").isdigit():
        return array.cast(pa.int64())
    if _INSTANT.fullmatch(first) is None:
        return None
    # Digits finer than the precision are cut off, as TDengine does: nanoseconds hold them all.
    instants = array.cast(pa.timestamp("ns", "UTC")).cast(pa.int64())
    return pc.divide(instants, {"ms": 1_000_000, "us": 1_000, "ns": 1}[precision])


def _present(array: pa.Array) -> Iterator[str]:
    return (value.as_py() for value in array if value.is_valid)
