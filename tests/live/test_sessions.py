"""Viewers of the live table are answered as by Perspective itself, whichever process their views are in."""

import asyncio
import random
import struct
from collections.abc import Awaitable, Callable
from typing import Any

import perspective
import pyarrow as pa
import pytest

from frames import config, delimited, filter_by, make_view, request, varint
from heard import Heard
from live import sessions, viewers_engine
from live.sessions import Live
from live.tables import Tables
from live.visits import Visit, Visits
from protocol.messages import response
from protocol.viewer import Offenders
from tdengine.arrow import ipc_stream
from tdengine.catalogue import Listed
from tdengine.offer import Offer
from waiting import until

SCHEMA = pa.schema([("n", pa.int32()), ("text", pa.string())])
LIMIT = 8
WHOLE = [b"", config(), delimited(3, varint(1 << 3) + b"\x00")]
GROUPED = config(group_by=["text"], columns=["n"])
OTHERS = [
    config(columns=["n"]),
    filter_by("n", ">=", b"\x21" + struct.pack("<d", 1)),
    delimited(5, delimited(1, b"n") + b"\x10\x02"),
    GROUPED,
    config(split_by=["text"], columns=["n"]),
]
READS = [10, 12, 14, 16, 18, 19, 23, 24, 25, 26, 36]
"""The numbers of the requests about a view, but for its schema, which the engine lists in any order."""


def arrow(*rows: tuple[int, str]) -> bytes:
    """Rows as Arrow; none makes a schema."""
    columns = zip(*rows, strict=True) if rows else [()] * len(SCHEMA)
    return ipc_stream([pa.array(column, of.type) for column, of in zip(columns, SCHEMA, strict=True)], SCHEMA)


TOLD = {"anew": False, "tags": [], "renamed": {}, "rows": 0, "rows_read": 0, "new": 0, "newest": None, "ahead": 0}
"""What messages of the feed say besides."""

START = [(number, "abcde"[number]) for number in range(5)]


async def nothing_listed(_: dict[str, Any]) -> dict[str, Any]:
    """TDengine's answer where there are no other tables."""
    return {"databases": ["d"], "tables": []}


async def no_feed(*_: object) -> None:
    """Nothing comes but what the test makes."""


class Side:
    """A live table of five rows and its viewers."""

    def __init__(self, viewers: int = 3, seconds: float = 5.0) -> None:
        self.offenders = Offenders()
        offer = Offer(["d"], nothing_listed)
        make = lambda full, name: Live(full, name, LIMIT, 1024, seconds, self.offenders)  # noqa: E731
        self.visits = Visits(Tables(Listed("d", "t"), "t", offer, 8, make, no_feed), "")
        self.live = self.visits.tables.first
        self.rows = 0
        self.heard = [Heard(f"192.0.2.{number}") for number in range(viewers)]
        self.sessions = [self.visits.new_session(viewer) for viewer in self.heard]

    def make(self) -> None:
        """Make the table."""
        table = self.live.server.new_local_client().table(arrow(), name="t", limit=LIMIT)
        self.live.keep(table, arrow())
        self.live.follow({**TOLD, "kind": "table"}, arrow())
        self.append(*START)

    def append(self, *rows: tuple[int, str]) -> None:
        """Append rows, as perspective_thread does."""
        self.live.ring.append(arrow(*rows), len(rows))
        self.rows = min(LIMIT, self.rows + len(rows))
        self.live.follow({**TOLD, "kind": "append", "rows": self.rows}, arrow(*rows))

    async def ask(self, viewer: int, message: bytes) -> list[bytes]:
        """What a viewer is told once a message of theirs is answered, and all that came before."""
        await self.sessions[viewer].handle_request(message)
        return self.heard[viewer].all()

    async def settled(self) -> None:
        """Wait until the viewers' engine has done all that it was told."""
        await until(lambda: not self.live.engine._told)

    async def close(self) -> None:
        while self.sessions:
            self.sessions.pop().close()
        await self.visits.tables.close()


def run(test: Callable[[Side], Awaitable[None]], **options: Any) -> None:
    """Run a test with a live table."""

    async def main() -> None:
        side = Side(**options)
        side.make()
        try:
            await test(side)
        finally:
            await side.close()

    asyncio.run(main())


