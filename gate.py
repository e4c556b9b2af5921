"""The websocket between a viewer and the Perspective table."""

from typing import ClassVar

import perspective
from perspective.handlers.tornado import PerspectiveTornadoHandler

from status import Status


class Viewer(PerspectiveTornadoHandler):
    """A viewer's websocket: counted for /status, and closed where what it looks at is no longer there."""

    everyone: ClassVar[set["Viewer"]] = set()

    def initialize(self, perspective_server: perspective.Server, status: Status) -> None:
        super().initialize(perspective_server)
        self.status = status

    def open(self, *_: str, **__: str) -> None:
        super().open()
        self.everyone.add(self)
        self.status.viewers = len(self.everyone)

    def on_close(self) -> None:
        super().on_close()
        self.everyone.discard(self)
        self.status.viewers = len(self.everyone)

    @classmethod
    def close_all(cls, reason: str) -> None:
        """Close every viewer's websocket, so that each one connects again and opens the table anew."""
        for viewer in list(cls.everyone):
            viewer.close(1012, reason)
