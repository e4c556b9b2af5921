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

    def on_message(self, message: str | bytes) -> None:
        if self in self.everyone:
            super().on_message(message)

    def on_close(self) -> None:
        if self in self.everyone:
            self.everyone.discard(self)
            self.status.viewers = len(self.everyone)
            super().on_close()

    @classmethod
    def close_all(cls, reason: str) -> None:
        """End every viewer's session, and with it its views, and close its websocket, so that it connects again."""
        for viewer in list(cls.everyone):
            viewer.on_close()
            viewer.close(1012, reason)
