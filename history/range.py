"""The time that is asked about."""

import re
from dataclasses import dataclass

from history.errors import HistoryError


@dataclass(frozen=True)
class Range:
    """Which time is asked about, in epoch milliseconds: [begin, end), open where None."""

    begin: int | None = None
    end: int | None = None

    @classmethod
    def parse(cls, text: str, now_ms: int) -> "Range":
        """`all`, `1m`, `1h`, `1d` and so on before now, or `begin-end` in epoch milliseconds, which may be negative.

        Raises HistoryError.
        """
        if text == "all":
            return cls()
        if match := re.fullmatch(r"([1-9]\d{0,3})([smhd])", text):
            seconds = int(match[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[match[2]]
            return cls(now_ms - seconds * 1000, now_ms + 1)
        match = re.fullmatch(r"(-?\d{1,14})-(-?\d{1,14})", text)
        if match and int(match[1]) <= int(match[2]):
            return cls(int(match[1]), int(match[2]))
        raise HistoryError(f"{text[:40]!r} is no time range: all, 30s, 5m, 1h, 7d, or two times in epoch milliseconds")
