"""One view of the whole table for all viewers that want just that, as every page does: each update is encoded once.

Perspective's engine computes and encodes an update for each view anew, at half a millisecond each. Here a viewer's view
without sorts, filters or a choice of columns is another name for the one that all viewers have.
"""

import secrets
from collections.abc import Callable
from typing import Any

import perspective

from protocol.messages import encoded, head, parse, tail

Send = Callable[[bytes], None]

UPDATE = 2
"""The number of the request for updates of the shared view."""

LEVELS = {"view_collapse", "view_expand", "view_set_depth"}
"""What changes nothing of a view without groups: answered, and the shared view is left alone."""


class SharedView:
    """A Perspective server with the method that its viewers' connections use, and the view that they share."""

    def __init__(self, server: perspective.Server, table: str) -> None:
        self.server = server
        self.table = table
        self.name = ""
        self.session: Any = None
        self.users: set[tuple[Session, str]] = set()
        """The viewers that have the view, and what each calls it."""
        self.followers: dict[tuple[Session, int], tuple[bytes, bool]] = {}
        """The viewers that want its updates, with the number of their request: how an answer to that begins, and
        whether the rows are wanted, too."""
        self.answered = b""

    def new_session(self, send: Send) -> "Session":
        """A viewer's session; `send` is called with each answer."""
        return Session(self, send)

    def use(self, session: "Session", alias: str) -> bool:
        """Let a viewer have the view, which is made for the first one; False where there is no table to view."""
        if self.session is None:
            self.name = secrets.token_hex(16)  # which no viewer can guess, and make a view of that name
            self.session = self.server.new_session(self._heard)
            self.answered = b""
            make = {"view_id": self.name}
            self.session.handle_request(encoded(msg_id=1, entity_id=self.table, table_make_view=make))
            if self.answered != head(1, self.table) + tail("table_make_view", **make):
                self._end()
                return False
            # Of the only mode there is, 0, in which an update tells its rows.
            self.session.handle_request(encoded(msg_id=UPDATE, entity_id=self.name, view_on_update={"mode": 0}))
        self.users.add((session, alias))
        return True

    def leave(self, session: "Session", alias: str) -> None:
        """A viewer does not want the view any more; with the last one it is deleted, as the table then can be."""
        self.users.discard((session, alias))
        if not self.users and self.session is not None:
            self._end()

    def read(self, request: Any) -> bytes:
        """The view's answer to a request about it, as the answer to a viewer who calls it by another name."""
        alias, request.entity_id = request.entity_id, self.name
        self.answered = b""
        self.session.handle_request(request.SerializeToString())
        known = len(head(request.msg_id, self.name))
        return head(request.msg_id, alias) + self.answered[known:]

    def _heard(self, message: bytes) -> None:
        """An answer of the engine's: an update is everybody's, anything else that of the request being handled."""
        update = head(UPDATE, self.name)
        if message.startswith(update):
            told, happened = message[len(update) :], tail("view_on_update")
            for (session, _), (begin, rows) in list(self.followers.items()):
                session.send(begin + (told if rows else happened))
        else:
            self.answered = message

    def _end(self) -> None:
        self.session.close()
        self.session = None


class Session:
    """One viewer. Has the methods of Perspective's own sessions."""

    def __init__(self, shared: SharedView, send: Send) -> None:
        self.shared = shared
        self.send = send
        self.own = shared.server.new_session(send)
        self.aliases: dict[str, dict[int, str]] = {}
        """What the viewer calls the shared view; and its subscriptions by their number: the names of the requests."""

    def handle_request(self, message: bytes) -> None:
        """Answer a request, by the shared view where it is about that one."""
        request, name = parse(message)
        if name == "table_make_view" and self._make_view(request):
            self.send(head(request.msg_id, request.entity_id) + tail(name, view_id=request.table_make_view.view_id))
        elif request.entity_id in self.aliases:
            self._answer(request, name)
        else:
            self.own.handle_request(message)

    def close(self) -> None:
        """Delete the viewer's views."""
        for alias in list(self.aliases):
            self._delete(alias)
        self.own.close()

    def _make_view(self, request: Any) -> bool:
        """Whether the view that is asked for is the shared one."""
        config, alias = request.table_make_view.config, request.table_make_view.view_id
        plain = not (config.filter or config.sort or config.columns.HasField("columns"))
        if not plain or request.entity_id != self.shared.table or not self.shared.use(self, alias):
            return False
        self.aliases[alias] = {}
        return True

    def _answer(self, request: Any, name: str) -> None:
        alias, begin = request.entity_id, head(request.msg_id, request.entity_id)
        subscriptions = self.aliases[alias]
        if name in ("view_on_update", "view_on_delete"):
            subscriptions[request.msg_id] = name
            if name == "view_on_update":
                self.shared.followers[self, request.msg_id] = begin, request.view_on_update.HasField("mode")
        elif name in ("view_remove_on_update", "view_remove_delete"):
            self._unsubscribe(alias, getattr(request, name).id)
            self.send(begin + tail(name))
        elif name == "view_delete":
            self._delete(alias)
            self.send(begin + tail(name))
        elif name in LEVELS:
            self.send(begin + tail(name))
        else:
            self.send(self.shared.read(request))

    def _unsubscribe(self, alias: str, number: int) -> None:
        self.aliases[alias].pop(number, None)
        self.shared.followers.pop((self, number), None)

    def _delete(self, alias: str) -> None:
        for number, name in list(self.aliases[alias].items()):
            self._unsubscribe(alias, number)
            if name == "view_on_delete":
                self.send(head(number, alias) + tail(name))
        del self.aliases[alias]
        self.shared.leave(self, alias)
