"""Requests that never come whole, and more connections than there are descriptors for."""

import asyncio
import errno
import logging
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, aclosing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import tornado.web
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.websocket import WebSocketClientConnection, websocket_connect

from conftest import Start
from frames import handshake, make_view, request
from in_process import serving
from live import supervisor
from parts import Part, free_port, get_json, history_workers
from viewers import Viewer
from waiting import eventually, until
from web import listening

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


@contextmanager
def room_for(count: int) -> Iterator[None]:
    """Let the tests' own process have so many descriptors at least, or as many as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(count, hard)), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


LIMITED = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[1]),) * 2)
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""


def fill(port: int, count: int, connections: ExitStack) -> None:
    """Open so many connections: some that say nothing, some of HTTP, and websockets."""
    said = [b"", f"GET /status HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n".encode(), handshake(port)]
    for number in range(count):
        connection = connections.enter_context(socket.create_connection(("127.0.0.1", port), 10))
        with suppress(ConnectionError):  # turned away already
            connection.sendall(said[number % len(said)])


def feed_of(server: Part) -> int | None:
    """The process id of a server's feed."""
    pid = server.process.pid
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        with suppress(FileNotFoundError):  # it has just ended
            if b"live.feed" in Path(f"/proc/{child}/cmdline").read_bytes():
                return int(child)
    return None


def cpu_seconds(server: Part) -> float:
    """The time of a processor that a server has taken."""
    times = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK")


async def question(websocket: WebSocketClientConnection, number: int) -> bytes:
    """The answer to a question about history: how many rows there are."""
    await websocket.write_message(make_view(f"v{number}", table="stocks_values"), binary=True)
    await websocket.read_message()
    await websocket.write_message(request(12, b"", f"v{number}"), binary=True)
    answer = await asyncio.wait_for(websocket.read_message(), 20)
    assert isinstance(answer, bytes)
    return answer


@pytest.mark.alone
@pytest.mark.parametrize("limit", [64, 1024])
def test_a_server_without_room_serves_those_that_it_has(start: Start, taos_port: int, limit: int) -> None:
    start("producer.py", "--taos-port", str(taos_port))
    port = free_port()
    options = ["--port", str(port), "--taos-port", str(taos_port)]
    server = start("-c", LIMITED, str(limit), "perspective_server.py", *options)
    server.says(" live")
    address = f"http://127.0.0.1:{port}"
    eventually(lambda: get_json(f"{address}/status")[1]["rows"] > 0)
    viewers = [Viewer(address) for _ in range(2)]

    def newest() -> float:
        return float(min(viewer.columns()["timestamp"][-1] for viewer in viewers))

    def updated(milliseconds: float) -> None:
        """Wait until the viewers have rows that are so much newer than those that they have now."""
        since = newest()
        eventually(lambda: newest() > since + milliseconds, 20)

    async def test() -> None:
        websocket = await websocket_connect(f"ws://127.0.0.1:{port}/history")
        assert b"ask again" not in await question(websocket, 1)
        with room_for(limit + 200), ExitStack() as connections:
            await asyncio.to_thread(fill, port, limit + 76, connections)
            await asyncio.to_thread(server.says, "no room for more connections")
            before, began = cpu_seconds(server), time.monotonic()
            await asyncio.to_thread(updated, 2000)
            assert cpu_seconds(server) - before < 0.4 * (time.monotonic() - began)

            feed, workers = feed_of(server), history_workers(server)
            assert feed is not None
            for each in (feed, *workers):
                os.kill(each, signal.SIGKILL)
            eventually(lambda: feed_of(server) not in (None, feed))
            updated(1000)
            await question(websocket, 2)  # which is told that its worker has ended
            assert b"ask again" not in await question(websocket, 3)
            assert set(history_workers(server)).isdisjoint(workers)
        eventually(lambda: get_json(f"{address}/status")[0] == 200)
        websocket.close()

    asyncio.run(test())
    Viewer(address).close()
    for viewer in viewers:
        viewer.close()
    assert server.process.poll() is None
    assert server.output.count("no room") == 1
    assert "Traceback" not in server.output


