"""The whole table, as every page wants it: asked of the table's engine by this module alone, each answer made once.

Perspective's engine computes and encodes an update for each view anew, at half a millisecond each, and may crash on
what a viewer asks of it. So all viewers of the whole table have one view of it, and what they ask about that, or about
the table, is answered by what the engine has answered to the same question of ours; no byte of theirs reaches it. Of
updates they are told by the very bytes that the table is told.
"""

from collections.abc import Callable
from typing import Any

from live.ring import Ring
from protocol.messages import Shared, encoded, head, tail

OF_TABLE = {"get_features", "server_system_info", "table_schema", "table_size"}
OF_VIEW = {
    *("view_dimensions", "view_schema", "view_expression_schema", "view_get_config", "view_column_paths"),
    "view_to_arrow",
}
"""The questions that are answered, by the names of their requests, where they ask for all there is."""

VIEW = "the whole table"


class WholeTable:
    """A table of a Perspective server, called `name`, and the one view of it.

    That is made to answer questions, and goes at the next update: an engine spends time on each view that it has then.
    """

    def __init__(self, server: Any, name: str) -> None:
        self.server = server
        self.name = name
        self.ring: Ring | None = None
        """The table, which is brought up to date before it is asked."""
        self.users = 0
        self.followers: dict[object, Callable[[bytes, bytes], None]] = {}
        """Those that want updates: called with an update that tells its rows, and one that does not."""
        self._session: Any = None
        self._viewed = False
        self._heard: list[bytes] = []
        self._known: dict[str, Shared] = {}

    def answer(self, name: str) -> bytes:
        """What an answer to a request of this name ends with; the table's or the view's, as it is now."""
        if name not in self._known:
            entity = self._entity(name)
            if entity == VIEW:
                self._view()
            self._known[name] = Shared(self._ask(entity, **{name: {}})[len(head(1, entity)) :])
        return self._known[name]

    def changed(self) -> None:
        """The table has other rows now, or there is another table."""
        self._known.clear()
        self._end()

    def tell(self, rows: bytes) -> None:
        """The table has just been told these rows: they are everybody's update, as they are."""
        if self.followers:
            told, happened = Shared(tail("view_on_update", delta=rows)), tail("view_on_update")
            for follow in list(self.followers.values()):
                follow(told, happened)

    def use(self) -> bool:
        """Begin to use the view; False where there is no table to view."""
        if not self.users and not self._view():
            return False
        self.users += 1
        return True

    def leave(self) -> None:
        """End to use the view. With its last user it is deleted, as the table then can be."""
        self.users -= 1
        if not self.users:
            self._end()

    def _view(self) -> bool:
        """Have the view, if there is a table."""
        made = {"view_id": VIEW}
        if not self._viewed:
            answer = self._ask(self.name, table_make_view=made)
            self._viewed = answer == head(1, self.name) + tail("table_make_view", **made)
        return self._viewed

    def _entity(self, name: str) -> str:
        if name in OF_VIEW:
            return VIEW
        return self.name if name.startswith("table_") else ""

    def _ask(self, entity: str, **request: Any) -> bytes:
        if self._session is None:
            self._session = self.server.new_session(self._heard.append)
        if self.ring is not None:
            self.ring.flush()
        self._heard.clear()
        self._session.handle_request(encoded(msg_id=1, entity_id=entity, **request))
        return self._heard[-1]

    def _end(self) -> None:
        """Delete the view."""
        self._known = {name: known for name, known in self._known.items() if name not in OF_VIEW}
        if self._session is not None:
            self._session.close()
        self._session, self._viewed = None, False
