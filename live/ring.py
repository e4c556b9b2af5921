"""A Perspective table of the newest rows, which its engine is told of when somebody asks, and not at each poll.

The engine spends more on an update than on the rows in it, and viewers hear of those without it (live/whole.py). So
what is appended waits here; of rows that the ring lets go of before anybody asks, the engine never hears.
"""

from typing import Any

MOST_WAITING = 16
"""Appends that wait at most: they are told at once then, which costs no more than one of them."""

END = b"\xff\xff\xff\xff\0\0\0\0"
"""How an Arrow IPC stream ends."""


class Ring:
    """A table of a Perspective server, `limit` rows at most. `schema` is an Arrow stream of it without rows."""

    def __init__(self, table: Any, schema: bytes, limit: int) -> None:
        self.table = table
        self.limit = limit
        # A stream begins with a message that is the schema: four bytes, its length in as many, and itself.
        self.schema = schema[: 8 + int.from_bytes(schema[4:8], "little")]
        self._waiting: list[tuple[int, bytes]] = []

    def append(self, rows: bytes, count: int) -> None:
        """Append so many rows, an Arrow stream of this schema."""
        self._waiting.append((count, rows))
        while sum(later for later, _ in self._waiting[1:]) >= self.limit:
            del self._waiting[0]
        if len(self._waiting) >= MOST_WAITING:
            self.flush()

    def replace(self, rows: bytes, count: int) -> None:
        """Have these rows, so many, and no others."""
        self._waiting.clear()
        # update() of a full ring leaves nothing of the old rows, and does not leak as replace() does.
        self.table.update(rows) if count == self.limit else self.table.replace(rows)

    def flush(self) -> None:
        """Bring the engine up to date."""
        if self._waiting:
            batches = [rows[len(self.schema) : -len(END)] for _, rows in self._waiting]
            self._waiting.clear()
            self.table.update(b"".join((self.schema, *batches, END)))

    def delete(self) -> None:
        """Delete the table."""
        self._waiting.clear()
        self.table.delete()
