"""The demo's server in the tests' own process, where time runs faster."""

import argparse
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import tornado.web

import perspective_server
from history.pool import HistoryPool
from parts import free_port
from protocol.viewer import Offenders
from tdengine.offer import Offer
from web.access import Access
from web.listening import REQUEST_SECONDS, listen
from web.viewers import Viewer


def application(options: argparse.Namespace, access: Access | None = None) -> tornado.web.Application:
    """The demo's application, whose table is not there yet."""
    pool = HistoryPool(1, 10, [])
    tables = perspective_server.make_tables(options, Offer(options.databases, pool.look_up), Offenders())
    return perspective_server.make_app(tables, pool, options, access or Access())


@asynccontextmanager
async def serving(
    access: Access | None = None, request_seconds: float = REQUEST_SECONDS, **settings: float
) -> AsyncIterator[int]:
    """The demo's application with other bounds and settings, on the port that this yields."""
    app = application(perspective_server.parse_options([]), access)
    app.settings.update(settings)
    port = free_port()
    listener = listen(app, port, "127.0.0.1", request_seconds)
    try:
        yield port
    finally:
        Viewer.close_all("the test is over")
        await listener.close()
