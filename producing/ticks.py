"""When the producer's batches are due, and the timestamps of their rows.

TDengine keeps one row per timestamp, so a batch's rows are spread over the interval that it covers, and no batch
reuses a timestamp of the one before. Deadlines are absolute: a batch that was late does not make the next one late.
"""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime

from tdengine.describing import TICKS_PER_SECOND

CATCH_UP_SECONDS = 60
"""How far behind (after a hang of the database) batches are still made up for; beyond it, the machine was asleep."""


def timestamps(begin_ns: int, interval_ns: int, rows: int, precision: str) -> list[int]:
    """`rows` distinct, ascending timestamps of the given precision in [begin, begin + interval), in epoch ticks."""
    tick_ns = 10**9 // TICKS_PER_SECOND[precision]
    return [(begin_ns + row * interval_ns // rows) // tick_ns for row in range(rows)]


def midnight(timestamp: int, precision: str) -> int:
    """The timestamp at which the (local) day of the given one began."""
    second = TICKS_PER_SECOND[precision]
    day = datetime.fromtimestamp(timestamp // second).replace(hour=0, minute=0, second=0)
    return int(day.timestamp()) * second


def room(interval_ms: int, precision: str) -> int:
    """How many distinct timestamps an interval has in the given precision."""
    return interval_ms * TICKS_PER_SECOND[precision] // 1000


def ticks(
    interval_ms: int,
    stop: threading.Event,
    now_ns: Callable[[], int] = time.time_ns,
    monotonic_ns: Callable[[], int] = time.monotonic_ns,
) -> Iterator[int]:
    """Yield the start of each interval, in epoch nanoseconds, once the interval has passed; end when `stop` is set.

    Follows the monotonic clock, so that a correction of the wall clock cannot make a timestamp come twice. Where the
    wall clock has gone far ahead (a laptop that slept), the intervals in between are left out; where it has gone far
    back (somebody has set it right), they begin at what it says now.
    """
    interval_ns = interval_ms * 10**6
    begin = now_ns() // 10**6 * 10**6
    due = monotonic_ns() + interval_ns
    while not stop.wait(max(0, due - monotonic_ns()) / 1e9):
        yield begin
        begin += interval_ns
        due += interval_ns
        behind = now_ns() - begin
        if behind > CATCH_UP_SECONDS * 10**9:
            begin += behind // interval_ns * interval_ns
            due = monotonic_ns() + interval_ns
        elif behind < -CATCH_UP_SECONDS * 10**9:
            begin = now_ns() // 10**6 * 10**6
            due = monotonic_ns() + interval_ns