class Own:
    """The same table in a Perspective server of its own, which is asked without anything in between."""

    def __init__(self, viewers: int) -> None:
        self.server = perspective.Server()
        self.table = self.server.new_local_client().table(arrow(), name="t", limit=LIMIT)
        self.table.update(arrow(*START))
        self.answers: list[list[bytes]] = [[] for _ in range(viewers)]
        self.sessions = [self.server.new_session(answers.append) for answers in self.answers]

    def ask(self, viewer: int, message: bytes) -> None:
        self.sessions[viewer].handle_request(message)

    def all(self, viewer: int) -> list[bytes]:
        found, self.answers[viewer][:] = list(self.answers[viewer]), []
        return found

    def close(self) -> None:
        while self.sessions:
            self.sessions.pop().close()


@pytest.mark.parametrize("seed", range(20))
def test_viewers_are_answered_as_by_views_of_their_own(seed: int) -> None:
    chance = random.Random(seed)
    views: list[list[str]] = [[], [], []]
    subscriptions: list[tuple[int, str, int, int]] = []
    modes: dict[str, bytes] = {}
    kinds: dict[str, bytes] = {}

    async def test(side: Side) -> None:
        own = Own(3)

        async def ask(viewer: int, message: bytes) -> None:
            own.ask(viewer, message)
            await side.sessions[viewer].handle_request(message)

        for number in range(1, 120):
            viewer = chance.randrange(3)
            what = chance.choice(["make", "subscribe", "subscribe", "unsubscribe", "read", "read", "delete", "update"])
            if what == "update":
                rows = [(number + at, str(number)) for at in range(chance.randint(1, LIMIT))]
                own.table.update(arrow(*rows))
                side.append(*rows)
                await side.settled()
            elif what == "make":
                name = f"view {number}"
                kinds[name] = chance.choice(WHOLE * 2 + OTHERS)
                views[viewer].append(name)
                await ask(viewer, make_view(name, kinds[name], number, "t"))
            elif what == "unsubscribe" and subscriptions:
                viewer, view, kind, subscribed = subscriptions.pop(chance.randrange(len(subscriptions)))
                if view in views[viewer]:
                    await ask(viewer, request(kind + 1, b"\x08" + varint(subscribed), view, number))
            elif views[viewer]:
                view = chance.choice(views[viewer])
                if what == "subscribe":
                    kind = chance.choice([21, 21, 34])
                    subscriptions.append((viewer, view, kind, number))
                    rowless = b"" if kinds[view] in OTHERS[3:] else b"\x08\x00"
                    mode = modes.setdefault(view, chance.choice([rowless, rowless, b""]))
                    await ask(viewer, request(kind, mode if kind == 21 else b"", view, number))
                elif what == "read":
                    grouped = kinds[view] == GROUPED
                    read = chance.choice([each for each in READS if grouped or each not in (18, 19)])
                    viewport = delimited(1, b"\x08\x01\x18\x03") if read > 23 and chance.random() < 0.5 else b""
                    await ask(viewer, request(read, viewport, view, number))
                elif what == "delete":
                    views[viewer].remove(view)
                    await ask(viewer, request(11, b"", view, number))
            for each in range(3):
                ours, theirs = (sorted(map(readable, all_)) for all_ in (side.heard[each].all(), own.all(each)))
                assert ours == theirs, (what, viewer, number)
        own.close()

    run(test)


def readable(message: bytes) -> tuple[bytes, str]:
    """A message that viewers are told; the rows of an update apart, of which Arrow has more than one form."""
    told = response(message)
    delta = told.view_on_update.delta
    if not delta:
        return message, ""
    told.view_on_update.ClearField("delta")
    return told.SerializeToString(), str(pa.ipc.open_stream(delta).read_all().to_pydict())


def views_of(side: Side) -> int:
    """How many users the view of the whole table has."""
    return side.live.whole.users


def test_whoever_wants_the_whole_table_needs_no_engine_but_the_tables_which_has_one_view_of_it() -> None:
    async def test(side: Side) -> None:
        for viewer in range(3):
            for at, made in enumerate(WHOLE):
                name = f"{viewer} {at}"
                await side.ask(viewer, make_view(name, made, at + 1, "t"))
                await side.ask(viewer, request(21, b"\x08\x00", name, 10 + at))
                for number in (10, 12, 13, 14, 15):
                    (answer,) = await side.ask(viewer, request(number, b"", name, 20))
                    assert b"\x92\x03" not in answer  # field 50, an error
                (answer,) = await side.ask(viewer, request(16, delimited(1, b""), name, 20))
                assert b"ARROW" in answer or b"\xff\xff\xff\xff" in answer
        side.append((9, "z"))
        assert [len(heard.all()) for heard in side.heard] == [3, 3, 3]
        assert side.live.engine.process is None
        assert views_of(side) == 9
        for session in side.sessions:
            session.close()
        side.live.ring.delete()

    run(test)


