"""The literals of INSERT and TAGS, checked against the types of the columns they are for, as TDengine's INSERT parser
does.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation
from typing import Any

import pyarrow as pa

from embedded import errors
from embedded.errors import TDengineError, insert_error
from embedded.schema import Column
from embedded.sql import bulk, geometry, scanner
from embedded.sql.insert import PlainRows
from embedded.sql.statements import Row, Value
from embedded.sql.times import parse_time
from embedded.types import (
    BOOL,
    DECIMAL,
    DECIMAL64,
    DOUBLE,
    FLOAT,
    GEOMETRY,
    JSON,
    JSON_LENGTH,
    NCHAR,
    TIMESTAMP,
    UNITS_PER_SECOND,
    VARBINARY,
    VARCHAR,
    Kind,
    Type,
)

_MOST_DIGITS = 38
_FLOAT_MAX = 3.4028234663852886e38


@dataclass(frozen=True)
class Moment:
    """What a time literal depends on: the precision, the statement's NOW in nanoseconds, and the zone of texts."""

    precision: str
    now: int
    zone: tzinfo | None
    offset: int


class Literals:
    """Converts the literals of one statement, whose text in lower case is `sql`."""

    def __init__(self, sql: str, moment: Moment) -> None:
        self.sql = sql
        self.moment = moment

    def convert(self, value: Value, column: Column, primary: bool = False) -> Any:
        """The Python value for a column, None for NULL; raises 0x0216, or 0x2653 for too long a text."""
        kind = column.type.kind
        if _is_null(value, kind):
            if primary:
                raise self.error(value, "Primary timestamp column should not be null")
            if column.key:
                raise self.error(value, "Primary key column should not be null")
            return None
        if value.shift is not None and kind is not TIMESTAMP:
            raise self.error(value, "invalid data or symbol")
        return _CONVERSIONS.get(kind, Literals._integer)(self, value, column)

    def columns(self, columns: Sequence[Column], rows: Sequence[Row]) -> list[pa.Array]:
        """The rows as one Arrow array a column.

        Rows of one key are merged: in each column the last that is not NULL wins.
        """
        if isinstance(rows, PlainRows):
            arrays = bulk.read(rows.text, columns, self.moment.precision)
            if arrays is not None:
                return arrays
        try:
            if any(len(row.values) != len(columns) for row in rows):
                raise TDengineError(errors.COLUMN_COUNT, "Illegal number of columns")
            converted = [
                self._column([row.values[at] for row in rows], column, primary=at == 0)
                for at, column in enumerate(columns)
            ]
        except TDengineError:
            self._first_error(columns, rows)
            raise
        keys = [at for at, column in enumerate(columns) if at == 0 or column.key]
        if len(set(zip(*(converted[at] for at in keys), strict=True))) < len(rows):
            converted = _merged(converted, keys)
        return [pa.array(values, column.type.arrow) for values, column in zip(converted, columns, strict=True)]

    def _column(self, values: Sequence[Value], column: Column, primary: bool) -> list[Any]:
        """`convert` for many values."""
        rule = _CONVERSIONS.get(column.type.kind, Literals._integer)
        return [
            self.convert(value, column, primary)
            if value.shift is not None or (len(value.text) == 4 and value.text.lower() == "null")
            else rule(self, value, column)
            for value in values
        ]

    def _first_error(self, columns: Sequence[Column], rows: Sequence[Row]) -> None:
        """Raise the error that comes first in the order of the text, which is the one that TDengine gives."""
        for row in rows:
            for at, (value, column) in enumerate(zip(row.values, columns, strict=False)):
                self.convert(value, column, primary=at == 0)
            self.check_count(row, len(columns))

    def check_count(self, row: Row, columns: int) -> None:
        """Raise unless a row has as many values as there are columns."""
        if len(row.values) < columns:
            raise insert_error(self.sql[row.end :], ", expected")
        if len(row.values) > columns:
            raise TDengineError(errors.COLUMN_COUNT, "Illegal number of columns")

    def error(self, value: Value, reason: str) -> TDengineError:
        """0x0216; it quotes a text's value alone, and from any other token to the end."""
        near = value.text if value.sort == scanner.STRING else self.sql[value.start :]
        return insert_error(near, reason)

    def _integer(self, value: Value, column: Column) -> int:
        kind = column.type.kind
        number = _to_integer(value)
        if number is not None and kind.low <= number <= kind.high:
            return number
        name = " ".join(reversed(kind.name.lower().split()))
        if number is None or kind.size == 8 or (kind.unsigned and number < 0):
            raise self.error(value, f"invalid {name} data")
        raise self.error(value, f"{name} data overflow")

    def _float(self, value: Value, column: Column) -> float:
        kind = column.type.kind
        number = _to_float(value)
        if number is None or not math.isfinite(number) or (kind is FLOAT and abs(number) > _FLOAT_MAX):
            raise self.error(value, f"illegal {kind.name.lower()} data")
        return number

    def _bool(self, value: Value, column: Column) -> bool:
        if value.text.lower() in ("true", "false"):
            return value.text.lower() == "true"
        number = _to_float(value)
        if number is None:
            raise self.error(value, "invalid bool data")
        return number != 0

    def _text(self, value: Value, column: Column) -> str:
        length = len(value.text) if column.type.kind is NCHAR else len(value.text.encode())
        if length > column.type.length:
            raise TDengineError(errors.VALUE_TOO_LONG, f"Value too long for column/tag: {column.name}")
        return value.text

    def _timestamp(self, value: Value, column: Column) -> int:
        moment = self.moment
        per_second = UNITS_PER_SECOND[moment.precision]
        parsed: int | None
        if value.text in ("now", "today", "now()", "today()"):
            parsed = moment.now * per_second // 10**9
            if value.text.startswith("today"):
                second = moment.now // 10**9 + moment.offset
                parsed = (second - second % 86400 - moment.offset) * per_second
        elif value.sort == scanner.INTEGER:
            parsed = _to_integer(value)
        elif value.sort == scanner.STRING:
            parsed = parse_time(value.text, moment.precision, moment.zone)
            if parsed is None and value.text.lstrip("-").isdigit():
                parsed = int(value.text)
        else:
            parsed = None
        if parsed is None or not -(2**63) <= parsed < 2**63:
            raise self.error(value, "invalid timestamp")
        if value.shift is not None:
            sign, duration = value.shift
            parsed = duration.shift(parsed, moment.precision, sign)
        return parsed

    def _bytes(self, value: Value, column: Column) -> bytes:
        data = to_bytes(value.text) if value.sort == scanner.STRING else None
        if data is None:
            raise TDengineError(errors.VARBINARY_VALUE, f"Invalid varbinary value: {column.name}")
        return _short_enough(data, column)

    def _geometry(self, value: Value, column: Column) -> bytes:
        try:
            if value.sort != scanner.STRING:
                raise geometry.GeometryError
            return _short_enough(geometry.to_bytes(value.text), column)
        except geometry.GeometryError as error:
            raise self.error(value, f"ParseException: {error}") from None

    def _decimal(self, value: Value, column: Column) -> Decimal:
        try:
            number = to_decimal(value.text if value.sort in _NUMERIC else "", column.type)
        except InvalidOperation:
            raise self.error(value, "invalid decimal data") from None
        if number is None:
            raise TDengineError(errors.DECIMAL_OVERFLOW, "Decimal value overflow")
        return number

    def _json(self, value: Value, column: Column) -> str | None:
        try:
            return json_tag(value.text if value.sort == scanner.STRING else "?")
        except ValueError as error:
            raise self.error(value, str(error)) from None


