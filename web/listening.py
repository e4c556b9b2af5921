"""Where the server listens: how long a request may take to come, and how many connections there is room for.

A connection is a file descriptor, and a process has only so many (`ulimit -n`). Where none is left, nothing can be
accepted, read or begun, and an event loop that is told of a connection it cannot accept does nothing else. So some are
kept for what is no connection. The system hands out the lowest number that is free: a connection with a high one has
come too many.
"""

import asyncio
import errno
import logging
import resource
import socket
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress

import tornado.web
from tornado.httpserver import HTTPServer
from tornado.iostream import IOStream
from tornado.netutil import bind_sockets

log = logging.getLogger("perspective_server")

REQUEST_SECONDS = 30.0
"""A request's header must have come whole after so long, from the connection or the last answer on; so must its body,
from the header on."""

MAX_BODY_BYTES = 2**16

RESERVE = 32
"""Descriptors that no connection gets, but no more than half of all: each child process takes two or three, one that is
just begun seven more, and files are read now and then."""

DESCRIPTORS = 2
"""A viewer has one for the websocket, and for a while another for files, or for history."""

MAX_AT_ONCE = 128
"""Connections that are accepted in one go: as many as the system lets wait."""

NO_ROOM = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}

PAUSE_SECONDS = 1.0
"""How long nothing is accepted where not even a connection that is turned away can be."""

QUIET_SECONDS = 60.0
"""That there is no room is not said again before so long, nor before there was some."""


def listen(app: tornado.web.Application, port: int, address: str, seconds: float = REQUEST_SECONDS) -> "Listener":
    """Serve an application. Raises OSError where the address cannot be listened on.

    Who has not sent a header, or a body, whole after so many seconds is disconnected.
    """
    server = HTTPServer(app, idle_connection_timeout=seconds, body_timeout=seconds, max_body_size=MAX_BODY_BYTES)
    # Alone, :: would be the addresses of IPv6 only.
    return Listener(server, bind_sockets(port, None if address == "::" else address))


def descriptors() -> int:
    """How many file descriptors this process may have."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if soft == resource.RLIM_INFINITY else soft


def make_room(viewers: int) -> None:
    """Have descriptors for so many viewers, as far as the system lets a process have them; say so where it does not."""
    wanted = DESCRIPTORS * viewers + RESERVE
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if descriptors() < wanted:
        with suppress(ValueError, OSError):  # macOS has a bound besides the one that it tells
            most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    if (limit := descriptors()) < viewers + RESERVE:
        log.warning(
            "ulimit -n is %d, enough for %d viewers: raise it for the %d of --max-viewers",
            *(limit, limit - min(RESERVE, limit // 2), viewers),
        )


class Listener:
    """The sockets that a server listens on, which hands it connections while there are descriptors for them."""

    def __init__(
        self, server: HTTPServer, sockets: Iterable[socket.socket], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.server = server
        self.sockets = list(sockets)
        self.clock = clock
        self.loop = asyncio.get_running_loop()
        self.had_room = True
        self.quiet_until = 0.0
        for each in self.sockets:
            self.loop.add_reader(each, self._accept, each)

    async def close(self) -> None:
        """Listen no more, and end the connections that are no websockets."""
        for each in self.sockets:
            self.loop.remove_reader(each)
            each.close()
        self.sockets.clear()
        await self.server.close_all_connections()

    def _accept(self, listening: socket.socket) -> None:
        """Accept those who wait, or some of them where they are many: others have their turn then."""
        for _ in range(MAX_AT_ONCE):
            try:
                connection, address = listening.accept()
            except ConnectionAbortedError:
                continue
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in NO_ROOM:
                    self._full(str(error.strerror))
                    self.loop.remove_reader(listening)
                    self.loop.call_later(PAUSE_SECONDS, self._resume, listening)
                return
            limit = descriptors()
            if connection.fileno() < limit - min(RESERVE, limit // 2):
                self.had_room = True
                self.server.handle_stream(IOStream(connection), address)
            else:
                connection.close()
                self._full(f"ulimit -n is {limit}")

    def _resume(self, listening: socket.socket) -> None:
        if listening in self.sockets:
            self.loop.add_reader(listening, self._accept, listening)

    def _full(self, why: str) -> None:
        """Say that there is no room, unless that was said lately or there was none since."""
        now = self.clock()
        if self.had_room and now >= self.quiet_until:
            log.warning("no room for more connections (%s): they are turned away until others have gone", why)
            self.had_room = False
            self.quiet_until = now + QUIET_SECONDS
