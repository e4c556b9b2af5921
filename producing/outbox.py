"""Batches on their way to TDengine: kept until it has confirmed them, resent after an outage, bounded in number."""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import taosws

from tdengine.connecting import pauses
from tdengine.errors import reason

log = logging.getLogger("producer")

CAPACITY = 240
"""Batches kept while TDengine is away: a minute's worth at the default four a second."""


class Outbox:
    """Sends batches in order over one connection, which it makes and, after an error, makes anew.

    `connect` returns what `insert(connection, batch)` needs, `insert` the rows that TDengine has confirmed, and
    `rows` those that a batch has. A batch that failed is sent again as it was: its timestamps are its keys, so rows
    that did arrive are not doubled.
    """

    def __init__(
        self,
        connect: Callable[[], Any],
        insert: Callable[[Any, Any], int],
        rows: Callable[[Any], int] = len,
        capacity: int = CAPACITY,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.connect = connect
        self.insert = insert
        self.rows = rows
        self.capacity = capacity
        self.clock = clock
        self.waiting: deque[Any] = deque()
        self.confirmed = 0
        self.batches = 0
        self.dropped = 0
        self.seconds = 0.0
        self._connection: Any = None
        self._pauses: Iterator[float] | None = None
        self._next_attempt = 0.0

    def put(self, batch: Any) -> None:
        """Add a batch. Where TDengine has been away for too long to keep it, it is dropped and its rows are counted.

        It is the new batch that goes, because the oldest may be stored already without having been confirmed.
        """
        if len(self.waiting) < self.capacity:
            self.waiting.append(batch)
        else:
            self.dropped += self.rows(batch)

    def send(self) -> bool:
        """Send what is waiting; whether all of it is confirmed. Raises TDengineError, which waiting cannot mend."""
        if not self.open():
            return False
        try:
            while self.waiting:
                began = self.clock()
                self.confirmed += self.insert(self._connection, self.waiting[0])
                self.seconds = self.clock() - began
                self.waiting.popleft()
                self.batches += 1
        except taosws.Error as error:
            self._failed(error)
        return not self.waiting

    def open(self) -> bool:
        """Connect, unless that is done or it is too early for another attempt; whether there is a connection."""
        if self._connection is None and self.clock() >= self._next_attempt:
            try:
                self._connection = self.connect()
            except taosws.Error as error:
                self._failed(error)
            else:
                if self._pauses is not None:
                    log.warning("TDengine answers again")
                self._pauses = None
        return self._connection is not None

    def _failed(self, error: taosws.Error) -> None:
        self._connection = None
        if self._pauses is None:
            self._pauses = pauses()
            log.warning("waiting for TDengine: %s", reason(error))
        self._next_attempt = self.clock() + next(self._pauses)
