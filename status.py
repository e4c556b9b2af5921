"""How things are: what /status answers, and the log line when it changes."""

import logging
from dataclasses import asdict, dataclass
from typing import Any

import tdengine
from access import Guarded

log = logging.getLogger("perspective_server")


@dataclass
class Status:
    """The state of the mirror: `live` while the last poll succeeded, else `waiting`, and `error` says for what."""

    state: str = "waiting"
    error: str | None = "not read yet"
    table: str = ""
    rows: int = 0
    rows_read: int = 0
    newest: int | None = None
    viewers: int = 0
    _logged: str | None = None

    def note(self, message: dict[str, Any]) -> None:
        """Take over what a message of the feed says. Raises tdengine.TDengineError for what only the user can mend."""
        if message["kind"] == "failed":
            raise tdengine.TDengineError(message["error"])
        if message["kind"] == "table":
            return
        if message["kind"] == "waiting":
            self.state, self.error = "waiting", message["error"]
        else:
            self.state, self.error = "live", None
            self.rows, self.newest = message["rows"], message["newest"]
            self.rows_read += message["rows_read"]
        if self.state != self._logged:
            self._logged = self.state
            log.info("%s: %s", self.table, self.state if self.error is None else f"waiting for TDengine: {self.error}")

    def as_dict(self) -> dict[str, Any]:
        """As /status answers it; `newest` in epoch milliseconds."""
        return {name: value for name, value in asdict(self).items() if name != "_logged"}


class StatusHandler(Guarded):
    """GET /status: 200 while the last poll succeeded, else 503, and JSON either way."""

    def initialize(self, status: Status) -> None:
        self.status = status

    def get(self) -> None:
        self.set_status(200 if self.status.state == "live" else 503)
        self.set_header("Cache-Control", "no-store")
        self.write(self.status.as_dict())