def test_a_viewer_who_hears_of_an_update_is_answered_with_it_by_the_viewers_engine_too() -> None:
    async def test(side: Side) -> None:
        await side.ask(0, make_view("v", b"", 1, "t"))
        await side.ask(0, request(21, b"", "v", 2))
        await side.ask(0, request(26, b"", "v", 3))
        for number in range(20):
            side.append((number, f"row {number}"))
            (update,) = side.heard[0].all()
            assert update.startswith(b"\x08\x02")
            (rows,) = await side.ask(0, request(26, b"", "v", 4))
            assert f"row {number}".encode() in rows

    run(test)


def test_the_views_are_made_anew_for_a_table_that_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "FIRST_SECONDS", 0.01)

    async def main() -> None:
        side = Side(viewers=1)
        (refused,) = await side.ask(0, make_view("none", b"", 1, "t"))
        assert b"d.t cannot be read now: not read yet" in refused
        side.make()
        assert len(await side.ask(0, make_view("first", b"", 2, "t"))) == 1
        assert b"a" in (await side.ask(0, request(26, b"", "first", 3)))[0]
        side.sessions.pop().close()
        side.live.ring.delete()
        other = pa.schema([("x", pa.float64())])
        none = ipc_stream([pa.array([], pa.float64())], other)
        side.live.keep(side.live.server.new_local_client().table(none, name="t"), none)
        side.live.follow({**TOLD, "kind": "table"}, none)
        side.sessions.append(side.visits.new_session(side.heard[0]))
        await side.ask(0, make_view("second", b"", 4, "t"))
        (schema,) = await side.ask(0, request(15, b"", "second", 5))
        assert b"x" in schema
        await side.close()

    asyncio.run(main())


def test_questions_about_the_server_are_answered_as_by_perspective() -> None:
    async def test(side: Side) -> None:
        own = Own(1)
        for number, entity in ((3, ""), (4, ""), (7, "t"), (8, "t")):
            own.ask(0, request(number, b"", entity, 300))
            (ours,), (theirs,) = await side.ask(0, request(number, b"", entity, 300)), own.all(0)
            assert sorted(ours) == sorted(theirs)  # of maps, which are in any order
        own.close()

    run(test)


def test_who_asks_to_be_told_of_tables_is_told_of_one_that_comes() -> None:
    async def main() -> None:
        side = Side(viewers=2)
        for viewer, subscribe in enumerate([b"\x08\x01", b""]):
            (none,) = await side.ask(viewer, request(4, subscribe, "", 1))
            assert b"t" not in none[4:]
        side.make()
        assert [len(heard.all()) for heard in side.heard] == [1, 0]
        await side.close()

    asyncio.run(main())


def test_a_port_is_given_and_nothing_can_be_written_into_it() -> None:
    async def test(side: Side) -> None:
        assert len(await side.ask(0, request(5, b"", "t", 1))) == 1
        assert side.live.engine.process is None

    run(test)


async def crash(side: Side, session: Visit) -> None:
    """Let the process end as if a request had done it, while it is at one of this session's."""
    process = side.live.engine.process
    assert process is not None
    process.send_signal(19)
    asking = asyncio.ensure_future(session.handle_request(make_view(f"x{random.random()}", GROUPED, 1, "t")))
    await until(lambda: bool(side.live.engine._told))
    process.send_signal(11)
    process.send_signal(18)
    await asking


def test_the_users_of_an_engine_that_ends_are_told_so_and_another_is_there_at_once() -> None:
    async def test(side: Side) -> None:
        for viewer in (0, 1):
            await side.ask(viewer, make_view(f"v{viewer}", GROUPED, 1, "t"))
        await side.ask(2, make_view("whole", b"", 1, "t"))
        first = side.live.engine.process
        await crash(side, side.sessions[0])
        await until(lambda: bool(side.heard[1].ends))
        assert side.heard[0].ends == side.heard[1].ends
        assert side.heard[1].ends == [(1012, "what computes your views has ended: connect again")]
        assert side.heard[2].ends == []
        assert len(await side.ask(2, request(16, b"", "whole", 2))) == 1
        again = side.visits.new_session(side.heard[1])
        await again.handle_request(make_view("again", GROUPED, 3, "t"))
        await again.handle_request(request(26, b"", "again", 4))
        assert b"abcde"[1:2] in side.heard[1].all()[-1]
        assert side.live.engine.process is not first
        again.close()

    run(test)


