"""Who is answered: clients that ask for the server by a name of its own, and no page of another origin.

A name such as evil.example can be pointed at 127.0.0.1 after its page was loaded (DNS rebinding). To the browser the
page and this server are then one site, and the page could log in with the password that every installation has in
common. But the browser still says in `Host` which name it asks for, and in `Origin` which page it asks on behalf of.
"""

from __future__ import annotations

import ipaddress
import logging
import socket
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tornado.httputil import HTTPServerRequest
from tornado.web import Application, RequestHandler

log = logging.getLogger("embedded")


@dataclass(frozen=True)
class Hosts:
    """The names that the server answers to. `any_address` adds all IP addresses, as they cannot be rebound."""

    names: frozenset[str] = frozenset({"localhost", "127.0.0.1", "::1"})
    any_address: bool = False

    @classmethod
    def of(cls, address: str) -> Hosts:
        """Those of a server that listens on `address`; beyond loopback also the names of this machine."""
        names = cls.names | {_plain(address)}
        if _is_loopback(address):
            return cls(names)
        return cls(names | {socket.gethostname().lower(), socket.getfqdn().lower()}, any_address=True)

    def refusal(self, host: str, origin: str | None) -> str | None:
        """Why a request with these two headers is not answered, in one line; None for one that is.

        TDengine's own clients send no Origin. Libraries that do send the address that they ask, as would a page that
        came from here.
        """
        name = _host_name(host)
        if name not in self.names and not (self.any_address and _is_address(name)):
            own = "an IP address or this machine's name" if self.any_address else "the address that it listens on"
            return f"this server does not answer to this name: use localhost, or {own}"
        if origin is not None and origin.lower() not in (f"http://{host}".lower(), f"https://{host}".lower()):
            return "this server does not answer to pages of another origin"
        return None


class Refused(RequestHandler):
    """A request that is not answered: 403, and why in one line."""

    def initialize(self, why: str) -> None:
        self.why = why

    def prepare(self) -> None:
        self.set_status(403)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(f"{self.why}\n")


class GuardedApplication(Application):
    """Looks at every request before it is routed, so that no handler can forget to."""

    def __init__(self, routes: list[Any], hosts: Hosts, **settings: Any) -> None:
        super().__init__(routes, **settings)
        self.hosts = hosts

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> Any:
        """The handler of a request. In HTTP/1.0 it may lack `Host` and is answered, as no browser leaves that out."""
        host, origin = request.host, request.headers.get("Origin")
        why = self.hosts.refusal(host, origin)
        if why is None:
            return super().find_handler(request, **kwargs)
        # Here, because clients show no more of the answer than its number.
        log.warning("refused a request to %.100r with the origin %.100r: %s", host, origin, why)
        return self.get_handler_delegate(request, Refused, {"why": why})


def _host_name(host: str) -> str:
    """The host of a `Host` header, without its port and brackets; nothing where there is none."""
    try:
        return _plain(urlsplit(f"//{host}").hostname or "")
    except ValueError:
        return ""


def _plain(name: str) -> str:
    """A name in lower case, an address in the shortest of the ways to write it."""
    return str(ipaddress.ip_address(name)) if _is_address(name) else name.lower()


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address).is_loopback if _is_address(address) else address.lower() == "localhost"
