"""What viewers of a live table talk to: the whole table for what pages ask, the viewers' engine for all else."""

import asyncio
from collections.abc import Callable
from typing import Any

import perspective

from live.ring import Ring
from live.status import Status
from live.viewers_engine import Contents, ViewersEngine
from live.whole import OF_TABLE, OF_VIEW, WholeTable
from protocol.messages import encoded, failure, head, parse, response, says_nothing, tail
from protocol.viewer import Offenders, Viewer

PORT = 1
"""What a viewer gets for a port. Nothing can be written into it: requests to do so are refused."""

LEVELS = {"view_collapse", "view_expand", "view_set_depth"}
"""What changes nothing of a view without groups."""


FIRST_SECONDS = 8.0
"""How long a viewer waits for the first rows of a table, before it is told that there are none."""


class Unavailable(Exception):
    """Why a table cannot be looked at."""


class Live:
    """A live table, with sessions of its viewers. `memory` (MiB) and `seconds` bound what they ask besides.

    `name` is what viewers call it, and `full` is its name in TDengine. It has a Perspective server of its own.
    """

    def __init__(self, full: str, name: str, limit: int, memory: int, seconds: float, offenders: Offenders) -> None:
        self.full = full
        self.name = name
        self.limit = limit
        self.server = perspective.Server()
        self.schema = b""
        self.rows = 0
        self.ring: Ring
        self.status = Status(table=full)
        self.whole = WholeTable(self.server, name)
        self.engine = ViewersEngine(name, limit, self._contents, offenders, memory, seconds)
        self.sessions: set[Session] = set()
        self.viewers: set[Session] = set()
        """Those of them that have a view."""
        self.changed: Callable[[], None] = lambda: None
        """Called where there is another table of that name than before, or the first one."""
        self._filled = False
        self._awaiting: list[asyncio.Future[None]] = []

    def new_session(self, viewer: Viewer) -> "Session":
        """A viewer's session."""
        session = Session(self, viewer)
        self.sessions.add(session)
        return session

    async def filled(self) -> None:
        """Wait until the rows of now are there, if there are any. Raises Unavailable with the reason why not."""
        if self._filled:
            return
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._awaiting.append(waiting)
        try:
            await asyncio.wait_for(waiting, FIRST_SECONDS)
        except TimeoutError:
            raise Unavailable(f"{self.full} cannot be read now: {self.status.error}") from None
        finally:
            if waiting in self._awaiting:
                self._awaiting.remove(waiting)

    def keep(self, table: perspective.Table, schema: bytes) -> None:
        """Have this be the table, of which `schema` is an Arrow stream without rows."""
        self.ring = self.whole.ring = Ring(table, schema, self.limit)

    def end_all(self, reason: str) -> None:
        """Close the websockets of all who look at this table, so that they connect again."""
        for session in list(self.sessions):
            session.viewer.end(1012, reason)

    def follow(self, message: dict[str, Any], rows: bytes) -> None:
        """The table has just been told what a message of the feed says.

        Raises TDengineError for what only the user can mend.
        """
        kind = message["kind"]
        self.status.note(message)
        if kind not in ("table", "append", "replace"):
            return
        if kind == "table":
            if rows == self.schema and not message["anew"]:
                return
            self.schema = rows
        self.rows = message["rows"]
        if kind != "append" or rows:
            self.whole.changed()
            self.engine.follow(kind, rows, self.rows)
            if kind != "table":
                self.whole.tell(rows)
        if kind == "table":
            self.changed()
        else:
            self._filled = True
            self._tell(None)

    def _tell(self, why: Unavailable | None) -> None:
        """Tell those who wait for the table that it is there, or why not."""
        while self._awaiting:
            waiting = self._awaiting.pop()
            if not waiting.done():
                waiting.set_exception(why) if why else waiting.set_result(None)

    async def close(self, why: str) -> None:
        """End the viewers' engine, and tell those who wait for the table why it will not come."""
        self._tell(Unavailable(why))
        await self.engine.close()

    def _contents(self) -> Contents | None:
        """The table as it is."""
        if not self.schema or not self.whole.use():
            return None
        try:
            return Contents(self.schema, response(self.whole.answer("view_to_arrow")).view_to_arrow.arrow, self.rows)
        finally:
            self.whole.leave()


