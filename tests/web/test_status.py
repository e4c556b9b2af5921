"""Rows per second as /status tells them, and what is logged of the state."""

import pytest

from live.status import Rate, Status


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def rates(*polls: tuple[float, int]) -> list[float]:
    """The rate after each poll: seconds since the one before, and the rows that it found."""
    clock = Clock()
    rate, found = Rate(clock), []
    for seconds, rows in polls:
        clock.now += seconds
        found.append(rate.note(rows))
    return found


def test_the_rate_is_that_of_the_last_second_without_the_rows_of_the_first_poll() -> None:
    assert rates((0, 1000), *[(0.25, 250)] * 8) == [0.0, *[1000.0] * 8]


def test_a_second_after_the_last_row_the_rate_is_zero() -> None:
    assert rates(*[(0.25, 250)] * 8, *[(0.25, 0)] * 4)[-5:] == [1000.0, 750.0, 500.0, 250.0, 0.0]


def test_polls_that_are_rare_give_the_rate_between_the_last_two() -> None:
    assert rates((0, 0), (5, 100), (5, 50), (5, 0)) == [0.0, 20.0, 10.0, 0.0]


def test_while_tdengine_is_away_the_rate_is_zero_and_what_comes_back_at_once_does_not_count() -> None:
    clock = Clock()
    status = Status(_rate=Rate(clock))
    poll = {"kind": "append", "rows": 1000, "rows_read": 250, "new": 250, "newest": 1, "ahead": 0}
    for _ in range(3):
        status.note(poll)
        clock.now += 0.25
    assert status.rows_per_second == 1000
    status.note({"kind": "waiting", "error": "away"})
    assert status.rows_per_second == 0
    clock.now += 10
    status.note({**poll, "new": 900})
    assert status.rows_per_second == 0


def test_each_reason_to_wait_is_logged_once_until_rows_come_again(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "perspective_server")
    status = Status(table="t")
    poll = {"kind": "append", "rows": 1, "rows_read": 1, "new": 1, "newest": 1, "ahead": 0}

    def wait(*errors: str) -> None:
        for error in errors:
            status.note({"kind": "waiting", "error": error})

    wait("no answer for 2 s", "no answer for 4 s", "no such table", "no answer for 2 s", "no such table")
    status.note(poll)
    status.note(poll)
    wait("no such table")
    status.note(poll)
    assert caplog.messages == [
        "t: waiting for TDengine: no answer for 2 s",
        "t: waiting for TDengine: no such table",
        "t: live",
        "t: waiting for TDengine: no such table",
        "t: live",
    ]
