#!/usr/bin/env python3
"""History's handler alone: every table of a TDengine database in any Perspective viewer, in an app of thirty lines.

venv/bin/python -m examples.virtual_server --database stocks    and then, in a page of this machine:
await viewer.load(await (await perspective.websocket("ws://localhost:8082/websocket")).open_table("stocks_values"))
"""

import argparse
import asyncio
import time
from contextlib import suppress

import perspective
import tornado.web
import tornado.websocket

from history.cache import Cache
from history.database import Database
from history.handler import TDengineVirtualServerHandler
from tdengine.settings import Settings, add_options, settings


class Viewer(tornado.websocket.WebSocketHandler):
    """A viewer. Its questions block the others: taosws holds the GIL in every call (history/pool.py has processes)."""

    def initialize(self, at: Settings, database: Database, cache: Cache) -> None:
        handler = TDengineVirtualServerHandler(database, at, "all", cache)
        self.server = perspective.VirtualServer(handler)

    def check_origin(self, origin: str) -> bool:
        """Let pages of this machine in, and programs: the example asks for no token."""
        return origin.split("://")[-1].split(":")[0] in ("localhost", "127.0.0.1")

    def on_message(self, message: str | bytes) -> None:
        """Answer a question."""
        if isinstance(message, bytes):
            self.write_message(bytes(self.server.handle_request(message)), binary=True)


async def main() -> None:
    """Serve this machine until Ctrl-C."""
    parser = argparse.ArgumentParser(description="Serve the tables of a TDengine database to Perspective viewers.")
    parser.add_argument("--port", type=int, default=8082, help="port to listen on (8082)")
    add_options(parser)
    options = parser.parse_args()
    at = settings(options)
    shared = {"at": at, "database": Database(at, 10), "cache": Cache(time.monotonic)}
    tornado.web.Application([(r"/websocket", Viewer, shared)]).listen(options.port, "127.0.0.1")
    print(f"serving ws://localhost:{options.port}/websocket", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(main())
