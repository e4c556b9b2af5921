#!/usr/bin/env python3
"""Serve the newest rows of a TDengine table, live, to Perspective viewers in any number of browsers."""

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Sequence
from contextlib import aclosing
from functools import partial

import perspective
import tornado.web

from history.pool import HistoryPool
from live.sessions import Live
from live.supervisor import messages
from live.tables import Tables
from live.visits import Visits
from protocol.viewer import Offenders
from tdengine.catalogue import Listed
from tdengine.command_line import Parser, explained, folder, port_number, positive
from tdengine.errors import TDengineError
from tdengine.offer import Offer
from tdengine.settings import add_options, add_text_option, several_databases
from tdengine.telling import log_to_stderr
from web import addresses, assets
from web.access import Access, NotFound
from web.dashboards import DashboardsHandler
from web.export import ExportHandler
from web.listening import listen, make_room
from web.metrics import MetricsHandler
from web.origins import origin
from web.status import StatusHandler
from web.tables import Figures, FiguresHandler, TablesHandler
from web.viewers import HistoryViewer, Viewer

log = logging.getLogger("perspective_server")


async def perspective_thread(live: Live, options: Sequence[str]) -> None:
    """Keep a Perspective table equal to the newest rows of a TDengine table, as its feed tells what has changed.

    Raises TDengineError for what only the user can mend.
    """
    client = live.server.new_local_client()
    async with aclosing(messages(options)) as feed:
        async for message, rows in feed:
            if message["kind"] == "table" and (rows != live.schema or message["anew"]):
                if live.schema:
                    live.end_all("the table begins anew" if rows == live.schema else "the table has other columns now")
                    live.ring.delete()
                live.keep(client.table(rows, name=live.name, limit=live.limit), rows)
            elif message["kind"] == "append" and rows:
                live.ring.append(rows, message["rows_read"])
            elif message["kind"] == "replace":
                live.ring.replace(rows, message["rows"])
            live.follow(message, rows)


def make_tables(options: argparse.Namespace, offer: Offer, offenders: Offenders) -> Tables:
    """The table that the options name, and what shows others of the offer, as long as somebody looks at them."""

    def make(full: str, name: str) -> Live:
        return Live(full, name, options.limit, options.engine_memory, options.engine_timeout, offenders)

    async def feed(live: Live, listed: Listed) -> None:
        named = (f"--database={listed.database}", f"--table={listed.table}")
        await perspective_thread(live, [*taos_options(options, "interval", "limit", "text_limit"), *named])

    first = Listed(options.database, options.table)
    return Tables(first, options.name, offer, options.max_tables, make, feed)


def make_app(tables: Tables, pool: HistoryPool, options: argparse.Namespace, access: Access) -> tornado.web.Application:
    """The page at /, its assets at /static, live tables at /websocket, whole ones at /history and /export, and more."""
    offer, most = tables.offer, {"max_viewers": options.max_viewers}
    history = {"sessions": pool.over, "offer": offer, "database": options.database, **most}
    listing = {"offer": offer, "figures": Figures(offer, pool.look_up), "first": tables.first.full}
    return tornado.web.Application(
        [
            (r"/websocket", Viewer, {"table": options.name, "sessions": partial(Visits, tables), **most}),
            (r"/history", HistoryViewer, history),
            (r"/export", ExportHandler, {"taos": taos_options(options), "offer": offer}),
            (r"/status", StatusHandler, {"tables": tables.statuses}),
            (r"/metrics", MetricsHandler, {"tables": tables.statuses}),
            (r"/tables", TablesHandler, listing),
            (r"/figures", FiguresHandler, listing),
            (r"/dashboards", DashboardsHandler, {"folder": options.dashboards}),
            *assets.ROUTES,
        ],
        access=access,
        port=options.port,
        default_handler_class=NotFound,
        websocket_ping_interval=20,
        log_function=lambda handler: log.debug("%d %s", handler.get_status(), handler.request.path),
    )


