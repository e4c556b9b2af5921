"""What the producer has done so far: one line that is rewritten on a terminal, elsewhere a log line every 10 s."""

import logging
import time
from collections.abc import Callable
from typing import Protocol

from producing.outbox import Outbox
from tdengine import telling

log = logging.getLogger("producer")

LOG_SECONDS = 10.0


class Stream(Protocol):
    """What is reported to."""

    def isatty(self) -> bool: ...

    def write(self, text: str, /) -> object: ...


class Progress:
    """Reports on an outbox: rows that TDengine has confirmed, rows a second since the last report, time of a batch."""

    def __init__(
        self, outbox: Outbox, stream: Stream = telling.stderr, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.outbox = outbox
        self.stream = stream
        self.clock = clock
        self.every = 1.0 if stream.isatty() else LOG_SECONDS
        self._then = (clock(), 0)

    def show(self) -> None:
        """Report, if it is time to: every second on a terminal, every 10 s elsewhere."""
        (then, rows), now = self._then, self.clock()
        if now - then < self.every:
            return
        self._then = (now, self.outbox.confirmed)
        line = f"{self._total()}, {(self.outbox.confirmed - rows) / (now - then):,.0f} rows/s"
        line += f", {self.outbox.seconds * 1000:.1f} ms a batch"
        if self.stream.isatty():
            self.stream.write(f"\r{line}\x1b[K")
        else:
            log.info(line)

    def finish(self) -> None:
        """Report the totals, on a line of their own."""
        if self.stream.isatty():
            self.stream.write("\r\x1b[K")
        log.info(self._total())

    def _total(self) -> str:
        unconfirmed = sum(map(self.outbox.rows, self.outbox.waiting))
        return (
            f"{self.outbox.confirmed:,} rows sent in {self.outbox.batches:,} batches"
            + (f", {unconfirmed:,} rows waiting" if unconfirmed else "")
            + (f", {self.outbox.dropped:,} rows dropped" if self.outbox.dropped else "")
        )
