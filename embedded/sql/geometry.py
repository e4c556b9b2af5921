"""GEOMETRY: the text that statements write (WKT) into the bytes that are stored and sent (WKB)."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

_POINT, _LINE, _POLYGON, _MULTI = 1, 2, 3, 3
_SHAPES = {"point": _POINT, "linestring": _LINE, "polygon": _POLYGON}
_TOKEN = re.compile(r"\s*([(),]|[a-z]+|[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)", re.IGNORECASE)
Position = tuple[float, float]


class GeometryError(ValueError):
    """A text that is no geometry."""


def to_bytes(text: str) -> bytes:
    """The WKB (little-endian) of a POINT, LINESTRING or POLYGON, or of a MULTI of them; raises GeometryError."""
    tokens = _tokens(text)
    try:
        made = _shape(tokens)
        rest = next(tokens, None)
    except (StopIteration, struct.error):
        raise GeometryError("incomplete geometry") from None
    if rest is not None:
        raise GeometryError(f"unexpected {rest!r}")
    return made


def _tokens(text: str) -> Iterator[str]:
    at = 0
    while at < len(text.rstrip()):
        found = _TOKEN.match(text, at)
        if found is None:
            raise GeometryError(f"unexpected {text[at]!r}")
        yield found[1].lower()
        at = found.end()


def _shape(tokens: Iterator[str]) -> bytes:
    name = next(tokens)
    shape = _SHAPES.get(name.removeprefix("multi"))
    if shape is None:
        raise GeometryError(f"unknown geometry {name!r}")
    if not name.startswith("multi"):
        return _head(shape) + _body(shape, tokens)
    members = [_head(shape) + member for member in _listed(tokens, shape)]
    return _head(shape + _MULTI) + struct.pack("<I", len(members)) + b"".join(members)


def _head(code: int) -> bytes:
    return struct.pack("<BI", 1, code)


def _listed(tokens: Iterator[str], shape: int) -> list[bytes]:
    """The members of a MULTI, in parentheses; a point may stand in parentheses of its own or not."""
    _expect(tokens, "(")
    members = []
    while True:
        if shape == _POINT:
            first = next(tokens)
            position = [next(tokens) if first == "(" else first, next(tokens)]
            if first == "(":
                _expect(tokens, ")")
            members.append(struct.pack("<2d", *map(_number, position)))
        else:
            members.append(_body(shape, tokens))
        if not _more(tokens):
            return members


def _body(shape: int, tokens: Iterator[str]) -> bytes:
    _expect(tokens, "(")
    if shape == _POINT:
        point = struct.pack("<2d", _number(next(tokens)), _number(next(tokens)))
        _expect(tokens, ")")
        return point
    if shape == _LINE:
        positions = _positions(tokens)
        if len(positions) < 2:
            raise GeometryError("a LINESTRING needs two points")
        return _packed(positions)
    rings = []
    while True:
        _expect(tokens, "(")
        ring = _positions(tokens)
        if len(ring) < 4 or ring[0] != ring[-1]:
            raise GeometryError("a ring of a POLYGON ends where it begins")
        rings.append(_packed(ring))
        if not _more(tokens):
            return struct.pack("<I", len(rings)) + b"".join(rings)


def _positions(tokens: Iterator[str]) -> list[Position]:
    positions = []
    while True:
        positions.append((_number(next(tokens)), _number(next(tokens))))
        if not _more(tokens):
            return positions


def _packed(positions: list[Position]) -> bytes:
    return struct.pack("<I", len(positions)) + b"".join(struct.pack("<2d", *position) for position in positions)


def _more(tokens: Iterator[str]) -> bool:
    """Whether a comma comes, and not the closing parenthesis."""
    token = next(tokens)
    if token not in (",", ")"):
        raise GeometryError(f"unexpected {token!r}")
    return token == ","


def _expect(tokens: Iterator[str], symbol: str) -> None:
    token = next(tokens)
    if token != symbol:
        raise GeometryError(f"{symbol!r} expected, not {token!r}")


def _number(token: str) -> float:
    try:
        return float(token)
    except ValueError:
        raise GeometryError(f"unexpected {token!r}") from None
