"""When to poll: just after rows have come, where their writer keeps a rhythm, and at even intervals where none does."""

import math
from collections import deque
from collections.abc import Sequence
from statistics import median

LONGEST = 1.25
"""How long after the one before a poll may be, in intervals."""

LONGEST_SECONDS = 1.5
"""And in seconds, unless the interval is longer: the server soon calls a feed stale that says nothing."""

STEPS = 8
"""From so many steps of the newest timestamp the writer's period is learnt, if it has one."""

AGAIN = 64
"""After so many polls it is tried anew whether rows come earlier, or whether they come in a rhythm now."""


class Rhythm:
    """Says when the next poll is due, from when the polls before were and the newest timestamp that each has found.

    After a batch of rows, one is awaited a period later, and polled for as long after its newest timestamp as has been
    enough for the others (`seen`). Earlier moments are tried, until rows are missed there (`missed`). Times are in
    seconds, polls' and rows' by clocks that need not agree. On average polls are not more than one an interval: one
    that comes early is paid for by one that came late (`credit`, in intervals).
    """

    def __init__(self, interval: float) -> None:
        self.interval = interval
        self.longest = max(interval, min(LONGEST * interval, LONGEST_SECONDS))
        self.near = interval / 8
        """How far from its beat a timestamp may be."""
        self.grain = interval / 32
        """How exactly it is learnt when rows come."""
        self.credit = 1.0
        self.newest: float | None = None
        self.steps: deque[float] = deque(maxlen=STEPS)
        self.period: float | None = None
        self.seen: float | None = None
        """None while there is no rhythm to follow."""
        self.missed = -math.inf
        self.followed = 0
        """For how many polls it has been followed."""
        self.awaited: float | None = None
        """The newest timestamp that this poll was to find, where it was to find a batch."""
        self.astray: deque[bool] = deque(maxlen=STEPS)
        """Whether rows were there, but of other times than awaited: so they are where rows come all the time."""
        self.rests, self.rest = 0, AGAIN
        """For how many polls no rhythm is looked for, and how many that will be the next time."""

    def next(self, at: float, newest: float | None) -> float:
        """When to poll after a poll at the time `at`, which has found rows up to the time `newest`."""
        before, self.newest = self.newest, newest
        came = newest is not None and before is not None and newest > before
        self.rests = max(0, self.rests - 1)
        if newest is None or before is None or newest < before or self._has_stopped(at - newest):
            self.steps.clear()
            self.period = None
        elif came:
            self.steps.append(newest - before)
            self.period = beat(self.steps, self.near)
        if newest is None or self.period is None or self.rests or self._is_out_of_reach(self.period):
            return self._even(at)
        if self.seen is not None and self.awaited is not None:
            self._learn(at, newest, came, self.awaited, self.seen)
        elif self.seen is None and came:
            self.seen, self.missed, self.followed = at - newest, at - newest - self.interval, 0
            self.astray.clear()
        if self.seen is None:
            return self._even(at)
        self.followed += 1
        if self.followed % AGAIN == 0:
            self.rest = AGAIN
            self.missed = min(self.missed, self.seen - 2.5 * self.grain)
        return self._beat(at, newest, self.period, self.seen)

    def _has_stopped(self, age: float) -> bool:
        """Whether rows have failed to come where at least two batches were due."""
        if self.seen is None or self.period is None:
            return False
        return age > self.seen + 2.5 * max(self.period, self.interval)

    def _is_out_of_reach(self, period: float) -> bool:
        """Whether a period is a little longer than the longest gap: polls meet nearly no beat of it but by chance."""
        return self.longest < period < self.longest + self.interval / 6

    def _learn(self, at: float, newest: float, came: bool, awaited: float, seen: float) -> None:
        """Learn from a poll that was to find the rows up to the time `awaited`."""
        asked = at - awaited
        self.astray.append(came and abs(newest - awaited) > self.near and at - newest < seen + self.near)
        if sum(self.astray) > STEPS / 4:
            self.seen = None
            self.rests, self.rest = self.rest, min(2 * self.rest, 16 * AGAIN)
        elif newest < awaited - self.near:
            self.missed = asked
            self.seen = max(seen, asked + self.grain)
        else:
            self.seen = min(seen, asked)

    def _beat(self, at: float, newest: float, period: float, seen: float) -> float:
        """The poll that finds the next batch, or one before it where that is too far away."""
        unknown = seen - self.missed
        aim = seen - min(unknown / 2, self.interval / 6) if unknown > 2 * self.grain else seen
        shortest = self.interval * max(0.5, 1 - self.credit)
        beats = max(1, math.ceil((at + shortest - newest - aim) / period))
        self.awaited = newest + beats * period
        gap = self.awaited + aim - at
        if gap > self.longest:
            self.awaited = None
            polls = int(gap / self.interval)
            polls += gap / polls > self.longest
            gap = gap / polls if polls - gap / self.interval <= self.credit else self.longest
        return self._due(at, gap)

    def _even(self, at: float) -> float:
        self.seen = self.awaited = None
        return self._due(at, self.interval)

    def _due(self, at: float, gap: float) -> float:
        self.credit = min(1.0, self.credit + gap / self.interval - 1)
        return at + gap


def beat(steps: Sequence[float], near: float) -> float | None:
    """The time between two batches, of which a poll may have found several at once; None where they vary."""
    if len(steps) < STEPS:
        return None
    step = sorted(steps)[STEPS // 4]
    counts = [max(1, round(each / step)) for each in steps]
    period = median(each / count for each, count in zip(steps, counts, strict=True))
    on_time = sum(abs(each - count * period) <= near for each, count in zip(steps, counts, strict=True))
    return period if on_time >= STEPS * 3 / 4 and period > near else None
