"""Where the server listens, and how long a request may take to come."""

import tornado.web
from tornado.httpserver import HTTPServer

REQUEST_SECONDS = 30.0
"""A request's header must have come whole after so long, from the connection or the last answer on; so must its body,
from the header on."""

MAX_BODY_BYTES = 2**16


def listen(app: tornado.web.Application, port: int, address: str, seconds: float = REQUEST_SECONDS) -> HTTPServer:
    """Serve an application. Raises OSError where the address cannot be listened on.

    Who has not sent a header, or a body, whole after so many seconds is disconnected.
    """
    server = HTTPServer(app, idle_connection_timeout=seconds, body_timeout=seconds, max_body_size=MAX_BODY_BYTES)
    server.listen(port, address)
    return server
