"""Viewers of the flat table that cost next to nothing: they read websocket frames, and look into those of a few only.

Thousands of them fit into one process, so that what is measured is the server and not its load.
"""

import asyncio
import io
import socket
import struct
import sys
import time
import zlib
from pathlib import Path
from urllib.parse import urlsplit

import pyarrow as pa

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from frames import handshake, make_view, masked, request
from web.bundle import leb128

UPDATES, ROWS = 2, 3
"""The numbers of a viewer's requests for updates and for rows, which are those of the answers, too."""

ANSWERS = 2
"""What a viewer is told before the first update: a view is there, and its rows."""

OFFER = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"
"""As browsers do."""

CLOSE, PING = 8, 9
PONG = b"\x8a\x80" + bytes(4)

AT_ONCE = 50
"""Connections that are made at the same time: the system lets so many wait to be accepted."""


def is_about(message: bytes, number: int) -> bool:
    """Whether it answers the request of this number."""
    return message.startswith(b"\x08" + bytes([number]))


def payload(message: bytes, *path: int) -> bytes | None:
    """The content of a field inside fields of a protobuf message, by their numbers; None where it is not there."""
    for wanted in path:
        at, found = 0, None
        while at < len(message):
            key, at = leb128(message, at)
            if key & 7 == 0:
                _, at = leb128(message, at)
                continue
            length, at = leb128(message, at)
            if key >> 3 == wanted:
                found = message[at : at + length]
            at += length
        if found is None:
            return None
        message = found
    return message


class Seen:
    """What all viewers of this process have seen: ages of rows in ms, messages and bytes.

    `viewers` are those that have had an update already.
    """

    def __init__(self) -> None:
        self.viewers = 0
        self.ages: list[float] = []
        self.updates = 0
        self.bytes = 0


class Follower(asyncio.BufferedProtocol):
    """A viewer that follows the flat table, as the page does; one that `looks` notes how old its rows are on arrival.

    Of rows that came before the first update, nothing is noted.
    """

    room = memoryview(bytearray(2**18))
    """What is read goes here, whoever reads it: it is counted and done with."""

    def __init__(self, seen: Seen, port: int, name: str, looks: bool) -> None:
        self.seen = seen
        self.port = port
        self.name = name
        self.looks = looks
        self.welcome: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._upgraded = False
        self._head = b""
        self._left = 0
        self._message = bytearray()
        self._came = 0
        self._newest: int | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        asked = [
            make_view(self.name, msg_id=1),
            request(21, b"\x08\x00", self.name, UPDATES),
            request(16, b"", self.name, ROWS),
        ]
        transport.write(handshake(self.port, "/websocket", OFFER) + b"".join(map(masked, asked)))

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_exception(exc or ConnectionError("the server has closed it"))

    def get_buffer(self, _: int) -> memoryview:
        return self.room

    def buffer_updated(self, count: int) -> None:
        self.seen.bytes += count
        at = 0 if self._upgraded else self._upgrade(count)
        while at < count:
            if self._left:
                taken = min(self._left, count - at)
                if self.looks:
                    self._message += self.room[at : at + taken]
                self._left -= taken
                at += taken
                if not self._left:
                    self._read()
            else:
                self._head += self.room[at : at + 1]
                at += 1
                self._begin()

    def _upgrade(self, count: int) -> int:
        """Read the answer to the handshake; where it ends."""
        self._head += self.room[:count]
        before, end, _ = self._head.partition(b"\r\n\r\n")
        if not end:
            return count
        rest = len(self._head) - len(before) - len(end)
        self._upgraded, self._head = True, b""
        self.welcome.set_result(None)
        return count - rest

    def _begin(self) -> None:
        """Read a frame's head, once it is whole."""
        head = self._head
        if len(head) < 2 or len(head) < (need := {126: 4, 127: 10}.get(head[1], 2)):
            return
        self._left = head[1] if need == 2 else struct.unpack("!H" if need == 4 else "!Q", head[2:])[0]
        kind, self._deflated, self._head = head[0] & 15, head[0] & 64, b""
        self._message.clear()
        if kind == PING:
            self.transport.write(PONG)
        elif kind == CLOSE:
            self.transport.close()

    def _read(self) -> None:
        """A message has come whole."""
        self.seen.updates += 1
        self._came += 1
        self.seen.viewers += self._came == ANSWERS + 1
        if not self.looks:
            return
        message = bytes(self._message)
        if self._deflated:
            message = zlib.decompressobj(-zlib.MAX_WBITS).decompress(message + b"\0\0\xff\xff")
        if is_about(message, UPDATES) and (arrow := payload(message, 21, 1)):
            now = time.time() * 1000
            times = pa.ipc.open_stream(io.BytesIO(arrow)).read_all()["timestamp"].cast(pa.int64()).to_pylist()
            if self._newest is not None:
                self.seen.ages += [now - at for at in times if at > self._newest]
            self._newest = max(times)


class Stuck(Follower):
    """One that asks and then reads nothing, with the smallest of buffers. That it is disconnected is its end."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.transport.pause_reading()
        self.welcome.set_result(None)


async def follow(address: str, count: int, seen: Seen, kind: type[Follower]) -> None:
    """So many viewers of a server, for ever. One in twenty looks, or twenty of them all where they are many."""
    loop = asyncio.get_running_loop()
    port = urlsplit(address).port or 80
    room = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> None:
        name = f"load{number}-{time.time_ns()}"
        async with room:
            made = socket.socket()
            made.setblocking(False)
            if kind is Stuck:
                made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            await loop.sock_connect(made, ("127.0.0.1", port))
            looks = number % max(20, count // 20) == 0
            _, follower = await loop.create_connection(lambda: kind(seen, port, name, looks), sock=made)
            await asyncio.wait([follower.welcome, follower.ended], return_when=asyncio.FIRST_COMPLETED)
        await follower.ended

    await asyncio.gather(*map(one, range(count)), return_exceptions=kind is Stuck)
