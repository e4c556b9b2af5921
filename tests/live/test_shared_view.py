"""The view that viewers share answers as views of their own would, and is one."""

import random
import struct
from collections.abc import Callable, Iterator
from typing import Any

import perspective
import pytest

from frames import config, delimited, filter_by, make_view, request, varint
from live.shared_view import SharedView
from protocol.messages import parse

COLUMNS = {"n": list(range(5)), "text": list("abcde")}
FLAT = [b"", config(), delimited(3, varint(1 << 3) + b"\x00")]
OTHERS = [config(columns=["n"]), filter_by("n", "==", b"\x21" + struct.pack("<d", 1)), delimited(5, delimited(1, b"n"))]
READS = [10, 12, 14, 16, 18, 19, 23, 24, 25, 26, 36]
"""The numbers of the requests about a view, but for its schema, which the engine lists in any order."""


class Engine:
    """A Perspective server that tells how many views its sessions have made and not deleted."""

    def __init__(self, server: perspective.Server) -> None:
        self.server = server
        self.views: dict[Any, set[str]] = {}

    def new_session(self, send: Callable[[bytes], None]) -> "EngineSession":
        return EngineSession(self, send)


class EngineSession:
    def __init__(self, engine: Engine, send: Callable[[bytes], None]) -> None:
        self.engine = engine
        self.session = engine.server.new_session(send)

    def handle_request(self, message: bytes) -> None:
        asked, name = parse(message)
        views = self.engine.views.setdefault(self, set())
        if name == "table_make_view":
            views.add(asked.table_make_view.view_id)
        elif name == "view_delete":
            views.discard(asked.entity_id)
        self.session.handle_request(message)

    def close(self) -> None:
        self.engine.views.pop(self, None)
        self.session.close()


class Side:
    """Three viewers of a table in a Perspective server, and what each was answered."""

    def __init__(self, wrap: Callable[[Engine], Any]) -> None:
        self.server = perspective.Server()
        self.table = self.server.new_local_client().table(COLUMNS, name="t", limit=8)
        self.engine = Engine(self.server)
        made = wrap(self.engine)
        self.answers: list[list[bytes]] = [[], [], []]
        self.sessions = [made.new_session(answers.append) for answers in self.answers]

    def ask(self, viewer: int, message: bytes) -> None:
        self.sessions[viewer].handle_request(message)

    def views(self) -> int:
        """How many views the engine has."""
        return sum(map(len, self.engine.views.values()))

    def close(self) -> None:
        while self.sessions:
            self.sessions.pop().close()


@pytest.fixture
def own() -> Iterator[Side]:
    side = Side(lambda engine: engine)
    yield side
    side.close()


@pytest.fixture
def shared() -> Iterator[Side]:
    side = Side(lambda engine: SharedView(engine, "t"))
    yield side
    side.close()


@pytest.mark.parametrize("seed", range(20))
def test_viewers_are_answered_as_by_views_of_their_own(own: Side, shared: Side, seed: int) -> None:
    chance = random.Random(seed)
    views: list[list[str]] = [[], [], []]
    subscriptions: list[tuple[int, str, int, int]] = []
    modes: dict[str, bytes] = {}

    def ask(viewer: int, message: bytes) -> None:
        for side in (own, shared):
            side.ask(viewer, message)

    for number in range(1, 120):
        viewer = chance.randrange(3)
        what = chance.choice(["make", "subscribe", "subscribe", "unsubscribe", "read", "read", "delete", "update"])
        if what == "update":
            rows = [{"n": number + at, "text": str(number)} for at in range(chance.randrange(1, 10))]
            for side in (own, shared):
                side.table.update(rows)
        elif what == "make":
            views[viewer].append(f"view {number}")
            ask(viewer, make_view(views[viewer][-1], chance.choice(FLAT * 2 + OTHERS), number, "t"))
        elif what == "unsubscribe" and subscriptions:
            viewer, view, kind, subscribed = subscriptions.pop(chance.randrange(len(subscriptions)))
            if view in views[viewer]:
                ask(viewer, request(kind + 1, b"\x08" + varint(subscribed), view, number))
        elif views[viewer]:
            view = chance.choice(views[viewer])
            if what == "subscribe":
                kind = chance.choice([21, 21, 34])
                subscriptions.append((viewer, view, kind, number))
                mode = modes.setdefault(view, chance.choice([b"\x08\x00", b"\x08\x00", b""]))
                ask(viewer, request(kind, mode if kind == 21 else b"", view, number))
            elif what == "read":
                ask(
                    viewer,
                    request(chance.choice(READS), b"", view, number),
                )
            elif what == "delete":
                views[viewer].remove(view)
                ask(viewer, request(11, b"", view, number))
        assert [sorted(each) for each in shared.answers] == [sorted(each) for each in own.answers], (what, viewer)


def test_however_many_viewers_want_the_whole_table_the_engine_has_one_view_and_none_when_they_have_gone(
    shared: Side,
) -> None:
    for viewer in range(3):
        for at, made in enumerate(FLAT):
            shared.ask(viewer, make_view(f"{viewer} {at}", made, at + 1, "t"))
            shared.ask(viewer, request(21, b"\x08\x00", f"{viewer} {at}", 10 + at))
    assert shared.views() == 1
    for answers in shared.answers:
        answers.clear()
    shared.table.update([{"n": 9, "text": "z"}])
    assert [len(answers) for answers in shared.answers] == [3, 3, 3]
    shared.close()
    assert shared.views() == 0
    shared.table.delete()


def test_sorts_filters_and_choices_of_columns_are_views_of_their_own(shared: Side) -> None:
    for number, other in enumerate(OTHERS, 1):
        shared.ask(0, make_view(f"v{number}", other, number, "t"))
        assert shared.views() == number


def test_the_shared_view_is_made_anew_for_a_table_that_was(shared: Side) -> None:
    shared.ask(0, make_view("first", b"", 1, "t"))
    shared.ask(0, request(11, b"", "first", 2))
    shared.table.delete()
    shared.ask(0, make_view("none", b"", 3, "t"))
    assert b"find" in shared.answers[0][-1]
    shared.table = shared.server.new_local_client().table(COLUMNS, name="t", limit=8)
    shared.ask(0, make_view("second", b"", 4, "t"))
    shared.ask(0, request(26, b"", "second", 5))
    assert shared.answers[0][-1].count(b"text") == 5


def test_updates_that_come_before_rows_are_read_are_in_those_rows_and_not_told_after_them(shared: Side) -> None:
    shared.ask(0, make_view("v", b"", 1, "t"))
    shared.ask(0, request(21, b"\x08\x00", "v", 2))
    shared.table.update([{"n": 7, "text": "seventh"}])
    shared.ask(0, request(26, b"", "v", 3))
    update, rows = shared.answers[0][-2:]
    assert update.startswith(b"\x08\x02")
    assert rows.startswith(b"\x08\x03")
    assert b"seventh" in rows
