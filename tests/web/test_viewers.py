"""The gate in the tests' own process, where time runs faster: pings, and what a slow viewer may leave unread."""

import asyncio
import socket

from tornado.websocket import websocket_connect

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
