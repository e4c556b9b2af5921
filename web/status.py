"""GET /status: how the live tables are."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from web.access import Guarded
from web.viewers import Viewer


class StatusHandler(Guarded):
    """GET (or HEAD) of /status: 200 while the last poll of the first table succeeded, else 503, and JSON either way.

    It says what there is of the first table, how many viewers there are of all, and the same `tables` has of each.
    With `?quiet` it is 200 either way, for a page, whose console a browser would fill with errors otherwise.
    """

    def initialize(self, tables: Callable[[], Mapping[str, Mapping[str, Any]]]) -> None:
        self.tables = tables

    def get(self) -> None:
        tables = self.tables()
        first = next(iter(tables.values()))
        quiet = "quiet" in self.request.query_arguments
        self.set_status(200 if quiet or first["state"] == "live" else 503)
        self.set_header("Cache-Control", "no-store")
        more = {"viewers": len(Viewer.everyone), "now": time.time_ns() // 10**6, "tables": tables}
        self.write({**first, **more})

    head = get
