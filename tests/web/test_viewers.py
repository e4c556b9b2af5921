"""The gate in the tests' own process, where time runs faster: pings, and what a slow viewer may leave unread."""

import asyncio
import socket

import pytest
from tornado.httpclient import HTTPRequest
from tornado.httputil import HTTPHeaders
from tornado.websocket import WebSocketClientConnection, websocket_connect

import perspective_server
from frames import handshake
from in_process import application, serving
from protocol.messages import MOST_DEFLATED, Shared
from waiting import until
from web import viewers
from web.deflating import AGREED, HEADER, agree

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


DEFLATE = "permessage-deflate; client_max_window_bits"
"""What browsers offer, and Tornado's client."""


async def connected(port: int, offer: str = "") -> tuple[WebSocketClientConnection, viewers.Viewer]:
    """A websocket that is read when the test reads, and the viewer at the server's end of it."""
    before = set(viewers.Viewer.everyone)
    asked = HTTPRequest(f"ws://127.0.0.1:{port}/websocket", headers={HEADER: offer} if offer else None)
    websocket = await websocket_connect(asked, compression_options={} if offer == DEFLATE else None)
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


@pytest.mark.parametrize("size", [0, 1, 1000, MOST_DEFLATED, MOST_DEFLATED + 1])
def test_what_is_shared_comes_as_it_is_to_those_who_take_it_deflated_and_to_others(size: int) -> None:
    async def test() -> None:
        async with serving() as port:
            both = [await connected(port, offer) for offer in (DEFLATE, "")]
            for number in range(3):
                shared, own = Shared(bytes([number]) * size), b"own %d" % number
                for _, viewer in both:
                    viewer.answer(b"begin", shared)
                    viewer.answer(own)
                for websocket, _ in both:
                    assert await websocket.read_message() == b"begin" + shared
                    assert await websocket.read_message() == own
            for websocket, _ in both:
                websocket.close()

    asyncio.run(test())


@pytest.mark.parametrize(
    ("offer", "taken"),
    [
        (DEFLATE, True),
        ("permessage-deflate; server_max_window_bits=10", False),
        ("permessage-deflate; server_max_window_bits=10, permessage-deflate", True),
        ("x-webkit-deflate-frame", False),
        ("", False),
    ],
)
def test_an_offer_to_take_deflated_messages_is_taken_where_it_can_be_kept_to(offer: str, taken: bool) -> None:
    headers = HTTPHeaders({HEADER: offer})
    assert agree(headers) is taken
    assert headers[HEADER] == (AGREED if taken else offer)


def test_a_small_message_that_would_be_a_large_one_is_not_made_one() -> None:
    async def test() -> None:
        async with serving() as port:
            websocket, viewer = await connected(port, DEFLATE)
            await websocket.write_message(bytes(2**24), binary=True)
            await until(lambda: viewer not in viewers.Viewer.everyone)
            assert await websocket.read_message() is None
            assert websocket.close_code == 1009

    asyncio.run(test())