def test_who_has_ended_three_is_turned_away_for_a_while_and_others_are_not() -> None:
    async def test(side: Side) -> None:
        now = [0.0]
        side.offenders.clock = lambda: now[0]
        for _ in range(3):
            offender = side.visits.new_session(side.heard[0])
            await offender.handle_request(make_view(f"v{random.random()}", GROUPED, 1, "t"))
            await crash(side, offender)
            await until(lambda: side.live.engine.process is None)
            now[0] += 10
        assert [code for code, _ in side.heard[0].ends] == [1012, 1012, 1008, 1012]
        again = side.visits.new_session(side.heard[0])
        side.heard[0].all()
        await again.handle_request(make_view("refused", GROUPED, 9, "t"))
        assert b"try again in a minute" in side.heard[0].all()[0]
        assert len(await side.ask(1, make_view("other", GROUPED, 1, "t"))) == 1
        await again.handle_request(make_view("whole", b"", 9, "t"))
        assert b"try again" not in side.heard[0].all()[0]
        now[0] += 61
        await again.handle_request(make_view("later", GROUPED, 10, "t"))
        assert b"try again" not in side.heard[0].all()[0]
        again.close()

    run(test)


def test_an_engine_that_others_end_is_no_viewers_doing() -> None:
    async def test(side: Side) -> None:
        for _ in range(4):
            session = side.visits.new_session(side.heard[0])
            await session.handle_request(make_view(f"v{random.random()}", GROUPED, 1, "t"))
            process = side.live.engine.process
            assert process is not None
            process.kill()
            await until(lambda: side.live.engine.process is None)
        assert not side.offenders.away(side.heard[0])

    run(test)


def test_a_request_that_takes_too_long_ends_the_engine() -> None:
    async def test(side: Side) -> None:
        await side.ask(1, make_view("v1", GROUPED, 1, "t"))
        endless = delimited(6, delimited(1, b"e") + delimited(2, b"while (true) { 1 }"))
        began = asyncio.get_running_loop().time()
        await side.ask(0, make_view("v0", endless + config(columns=["e"]), 1, "t"))
        if not side.heard[1].ends:  # it has been refused as no expression
            process = side.live.engine.process
            assert process is not None
            process.send_signal(19)
            await side.ask(0, make_view("v2", GROUPED, 1, "t"))
        assert asyncio.get_running_loop().time() - began < 5
        assert side.heard[1].ends == [(1012, "what computes your views took too long: connect again")]

    run(test, seconds=1.0)


def test_an_engine_that_is_slower_than_the_updates_gets_the_table_whole_when_it_has_done_them() -> None:
    async def test(side: Side) -> None:
        await side.ask(0, make_view("v", GROUPED, 1, "t"))
        process = side.live.engine.process
        assert process is not None
        process.send_signal(19)
        for number in range(50):
            side.append((number, f"row {number}"))
        assert len(side.live.engine._told) == viewers_engine.MAX_UPDATES
        process.send_signal(18)
        await until(lambda: not side.live.engine._told)
        (rows,) = (await side.ask(0, request(26, b"", "v", 2)))[-1:]
        assert all(f"row {number}".encode() in rows for number in range(50 - LIMIT, 50))
        assert b"row 41" not in rows

    run(test)


def test_an_engine_that_nobody_needs_any_more_is_ended_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(viewers_engine, "IDLE_SECONDS", 0.3)

    async def test(side: Side) -> None:
        await side.ask(0, make_view("v0", GROUPED, 1, "t"))
        await side.ask(1, make_view("v1", GROUPED, 1, "t"))
        first = side.live.engine.process
        side.sessions[0].close()
        side.sessions[1].close()
        side.sessions[1] = side.visits.new_session(side.heard[1])
        await side.ask(1, make_view("v2", GROUPED, 1, "t"))
        assert side.live.engine.process is first
        side.sessions[1].close()
        await until(lambda: side.live.engine.process is None)
        side.sessions.clear()

    run(test)
