"""The formats of TO_CHAR and TO_TIMESTAMP, which are PostgreSQL's (TDengine's doc of TO_CHAR has their table)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone, tzinfo

from embedded.sql.typed import Environment, floor_to, text_sql
from embedded.types import UNITS_PER_SECOND

_WORDS = """
    A.M. a.m. P.M. p.m. AM am PM pm YYYY yyyy YYY yyy YY yy Y y MONTH Month month MON Mon mon MM mm DDD ddd DD dd DAY
    Day day DY Dy dy D d HH24 hh24 HH12 hh12 HH hh MI mi SS ss MS ms US us NS ns TZH tzh
""".split()
_TOKEN = re.compile("|".join(re.escape(word) for word in sorted(_WORDS, key=len, reverse=True)))
_MONTHS = """
    january february march april may june july august september october november december
""".split()
_DAYS = "sunday monday tuesday wednesday thursday friday saturday".split()
_LONGEST_NAME = 9


class FormatError(ValueError):
    """A text that does not fit its format."""


def _parts(format_: str) -> Iterator[tuple[str, str]]:
    """The words and the literal pieces of a format, as ("word", text) and ("literal", text)."""
    at = 0
    while at < len(format_):
        if format_[at] == '"':
            end = format_.find('"', at + 1)
            end = len(format_) if end < 0 else end
            yield "literal", format_[at + 1 : end]
            at = end + 1
        elif format_[at] == "\\" and format_[at + 1 : at + 2] == '"':
            yield "literal", '"'
            at += 2
        elif found := _TOKEN.match(format_, at):
            yield "word", found[0]
            at = found.end()
        else:
            yield "literal", format_[at]
            at += 1


# Writing.

_CODES = {
    "yyyy": "%Y",
    "mm": "%m",
    "dd": "%d",
    "ddd": "%j",
    "hh24": "%H",
    "hh12": "%I",
    "hh": "%I",
    "mi": "%M",
    "ss": "%S",
    "yy": "%y",
    "month": "%B",
    "mon": "%b",
    "day": "%A",
    "dy": "%a",
}


def written(instant: str, format_: str, env: Environment) -> str:
    """The SQL of an instant (SQL, epoch units) in a format, in the session's zone."""
    units = UNITS_PER_SECOND[env.precision]
    local = f"({instant} + {env.offset * units})"
    stamp = f"make_timestamp(CAST({floor_to(local, units)} AS BIGINT) // {units} * 1000000)"
    fraction = f"(({local} % {units} + {units}) % {units} * {10**9 // units})"
    pieces = []
    for sort, piece in _parts(format_):
        pieces.append(text_sql(piece) if sort == "literal" else _piece(piece, stamp, fraction, env.offset))
    return f"({' || '.join(pieces)})" if pieces else f"CASE WHEN {instant} IS NOT NULL THEN '' END"


def _piece(word: str, stamp: str, fraction: str, offset: int) -> str:
    lower = word.lower()
    if lower in ("am", "pm", "a.m.", "p.m."):
        morning, evening = ("a.m.", "p.m.") if "." in lower else ("am", "pm")
        if word.isupper():
            morning, evening = morning.upper(), evening.upper()
        return f"CASE WHEN hour({stamp}) < 12 THEN '{morning}' ELSE '{evening}' END"
    if lower in ("yyy", "y"):
        return f"right(strftime({stamp}, '%Y'), {len(lower)})"
    if lower == "d":
        return f"CAST(dayofweek({stamp}) + 1 AS VARCHAR)"
    if lower in ("ms", "us", "ns"):
        digits = {"ms": 3, "us": 6, "ns": 9}[lower]
        return f"lpad(CAST({fraction} // {10 ** (9 - digits)} AS VARCHAR), {digits}, '0')"
    if lower == "tzh":
        return f"'{'-' if offset < 0 else '+'}{abs(offset) // 3600:02}'"
    found = f"strftime({stamp}, '{_CODES[lower]}')"
    if lower not in ("month", "mon", "day", "dy"):
        return found
    if word.isupper():
        found = f"upper({found})"
    elif word.islower():
        found = f"lower({found})"
    return f"rpad({found}, {_LONGEST_NAME}, ' ')" if lower in ("month", "day") else found


