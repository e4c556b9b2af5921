"""How a live table is: what /status answers of it, and the log line when that changes."""

import logging
import re
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tdengine.errors import TDengineError

log = logging.getLogger("perspective_server")


RATE_SECONDS = 1.0
"""How far back the rows per second reach: as far as the last change that it must show."""


class Rate:
    """Rows per second from what single polls found: those of the last second, or of the last two polls."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._polls: deque[tuple[float, int]] = deque()

    def note(self, rows: int) -> float:
        """Count the rows of a poll that has just ended; the rate up to now. (The first poll only starts the clock.)"""
        self._polls.append((self.clock(), rows))
        while len(self._polls) > 2 and self._polls[-1][0] - self._polls[1][0] >= RATE_SECONDS:
            self._polls.popleft()
        seconds = self._polls[-1][0] - self._polls[0][0]
        return (sum(rows for _, rows in self._polls) - self._polls[0][1]) / seconds if seconds else 0.0

    def clear(self) -> float:
        """Begin anew: there was no poll for a while."""
        self._polls.clear()
        return 0.0


@dataclass
class Status:
    """The state of a mirror: `live` while the last poll succeeded, else `waiting`, and `error` says for what."""

    state: str = "waiting"
    error: str | None = "not read yet"
    table: str = ""
    rows: int = 0
    polls: int = 0
    rows_read: int = 0
    rows_per_second: float = 0.0
    newest: int | None = None
    ahead: int = 0
    """How many milliseconds the newest row is ahead of the clock, where that is by too much to be true."""
    tags: list[str] = field(default_factory=list)
    renamed: dict[str, str] = field(default_factory=dict)
    """The columns that are shown under another name than their own."""
    _logged: set[str] = field(default_factory=set)
    _rate: Rate = field(default_factory=Rate)

    def note(self, message: dict[str, Any]) -> None:
        """Take over what a message of the feed says. Raises TDengineError for what only the user can mend."""
        if message["kind"] == "failed":
            raise TDengineError(message["error"])
        if message["kind"] == "table":
            self.renamed, self.tags = message["renamed"], message["tags"]
            return
        if (self.state == "waiting") != (message["kind"] == "waiting"):
            self._logged.clear()
        if message["kind"] == "waiting":
            self.state, self.error = "waiting", message["error"]
            self.rows_per_second = self._rate.clear()
        else:
            self.state, self.error = "live", None
            self.rows, self.newest, self.ahead = message["rows"], message["newest"], message["ahead"]
            self.polls += 1
            self.rows_read += message["rows_read"]
            self.rows_per_second = round(self._rate.note(message["new"]), 1)
        self._log(self.state if self.error is None else f"waiting for TDengine: {self.error}")

    def _log(self, text: str) -> None:
        """Log that the table is live, or another reason for which it is not, once until that changes."""
        reason = re.sub(r"\d+", "", text)  # waiting for longer is no other reason
        if reason not in self._logged:
            self._logged.add(reason)
            log.info("%s: %s", self.table, text)

    def as_dict(self) -> dict[str, Any]:
        """As /status answers it; `newest` in epoch milliseconds."""
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}