class Session:
    """One viewer, and the views that it has."""

    def __init__(self, live: Live, viewer: Viewer) -> None:
        self.live = live
        self.viewer = viewer
        self.subscriptions: dict[str, dict[int, str]] = {}
        """What the viewer calls the whole table's view; and its subscriptions by their number: names of requests."""
        self.twins: set[str] = set()
        """The views of the whole table that the viewers' engine has, too, for what is not asked of all of it."""
        self.views: set[str] = set()

    async def handle_request(self, message: bytes) -> float:
        """Answer a request that was checked. Returns the seconds that the viewers' engine has spent on it."""
        request, name = parse(message)
        body = getattr(request, name)
        whole, begin = self.live.whole, head(request.msg_id, request.entity_id)
        if name in OF_TABLE and request.entity_id == self.live.name:
            self.viewer.answer(begin + whole.answer(name))
        elif name == "table_make_port":
            self.viewer.answer(begin + tail(name, port_id=PORT))
        elif name in ("table_on_delete", "table_remove_delete"):
            # Before a table is deleted, the websockets of its viewers are closed.
            if name == "table_remove_delete":
                self.viewer.answer(begin + tail(name))
        elif name == "table_make_view" and is_whole(body.config) and request.entity_id == self.live.name:
            if whole.use():
                self.subscriptions[body.view_id] = {}
                self.viewer.answer(begin + tail(name, view_id=body.view_id))
            else:
                self.viewer.answer(failure(message, "there is no table yet"))
        elif request.entity_id in self.subscriptions:
            return await self._of_whole(message, request, name)
        else:
            return await self.live.engine.ask(self, message)
        return 0.0

    def open(self, view: str) -> None:
        """The viewer asks for a view."""
        self.views.add(view)
        self.live.viewers.add(self)

    def leave(self, view: str) -> None:
        """The viewer needs a view no more."""
        self.views.discard(view)
        if not self.views:
            self.live.viewers.discard(self)

    def close(self) -> None:
        """Forget the viewer's views."""
        self.live.viewers.discard(self)
        for alias in list(self.subscriptions):
            self._delete(alias)
        self.live.engine.forget(self)
        self.live.sessions.discard(self)

    async def _of_whole(self, message: bytes, request: Any, name: str) -> float:
        """Answer a request about a view of the whole table."""
        alias, begin, body = request.entity_id, head(request.msg_id, request.entity_id), getattr(request, name)
        if name in ("view_on_update", "view_on_delete"):
            self.subscriptions[alias][request.msg_id] = name
            if name == "view_on_update":
                self._follow(request.msg_id, begin, body.HasField("mode"))
        elif name in ("view_remove_on_update", "view_remove_delete"):
            self._unsubscribe(alias, body.id)
            self.viewer.answer(begin + tail(name))
        elif name == "view_delete":
            self._delete(alias)
            self.viewer.answer(begin + tail(name))
            if alias in self.twins:
                self.twins.discard(alias)
                return await self.live.engine.ask(self, message, quiet=True)
        elif name in LEVELS:
            self.viewer.answer(begin + tail(name))
        elif name in OF_VIEW and says_nothing(body):
            self.viewer.answer(begin, self.live.whole.answer(name))
        else:
            return await self._of_twin(message, alias)
        return 0.0

    async def _of_twin(self, message: bytes, alias: str) -> float:
        """Answer a question about a part of the whole table: the viewers' engine has a view of that name, too."""
        if alias not in self.twins:
            self.twins.add(alias)
            make = encoded(msg_id=1, entity_id=self.live.name, table_make_view={"view_id": alias})
            await self.live.engine.ask(self, make, quiet=True)
        return await self.live.engine.ask(self, message)

    def _follow(self, number: int, begin: bytes, rows: bool) -> None:
        def follow(told: bytes, happened: bytes) -> None:
            self.viewer.answer(begin, told if rows else happened)

        self.live.whole.followers[self, number] = follow

    def _unsubscribe(self, alias: str, number: int) -> None:
        self.subscriptions[alias].pop(number, None)
        self.live.whole.followers.pop((self, number), None)

    def _delete(self, alias: str) -> None:
        for number, name in list(self.subscriptions[alias].items()):
            self._unsubscribe(alias, number)
            if name == "view_on_delete":
                self.viewer.answer(head(number, alias) + tail(name))
        del self.subscriptions[alias]
        self.live.whole.leave()


def is_whole(config: Any) -> bool:
    """Whether a view of this configuration has all rows and columns of the table, as they are."""
    return says_nothing(config) and not config.columns.HasField("columns")