def quiet() -> tornado.web.Application:
    """An application that knows no address, and logs nothing."""
    return tornado.web.Application(log_function=lambda _: None)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_that_there_is_no_room_is_said_again_when_there_was_some_and_not_too_often(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    limit = sys.maxsize
    monkeypatch.setattr(listening, "descriptors", lambda: limit)
    port, clock = free_port(), Clock()

    async def turned_away() -> bool:
        """Whether a connection ends before anything was said."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(WHOLE.format(port=port).encode())
        try:
            return await reader.read(1) == b""
        except ConnectionResetError:
            return True
        finally:
            writer.close()

    async def test() -> None:
        nonlocal limit
        listener = listening.Listener(HTTPServer(quiet()), bind_sockets(port, "127.0.0.1"), clock)
        for room, seconds, told in [
            *((True, 0, 0), (False, 0, 1), (False, 0, 1), (False, 1000, 1), (True, 0, 1), (False, 0, 2)),
            *((True, 0, 2), (False, 1, 2), (False, listening.QUIET_SECONDS, 3), (True, 1000, 3), (False, 0, 4)),
        ]:
            limit = sys.maxsize if room else 0
            clock.now += seconds
            assert await turned_away() is not room
            assert len(caplog.messages) == told
        await listener.close()

    caplog.set_level(logging.WARNING, "perspective_server")
    asyncio.run(test())


@pytest.mark.parametrize(
    ("soft", "hard", "viewers", "after", "told"),
    [
        (1024, 2**20, 2000, 4032, ""),
        (1024, resource.RLIM_INFINITY, 2000, 4032, ""),
        (2**16, 2**20, 2000, 2**16, ""),
        (1024, 3000, 2000, 3000, ""),
        (1024, 1024, 2000, 1024, "ulimit -n is 1024, enough for 992 viewers: raise it for the 2000 of --max-viewers"),
        (256, 1024, 2000, 1024, "ulimit -n is 1024, enough for 992 viewers: raise it for the 2000 of --max-viewers"),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, 2000, resource.RLIM_INFINITY, ""),
    ],
)
def test_descriptors_are_had_for_all_viewers_or_it_is_said_for_how_many_there_are(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    soft: int,
    hard: int,
    viewers: int,
    after: int,
    told: str,
) -> None:
    limits = [(soft, hard)]
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda _, asked: limits.append(asked))
    listening.make_room(viewers)
    assert limits[-1] == (after, hard)
    assert caplog.messages == [told] * bool(told)


class Exhausted(socket.socket):
    """A listening socket that nothing can be accepted from until there are descriptors again."""

    asked = 0
    exhausted = True

    def accept(self) -> tuple[socket.socket, Any]:
        self.asked += 1
        if self.exhausted:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return super().accept()


def test_where_nothing_can_be_accepted_it_is_tried_again_now_and_then(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(listening, "PAUSE_SECONDS", 0.1)

    async def test() -> None:
        port = free_port()
        (bound,) = bind_sockets(port, "127.0.0.1")
        exhausted = Exhausted(fileno=bound.detach())
        listener = listening.Listener(HTTPServer(quiet()), [exhausted])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        began = time.monotonic()
        await until(lambda: exhausted.asked == 3)
        assert time.monotonic() - began > 0.15
        exhausted.exhausted = False
        writer.write(WHOLE.format(port=port).encode())
        assert b" 404 " in await reader.readline()
        writer.close()
        await listener.close()

    asyncio.run(test())
    assert caplog.messages == [
        "no room for more connections (Too many open files): they are turned away until others have gone"
    ]


@contextmanager
def no_descriptors() -> Iterator[Callable[[], None]]:
    """Let the tests' own process have no more descriptors than it has, until what this yields is called."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    spare = os.open(os.devnull, os.O_RDONLY)
    os.close(spare)
    resource.setrlimit(resource.RLIMIT_NOFILE, (spare, before[1]))
    try:
        yield lambda: resource.setrlimit(resource.RLIMIT_NOFILE, before)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_feed_that_cannot_be_started_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "AGAIN_SECONDS", 0.05)
    options = ["--interval=250", "--limit=1000", f"--taos-port={free_port()}"]

    async def test() -> list[str]:
        said = []
        async with aclosing(supervisor.messages(options)) as messages:
            with no_descriptors() as end:
                async for message, _ in messages:
                    said.append(message["error"])
                    if len(said) == 3:
                        end()
                    elif len(said) == 4:
                        return said
        raise AssertionError

    *failed, waiting = asyncio.run(test())
    assert failed == ["the feed cannot be started and is tried again: Too many open files"] * 3
    assert "the feed" not in waiting