def _is_null(value: Value, kind: Kind) -> bool:
    """NULL, or in quotes and in any case for what is no text."""
    if value.sort == scanner.WORD:
        return value.text == "null"
    return value.sort == scanner.STRING and not kind.text and value.text.lower() == "null"


def to_bytes(text: str) -> bytes | None:
    """The bytes of a VARBINARY literal, of which `\\x` begins hexadecimal digits; None if they are none."""
    if not text.startswith(("\\x", "\\X")):
        return text.encode()
    try:
        return bytes.fromhex(text[2:]) if text[2:].isalnum() or not text[2:] else None
    except ValueError:
        return None


def to_decimal(text: str, type_: Type) -> Decimal | None:
    """A DECIMAL, rounded half up to its scale; None if it has too many digits, InvalidOperation if it is no number."""
    number = Decimal(text)
    if number.is_finite() and number.adjusted() > _MOST_DIGITS:
        return None
    number = round_decimal(number, type_.scale)
    # abs() would round to the 28 digits of Python's context.
    fits = number.is_finite() and number.copy_abs() < Decimal(10) ** (type_.precision - type_.scale)
    return number if fits else None


def round_decimal(number: Decimal, scale: int) -> Decimal:
    """A number with `scale` digits behind the point, a half rounded away from zero."""
    return _DIGITS.quantize(number, Decimal(1).scaleb(-scale))


