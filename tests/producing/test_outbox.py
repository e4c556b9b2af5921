"""Batches on their way: confirmed, resent, bounded, counted."""

from collections.abc import Callable

import pytest
import taosws

from producing.outbox import Outbox
from tdengine.errors import TDengineError


class Database:
    """Something to send to, which can be taken away."""

    def __init__(self) -> None:
        self.there = True
        self.answers = True
        self.attempts = 0
        self.stored: list[int] = []

    def connect(self) -> "Database":
        self.attempts += 1
        if not self.there:
            raise taosws.ConnectionError("[0xE001] Internal error: `Connection refused`")
        return self

    def insert(self, batch: list[int]) -> int:
        if not self.there:
            raise taosws.QueryError("[0xE002] Internal error: `WebSocket connection is closed`")
        self.stored += [row for row in batch if row not in self.stored]
        if not self.answers:
            raise taosws.QueryError("[0xE004] Internal error: `timeout after 5s`")
        return len(batch)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def database() -> Database:
    return Database()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def outbox(database: Database, clock: Clock) -> Outbox:
    return Outbox(database.connect, lambda at, batch: at.insert(batch), capacity=3, clock=clock)


def test_what_is_confirmed_is_counted_and_no_longer_kept(outbox: Outbox) -> None:
    outbox.put([1, 2])
    assert outbox.send()
    assert (outbox.confirmed, outbox.batches, len(outbox.waiting)) == (2, 1, 0)


def test_batches_wait_for_a_database_that_is_away_and_are_all_stored_when_it_returns(
    outbox: Outbox, database: Database, clock: Clock
) -> None:
    database.there = False
    for row in range(3):
        outbox.put([row])
        assert not outbox.send()
    database.there = True
    clock.now += 5
    assert outbox.send()
    assert database.stored == [0, 1, 2]
    assert outbox.confirmed == 3


def test_a_batch_whose_confirmation_was_lost_is_sent_again_and_counted_once(
    outbox: Outbox, database: Database, clock: Clock
) -> None:
    database.answers = False
    outbox.put([1, 2])
    assert not outbox.send()
    database.answers = True
    clock.now += 5
    assert outbox.send()
    assert (database.stored, outbox.confirmed) == ([1, 2], 2)


def test_what_does_not_fit_is_counted_and_what_was_first_stays(
    outbox: Outbox, database: Database, clock: Clock
) -> None:
    database.there = False
    for row in range(5):
        outbox.put([row, -row])
        outbox.send()
    assert outbox.dropped == 4
    database.there = True
    clock.now += 5
    assert outbox.send()
    assert outbox.confirmed == 6
    assert 0 in database.stored


def test_attempts_to_connect_grow_apart_to_four_seconds(outbox: Outbox, database: Database, clock: Clock) -> None:
    database.there = False
    outbox.put([1])
    for _ in range(60 * 20):
        outbox.send()
        clock.now += 0.05
    assert 15 <= database.attempts <= 20


def test_waiting_is_said_once(
    outbox: Outbox, database: Database, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    database.there = False
    for _ in range(100):
        outbox.send()
        clock.now += 1
    database.there = True
    clock.now += 5
    outbox.send()
    assert [record.message for record in caplog.records] == [
        "waiting for TDengine: [0xE001] Connection refused",
        "TDengine answers again",
    ]


def test_what_only_the_user_can_mend_is_not_waited_for(clock: Clock) -> None:
    def refuse() -> Callable[[], None]:
        raise TDengineError("wrong password")

    with pytest.raises(TDengineError):
        Outbox(refuse, lambda at, batch: 0, clock=clock).send()
