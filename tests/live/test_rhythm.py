"""When to poll: writers of all kinds, on a clock of the test's, and how long their rows wait until they are seen."""

import random
from collections.abc import Callable, Iterator
from itertools import pairwise
from statistics import mean

import pytest

from live.rhythm import Rhythm

INTERVAL = 0.25
EVEN = INTERVAL / 2
"""How long rows wait on average where polls know nothing of when they come."""

SECONDS = 120.0

Writes = Iterator[tuple[float, float]]
"""When rows can be seen, and the newest of their timestamps."""


def beats(period: float, phase: float = 0.0, jitter: float = 0.0, late: float = 0.012) -> Writes:
    """A writer that keeps time, but for so much of it; what it writes can be seen a little later."""
    chance = random.Random(1)
    for beat in range(int(SECONDS / period)):
        time = phase + beat * period + chance.gauss(0, jitter)
        yield time + late + abs(chance.gauss(0, 0.002)), time


def at_random(every: float) -> Writes:
    """A writer without any rhythm, of rows that come so often on average."""
    chance, time = random.Random(1), 0.0
    while time < SECONDS:
        time += chance.expovariate(1 / every)
        yield time + 0.012, time


def polled(writes: Writes, start: float = 0.1, learnt: float = 10.0) -> tuple[float, list[float]]:
    """How long rows wait on average until a poll sees them, once that has had time to learn; when the polls were."""
    rhythm, at, newest = Rhythm(INTERVAL), start, None
    waits, polls, coming = [], [], sorted(writes)
    while at < SECONDS:
        polls.append(at)
        while coming and coming[0][0] <= at:
            seen, time = coming.pop(0)
            newest = time if newest is None else max(newest, time)
            if seen > learnt:
                waits.append(at - seen)
        at = rhythm.next(at, newest)
    return mean(waits), polls


WRITERS: dict[str, Callable[[], Writes]] = {
    "steady": lambda: beats(0.25),
    "a little slower": lambda: beats(0.2501),
    "a little faster": lambda: beats(0.2499),
    "a second": lambda: beats(1.0),
    "odd": lambda: beats(0.7),
    "slower than the longest gap": lambda: beats(0.33),
    "always": lambda: beats(0.01),
    "jitter": lambda: beats(0.25, jitter=0.015),
    "all over the place": lambda: beats(0.25, jitter=0.04),
    "chance, often": lambda: at_random(0.02),
    "chance": lambda: at_random(0.25),
    "chance, seldom": lambda: at_random(1.0),
    "two": lambda: iter([*beats(0.25), *beats(0.25, 0.1)]),
    "two periods": lambda: iter([*beats(0.25), *beats(0.33, 0.1)]),
    "once": lambda: iter([(0.0, 0.0)]),
    "long ago, an hour a batch": lambda: ((seen, 3600 * number) for number, (seen, _) in enumerate(beats(0.25))),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_polls_are_not_more_than_one_an_interval_on_average_and_none_is_late(writer: str) -> None:
    _, polls = polled(WRITERS[writer](), learnt=-1)
    gaps = [later - earlier for earlier, later in pairwise(polls)]
    assert max(gaps) <= 1.25 * INTERVAL + 1e-9
    assert min(gaps) >= 0.5 * INTERVAL - 1e-9
    for first in range(0, len(polls), 20):
        assert len(polls) - first <= (SECONDS - polls[first]) / INTERVAL + 2


@pytest.mark.parametrize("start", [0.0, 0.06, 0.13, 0.24])
@pytest.mark.parametrize("period", [0.25, 0.2501, 0.3, 1.0])
def test_rows_of_a_writer_with_a_rhythm_are_seen_when_they_have_come(period: float, start: float) -> None:
    wait, _ = polled(beats(period), start)
    assert wait < EVEN / 4


def test_a_rhythm_with_jitter_is_followed_too() -> None:
    wait, _ = polled(beats(0.25, jitter=0.005))
    assert wait < EVEN / 3


@pytest.mark.parametrize(
    "writer",
    ["always", "all over the place", "chance, often", "chance", "chance, seldom", "two", "slower than the longest gap"],
)
def test_where_there_is_no_rhythm_to_follow_rows_wait_no_longer_than_for_even_polls(writer: str) -> None:
    wait = mean(polled(WRITERS[writer](), start)[0] for start in (0.0, 0.06, 0.13, 0.19))
    assert wait < 1.05 * EVEN


def test_a_writer_that_stops_and_begins_again_out_of_step_is_followed_again() -> None:
    before = [(seen, time) for seen, time in beats(0.25) if time < 30]
    after = [(seen, time) for seen, time in beats(0.25, 0.11) if time > 60]
    wait, _ = polled(iter([*before, *after]), learnt=70)
    assert wait < EVEN / 4


def test_rows_that_are_deleted_or_a_clock_set_back_leave_even_polls_until_there_is_a_rhythm_again() -> None:
    rhythm, at = Rhythm(INTERVAL), 0.0
    for beat in range(40):
        at = rhythm.next(at, 1000.0 + INTERVAL * beat)
    assert rhythm.next(at, 500.0) == at + INTERVAL
    assert rhythm.next(at, None) == at + INTERVAL
    assert rhythm.next(at, 500.0) == at + INTERVAL


def test_a_long_interval_is_not_made_longer_so_that_the_feed_is_not_taken_for_silent() -> None:
    rhythm, at = Rhythm(1.9), 0.0
    for beat in range(200):
        due = rhythm.next(at, beat * 2.2)
        assert due - at <= 1.9 + 1e-9
        at = due
