"""The gate in the tests' own process, where time runs faster: pings, and what a slow viewer may leave unread."""

import asyncio
import socket

import pytest
from tornado.websocket import WebSocketClientConnection, websocket_connect

import perspective_server
from frames import handshake
from in_process import application, serving
from waiting import until
from web import viewers

CLOSING_SECONDS = 5
"""How long tornado waits for the answer to its closing message."""


def test_pings_are_sent_often_enough_that_a_dead_peer_is_gone_within_a_minute() -> None:
    options = perspective_server.parse_options([])
    app = application(options)
    interval = app.settings["websocket_ping_interval"]
    assert 0 < interval + app.settings.get("websocket_ping_timeout", interval) + CLOSING_SECONDS <= 60


def test_a_viewer_that_answers_no_ping_is_gone_and_one_that_does_stays() -> None:
    async def test() -> None:
        async with serving(websocket_ping_interval=0.1) as port:
            alive = await websocket_connect(f"ws://127.0.0.1:{port}/websocket")
            await until(lambda: len(viewers.Viewer.everyone) == 1)
            with socket.create_connection(("127.0.0.1", port)) as dead:
                dead.sendall(handshake(port))
                await until(lambda: len(viewers.Viewer.everyone) == 2)
                await until(lambda: len(viewers.Viewer.everyone) == 1, CLOSING_SECONDS + 5)
            assert alive.close_code is None
            alive.close()
            await until(lambda: not viewers.Viewer.everyone)

    asyncio.run(test())


async def connected(port: int) -> tuple[WebSocketClientConnection, viewers.Viewer]:
    """A websocket that is read when the test reads, and the viewer at the server's end of it."""
    before = set(viewers.Viewer.everyone)
    websocket = await websocket_connect(f"ws://127.0.0.1:{port}/websocket")
    await until(lambda: len(viewers.Viewer.everyone) > len(before))
    (viewer,) = viewers.Viewer.everyone - before
    return websocket, viewer


@pytest.mark.parametrize("size", [0, 1, 125, 126, 2**16 - 1, 2**16, 2**20])
def test_a_message_comes_as_it_was_sent_in_whichever_parts(size: int) -> None:
    async def test() -> None:
        async with serving() as port:
            websocket, viewer = await connected(port)
            message = bytes(at % 251 for at in range(size))
            for cut in (0, size // 3, size):
                viewer.answer(message[:cut], message[cut:])
                assert await websocket.read_message() == message
            websocket.close()

    asyncio.run(test())


def test_what_a_viewer_reads_late_is_whole_and_in_order() -> None:
    async def test() -> None:
        async with serving() as port:
            websocket, viewer = await connected(port)
            sent: list[bytes] = []
            while not viewer.waiting:
                sent.append(str(len(sent)).encode() * 20_000)
                viewer.answer(b"a", sent[-1])
            viewer.ping()
            for number in range(3):
                sent.append(str(number).encode())
                viewer.answer(b"a", sent[-1])
            assert [await websocket.read_message() for _ in sent] == [b"a" + each for each in sent]
            await until(lambda: not viewer.waiting)
            websocket.close()

    asyncio.run(test())


def test_one_that_reads_nothing_is_dropped_and_others_get_what_they_are_sent() -> None:
    async def test() -> None:
        async with serving() as port:
            (reads, one), (_stuck, other) = await connected(port), await connected(port)
            message, sent = bytes(2**16), 0
            while other in viewers.Viewer.everyone:
                for viewer in (other, one):
                    viewer.answer(message)
                assert await reads.read_message() == message
                assert other.waiting <= viewers.MAX_WAITING_BYTES + 2 * 2**17
                sent += 1
            assert sent > viewers.MAX_WAITING_BYTES // 2**16
            assert one in viewers.Viewer.everyone
            reads.close()

    asyncio.run(test())
