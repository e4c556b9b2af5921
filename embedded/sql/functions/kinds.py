"""The kinds of values that functions accept."""

from __future__ import annotations

from collections.abc import Callable

from embedded.types import BIGINT, BOOL, GEOMETRY, TIMESTAMP, Kind

Accepts = Callable[[Kind], bool]


def anything(kind: Kind) -> bool:
    return True


def number(kind: Kind) -> bool:
    return kind.number


def summable(kind: Kind) -> bool:
    return kind.number or kind.decimal


def number_or_time(kind: Kind) -> bool:
    return kind.number or kind is TIMESTAMP


def text_kind(kind: Kind) -> bool:
    return kind.text


def ordered(kind: Kind) -> bool:
    return kind.number or kind.text or kind.decimal


def comparable(kind: Kind) -> bool:
    return kind.number or kind.text or kind in (TIMESTAMP, BOOL)


def integer_kind(kind: Kind) -> bool:
    return kind.integer


def instant(kind: Kind) -> bool:
    return kind in (TIMESTAMP, BIGINT) or kind.text


def subtractable(kind: Kind) -> bool:
    return kind.number or kind in (BOOL, TIMESTAMP)


def interpolable(kind: Kind) -> bool:
    return kind.number or kind is BOOL


def geometry_kind(kind: Kind) -> bool:
    return kind is GEOMETRY


def timestamp(kind: Kind) -> bool:
    return kind is TIMESTAMP


def duration_kind(kind: Kind) -> bool:
    return kind is BIGINT
