"""The tables that somebody looks at: each has a feed and a Perspective table of its own, for as long as that is so."""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from live.sessions import Live, Unavailable
from tdengine.catalogue import Listed
from tdengine.errors import TDengineError
from tdengine.offer import Offer

log = logging.getLogger("perspective_server")

IDLE_SECONDS = 60.0
"""How long a table is kept when nobody looks at it any more."""

LEAST_SECONDS = 2.0
"""How long it is kept at least, where there is no room for another: to begin one costs a tenth of a second of CPU."""

SWEEP_SECONDS = 5.0

Feed = Callable[[Live, Listed], Coroutine[Any, Any, None]]
"""Keeps a live table equal to one of TDengine's, until it is cancelled."""


class Visit(Protocol):
    """A viewer's session with all tables."""

    def tell(self, hosted: dict[str, int]) -> None:
        """There are other tables now."""

    def leave(self, live: Live, reason: str) -> None:
        """A table ends."""


@dataclass
class Looked:
    """A table besides the first, and when somebody has asked about it last."""

    live: Live
    following: "asyncio.Task[None]"
    asked: float


class Tables:
    """The table that is `called` so by viewers, which is always there, and those that are looked at, `most` in all.

    `make(full, called)` makes what `feed` then keeps equal to a table of TDengine's.
    """

    def __init__(
        self,
        first: Listed,
        called: str,
        offer: Offer,
        most: int,
        make: Callable[[str, str], Live],
        feed: Feed,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.listed = first
        self.first = make(first.full_name, called)
        self.offer = offer
        self.most = most
        self.make = make
        self.feed = feed
        self.clock = clock
        self.others: dict[str, Looked] = {}
        self.visits: set[Visit] = set()
        self.first.changed = offer.changed = self.tell
        self._sweeping: asyncio.TimerHandle | None = None

    @property
    def hosted(self) -> dict[str, int]:
        """The names of all tables that may be opened, the first one's first, and how many rows each shows at most.

        There is none until it is known what there is.
        """
        if not self.first.schema and not self.offer.tables:
            return {}
        return dict.fromkeys([self.first.name, *self.offer.tables, *self.others], self.first.limit)

    async def follow_first(self) -> None:
        """Keep the first table. Raises TDengineError for what only the user can mend."""
        await self.feed(self.first, self.listed)

    def shows(self, name: str) -> bool:
        """Whether the table of this name is live already."""
        return self._is_first(name) or name in self.others

    def _is_first(self, name: str) -> bool:
        return name in (self.first.name, self.first.full)

    async def open(self, name: str) -> Live:
        """The live table of this name, once it has rows. Raises Unavailable with the reason for none."""
        if self._is_first(name):
            await self.first.filled()
            return self.first
        if name not in self.others:
            try:
                listed = await self.offer.find(name)
            except TDengineError as error:
                raise Unavailable(str(error)) from None
            if listed is None:
                raise Unavailable(f"there is no table {name[:80]!r}, or it is not offered here")
            await self._room()
            if name not in self.others:
                self._begin(name, listed)
        looked = self.others[name]
        looked.asked = self.clock()
        await looked.live.filled()
        return looked.live

    def asked(self, live: Live) -> None:
        """Somebody has just asked about a table, or looked at it until now."""
        if live.name in self.others:
            self.others[live.name].asked = self.clock()

    def tell(self) -> None:
        """Tell the viewers that there are other tables now."""
        hosted = self.hosted
        for visit in list(self.visits):
            visit.tell(hosted)

    async def sweep(self) -> None:
        """End the tables that nobody has looked at for a while."""
        for name in self._idle(IDLE_SECONDS):
            await self._end(name)

    async def close(self) -> None:
        """End all tables with the server."""
        if self._sweeping is not None:
            self._sweeping.cancel()
        for name in list(self.others):
            await self._end(name)
        await self.first.close("the server stops")

    def statuses(self) -> dict[str, dict[str, Any]]:
        """How each table is, by its full name."""
        lives = [self.first, *(each.live for each in self.others.values())]
        return {live.full: {**live.status.as_dict(), "viewers": len(live.viewers)} for live in lives}

    def _idle(self, seconds: float) -> list[str]:
        """The tables that have been without views for so long, those that have been so the longest first."""
        until = self.clock() - seconds
        idle = [(each.asked, name) for name, each in self.others.items() if not each.live.viewers]
        return [name for asked, name in sorted(idle) if asked <= until]

    async def _room(self) -> None:
        """Have room for another table. Raises Unavailable where all are looked at."""
        while len(self.others) + 1 >= self.most:
            if idle := self._idle(LEAST_SECONDS):
                await self._end(idle[0])
            elif self._idle(0):
                await asyncio.sleep(LEAST_SECONDS / 10)
            else:
                raise Unavailable(
                    f"{self.most} tables are looked at already, as many as this server shows at a time (--max-tables)"
                )

    def _begin(self, name: str, listed: Listed) -> None:
        live = self.make(listed.full_name, name)
        loop = asyncio.get_running_loop()
        self.others[name] = Looked(live, loop.create_task(self._follow(live, listed)), self.clock())
        if self._sweeping is None:
            self._sweeping = loop.call_later(SWEEP_SECONDS, self._sweep)

    async def _follow(self, live: Live, listed: Listed) -> None:
        """Keep a table until it is ended; one of which the user has to mend something ends by itself."""
        try:
            await self.feed(live, listed)
        except TDengineError as error:
            log.warning("%s: %s", live.full, error)
            looked = self.others.pop(live.name, None)
            if looked is not None:
                await self._close(looked, str(error))

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        self._sweeping = loop.call_later(SWEEP_SECONDS, self._sweep) if self.others else None
        sweeping = loop.create_task(self.sweep())
        sweeping.add_done_callback(lambda task: task.exception())

    async def _end(self, name: str) -> None:
        looked = self.others.pop(name)
        looked.following.cancel()
        with suppress(asyncio.CancelledError):
            await looked.following
        await self._close(looked, "this table is not looked at any more")

    async def _close(self, looked: Looked, reason: str) -> None:
        for visit in list(self.visits):
            visit.leave(looked.live, reason)
        await looked.live.close(reason)
