"""What a viewer's websocket talks to: all tables by their names, each answered by the live table that it is."""

from dataclasses import dataclass
from typing import Any

from live.sessions import Live, Session, Unavailable
from live.tables import Tables
from protocol.messages import failure, head, parse, tail
from protocol.viewer import Viewer

OF_SERVER = {"get_features", "server_system_info"}
"""The questions that are about no table."""

BEGIN_SECONDS = 0.1
"""What it costs others that a feed is begun for a viewer."""


class Visit:
    """A viewer's session with all tables. `named`, if it is not empty, is listed first for this viewer."""

    def __init__(self, tables: Tables, named: str, viewer: Viewer) -> None:
        self.tables = tables
        self.named = named
        self.viewer = viewer
        self.views: dict[str, Live] = {}
        self.sessions: dict[Live, Session] = {}
        self.subscribed: dict[int, bytes] = {}
        """The numbers of the requests that want to be told of other tables, and how the answers begin."""
        self.closed = False
        tables.visits.add(self)

    async def handle_request(self, message: bytes) -> float:
        """Answer a request that was checked. Returns the seconds that it has cost others."""
        request, name = parse(message)
        if name == "get_hosted_tables":
            await self.tables.offer.list_at_once()
            begin = head(request.msg_id, request.entity_id)
            if request.get_hosted_tables.subscribe:
                self.subscribed[request.msg_id] = begin
            self.viewer.answer(begin + self._listed(self.tables.hosted))
        elif name == "remove_hosted_tables_update":
            self.subscribed.pop(request.remove_hosted_tables_update.id, None)
            self.viewer.answer(head(request.msg_id, request.entity_id) + tail(name))
        elif name in OF_SERVER:
            self.viewer.answer(head(request.msg_id, request.entity_id) + self.tables.first.whole.answer(name))
        elif request.entity_id in self.views:
            return await self._of_view(request, name, message)
        else:
            return await self._of_table(request, name, message)
        return 0.0

    def tell(self, hosted: dict[str, int]) -> None:
        """Tell the viewer that there are other tables now, if they want to know."""
        if self.subscribed:
            told = self._listed(hosted)
            for begin in self.subscribed.values():
                self.viewer.answer(begin + told)

    def leave(self, live: Live, reason: str) -> None:
        """A table ends: whoever looks at it has to connect again."""
        if live in self.views.values():
            self.viewer.end(1012, reason)
        elif live in self.sessions:
            self.sessions.pop(live).close()

    def close(self) -> None:
        """Forget the viewer's views."""
        self.closed = True
        self.tables.visits.discard(self)
        for live, session in self.sessions.items():
            self.tables.asked(live)
            session.close()

    async def _of_view(self, request: Any, name: str, message: bytes) -> float:
        live = self.views[request.entity_id]
        self.tables.asked(live)
        if name == "view_delete":
            del self.views[request.entity_id]
            self._session(live).leave(request.entity_id)
        return await self._session(live).handle_request(message)

    async def _of_table(self, request: Any, name: str, message: bytes) -> float:
        cost = 0.0 if self.tables.shows(request.entity_id) else BEGIN_SECONDS
        try:
            live = await self.tables.open(request.entity_id)
        except Unavailable as error:
            self.viewer.answer(failure(message, str(error)))
            return BEGIN_SECONDS
        if self.closed:
            return cost
        if request.entity_id != live.name:  # the first table, by the other of its names
            request.entity_id = live.name
            message = request.SerializeToString()
        if name == "table_make_view":
            view = request.table_make_view.view_id
            if view == live.name:
                self.viewer.answer(failure(message, "a view needs a name of its own"))
                return cost
            self.views[view] = live
            self._session(live).open(view)
        return cost + await self._session(live).handle_request(message)

    def _session(self, live: Live) -> Session:
        if live not in self.sessions:
            self.sessions[live] = live.new_session(self.viewer)
        return self.sessions[live]

    def _listed(self, hosted: dict[str, int]) -> bytes:
        """How the answer to a question about all tables ends, for this viewer."""
        first = {self.named: self.tables.first.limit} if self.named else {}
        infos = [{"entity_id": name, "limit": limit} for name, limit in {**first, **hosted}.items()]
        return tail("get_hosted_tables", table_infos=infos)


@dataclass(frozen=True)
class Visits:
    """What viewers' websockets talk to whose address names this table, or none."""

    tables: Tables
    named: str

    def new_session(self, viewer: Viewer) -> Visit:
        """A viewer's session."""
        return Visit(self.tables, self.named, viewer)
