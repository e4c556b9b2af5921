"""Whose question is answered next: turns are taken by address and by viewer, not by question.

Who has had the most of the workers' time of late waits longest, and the last free worker is for those who have had
little: one who asks ten slow questions waits for himself.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from protocol.viewer import Viewer

HALF_LIFE_SECONDS = 20.0
"""After so long, time that somebody has had counts for half."""

LITTLE_SECONDS = 2.0
"""Who has had less than so much may have the last free worker."""

MAX_ADDRESSES = 10_000


@dataclass
class Had:
    """The time that somebody has had of late, and the questions of theirs that are being answered, since when."""

    seconds: float = 0.0
    counted: float = 0.0
    asking: list[float] = field(default_factory=list)

    def of_late(self, now: float) -> float:
        """Seconds, of which those of long ago count for less."""
        left = float(0.5 ** ((now - self.counted) / HALF_LIFE_SECONDS))
        return self.seconds * left + sum(now - each for each in self.asking)


class Turns:
    """So many workers, and who waits for one."""

    def __init__(self, workers: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.workers = workers
        self.free = workers
        self._waiting: list[tuple[Viewer, asyncio.Future[None]]] = []
        self._addresses: dict[str, Had] = {}
        self._viewers: dict[Viewer, Had] = {}
        self._gone: set[Viewer] = set()
        """Viewers who have gone while a question of theirs was being answered."""

    async def take(self, viewer: Viewer) -> None:
        """Wait for a turn."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((viewer, turn))
        self._next()
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                self.give_back(viewer)
            raise

    def give_back(self, viewer: Viewer) -> None:
        """A turn of this viewer's is over."""
        now = self.clock()
        for had in (self._addresses[viewer.address], self._viewers[viewer]):
            began = had.asking.pop(0)
            had.seconds, had.counted = had.of_late(now) - sum(now - each for each in had.asking) + now - began, now
        if viewer in self._gone and not self._viewers[viewer].asking:
            self._gone.discard(viewer)
            del self._viewers[viewer]
        self.free += 1
        self._next()

    def forget(self, viewer: Viewer) -> None:
        """A viewer has gone; what its address has had is remembered."""
        if viewer in self._viewers:
            if self._viewers[viewer].asking:
                self._gone.add(viewer)
            else:
                del self._viewers[viewer]
        if len(self._addresses) > MAX_ADDRESSES:
            now = self.clock()
            kept = {name: each for name, each in self._addresses.items() if each.asking or each.of_late(now) > 0.1}
            self._addresses = kept

    def _next(self) -> None:
        """Give what turns there are to those who have had least."""
        self._waiting = [each for each in self._waiting if not each[1].cancelled()]
        while self.free and self._waiting:
            now = self.clock()
            had = {id(turn): self._had(viewer, now) for viewer, turn in self._waiting}
            viewer, turn = min(self._waiting, key=lambda each: had[id(each[1])])
            if self.free == 1 < self.workers and had[id(turn)][0] > LITTLE_SECONDS:
                return
            self._waiting.remove((viewer, turn))
            self.free -= 1
            for each in (
                self._addresses.setdefault(viewer.address, Had()),
                self._viewers.setdefault(viewer, Had()),
            ):
                each.asking.append(now)
            turn.set_result(None)

    def _had(self, viewer: Viewer, now: float) -> tuple[float, float]:
        nothing = Had()
        address, own = self._addresses.get(viewer.address, nothing), self._viewers.get(viewer, nothing)
        return address.of_late(now), own.of_late(now)
