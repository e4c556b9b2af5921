"""The mirror rule: what to do with the rows shown, given the rows polled."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from live import mirror as live_mirror
from live.mirror import Mirror, kept, step
from tdengine.describing import Column
from tdengine.settings import Settings
from tdengine.table import Row, Table, same

AT = Settings("localhost", 6041, "root", "stocks", "t", "secret")
PLAIN = Table(AT, (Column("ts", "TIMESTAMP", 8, ""), Column("v", "FLOAT", 4, "")), "ms")
SUPER = Table(AT, (*PLAIN.columns, Column("g", "INT", 4, "TAG")), "ms")
NAN = float("nan")


def rows(*times: int, value: float = 1.0) -> list[Row]:
    return [(time, value) for time in times]


def test_newer_rows_are_appended() -> None:
    assert step(PLAIN, 10, rows(1, 2), rows(1, 2, 3, 4), since=1) == rows(3, 4)


def test_rows_that_have_fallen_out_of_the_window_stay_shown() -> None:
    assert step(PLAIN, 10, rows(1, 2, 3), rows(3, 4), since=3) == rows(4)


def test_nothing_new_is_nothing_to_append() -> None:
    assert step(PLAIN, 10, rows(1, 2), rows(1, 2), since=1) == []


def test_nan_is_no_change() -> None:
    assert step(PLAIN, 10, rows(1, value=NAN), rows(1, value=float("nan")), since=1) == []


@pytest.mark.parametrize(
    ("change", "polled"),
    [
        ("a late row", rows(1, 2, 3)),
        ("an overwritten row", [(1, 1.0), (3, 2.0)]),
        ("a deleted row", rows(3)),
        ("all rows deleted", []),
    ],
)
def test_a_change_inside_the_window_cannot_be_appended(change: str, polled: list[Row]) -> None:
    assert step(PLAIN, 10, rows(1, 3), polled, since=1) is None, change


def test_more_rows_than_the_limit_replace_all_that_is_shown_by_appending() -> None:
    assert step(PLAIN, 3, rows(1, 2, 3), rows(7, 8, 9), since=2) == rows(7, 8, 9)


def test_children_of_a_super_table_may_share_the_newest_timestamp() -> None:
    shown = [(1, 1.0, 7, "d1"), (2, 1.0, 7, "d2")]
    polled = [(2, 1.0, 7, "d1"), (2, 1.0, 7, "d2")]
    assert step(SUPER, 10, shown, polled, since=2) == [(2, 1.0, 7, "d1")]


def test_rows_that_are_read_as_they_are_shown_are_the_ones_shown() -> None:
    shown = [(1, 1.0), (2, NAN), (3, 1.0)]
    read = [(4, 1.0), (3, 1.0), (2, float("nan")), (1, 1.0)]
    rows = kept(read, shown)
    assert rows[0] is read[0]
    assert all(row is known for row, known in zip(rows[1:], reversed(shown), strict=True))


some_rows = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 1)), max_size=6)


@given(read=some_rows, shown=some_rows)
def test_whatever_is_shown_the_rows_are_those_that_are_read(read: list[Row], shown: list[Row]) -> None:
    assert kept(read, shown) == read


@dataclass
class Database:
    """A table as TDengine keeps it, a row a timestamp, with a clock that the test moves."""

    now: int = 10_000
    stored: dict[int, Row] = field(default_factory=dict)

    def newest(self, limit: int, since: int | None) -> list[Row]:
        bound = -1 if since is None else min(since, self.now - 1000)
        return [self.stored[time] for time in sorted(self.stored) if time >= bound][-limit:]


def read_from(database: Database, patch: pytest.MonkeyPatch) -> Any:
    """Let the feed read this database; it stands where a connection would."""
    patch.setattr(live_mirror, "read_tdengine", lambda at, table, limit, since, shown: at.newest(limit, since))
    return database


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Any:
    return read_from(Database(), monkeypatch)


def shown_after(messages: list[tuple[str, list[Row]]], limit: int) -> list[Row]:
    """What a ring buffer holds that has done what the messages say."""
    shown: list[Row] = []
    for kind, new in messages:
        shown = new if kind == "replace" else [*shown, *new][-limit:]
    return shown


def test_the_first_poll_shows_the_newest_rows_however_old_they_are(database: Any) -> None:
    database.now = 10**9
    database.stored = {time: (time, 1.0) for time in range(50)}
    assert Mirror(PLAIN, 10).poll(database, whole=False) == ("replace", rows(*range(40, 50)))


def test_an_empty_table_is_shown_empty(database: Any) -> None:
    mirror = Mirror(PLAIN, 10)
    assert mirror.poll(database, whole=False) == ("replace", [])
    assert mirror.poll(database, whole=False) == ("append", [])


KINDS = ["insert", "late", "overwrite", "delete", "wait", "burst", "ahead"]
changes = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 1200)), max_size=8)


@settings(max_examples=400, deadline=None)
@example(rounds=[([("ahead", 0)], False), ([("insert", 0), ("wait", 1001)], False)], limit=2)
@given(rounds=st.lists(st.tuples(changes, st.booleans()), min_size=1, max_size=12), limit=st.integers(1, 12))
def test_after_every_poll_the_ring_holds_the_newest_rows_of_the_table(
    rounds: list[tuple[list[tuple[str, int]], bool]], limit: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        database = read_from(Database(), patch)
        mirror, messages, value = Mirror(PLAIN, limit, lambda: database.now / 1000), [], 0.0
        for operations, whole in rounds:
            old = False
            for kind, amount in operations:
                value += 1
                recent = [time for time in database.stored if time >= database.now - 1000]
                if kind == "wait":
                    database.now += amount
                elif kind == "ahead":
                    time = database.now + 3_600_000 + amount
                    database.stored[time] = (time, value)
                elif kind == "late":
                    database.stored[database.now - amount] = (database.now - amount, value)
                    old |= amount > 1000
                elif kind == "overwrite" and recent:
                    time = recent[amount % len(recent)]
                    database.stored[time] = (time, value)
                elif kind == "delete" and recent:
                    del database.stored[recent[amount % len(recent)]]
                else:
                    for _ in range(30 if kind == "burst" else 1):
                        database.now += 1
                        database.stored[database.now] = (database.now, value)
            messages.append(mirror.poll(database, whole or old))
            ring = shown_after(messages, limit)
            assert sorted(ring) == mirror.shown == database.newest(limit, None)
            assert [row for row in ring if row[0] <= database.now] == [
                row for row in mirror.shown if row[0] <= database.now
            ]


def test_rows_ahead_of_the_clock_stay_shown_and_polls_stay_appends(database: Any) -> None:
    mirror = Mirror(PLAIN, 50, lambda: database.now / 1000)
    database.stored[3_700_000] = (3_700_000, 1.0)
    messages = [mirror.poll(database, whole=False)]
    for poll in range(100):
        for _ in range(10):
            database.now += 25
            database.stored[database.now] = (database.now, 1.0)
        if poll % 3 == 0:  # a device whose clock is an hour ahead
            database.stored[database.now + 3_600_000] = (database.now + 3_600_000, 2.0)
        messages.append(mirror.poll(database, whole=poll % 20 == 0))
        assert sorted(shown_after(messages, 50)) == database.newest(50, None)
        assert mirror.newest == database.now
        assert mirror.ahead == max(database.stored) - database.now
    assert {kind for kind, _ in messages[2:]} == {"append"}
    assert max(len(new) for _, new in messages[2:]) < 50


def test_changes_of_rows_that_left_the_window_show_when_all_rows_are_read(database: Any) -> None:
    database.stored = {time: (time, 1.0) for time in range(5)}
    mirror = Mirror(PLAIN, 10)
    mirror.poll(database, whole=False)
    database.now = 10**9
    database.stored[10**9] = (10**9, 1.0)
    mirror.poll(database, whole=False)
    del database.stored[2]
    assert mirror.poll(database, whole=False) == ("append", [])
    assert mirror.poll(database, whole=True) == ("replace", rows(0, 1, 3, 4, 10**9))


def test_rows_are_the_same_only_if_every_value_is() -> None:
    assert same((1, NAN, "x"), (1, float("nan"), "x"))
    assert not same((1, NAN, "x"), (1, NAN, "y"))


def test_rows_that_come_between_two_polls_are_counted_and_none_of_the_first_poll(database: Any) -> None:
    mirror = Mirror(PLAIN, 10)
    database.now = 2000
    database.stored = {time: (time, 1.0) for time in range(1000, 1020)}
    counts = []
    for change in [{}, {1020: (1020, 1.0), 1021: (1021, 1.0)}, {}, {1015: (1015, 9.0), 1022: (1022, 1.0)}]:
        database.stored.update(change)
        mirror.poll(database, whole=False)
        counts.append(mirror.new)
    assert counts == [0, 2, 0, 1]
