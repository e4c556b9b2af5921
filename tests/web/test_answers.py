"""What goes out to clients that read slowly, or not at all: from bytes that all of them share, and not for long."""

import asyncio
import gzip
import http.client
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from tornado.netutil import bind_sockets

from attacked import resident_kib
from conftest import Start
from in_process import serving
from parts import Part, free_port
from waiting import eventually, until
from web import access, assets, listening

LARGEST = "/static/perspective.js"
MIB = 1024


@pytest.fixture
def running(start: Start) -> tuple[Part, int]:
    """A server that waits for a TDengine, and its port."""
    port = free_port()
    server = start("perspective_server.py", "--port", str(port), "--taos-port", str(free_port()))
    server.says("waiting for TDengine")
    return server, port


def connected(port: int) -> socket.socket:
    """A client with the smallest of buffers."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", port))
    return client


def question(port: int, path: str, *headers: str) -> bytes:
    """A request as it is sent."""
    return "\r\n".join([f"GET {path} HTTP/1.1", f"Host: localhost:{port}", *headers, "", ""]).encode()


def ask(port: int, path: str, *headers: str) -> socket.socket:
    """Ask for something with the smallest of buffers, and read nothing."""
    client = connected(port)
    client.sendall(question(port, path, *headers))
    return client


def answer(port: int, method: str, path: str, **headers: str) -> tuple[http.client.HTTPResponse, bytes]:
    """The answer to a request, and its body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, headers={name.replace("_", "-"): text for name, text in headers.items()})
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


@pytest.mark.alone
def test_clients_that_ask_for_files_and_read_nothing_hold_no_copies(running: tuple[Part, int]) -> None:
    server, port = running
    body = assets.WIDGET.joinpath("perspective-anywidget.js").read_bytes()
    assert answer(port, "GET", LARGEST)[1] == body
    before = resident_kib(server.process.pid)
    with ExitStack() as stuck:
        for number in range(100):
            path = "/" if number % 10 == 0 else LARGEST
            stuck.enter_context(ask(port, path, *["Accept-Encoding: gzip"] * (number % 2)))
        began = time.monotonic()
        assert answer(port, "GET", LARGEST)[1] == body
        assert gzip.decompress(answer(port, "GET", LARGEST, Accept_Encoding="gzip")[1]) == body
        assert time.monotonic() - began < 2
        assert resident_kib(server.process.pid) - before < 8 * MIB


def until_cut(asking: Callable[[socket.socket, int], object], monkeypatch: pytest.MonkeyPatch) -> bytes:
    """All that a client gets that begins to read when the server has nothing to do with it any more."""

    def bind(*where: Any) -> list[socket.socket]:
        sockets = bind_sockets(*where)
        for each in sockets:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        return sockets

    monkeypatch.setattr(listening, "bind_sockets", bind)
    monkeypatch.setattr(access, "READ_SECONDS", 0.2)

    async def test() -> bytes:
        async with serving() as port:
            with connected(port) as client:
                await until(lambda: peers(client) == 1)  # before it asks, as it may be cut off before it has asked all
                await asyncio.to_thread(asking, client, port)
                await until(lambda: peers(client) == 0)
                return await asyncio.to_thread(lambda: b"".join(received(client)))

    return asyncio.run(test())


def peers(client: socket.socket) -> int:
    """How many connections of this machine lead to a client."""
    port = f":{client.getsockname()[1]:04X}"
    connections = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(remote.endswith(port) and state == ESTABLISHED for _, _, remote, state, *_ in connections)


ESTABLISHED = "01"


def received(client: socket.socket) -> Iterator[bytes]:
    """What is there to read, until the connection has ended."""
    client.settimeout(10)
    try:
        while data := client.recv(2**20):
            yield data
    except ConnectionResetError:
        return


@pytest.mark.parametrize("headers", [[], ["Accept-Encoding: gzip"]])
def test_a_client_that_reads_nothing_of_a_file_is_cut_off(headers: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    got = until_cut(lambda client, port: client.sendall(question(port, LARGEST, *headers)), monkeypatch)
    assert b"200 OK" in got or not got
    assert len(got) < 2**20


def test_a_client_that_reads_none_of_many_small_answers_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    def asking(client: socket.socket, port: int) -> None:
        client.settimeout(0.1)
        with suppress(TimeoutError, ConnectionError):
            client.sendall(question(port, "/nothing"))
            while True:
                client.sendall(question(port, "/status") * 1000)

    until_cut(asking, monkeypatch)


def test_a_client_that_reads_slowly_gets_it_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "READ_SECONDS", 1.0)
    body = assets.WIDGET.joinpath("perspective-anywidget.js").read_bytes()

    async def test() -> int:
        async with serving() as port:
            with ask(port, LARGEST, "Connection: close") as client:
                client.setblocking(False)
                loop, got, began = asyncio.get_running_loop(), 0, time.monotonic()
                while data := await loop.sock_recv(client, 2**18):
                    got += len(data)
                    # Over twice as long as a client may read nothing.
                    due = began + 2.4 * got / len(body)
                    await until(lambda due=due: time.monotonic() >= due)  # type: ignore[misc]
                return got

    assert asyncio.run(test()) > len(body)


def test_one_that_leaves_in_the_middle_of_a_file_leaves_no_trace(running: tuple[Part, int]) -> None:
    server, port = running
    idle = len(open_sockets(server))
    for _ in range(20):
        ask(port, LARGEST).close()
    assert answer(port, "GET", "/status")[0].status == 503
    eventually(lambda: len(open_sockets(server)) <= idle)
    assert all("serving" in line or "waiting for TDengine" in line for line in server.output.splitlines())


def open_sockets(server: Part) -> list[str]:
    """The sockets that a process holds."""
    found = []
    for descriptor in Path(f"/proc/{server.process.pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # it has just been closed
            found.append(str(descriptor.readlink()))
    return [each for each in found if each.startswith("socket:")]


def test_the_server_stops_while_it_sends(running: tuple[Part, int]) -> None:
    server, port = running
    with ask(port, LARGEST), ask(port, LARGEST, "Accept-Encoding: gzip"):
        assert answer(port, "GET", "/status")[0].status == 503
        assert server.stop(signal.SIGTERM) == 0
    assert server.output.splitlines()[-1].endswith(" stopped")
    assert "Traceback" not in server.output


def test_head_says_what_get_says(running: tuple[Part, int]) -> None:
    _, port = running
    for path, encoding in product([*assets.FILES, "/status", "/nothing"], ["identity", "gzip"]):
        whole, body = answer(port, "GET", path, Accept_Encoding=encoding)
        head, nothing = answer(port, "HEAD", path, Accept_Encoding=encoding)
        assert (head.status, nothing) == (whole.status, b"")
        assert whole.headers["Content-Length"] == str(len(body))
        changing = {"Date", *(["Content-Length"] if path == "/status" else [])}
        said = [{name: text for name, text in each.getheaders() if name not in changing} for each in (head, whole)]
        assert said[0] == said[1]


def test_a_browser_that_has_a_file_is_told_so(running: tuple[Part, int]) -> None:
    _, port = running
    for path, encoding in product(assets.FILES, ["identity", "gzip"]):
        tag = answer(port, "HEAD", path, Accept_Encoding=encoding)[0].headers["ETag"]
        for method in ("GET", "HEAD"):
            known, nothing = answer(port, method, path, Accept_Encoding=encoding, If_None_Match=tag)
            assert (known.status, nothing, known.headers["ETag"]) == (304, b"", tag)
