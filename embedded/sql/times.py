"""Durations and timestamp texts."""

import calendar
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo

from embedded.types import UNITS_PER_SECOND

_NANOSECONDS = {
    "b": 1,
    "u": 10**3,
    "a": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
    "d": 86400 * 10**9,
    "w": 7 * 86400 * 10**9,
}
_MONTHS = {"n": 1, "y": 12}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Duration:
    """A duration literal such as `1s`: so many nanoseconds, or so many calendar months (`n`, `y`)."""

    nanoseconds: int = 0
    months: int = 0

    @classmethod
    def parse(cls, text: str) -> "Duration":
        """Read a literal of the scanner's sort DURATION."""
        count, unit = int(text[:-1]), text[-1]
        if unit in _MONTHS:
            return cls(months=count * _MONTHS[unit])
        return cls(nanoseconds=count * _NANOSECONDS[unit])

    def units(self, precision: str) -> int:
        """Its length in units of `precision`; what is finer is cut off."""
        return self.nanoseconds * UNITS_PER_SECOND[precision] // 10**9

    def shift(self, instant: int, precision: str, sign: int = 1) -> int:
        """The instant (epoch units) moved by this duration; months move the calendar date in UTC."""
        if not self.months:
            return instant + sign * self.units(precision)
        second, fraction = divmod(instant, UNITS_PER_SECOND[precision])
        moment = _EPOCH + timedelta(seconds=second)
        year, month = divmod(moment.year * 12 + moment.month - 1 + sign * self.months, 12)
        day = min(moment.day, calendar.monthrange(year, month + 1)[1])
        moved = moment.replace(year=year, month=month + 1, day=day)
        return round((moved - _EPOCH).total_seconds()) * UNITS_PER_SECOND[precision] + fraction


ZERO = Duration()

_TEXT = re.compile(
    r"\s*(\d{4})-(\d{1,2})-(\d{1,2})(?:[ T](\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.(\d+))?)?)?"
    r"\s*(?:(Z)|([+-])(\d{2}):?(\d{2})?)?\s*",
    re.IGNORECASE,
)


def parse_time(text: str, precision: str, zone: tzinfo | None) -> int | None:
    """Epoch units of a date or time text, or None if it is none.

    A text without zone is read in `zone`, or in the zone of this machine if that is None.
    """
    found = _TEXT.fullmatch(text)
    if found is None:
        return None
    year, month, day, hour, minute, second, fraction, utc, sign, off_hours, off_minutes = found.groups()
    try:
        moment = datetime(int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0))
        if utc:
            moment = moment.replace(tzinfo=UTC)
        elif sign:
            offset = timedelta(hours=int(off_hours), minutes=int(off_minutes or 0))
            moment = moment.replace(tzinfo=timezone(-offset if sign == "-" else offset))
        elif zone is not None:
            moment = moment.replace(tzinfo=zone)
        else:
            moment = moment.astimezone()
    except (ValueError, OverflowError):
        return None
    per_second = UNITS_PER_SECOND[precision]
    digits = len(str(per_second)) - 1
    sub = int(((fraction or "") + "0" * digits)[:digits])
    elapsed = moment - _EPOCH
    return (elapsed.days * 86400 + elapsed.seconds) * per_second + sub


def utc_offset(zone: tzinfo | None, instant: float) -> int:
    """Seconds that `zone` (this machine's if None) is ahead of UTC at `instant` (epoch seconds)."""
    moment = datetime.fromtimestamp(instant, UTC)
    offset = (moment.astimezone(zone) if zone is not None else moment.astimezone()).utcoffset()
    return int(offset.total_seconds()) if offset is not None else 0
