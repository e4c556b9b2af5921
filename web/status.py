"""GET /status: how the live tables are."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from web.access import Guarded


class StatusHandler(Guarded):
    """GET (or HEAD) of /status: 200 while the last poll of the first table succeeded, else 503, and JSON either way.

    With `?quiet` it is 200 either way, for a page, whose console a browser would fill with errors otherwise.
    """

    def initialize(self, status: Callable[[], Mapping[str, Any]]) -> None:
        self.status = status

    def get(self) -> None:
        status = self.status()
        quiet = "quiet" in self.request.query_arguments
        self.set_status(200 if quiet or status["state"] == "live" else 503)
        self.set_header("Cache-Control", "no-store")
        self.write({**status, "now": time.time_ns() // 10**6})

    head = get
