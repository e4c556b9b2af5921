"""The poll, and the mirror rule: what the newest rows are, and how what is shown becomes equal to them."""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import taosws

from tdengine.table import Row, Table, same


def read_tdengine(connection: taosws.Connection, table: Table, limit: int, since: int | None) -> list[Row]:
    """The newest rows, at most `limit`, oldest first: those of the last second, and all from the time `since` on.

    Where `since` is None, the newest rows whatever their age. Raises taosws.Error.
    """
    window = "" if since is None else f"WHERE {table.time} >= NOW() - 1s OR {table.time} >= {since}"
    rows = list(connection.query(f"{table.select} {window} ORDER BY {table.time} DESC LIMIT {limit}"))
    if table.order and len(rows) == limit:
        # Where rows may share a timestamp, the limit may cut through those of the oldest: always take the same ones.
        oldest = rows[-1][0]
        newer = [row for row in rows if row[0] > oldest]
        cut = f"WHERE {table.time} = {oldest} ORDER BY {table.order} LIMIT {limit - len(newer)}"
        rows = newer + list(connection.query(f"{table.select} {cut}"))
    return sorted(rows, key=table.key)


def step(table: Table, limit: int, shown: Sequence[Row], polled: Sequence[Row], since: int | None) -> list[Row] | None:
    """The mirror rule: the rows to append to those shown, so that the newest `limit` of the table are shown.

    `polled` are the newest rows, oldest first, all of them from the time `since` on. None says that appending cannot
    do it: a row came late, was overwritten or deleted.
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
    if new and shown and new[0][0] < shown[-1][0]:
        return None
    after = [*shown, *new][-limit:]
    if since is not None and len(polled) < limit:
        after = [row for row in after if row[0] >= since]
    if len(after) != len(polled):
        return None
    found = {key(row): row for row in polled}
    return new if all(key(row) in found and same(row, found[key(row)]) for row in after) else None


@dataclass
class Mirror:
    """The rows that the Perspective table shows (None before the first poll), and how to bring them up to date.

    `new` is how many of the rows of the last poll came since the one before; none is of the first.
    """

    table: Table
    limit: int
    shown: list[Row] | None = None
    new: int = 0

    def poll(self, connection: taosws.Connection, whole: bool) -> tuple[str, list[Row]]:
        """Read once, all of the newest rows if `whole`; what to do: "append" the rows, or "replace" all by them."""
        since = None if whole or not self.shown else self.shown[-1][0] - self.table.second
        polled = read_tdengine(connection, self.table, self.limit, since)
        new = None if self.shown is None else step(self.table, self.limit, self.shown, polled, since)
        if new is None and since is not None:
            return self.poll(connection, whole=True)
        newest = math.inf if self.shown is None else self.shown[-1][0] if self.shown else -math.inf
        self.new = sum(row[0] > newest for row in polled) if new is None else len(new)
        if new is None or self.shown is None:
            self.shown = polled
            return "replace", polled
        self.shown = [*self.shown, *new][-self.limit :]
        return "append", new
