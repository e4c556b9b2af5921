"""GET /tables, which there are, and /figures, how they are doing: for the page's lists, and whoever else asks."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

from tdengine.catalogue import MOST_FIGURES
from tdengine.errors import TDengineError
from tdengine.offer import Offer
from web.access import Guarded

LONGEST = 100
"""Letters that names are looked for by."""

KEPT_SECONDS = 1.0
"""How long figures are known, whoever asks."""


class Figures:
    """How the offered tables are doing: asked for once, however many want to know. `ask` is Offer's."""

    def __init__(
        self,
        offer: Offer,
        ask: Callable[[dict[str, Any]], Awaitable[Any]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.offer = offer
        self.ask = ask
        self.clock = clock
        self._turn = asyncio.Lock()
        self._known: tuple[float, list[dict[str, Any]]] | None = None

    async def get(self) -> list[dict[str, Any]]:
        """The figures of super tables and tables, each with its name and kind. Raises TDengineError."""
        async with self._turn:
            if self._known is None or self.clock() - self._known[0] >= KEPT_SECONDS:
                await self.offer.list()
                listed = [each for each in self.offer.tables.values() if each.kind != "child"][:MOST_FIGURES]
                asked = [(each.database, each.table) for each in listed]
                found = await self.ask({"figures": asked}) if asked else []
                figures = {(each["database"], each["table"]): each for each in found}
                nothing: dict[str, Any] = {"newest": None, "beats": [], "rate": 0}
                known = [{**asdict(each), **nothing, **figures.get((each.database, each.table), {})} for each in listed]
                self._known = self.clock(), known
            return self._known[1]


class TablesHandler(Guarded):
    """The offered tables: super tables first, each before its children; with `?like=text` those with that in them."""

    def initialize(self, offer: Offer, figures: Figures, first: str) -> None:
        self.offer = offer
        self.figures = figures
        self.first = first

    async def get(self) -> None:
        self.set_header("Cache-Control", "no-store")
        try:
            answer = await self.answer()
        except TDengineError as error:
            self.set_status(503)
            answer = {"error": str(error)}
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.finish(json.dumps(answer))

    async def answer(self) -> dict[str, Any]:
        """What is answered. Raises TDengineError where TDengine cannot be asked."""
        listed = await self.offer.matching(self.get_query_argument("like", "")[:LONGEST])
        return {"first": self.first, "databases": self.offer.databases, "tables": [asdict(each) for each in listed]}


class FiguresHandler(TablesHandler):
    """How the tables are doing: rows a second, the newest row's time, and the rows of each two seconds of a minute."""

    async def answer(self) -> dict[str, Any]:
        return {"first": self.first, "tables": await self.figures.get()}
