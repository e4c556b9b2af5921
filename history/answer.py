"""Rows as the Arrow in which Perspective takes an answer."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from history.fields import Field
from tdengine.arrow import ipc_stream


def hashable(value: Any) -> Any:
    """A group's value as a key. NaN, which is not equal to itself, is one group."""
    return "NaN" if isinstance(value, float) and math.isnan(value) else value


def converted(of: Field, value: Any) -> Any:
    """A value of taosws as it is in the field's Arrow type."""
    return value if value is None or of.convert is None else of.convert(value)


def placed(named: Mapping[str, Field], shown: slice, first: int = 0) -> list[tuple[str, Field, int]]:
    """The columns `shown` of those `named`, which follow each other in a row from place `first` on."""
    return [(name, of, first + at) for at, (name, of) in list(enumerate(named.items()))[shown]]


def as_arrow(columns: Sequence[tuple[str, Field, int]], rows: Sequence[tuple[Any, ...]]) -> bytes:
    """Columns (name, field, place in a row) of converted rows as one Arrow IPC stream."""
    arrays = [pa.array([row[at] for row in rows], of.arrow) for _, of, at in columns]
    return ipc_stream(arrays, pa.schema([(name, of.arrow) for name, of, _ in columns]))
