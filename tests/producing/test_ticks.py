"""When batches are due, and which timestamps their rows have."""

import threading
from itertools import islice, pairwise

import pytest

from producing.ticks import room, ticks, timestamps

MS = 10**6


class Clock:
    """A wall clock and a monotonic clock, both moved by hand, and the event whose wait moves them."""

    def __init__(self) -> None:
        self.wall = 1_767_323_045_678 * MS
        self.monotonic = 5 * 10**9
        self.waits: list[float] = []

    def sleep(self, ns: int, wall: bool = True) -> None:
        self.monotonic += ns
        self.wall += ns if wall else 0


class StoppedBy(threading.Event):
    """An event whose wait passes the time at once; it is never set."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock = clock

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.clock.sleep(round(timeout * 1e9))
        return False


@pytest.mark.parametrize("precision", ["ms", "us", "ns"])
@pytest.mark.parametrize("rows", [1, 7, 249, 250])
def test_rows_of_consecutive_batches_never_share_a_timestamp(precision: str, rows: int) -> None:
    begins = [1_767_323_045_678 * MS + batch * 250 * MS for batch in range(40)]
    times = [time for begin in begins for time in timestamps(begin, 250 * MS, rows, precision)]
    assert times == sorted(set(times))
    assert len(times) == 40 * rows


def test_rows_stay_inside_the_interval_that_their_batch_covers() -> None:
    times = timestamps(1000 * MS, 250 * MS, 250, "ms")
    assert times == list(range(1000, 1250))


def test_a_quarter_of_a_second_has_room_for_250_rows_in_milliseconds_and_more_in_finer_precisions() -> None:
    assert [room(250, precision) for precision in ("ms", "us", "ns")] == [250, 250_000, 250_000_000]


def test_a_late_batch_does_not_delay_the_next_one() -> None:
    clock = Clock()
    began = clock.monotonic
    due = []
    for number, _ in enumerate(islice(ticks(250, StoppedBy(clock), lambda: clock.wall, lambda: clock.monotonic), 40)):
        due.append(clock.monotonic - began)
        clock.sleep(700 * MS if number == 3 else 20 * MS)
    assert due[-1] == 40 * 250 * MS


def test_intervals_follow_each_other_whatever_the_wall_clock_does() -> None:
    clock = Clock()
    begins = []
    for number, begin in enumerate(
        islice(ticks(250, StoppedBy(clock), lambda: clock.wall, lambda: clock.monotonic), 20)
    ):
        begins.append(begin)
        if number == 5:
            clock.wall -= 30 * 10**9
    assert [later - earlier for earlier, later in pairwise(begins)] == [250 * MS] * 19


def test_intervals_in_which_the_machine_slept_are_left_out() -> None:
    clock = Clock()
    begins = []
    for number, begin in enumerate(
        islice(ticks(250, StoppedBy(clock), lambda: clock.wall, lambda: clock.monotonic), 6)
    ):
        begins.append(begin)
        if number == 2:
            clock.wall += 8 * 3600 * 10**9
    assert begins == sorted(set(begins))
    assert 0 <= clock.wall - begins[-1] <= 500 * MS


def test_where_the_wall_clock_goes_far_back_intervals_go_on_at_once_near_now() -> None:
    clock = Clock()
    found = ticks(250, StoppedBy(clock), lambda: clock.wall, lambda: clock.monotonic)
    before = list(islice(found, 4))
    clock.wall -= 3_600 * 10**9
    after = list(islice(found, 8))
    assert len({*before, *after}) == 12
    assert all(abs(begin - clock.wall) < 3 * 10**9 for begin in after)
    assert all(later - sooner == 250 * MS for sooner, later in pairwise(after))


def test_ticks_end_when_told_to_stop() -> None:
    stop = threading.Event()
    stop.set()
    assert list(ticks(250, stop)) == []
