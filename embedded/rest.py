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


def _compact(value: Any) -> str:
    """JSON without spaces, as Go writes it."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _timed(answer: dict[str, Any], timing: int | None) -> str:
    return _compact(answer if timing is None else {**answer, "timing": timing})


def failure(error: TDengineError, timing: int | None = None) -> str:
    """An error; `timing` are the nanoseconds that it took, if they are asked for."""
    return _timed({"code": error.code, "desc": error.message}, timing)


def token(text: str) -> str:
    """The answer to a login."""
    return _compact({"code": 0, "desc": text})


def update(affected: int, with_names: bool = False, timing: int | None = None) -> str:
    """The answer to a statement that returns no rows."""
    row: Any = {"affected_rows": affected} if with_names else [affected]
    return _timed({"code": 0, "column_meta": [["affected_rows", "INT", 4]], "data": [row], "rows": 1}, timing)


def head(fields: Sequence[Field]) -> str:
    """The beginning of the answer to a query; `rows` and `tail` follow."""
    meta = [[field.name, _type_text(field.type), field.type.length] for field in fields]
    return f'{{"code":0,"column_meta":{_compact(meta)},"data":['


def rows(batch: pa.RecordBatch, result: Result, zone: tzinfo | None, with_names: bool, more: bool) -> str:
    """A batch of rows; `more`: others went before. ValueError for NaN and infinity, which JSON does not have."""
    columns = [
        _values(array, field, result.precision, zone) for array, field in zip(batch.columns, result.fields, strict=True)
    ]
    names = [field.name for field in result.fields]
    listed: list[Any] = [list(row) for row in zip(*columns, strict=True)]
    if with_names:
        listed = [dict(zip(names, row, strict=True)) for row in listed]
    return ("," if more else "") + _compact(listed)[1:-1]


def tail(count: int, timing: int | None = None) -> str:
    """The end of the answer to a query of so many rows."""
    timed = "" if timing is None else f',"timing":{timing}'
    return f'],"rows":{count}{timed}}}'


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
