"""Which tables viewers may look at: those of the databases that the server was told of."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from tdengine.catalogue import Listed
from tdengine.errors import TDengineError

KEPT_SECONDS = 1.0
"""How old a list may be that is told."""

AGAIN_SECONDS = 1.0
"""How long it is known that no list can be had."""

AT_ONCE_SECONDS = 0.05
OLD_SECONDS = 10.0
"""Who can do with the list that there is waits so long for a newer one where it is older than this, else not at all."""

MOST_SEARCHES = 20
"""Searches that may wait; they are made one at a time."""

ALL = "*"
"""Instead of a database: all that the account may read."""


class NotOffered(TDengineError):
    """That there is no such database, or that it is not offered: which of both is nobody's business."""


class Offer:
    """The tables of these databases.

    `ask` puts a question to TDengine, as history/looking_up.py takes them, or raises TDengineError.
    """

    def __init__(
        self,
        databases: Sequence[str],
        ask: Callable[[dict[str, Any]], Awaitable[Any]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.named = tuple(dict.fromkeys(databases))
        self.ask = ask
        self.clock = clock
        self.databases: tuple[str, ...] = tuple(each for each in self.named if each != ALL)
        """Those that are offered, as far as is known."""
        self.tables: dict[str, Listed] = {}
        """What was listed last, by full names. Of very many tables not all are: `find` has the others."""
        self.changed: Callable[[], None] = lambda: None
        """Called where other tables are listed than before."""
        self._until = -1.0
        self._listed = -math.inf
        self._error: TDengineError | None = None
        self._listing: asyncio.Task[None] | None = None
        self._searching = 0
        self._turn = asyncio.Lock()

    async def list(self) -> None:
        """Have a list that is new enough. Raises TDengineError where there is none to be had; the old one stays."""
        if self.clock() >= self._until:
            await asyncio.shield(self._listing or self._begin())
        if self._error is not None:
            raise self._error

    async def list_at_once(self) -> None:
        """See to a newer list, for who would rather have the old one than wait."""
        now = self.clock()
        if now < self._until or self._listing is not None:
            return
        old = self._error is None and now - self._listed > OLD_SECONDS
        listing = self._begin()
        if old:
            await asyncio.wait([listing], timeout=AT_ONCE_SECONDS)

    async def matching(self, text: str) -> Sequence[Listed]:
        """The tables whose names have this in them. Raises TDengineError."""
        if not text:
            await self.list()
            return list(self.tables.values())
        if self._searching >= MOST_SEARCHES:
            raise TDengineError("tables are being looked for by many: try again")
        self._searching += 1
        try:
            async with self._turn:
                return _listed(await self.ask({"tables": self.named, "like": text}))
        finally:
            self._searching -= 1

    async def offers(self, database: str) -> bool:
        """Whether the tables of a database may be looked at. Raises TDengineError where nobody can say."""
        if ALL in self.named and database not in self.databases:
            await self.list()
        return database in self.databases

    async def check(self, database: str) -> None:
        """Raise NotOffered unless its tables may be looked at, or TDengineError where nobody can say."""
        if not await self.offers(database):
            raise NotOffered(f"there is no database {database[:80]!r} here, or it is not offered")

    async def find(self, name: str) -> Listed | None:
        """The table of this full name, if it is there and offered. Raises TDengineError where nobody can say."""
        if name in self.tables:
            return self.tables[name]
        database, _, table = name.partition(".")
        if not table or not await self.offers(database):
            return None
        found = await self.ask({"find": [database, table]})
        return None if found is None else Listed(**found)

    def _begin(self) -> "asyncio.Task[None]":
        self._listing = asyncio.get_running_loop().create_task(self._list())
        return self._listing

    async def _list(self) -> None:
        try:
            answer = await self.ask({"tables": self.named, "like": ""})
        except TDengineError as error:
            self._error, self._until = error, self.clock() + AGAIN_SECONDS
            return
        finally:
            self._listing = None
        self._error, self._listed, self._until = None, self.clock(), self.clock() + KEPT_SECONDS
        tables = {each.full_name: each for each in _listed(answer)}
        if ALL in self.named:
            self.databases = tuple(answer["databases"])
        if tables != self.tables:
            self.tables = tables
            self.changed()


def _listed(answer: dict[str, Any]) -> Sequence[Listed]:
    return [Listed(**each) for each in answer["tables"]]
