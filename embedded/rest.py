"""The JSON of `/rest/sql`, as pure functions."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

import pyarrow as pa

from embedded.engine import Result
from embedded.errors import TDengineError
from embedded.types import FLOAT, JSON, TIMESTAMP, UNITS_PER_SECOND, Field, Type

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def failure(error: TDengineError) -> str:
    """An error; SQL errors go with HTTP status 200."""
    return json.dumps({"code": error.code, "desc": error.message}, ensure_ascii=False)


def update(affected: int) -> str:
    """The answer to a statement that returns no rows."""
    return json.dumps({"code": 0, "column_meta": [["affected_rows", "INT", 4]], "data": [[affected]], "rows": 1})


def head(fields: Sequence[Field]) -> str:
    """The beginning of the answer to a query; `rows` and `tail` follow."""
    meta = [[field.name, _type_text(field.type), field.type.length] for field in fields]
    return f'{{"code":0,"column_meta":{json.dumps(meta, ensure_ascii=False)},"data":['


def rows(batch: pa.RecordBatch, result: Result, zone: tzinfo | None, with_names: bool, more: bool) -> str:
    """A batch of rows; `more`: others went before. ValueError for NaN and infinity, which JSON does not have."""
    columns = [
        _values(array, field, result.precision, zone) for array, field in zip(batch.columns, result.fields, strict=True)
    ]
    names = [field.name for field in result.fields]
    listed: list[Any] = [list(row) for row in zip(*columns, strict=True)]
    if with_names:
        listed = [dict(zip(names, row, strict=True)) for row in listed]
    return ("," if more else "") + json.dumps(listed, ensure_ascii=False, allow_nan=False)[1:-1]


def tail(count: int) -> str:
    """The end of the answer to a query of so many rows."""
    return f'],"rows":{count}}}'


def _type_text(type_: Type) -> str:
    return f"DECIMAL({type_.precision},{type_.scale})" if type_.kind.decimal else type_.kind.name


def _values(array: pa.Array, field: Field, precision: str, zone: tzinfo | None) -> list[Any]:
    values: list[Any] = array.to_pylist()
    if field.type.kind.raw:
        return [None if value is None else value.hex() for value in values]
    if field.type.kind.decimal:
        return [None if value is None else str(value) for value in values]
    if field.type.kind is JSON:
        return [None if value is None else json.loads(value) for value in values]
    if field.type.kind is TIMESTAMP:
        return [None if value is None else _time_text(value, precision, zone) for value in values]
    if field.type.kind is FLOAT:
        return [None if value is None else _short_float(value) for value in values]
    return values


def _time_text(value: int, precision: str, zone: tzinfo | None) -> str:
    """RFC 3339 in UTC, or in `zone`, with the digits of the precision."""
    units = UNITS_PER_SECOND[precision]
    second, fraction = divmod(value, units)
    moment = _EPOCH + timedelta(seconds=second)
    digits = str(fraction).zfill(len(str(units)) - 1)
    if zone is None:
        return f"{moment:%Y-%m-%dT%H:%M:%S}.{digits}Z"
    offset = moment.astimezone(zone).strftime("%z")
    return f"{moment.astimezone(zone):%Y-%m-%dT%H:%M:%S}.{digits}{offset[:3]}:{offset[3:]}"


def _short_float(value: float) -> float:
    """The shortest decimal that is the same 4-byte float: 0.1 rather than 0.10000000149011612."""
    for digits in range(6, 10):
        short = float(f"{value:.{digits}g}")
        if struct.pack("<f", short) == struct.pack("<f", value):
            return short
    return value
