"""The poll, and the mirror rule: what the newest rows are, and how what is shown becomes equal to them."""

import math
import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain

import taosws

from tdengine.table import Row, Table, same

AHEAD_SECONDS = 2
"""From how far ahead of the clock on a row is none of now: clocks differ by a little."""


def read_tdengine(
    connection: taosws.Connection, table: Table, limit: int, since: int | None, shown: Sequence[Row] = ()
) -> list[Row]:
    """The newest rows, at most `limit`, oldest first: those of the last second, and all from the time `since` on.

    Where `since` is None, the newest rows whatever their age. Rows that are as they are shown may be those very ones.
    Raises taosws.Error.
    """
    window = "" if since is None else f"WHERE {table.time} >= NOW() - 1s OR {table.time} >= {since}"
    rows = kept(connection.query(f"{table.select} {window} ORDER BY {table.time} DESC LIMIT {limit}"), shown)
    if table.order and len(rows) == limit:
        # Where rows may share a timestamp, the limit may cut through those of the oldest: always take the same ones.
        oldest = rows[-1][0]
        newer = [row for row in rows if row[0] > oldest]
        cut = f"WHERE {table.time} = {oldest} ORDER BY {table.order} LIMIT {limit - len(newer)}"
        rows = newer + list(connection.query(f"{table.select} {cut}"))
    rows.reverse()
    if table.order:
        rows.sort(key=table.key)
    return rows


def kept(read: Iterable[Row], shown: Sequence[Row]) -> list[Row]:
    """The rows read, newest first, and where they are as those shown, oldest first, these in their place.

    Most of what is polled has been shown before: so it is let go of row by row while it is read, its values made and
    unmade in the same few bytes of memory, and is not compared again.
    """
    rows: list[Row] = []
    reading = iter(read)
    newest = shown[-1][0] if shown else math.inf
    for row in reading:
        rows.append(row)
        if row[0] <= newest:
            reading = chain([rows.pop()], reading)
            break
    for known, row in zip(reversed(shown), reading, strict=False):
        if row != known and not same(row, known):
            rows.append(row)
            break
        rows.append(known)
    return [*rows, *reading]


def step(
    table: Table,
    limit: int,
    shown: Sequence[Row],
    polled: Sequence[Row],
    since: int | None,
    ahead: float = math.inf,
) -> list[Row] | None:
    """The mirror rule: the rows that have to be shown besides those shown, so that the newest `limit` of the table are.

    `polled` are the newest rows, oldest first, all of them from the time `since` on. None says that adding cannot do
    it: a row came late, was overwritten or deleted. From the time `ahead` on rows are of a clock that is wrong, and
    those of others may come before them.
    """
    key = table.key
    # Nearly always: the rows polled begin with the last ones shown, and those after them are new.
    known = bisect_right(polled, key(shown[-1]), key=key) if shown else 0
    older = len(shown) - known
    begins = older >= 0 and shown[older:] == polled[:known]
    if begins and (len(polled) == limit or older == 0 or (since is not None and shown[older - 1][0] < since)):
        return list(polled[known:])
    keys = {key(row) for row in shown}
    new = [row for row in polled if key(row) not in keys]
    last = newest_until(shown, ahead)
    if new and last is not None and new[0][0] < last[0]:
        return None
    after = sorted([*shown, *new], key=key)[-limit:]
    if since is not None and len(polled) < limit:
        after = [row for row in after if row[0] >= since]
    if len(after) != len(polled):
        return None
    found = {key(row): row for row in polled}
    return new if all(key(row) in found and same(row, found[key(row)]) for row in after) else None


def newest_until(rows: Sequence[Row], ahead: float) -> Row | None:
    """The newest of the rows, which are in the order of time, that is not from the time `ahead` on."""
    end = bisect_left(rows, ahead, key=lambda row: row[0])
    return rows[end - 1] if end else None


@dataclass
class Mirror:
    """The rows that the Perspective table shows (None before the first poll), and how to bring them up to date.

    `ring` has them in the order in which that table lets go of them, the order of their time but for those that are
    more than `AHEAD_SECONDS` ahead of the clock: they are appended again when they would go. `new` is how many of the
    rows of the last poll came since the one before; none is of the first.
    """

    table: Table
    limit: int
    clock: Callable[[], float] = time.time
    shown: list[Row] | None = None
    ring: list[Row] = field(default_factory=list)
    new: int = 0

    @property
    def now(self) -> int:
        """The time in the precision of the table."""
        return int(self.clock() * self.table.second)

    @property
    def bound(self) -> int:
        """From when on rows are ahead of the clock."""
        return self.now + AHEAD_SECONDS * self.table.second

    @property
    def newest(self) -> int | None:
        """The newest time that is shown, but for those ahead of the clock unless there are no others."""
        if not self.shown:
            return None
        return int((newest_until(self.shown, self.bound) or self.shown[-1])[0])

    @property
    def ahead(self) -> int:
        """How far the newest row is ahead of the clock; 0 where it is not."""
        return int(self.shown[-1][0]) - self.now if self.shown and self.shown[-1][0] > self.bound else 0

    def poll(self, connection: taosws.Connection, whole: bool) -> tuple[str, list[Row]]:
        """Read once, all of the newest rows if `whole`; what to do: "append" the rows, or "replace" all by them."""
        newest = self.newest
        # Where all rows shown are ahead of the clock, none of them says from when on there may be others.
        since = None if whole or newest is None or newest >= self.bound else newest - self.table.second
        polled = read_tdengine(connection, self.table, self.limit, since, self.shown or ())
        new = None if self.shown is None else step(self.table, self.limit, self.shown, polled, since, self.bound)
        if new is None and since is not None:
            return self.poll(connection, whole=True)
        before = math.inf if self.shown is None else -math.inf if newest is None else newest
        self.new = sum(row[0] > before for row in polled) if new is None else len(new)
        if new is not None and self.shown is not None:
            if self.ring is self.shown and not (new and self.shown and new[0][0] < self.shown[-1][0]):
                # Nearly always: a few rows come and go at the ends of a list, which may be long.
                self.shown += new
                del self.shown[: -self.limit]
                return "append", new
            self.shown = sorted([*self.shown, *new], key=self.table.key)[-self.limit :]
            rows = self._append(new)
            if rows is not None:
                return "append", rows
        else:
            self.shown = polled
        return "replace", self.begin_anew()

    def begin_anew(self) -> list[Row]:
        """The rows for a table that has none."""
        self.ring = self.shown = self.shown or []
        return list(self.shown)

    def _append(self, new: list[Row]) -> list[Row] | None:
        """Append to the ring so that it holds what is shown: the new rows, and those ahead that it lets go of then.

        None where that cannot be done.
        """
        assert self.shown is not None
        ring = [*self.ring, *new][-self.limit :]
        if ring == self.shown:
            self.ring = self.shown
            return new
        key = self.table.key
        shown = {key(row): row for row in self.shown}
        rows = [row for row in new if key(row) in shown]
        while True:
            ring = [*self.ring, *rows][-self.limit :]
            held = {key(row) for row in ring}
            gone = [row for name, row in shown.items() if name not in held]
            if not gone:
                break
            if len(rows) > self.limit:
                return None
            rows += gone
        if len(ring) != len(shown):
            return None
        self.ring = ring
        return rows
