"""The websocket of a viewer: read-only, and bounded in all that it may cost others."""

import asyncio
import logging
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, ClassVar, Protocol

from tornado.iostream import IOStream, StreamClosedError
from tornado.websocket import WebSocketHandler, WebSocketProtocol13

from protocol.messages import Malformed, Refused, Shared
from protocol.viewer import Viewer as Visitor
from tdengine.errors import TDengineError
from tdengine.offer import Offer
from web.access import READ_SECONDS, Guarded
from web.deflating import DEFLATED, agree, stored
from web.gate import MAX_MESSAGE_BYTES, MAX_NAME, Requests, describable, pushed_down, without_expressions

log = logging.getLogger("perspective_server")

MAX_WAITING_BYTES = 2**20
"""A viewer that has so much still to read, besides the largest message it was sent, is disconnected: it may return."""

SHARE = 0.1
"""The part of the engine's time that one viewer may take, and so much ahead, in seconds:"""
AHEAD_SECONDS = 0.5

WHOLE = 0x82
"""The first byte of a websocket's frame that is a whole binary message."""

LEAST_SECONDS = 0.0005
"""What every request counts for at least: no more than 200 a second come through for long."""


def head_of_frame(first: int, size: int) -> bytes:
    """How a frame of this first byte and so many bytes begins, as a server sends it."""
    if size < 126:
        return bytes((first, size))
    return struct.pack("!BBH", first, 126, size) if size < 2**16 else struct.pack("!BBQ", first, 127, size)


class Session(Protocol):
    """What answers one viewer."""

    async def handle_request(self, message: bytes) -> float:
        """Answer a request that was checked. Returns the seconds that others had to wait for it meanwhile."""

    def close(self) -> None:
        """Forget the viewer."""


class Sessions(Protocol):
    """What viewers talk to: the live table, or history over a time range."""

    def new_session(self, viewer: Visitor) -> Session:
        """A viewer's session; the viewer is told each answer."""


