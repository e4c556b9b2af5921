"""Requests that never come whole."""

import asyncio
import time

import pytest

from in_process import serving

HEAD = "POST {path} HTTP/1.1\r\nHost: localhost:{port}\r\n"
WHOLE = "GET /nothing HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n"


@pytest.mark.parametrize("path", ["/", "/status", "/websocket", "/nothing"])
@pytest.mark.parametrize(
    ("begin", "drop"),
    [
        pytest.param("POST {path} HTTP/1.1\r\nHost: localhost:{port}\r\nX: ", b"x", id="a header"),
        pytest.param(HEAD + "Content-Length: 60000\r\n\r\n", b"x", id="a body of known length"),
        pytest.param(HEAD + "Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n", id="a body in chunks"),
        pytest.param(HEAD + "Transfer-Encoding: chunked\r\n\r\n5000\r\n", b"x", id="a chunk"),
        pytest.param(WHOLE + HEAD + "Content-Length: 60000\r\n\r\n", b"x", id="the body of a second request"),
    ],
)
def test_a_request_that_drips_is_ended(path: str, begin: str, drop: bytes) -> None:
    bound = 0.3

    async def test() -> float:
        async with serving(request_seconds=bound) as port:
            began = time.monotonic()
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(begin.format(path=path, port=port).encode())
            ended = asyncio.ensure_future(reader.read())
            while not ended.done() and time.monotonic() < began + 10:
                writer.write(drop)
                await asyncio.wait([ended], timeout=bound / 10)
            assert ended.done()
            took = time.monotonic() - began
            writer.close()
            return took

    assert asyncio.run(test()) > bound / 2


def test_a_request_that_comes_in_time_is_answered_and_its_connection_kept() -> None:
    async def test() -> None:
        async with serving(request_seconds=5.0) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for _ in range(3):
                for part in (WHOLE.format(port=port)[:30], WHOLE.format(port=port)[30:]):
                    writer.write(part.encode())
                    await writer.drain()
                assert b" 404 " in await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(len("404 Not Found\n"))
            writer.close()

    asyncio.run(test())