# Reading.


def read(text: str, format_: str, precision: str, zone: tzinfo | None) -> int:
    """The epoch units of a text in a format.

    What the format leaves out is that of 1970-01-01 00:00:00 in `zone`. Raises FormatError where the text does not fit,
    ValueError where it is no date.
    """
    found: dict[str, int] = {}
    at = 0
    for sort, piece in _parts(format_):
        while at < len(text) and text[at].isspace():
            at += 1
        if sort == "literal":
            for char in piece:
                if not char.isspace() and at < len(text) and (text[at] == char or not text[at].isalnum()):
                    at += 1
            continue
        if at == len(text):
            break
        at = _take(piece, text, at, found)
    return _instant(found, precision, zone)


def _take(word: str, text: str, at: int, found: dict[str, int]) -> int:
    """Read one word of the format; returns where the text goes on."""
    lower = word.lower()
    if lower in ("am", "pm", "a.m.", "p.m."):
        matched = re.compile(r"([ap])\.?m\.?", re.IGNORECASE).match(text, at)
        if matched is None:
            raise FormatError
        found["afternoon"] = int(matched[1].lower() == "p")
        return matched.end()
    if lower in ("month", "mon", "day", "dy"):
        names = _MONTHS if lower in ("month", "mon") else _DAYS
        for number, name in enumerate(names, 1):
            short = name if lower in ("month", "day") else name[:3]
            if text[at : at + len(short)].lower() == short:
                if names is _MONTHS:
                    found["month"] = number
                return at + len(short)
        raise FormatError
    sign = 1
    if lower == "tzh" and text[at] in "+-":
        sign = -1 if text[at] == "-" else 1
        at += 1
    most = {"yyyy": 4, "yyy": 3, "y": 1, "ddd": 3, "d": 1, "ms": 3, "us": 6, "ns": 9}.get(lower, 2)
    matched = re.compile(rf"[0-9]{{1,{most}}}").match(text, at)
    if matched is None:
        raise FormatError
    value = int(matched[0]) * sign
    if lower in ("ms", "us", "ns"):
        # Digits behind a point: `5` is five hundred milliseconds.
        value = int(matched[0].ljust(most, "0")) * 10 ** (9 - most)
    if lower == "ddd":
        raise FormatError
    if lower in ("yyy", "yy", "y"):
        value += 2000
    found[_FIELDS[lower]] = value
    return matched.end()


_FIELDS = {
    "yyyy": "year",
    "yyy": "year",
    "yy": "year",
    "y": "year",
    "mm": "month",
    "dd": "day",
    "d": "weekday",
    "hh24": "hour",
    "hh12": "hour12",
    "hh": "hour12",
    "mi": "minute",
    "ss": "second",
    "ms": "ms",
    "us": "us",
    "ns": "ns",
    "tzh": "zone",
}


def _instant(found: dict[str, int], precision: str, zone: tzinfo | None) -> int:
    hour = found.get("hour", 0)
    if "hour12" in found:
        hour = found["hour12"]
        if "afternoon" in found:
            if not 1 <= hour <= 12:
                raise ValueError
            hour = hour % 12 + 12 * found["afternoon"]
    date = (found.get("year", 1970), found.get("month", 1), found.get("day", 1))
    moment = datetime(*date, hour, found.get("minute", 0), found.get("second", 0))
    if "zone" in found:
        zone = timezone(timedelta(hours=found["zone"]))
    moment = moment.replace(tzinfo=zone) if zone is not None else moment.astimezone()
    elapsed = moment - datetime(1970, 1, 1, tzinfo=UTC)
    nanoseconds = (elapsed.days * 86400 + elapsed.seconds) * 10**9 + sum(
        found.get(part, 0) for part in ("ms", "us", "ns")
    )
    return nanoseconds * UNITS_PER_SECOND[precision] // 10**9