class Viewer(Guarded, WebSocketHandler):
    """A viewer's websocket, which ends where what it looks at is no longer there.

    Its address may name a table, `/websocket?table=power.meters`, which is then the first one that it is told of.
    """

    everyone: ClassVar[set["Viewer"]] = set()
    names: ClassVar[set[str]] = set()
    """Of all viewers' views, and of the first table."""

    def initialize(self, table: str, sessions: Callable[[str], Sessions], max_viewers: int) -> None:
        self.names.add(table)
        self.begin(sessions(self.asked("table")[:MAX_NAME]), max_viewers, Requests(self.names))

    def asked(self, name: str, otherwise: str = "") -> str:
        """What the websocket's address says."""
        return self.request.query_arguments.get(name, [otherwise.encode()])[-1].decode(errors="replace")

    def begin(self, sessions: Sessions, max_viewers: int, requests: Requests) -> None:
        """A viewer that has not asked for anything yet; `requests` says what it may ask."""
        self.sessions = sessions
        self.max_viewers = max_viewers
        self.requests = requests
        self.address = self.request.remote_ip or ""
        self.deflates = agree(self.request.headers)
        self.waiting = 0
        self.largest = 0
        self.read = asyncio.Event()
        self.credit = AHEAD_SECONDS
        self.paid = time.monotonic()

    @property
    def max_message_size(self) -> int:
        """How long a viewer's message may be: the websocket of one that sends a longer one is closed."""
        return MAX_MESSAGE_BYTES

    def get_compression_options(self) -> dict[str, Any] | None:
        """Whether messages may be deflated, a viewer's own, too."""
        return {} if self.deflates else None

    def check_origin(self, origin: str) -> bool:
        """Whether a page of that origin may connect. What is no browser sends none."""
        return self.access.allows_page(origin, self.request.host)

    def open(self, *_: str, **__: str) -> None:
        if len(self.everyone) >= self.max_viewers:
            self.close(1013, f"there are {self.max_viewers} viewers already: try again later")
            return
        self.session = self.sessions.new_session(self)
        self.set_nodelay(True)
        self.everyone.add(self)

    async def on_message(self, message: str | bytes) -> None:
        """Answer a request. The next one is read when this one is paid for, so that nobody asks for too much."""
        if self not in self.everyone:
            return
        if isinstance(message, str):
            self.end(1003, "requests are binary")
            return
        took = 0.0
        try:
            took = await self.session.handle_request(self.requests.check(message))
        except Refused as refused:
            self.answer(refused.answer)
        except Malformed:
            self.end(1007, "that is no request of Perspective's")
        now = time.monotonic()
        self.credit = min(AHEAD_SECONDS, self.credit + (now - self.paid) * SHARE) - max(took, LEAST_SECONDS)
        self.paid = now
        if self.credit < 0:
            await asyncio.sleep(-self.credit / SHARE)
        await self.reads()

    async def reads(self) -> None:
        """Wait until the viewer has read most of what it was sent: until then it gets no other answer.

        One that reads nothing is disconnected.
        """
        while self in self.everyone and self.waiting > MAX_WAITING_BYTES:
            self.read.clear()
            try:
                await asyncio.wait_for(self.read.wait(), READ_SECONDS)
            except TimeoutError:
                self.drop()

    def answer(self, *parts: bytes) -> None:
        """Send a message, which comes in parts, if the viewer is still there.

        What is the same for all viewers is not copied for each: the parts go to the system as they are, at once where
        nothing waits before them. What it does not take waits, unless that is too much already: then the connection
        is cut.
        """
        connection = self.ws_connection
        if connection is None or connection.is_closing():
            return
        if self.waiting > self.largest + MAX_WAITING_BYTES:
            self.drop()
            return
        assert isinstance(connection, WebSocketProtocol13)
        first = WHOLE
        if self.deflates and isinstance(parts[-1], Shared) and parts[-1].deflated is not None:
            first |= DEFLATED
            parts = (stored(b"".join(parts[:-1])), parts[-1].deflated)
        size = sum(map(len, parts))
        self.largest = max(self.largest, size)
        frame = (head_of_frame(first, size), *parts)
        gone = 0
        if not connection.stream.writing():
            try:
                gone = connection.stream.socket.sendmsg(frame)
            except BlockingIOError:
                pass
            except OSError as error:
                connection.stream.close(error)
                return
        if gone < size + len(frame[0]):
            self.wait(connection.stream, b"".join(frame)[gone:])

    def wait(self, stream: IOStream, rest: bytes) -> None:
        """Send the rest of a message as the viewer reads what is before it."""
        self.waiting += len(rest)
        with suppress(StreamClosedError):
            stream.write(rest).add_done_callback(lambda done: self.sent(done, len(rest)))

    def sent(self, done: "asyncio.Future[None]", size: int) -> None:
        """So much has gone out, or never will, because the viewer has gone."""
        self.waiting -= size
        self.read.set()
        if not done.cancelled():
            done.exception()

    def drop(self) -> None:
        """Cut the connection: a closing message would only wait behind the others."""
        log.info("a viewer does not read: disconnected")
        self.on_close()
        stream = self.ws_connection.stream if self.ws_connection is not None else None
        if stream is not None:
            stream.close()

    def end(self, code: int, reason: str) -> None:
        """End the viewer's session, and with it its views, and close its websocket."""
        self.on_close()
        self.close(code, reason)

    def on_close(self) -> None:
        if self in self.everyone:
            self.everyone.discard(self)
            self.requests.close()
            self.read.set()
            self.session.close()

    @classmethod
    def close_all(cls, reason: str) -> None:
        """End every viewer's session and close its websocket, so that it connects again."""
        for viewer in list(cls.everyone):
            viewer.end(1012, reason)


class HistoryViewer(Viewer):
    """A viewer of history, over what its address names: `/history?range=1h`, and maybe `database` and `table`."""

    everyone: ClassVar[set["Viewer"]] = set()

    def initialize(  # type: ignore[override]
        self, sessions: Callable[[str, str, str], Sessions], offer: Offer, database: str, max_viewers: int
    ) -> None:
        self.database = self.asked("database", database)
        self.offer = offer
        over = sessions(self.asked("range", "all"), self.database, self.asked("table"))
        self.begin(over, max_viewers, Requests(set(), pushed_down, describable, without_expressions))

    async def prepare(self) -> None:
        """Turn away who asks about a database that is not offered."""
        await super().prepare()
        if self._finished:
            return
        try:
            await self.offer.check(self.database)
        except TDengineError as error:
            self.refuse(str(error))