def parse_options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line. Exits with 2 and one line for a wrong option."""
    parser = Parser(description=__doc__)
    parser.add_argument(
        "--address", type=addresses.listen_address, default="127.0.0.1", help="address to listen on (127.0.0.1)"
    )
    parser.add_argument("--port", type=port_number, default=8080, help="port to listen on (8080)")
    parser.add_argument("--interval", type=positive, default=250, help="milliseconds between two polls (250)")
    parser.add_argument("--limit", type=positive, default=1000, help="how many of the newest rows to show (1000)")
    parser.add_argument(
        "--text-limit", type=positive, default=64, help="MiB of different text until the table is made anew (64)"
    )
    parser.add_argument("--name", default="stock_values", help="what viewers call the table (stock_values)")
    parser.add_argument(
        "--allow-origin",
        type=origin,
        action="append",
        default=[],
        metavar="http://HOST",
        help="an origin that pages and their websockets may come from besides the server's own, a proxy's say",
    )
    parser.add_argument("--no-token", action="store_true", help="let everybody in, also beyond loopback")
    parser.add_argument("--max-tables", type=positive, default=8, help="tables that are shown live at a time (8)")
    parser.add_argument("--max-viewers", type=positive, default=2000, help="viewers at a time (2000)")
    parser.add_argument(
        "--history-workers", type=positive, default=2, help="processes that answer questions about history (2)"
    )
    parser.add_argument(
        "--history-timeout", type=positive, default=10, help="seconds that such a question may take (10)"
    )
    parser.add_argument(
        "--engine-memory", type=positive, default=1024, help="MiB that the views of all viewers may take (1024)"
    )
    parser.add_argument(
        "--engine-timeout", type=positive, default=5, help="seconds that one question about them may take (5)"
    )
    parser.add_argument("--dashboards", type=folder, metavar="FOLDER", help="a folder of views (JSON) to offer to all")
    levels = ["debug", "info", "warning", "error"]
    parser.add_argument("--log-level", default="info", choices=levels, help="how much to log (info)")
    add_options(parser, several=True)
    add_text_option(parser)
    options = parser.parse_args(arguments)
    several_databases(options)
    return options


def taos_options(options: argparse.Namespace, *more: str) -> list[str]:
    """The options that say where the table is, and `more`, for the command line of a child process."""
    names = (*more, "taos_host", "taos_port", "taos_user", "database", "table")
    text = [f"--text={name}" for name in options.text]
    return [*text, *(f"--{name.replace('_', '-')}={getattr(options, name)}" for name in names)]


async def main(options: argparse.Namespace) -> None:
    """Serve until Ctrl-C or SIGTERM. Raises TDengineError."""
    # Several threads gain nothing for one view, and 5.6.1 may crash where they update many views of an empty table.
    perspective.set_num_cpus(1)
    access = Access.made(options.address, options.allow_origin, options.no_token)
    offenders = Offenders()
    pool = HistoryPool(options.history_workers, options.history_timeout, taos_options(options), offenders)
    tables = make_tables(options, Offer(options.databases, pool.look_up), offenders)
    app = make_app(tables, pool, options, access)
    make_room(options.max_viewers)
    try:
        listener = listen(app, options.port, options.address)
    except OSError as error:
        raise TDengineError(addresses.advice(error, options.address, options.port)) from None
    log.info("serving %s", access.url(options.address, options.port))
    if addresses.is_unspecified(options.address):
        log.info("serving on %s of this machine", addresses.all_of(each.family for each in listener.sockets))
    if access.token is None and not addresses.is_loopback(options.address):
        log.warning("everybody who reaches %s may look: leave --no-token out to ask for a token", options.address)
    # Loading the page compresses its files; with that and a warm pool the first visitor need not wait for either.
    feeding = asyncio.gather(tables.follow_first(), assets.load_page(), tables.offer.list_at_once())
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, feeding.cancel)
    try:
        await feeding
    except asyncio.CancelledError:
        log.info("stopped")
    finally:
        await pool.close()
        await tables.close()


if __name__ == "__main__":
    options = parse_options()
    log_to_stderr(options.log_level.upper())
    sys.exit(explained(lambda: asyncio.run(main(options)) or 0))
