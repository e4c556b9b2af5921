"""Every number of every request, at and beyond its bounds: nobody else notices, and no process swells."""

import asyncio
import itertools
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from attacked import Target, leave, resident_kib
from frames import config, delimited, filter_by, make_view, request, varint
from protocol.messages import encoded, parse, response

pytestmark = pytest.mark.alone

NUMBERS = [0, 1, 5, 2**16, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1]
PAIRS = list(itertools.product(NUMBERS, NUMBERS))
SERVED_SECONDS = 0.2
GROWN_KIB = 50 * 1024

LIVE = {"whole": b"", "flat": filter_by("volume", ">", b"\x21" + bytes(8)), "pivot": config(group_by=["ticker"])}
LIVE["split"] = config(group_by=["ticker"], split_by=["client"], columns=["open", "close"])
HISTORY = {"flat": config(columns=["ticker", "open"]), "pivot": config(group_by=["ticker"], columns=["open"])}
"""The views that are asked about, by the names that they are given."""


def field(number: int, value: int) -> bytes:
    return varint(number << 3) + varint(value)


def questions(view: str, table: str) -> Iterator[bytes]:
    """Each request about a view, and those for one, with each of its numbers; pairs of bounds in both orders."""
    for begin, end in PAIRS:
        yield request(10, field(1, begin) + field(2, end), view)
        for kind in (16, 25):
            yield request(kind, delimited(1, field(2, begin) + field(4, end) + field(3, 5)), view)
        yield request(16, delimited(1, field(1, begin) + field(3, end)), view)
    for number in NUMBERS:
        for kind in (24, 26, 36):
            yield request(kind, delimited(1, field(1, number) + field(2, number)), view)
            yield request(kind, delimited(1, field(3, number) + field(4, number)), view)
        for kind in (18, 19, 21, 22, 23, 30, 35, 37):
            yield request(kind, field(1, number), table if kind in (30, 37) else view)
        yield request(12, b"", view, number)
        yield request(4, field(1, number), "")
        for at, made in enumerate(configurations(number)):
            yield make_view(f"{at} {number}", made, 1, table)
            yield request(11, b"", f"{at} {number}")


def configurations(number: int) -> Iterator[bytes]:
    """A number in each place that a view's configuration has for one."""
    grouped = config(group_by=["ticker"], columns=["open"])
    for at in (8, 9, 10, 12):
        yield grouped + field(at, number)
    yield delimited(5, delimited(1, b"open") + field(2, number))
    for at in (6, 9):
        spec = delimited(2, b"open") + delimited(3, b"avg") + field(at, number)
        yield delimited(11, delimited(1, b"w") + delimited(2, spec))


class Honest:
    """A viewer that has a view of the whole table, as a page has, and asks for its rows."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.name = f"honest {id(self)}"

    async def come(self) -> None:
        self.websocket = await self.target.connect()
        await self.ask(make_view(self.name))

    async def ask(self, message: bytes) -> bytes:
        await self.websocket.write_message(message, binary=True)
        answer = await asyncio.wait_for(self.websocket.read_message(), 5)
        assert isinstance(answer, bytes)
        return answer

    async def looks(self) -> float:
        """How many seconds it takes to get the rows, which are 1000."""
        began = time.monotonic()
        answer = await self.ask(request(16, delimited(1, b""), self.name))
        took = time.monotonic() - began
        assert len(pa.ipc.open_stream(response(answer).view_to_arrow.arrow).read_all()) == 1000
        return took


class Sizes:
    """The memory of the server and of each of its children, from when it was first seen."""

    def __init__(self, target: Target) -> None:
        self.server = target.server.process.pid
        self.first: dict[int, int] = {}

    def look(self) -> None:
        """Fail where one has grown."""
        children = Path(f"/proc/{self.server}/task/{self.server}/children").read_text().split()
        for pid in (self.server, *map(int, children)):
            try:
                size = resident_kib(pid)
            except (OSError, StopIteration):
                continue  # it has ended meanwhile
            grown = size - self.first.setdefault(pid, size)
            assert grown < GROWN_KIB, Path(f"/proc/{pid}/cmdline").read_bytes()


@pytest.mark.parametrize("view", LIVE)
def test_numbers_in_requests_about_the_live_table(target: Target, view: str) -> None:
    asyncio.run(attack(target, "/websocket", view, LIVE[view], "stock_values"))


@pytest.mark.parametrize("view", HISTORY)
def test_numbers_in_questions_about_history(target: Target, view: str) -> None:
    asyncio.run(attack(target, "/history?range=1m", view, HISTORY[view], "stocks_values"))


async def attack(target: Target, path: str, view: str, made: bytes, table: str) -> None:
    honest, sizes = Honest(target), Sizes(target)
    await honest.come()
    websocket = await target.connect(path)

    async def ask(message: bytes) -> bytes:
        await websocket.write_message(message, binary=True)
        answer = await asyncio.wait_for(websocket.read_message(), 10)
        assert isinstance(answer, bytes), f"closed after {message!r}: {websocket.close_reason}"
        return answer

    await ask(make_view(view, made, 1, table))
    asked = list(questions(view, table))
    assert len(asked) > 400
    for message in asked:
        await ask(message)
        if await honest.looks() > SERVED_SECONDS:
            # A machine that is busy with something else is not so again for the same message.
            await ask(message)
            assert await honest.looks() < SERVED_SECONDS, message
        sizes.look()
    assert [pid for pid in sizes.first if not Path(f"/proc/{pid}").exists()] == [], "a process has ended"
    await leave(websocket, honest.websocket)


CONFIGURED = {41}
"""The request with numbers that is not asked: one with a configuration in it, which is checked as that of a view is."""


def test_no_number_of_a_request_is_left_out() -> None:
    table_size, _ = parse(encoded(msg_id=1, entity_id="t", table_size={}))
    requests = {of.number: of.message_type for of in table_size.DESCRIPTOR.fields if of.message_type is not None}
    asked = {parse(each)[0].ListFields()[-1][0].number for each in questions("v", "t")}
    assert {number for number, of in requests.items() if has_numbers(of)} - asked == CONFIGURED


def has_numbers(message: Any) -> bool:
    """Whether there is a number anywhere in a kind of message."""
    return any(
        has_numbers(of.message_type) if of.message_type is not None else of.type in (of.TYPE_UINT32, of.TYPE_INT32)
        for of in message.fields
    )
