"""The routes: taosAdapter's `/ws` and its older names, `/rest/sql`, `/rest/login` and `/-/ping`, by Tornado."""

from __future__ import annotations

from tornado.web import Application

from embedded import query_actions, sockets, stmt_actions
from embedded.hosts import GuardedApplication, Hosts
from embedded.rest_handler import LoginHandler, PingHandler, RestHandler
from embedded.service import Service
from embedded.sockets import SocketHandler

__all__ = ["Service", "make_app"]

# BoundedProtocol has the real bound: Tornado would close the socket.
_ANY_LENGTH = 1 << 40


def make_app(service: Service, hosts: Hosts | None = None) -> Application:
    """The routes of the server; without `hosts`, of one on loopback."""
    shared = {"service": service}
    socket = {
        "service": service,
        "actions": sockets.ACTIONS | query_actions.ACTIONS | stmt_actions.ACTIONS,
        "binary_actions": query_actions.BINARY_ACTIONS | stmt_actions.BINARY_ACTIONS,
        "about_statements": stmt_actions.ABOUT_STATEMENTS,
    }
    return GuardedApplication(
        [
            (r"/ws", SocketHandler, socket),
            (r"/rest/ws", SocketHandler, socket),
            (r"/rest/stmt", SocketHandler, socket),
            (r"/rest/sql/?", RestHandler, shared),
            (r"/rest/sql/([^/]+)", RestHandler, shared),
            (r"/rest/login/([^/]+)/([^/]+)", LoginHandler, shared),
            (r"/-/ping", PingHandler),
        ],
        hosts or Hosts(),
        websocket_max_message_size=_ANY_LENGTH,
        log_function=lambda handler: None,
    )
