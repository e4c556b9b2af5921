"""Who may connect, and what every answer says to browsers: Host, Origin, the token, and security headers.

On loopback everybody on this machine may look. Beyond it a token is asked for, which the page trades for a cookie.
"""

import asyncio
import hashlib
import hmac
import ipaddress
import logging
import os
import secrets
import socket
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import tornado.web
from tornado.http1connection import HTTP1Connection

from tdengine.errors import TDengineError
from web import tokens
from web.addresses import in_link, is_loopback
from web.origins import asked_over_tls, host_name

log = logging.getLogger("perspective_server")

MIN_TOKEN = 16
"""Characters that a token of the user's own must have."""

FREE_MISTAKES = 5
PAUSE_SECONDS = 1.0
MAX_WAITING = 4
"""An address that has shown so many wrong tokens waits so long for the answer to each further wrong one, and if so many
are waiting already it is turned away. A right one never waits: behind a proxy all viewers have one address."""

READ_SECONDS = 15.0
"""A client that takes in nothing of its answer for so long is cut off."""

FORGET_SECONDS = 600.0
MAX_ADDRESSES = 10_000


def is_ip(name: str) -> bool:
    """Whether it is an address and no name."""
    try:
        return bool(ipaddress.ip_address(name))
    except ValueError:
        return False


@dataclass
class _Mistakes:
    """The wrong tokens that one address has shown."""

    last: float
    count: int = 0
    waiting: int = 0
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass
class Access:
    """What the server answers to: hosts by name, pages by origin, viewers by token (None: everybody).

    `shown` says that the token may be printed: the server has made it.
    `any_address` lets hosts that are IP addresses in: they cannot be rebound, as names can.
    """

    hosts: frozenset[str] = frozenset({"localhost", "127.0.0.1", "::1"})
    any_address: bool = False
    origins: frozenset[str] = frozenset()
    token: str | None = None
    shown: bool = False
    clock: Callable[[], float] = time.monotonic
    _mistakes: "OrderedDict[str, _Mistakes]" = field(default_factory=OrderedDict)

    @classmethod
    def made(cls, address: str, origins: list[str], no_token: bool) -> "Access":
        """For a server that listens on `address`. Raises TDengineError for a token (PSP_TOKEN) that is too short."""
        shared = not is_loopback(address)
        own = os.environ.get("PSP_TOKEN")
        token = own or (secrets.token_urlsafe(24) if shared else None)
        if token is not None and tokens.length(token) < MIN_TOKEN:
            raise TDengineError(
                f"PSP_TOKEN has {tokens.length(token)} characters: take {MIN_TOKEN} or more, or leave it out"
            )
        names = {*cls.hosts, address.lower(), *(host_name(origin.partition("://")[2]) for origin in origins)}
        if shared:
            names |= {socket.gethostname().lower(), socket.getfqdn().lower()}
        return cls(frozenset(names), shared, frozenset(origins), None if no_token else token, shown=not own)

    def url(self, address: str, port: int) -> str:
        """The address to open, with the token; if it is the user's own, with how to put it there."""
        token = f"/?token={tokens.in_link(self.token, not self.shown)}" if self.token else ""
        return f"http://{in_link(address)}:{port}{token}"

    def answers_to(self, host: str) -> bool:
        """Whether a request with this `Host` header is meant for this server: ends DNS rebinding."""
        name = host_name(host)
        return name in self.hosts or (self.any_address and is_ip(name))

    def allows_page(self, origin: str, host: str) -> bool:
        """Whether a page of this origin may open a websocket: the server's own, or one that it was told of."""
        return origin in self.origins or origin in (f"http://{host}", f"https://{host}")

    @property
    def cookie(self) -> str:
        """What the cookie of an admitted viewer holds: not the token, and of no use to find it."""
        key = (self.token or "").encode(errors="surrogateescape")
        return hmac.new(key, b"perspective_server", hashlib.sha256).hexdigest()

    def knows(self, cookie: str | None) -> bool:
        """Whether it is the cookie of an admitted viewer, compared in constant time."""
        return self.token is None or hmac.compare_digest((cookie or "").encode(), self.cookie.encode())

    async def admits(self, shown: bytes, address: str) -> bool:
        """Whether it is the token, compared in constant time; wrong ones make the wrong ones of their address slow."""
        if self.token is None or tokens.same(self.token, shown):
            return True
        mistakes = self._of(address)
        mistakes.count += 1
        mistakes.last = self.clock()
        if mistakes.count > FREE_MISTAKES and mistakes.waiting < MAX_WAITING:
            mistakes.waiting += 1
            try:
                async with mistakes.turn:
                    await asyncio.sleep(PAUSE_SECONDS)
            finally:
                mistakes.waiting -= 1
        return False

    def _of(self, address: str) -> _Mistakes:
        """The mistakes of an address; those of long ago, and the oldest of too many, are forgotten."""
        now = self.clock()
        mistakes = self._mistakes.pop(address, None)
        if mistakes is None or now - mistakes.last > FORGET_SECONDS:
            mistakes = _Mistakes(now)
        self._mistakes[address] = mistakes
        while len(self._mistakes) > MAX_ADDRESSES:
            self._mistakes.popitem(last=False)
        return mistakes


