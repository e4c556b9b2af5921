"""What the live table and history know of whoever asks them: a viewer, and who of them has done harm."""

import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

MOST_HARM = 3
HARM_SECONDS = 60.0
"""Who has ended so many child processes within so many seconds is turned away for as long."""

MAX_ADDRESSES = 10_000


class Viewer(Protocol):
    """One who looks: the other end of a websocket."""

    address: str

    def answer(self, *parts: bytes) -> None:
        """Send an answer, of these parts, unless the viewer has gone."""

    async def reads(self) -> None:
        """Wait until most of what was sent is read, or the viewer has gone."""

    def end(self, code: int, reason: str) -> None:
        """Close the websocket, with a reason in words."""


class Nobody:
    """One who only asks: the server itself, which has no websocket."""

    address = ""

    def answer(self, *parts: bytes) -> None:
        """There is nobody to send it to."""

    async def reads(self) -> None:
        """There is nothing to read."""

    def end(self, code: int, reason: str) -> None:
        """There is nothing to close."""


class Offenders:
    """The addresses from which child processes were ended, and when."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._harm: dict[str, deque[float]] = {}

    def note(self, viewer: Viewer) -> None:
        """A request of this viewer's has ended a process. Its websocket is closed when that was once too often."""
        harm = self._harm.pop(viewer.address, None) or deque(maxlen=MOST_HARM)
        harm.append(self.clock())
        self._harm[viewer.address] = harm
        if len(self._harm) > MAX_ADDRESSES:
            del self._harm[next(iter(self._harm))]
        if self.away(viewer):
            viewer.end(1008, self.reason)

    def away(self, viewer: Viewer) -> bool:
        """Whether the viewer is turned away for now."""
        harm = self._harm.get(viewer.address, ())
        now = self.clock()
        recent = [when for when in harm if now - when < HARM_SECONDS]
        return len(recent) >= MOST_HARM and recent[-1] - recent[0] < HARM_SECONDS

    @property
    def reason(self) -> str:
        """What one who is turned away is told."""
        return f"requests from your address have ended {MOST_HARM} processes: try again in a minute"