def json_tag(text: str) -> str | None:
    """A JSON tag as it is stored: its keys in order, no blanks, the first value of a key.

    A tag is an object of strings, numbers, booleans and null; an empty text or `null` is NULL. ValueError says what is
    wrong.
    """
    if not text.strip() or text.strip().lower() == "null":
        return None
    if len(text) > JSON_LENGTH:
        raise ValueError("json string too long than 4095")
    try:
        pairs = json.loads(text, object_pairs_hook=_Pairs)
    except ValueError:
        raise ValueError("json parse error") from None
    if not isinstance(pairs, _Pairs):
        raise ValueError("json error invalide value")
    values: dict[str, Any] = {}
    for key, value in pairs:
        if isinstance(value, list):
            raise ValueError("invalidate json value")
        if not (key and key.isascii() and key.isprintable()):
            raise ValueError("json error invalide key")
        values.setdefault(key, int(value) if isinstance(value, float) and value.is_integer() else value)
    return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


class _Pairs(list[tuple[str, Any]]):
    """A JSON object with all its keys."""


def _short_enough(data: bytes, column: Column) -> bytes:
    if len(data) > column.type.length:
        raise TDengineError(errors.VALUE_TOO_LONG, f"Value too long for column/tag: {column.name}")
    return data


def _merged(columns: list[list[Any]], keys: Sequence[int]) -> list[list[Any]]:
    """The rows of one key made one: in each column the last value that is not NULL."""
    merged: dict[tuple[Any, ...], list[Any]] = {}
    for row in zip(*columns, strict=True):
        key = tuple(row[at] for at in keys)
        present = merged.get(key)
        if present is None:
            merged[key] = list(row)
        else:
            merged[key] = [old if new is None else new for old, new in zip(present, row, strict=True)]
    return [list(column) for column in zip(*merged.values(), strict=True)]


_CONVERSIONS: dict[Kind, Callable[[Literals, Value, Column], Any]] = {
    BOOL: Literals._bool,
    FLOAT: Literals._float,
    DOUBLE: Literals._float,
    VARCHAR: Literals._text,
    NCHAR: Literals._text,
    TIMESTAMP: Literals._timestamp,
    VARBINARY: Literals._bytes,
    GEOMETRY: Literals._geometry,
    DECIMAL: Literals._decimal,
    DECIMAL64: Literals._decimal,
    JSON: Literals._json,
}
_DIGITS = Context(prec=60, rounding=ROUND_HALF_UP)


_NUMERIC = frozenset([scanner.INTEGER, scanner.FLOAT, scanner.STRING])


def _to_integer(value: Value) -> int | None:
    """An integer from a number (rounded) or from the text of one."""
    if value.sort not in _NUMERIC:
        return None
    text = value.text.strip()
    try:
        return int(text)
    except ValueError:
        number = _to_float(value)
    if number is None:
        return None
    return math.floor(abs(number) + 0.5) * (-1 if number < 0 else 1) if math.isfinite(number) else None


def _to_float(value: Value) -> float | None:
    if value.sort not in _NUMERIC:
        return None
    try:
        return float(value.text)
    except ValueError:
        pass
    try:
        return float(int(value.text, 0))
    except (ValueError, OverflowError):
        return None