class Guarded(tornado.web.RequestHandler):
    """A request that is looked at before it is answered. The application's setting `access` says who is let in."""

    @property
    def access(self) -> Access:
        found: Access = self.settings["access"]
        return found

    async def prepare(self) -> None:
        """Turn away what is not for this server, or not for this client."""
        host = self.request.host
        if not self.access.answers_to(host):
            self.refuse("this server does not answer to this name: add it with --allow-origin http://NAME")
        elif self.access.token is not None and not await self._admitted():
            self.refuse("this server asks for a token: open the address that it printed when it was started")

    async def _admitted(self) -> bool:
        name = f"perspective_{host_name(self.request.host)}_{self.settings['port']}".replace(":", "_")
        # A proxy may ask for a password of its own, and pass that on as another kind of Authorization.
        kind, _, credentials = self.request.headers.get("Authorization", "").partition(" ")
        bearer = credentials.encode("latin-1") if kind.lower() == "bearer" else b""
        token = self.request.query_arguments.get("token", [b""])[-1] or bearer
        if not token:
            return self.access.knows(self.get_cookie(name))
        if not await self.access.admits(token, self.request.remote_ip or ""):
            return False
        if not bearer:
            secure = asked_over_tls(self.request.host, self.access.origins)
            self.set_cookie(name, self.access.cookie, httponly=True, samesite="Strict", secure=secure)
        return True

    def refuse(self, why: str) -> None:
        """Answer 403 in one line."""
        self.set_status(403)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(why + "\n")

    def finish(self, chunk: str | bytes | dict[str, Any] | None = None) -> "asyncio.Future[None]":
        """End the answer. A client that does not take it in is cut off."""
        sent = super().finish(chunk)
        # From this answer on the connection is a websocket's, which looks after it.
        if not sent.done() and self.get_status() != 101:
            cutting = asyncio.get_running_loop().call_later(READ_SECONDS, self.cut)
            sent.add_done_callback(lambda _: cutting.cancel())
        return sent

    def cut(self) -> None:
        """Close the connection, whatever is still to be sent."""
        assert isinstance(self.request.connection, HTTP1Connection)
        self.request.connection.close()
        if not self._finished:
            self.finish()

    def set_default_headers(self) -> None:
        """What browsers are told with every answer."""
        self.clear_header("Server")
        self.set_header("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("X-Frame-Options", "DENY")
        self.set_header("Referrer-Policy", "no-referrer")

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """Log what went wrong, without the address that was asked for: a token may be in it."""
        if isinstance(value, asyncio.CancelledError):
            return  # the server stops
        if isinstance(value, tornado.web.HTTPError):
            log.debug("%d %s: %s", value.status_code, self.request.path, value)
        else:
            log.error("%s failed", self.request.path, exc_info=(typ, value, tb))

    def write_error(self, status_code: int, **_: object) -> None:
        """An error is its number and name: no page, and nothing of the program."""
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(f"{status_code} {self._reason}\n")


class NotFound(Guarded):
    """Every address that is not served."""

    async def prepare(self) -> None:
        """Let the guard speak first."""
        await super().prepare()
        if not self._finished:
            raise tornado.web.HTTPError(404)
