#!/usr/bin/env python3
"""Perspective's streaming example for Tornado, over the rows of TDengine: the table and the views are in the server.

As in examples/python-tornado-streaming of Perspective: its handler, a callback that updates the table, and a page that
opens it in "server mode". The viewer is of the wheel, as it needs no network then.
"""

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

import perspective
import perspective.handlers.tornado
import tornado.ioloop
import tornado.web

from benchmarks.peers.newest import INTERVAL, SHOWN, Newest, options

WIDGET = Path(perspective.__file__).parent / "widget" / "static"

SCHEMA = {"timestamp": "datetime", "ticker": "string", "client": "string", "volume": "integer", "date": "datetime"}
SCHEMA |= dict.fromkeys(["open", "high", "low", "close"], "float")

PAGE = """<!doctype html>
<meta charset="utf-8" />
<link rel="stylesheet" href="/static/perspective-anywidget.css" />
<style>perspective-viewer { position: absolute; inset: 0; }</style>
<perspective-viewer></perspective-viewer>
<script type="module">
    const { ready } = await import("/static/perspective-anywidget.js");
    await ready;
    const { Client } = customElements.get("perspective-viewer").__wasm_module__;
    const socket = new WebSocket(`ws://${location.host}/websocket`);
    socket.binaryType = "arraybuffer";
    await new Promise((resolve) => (socket.onopen = resolve));
    const client = new Client(async (bytes) => socket.send(bytes.slice()), async () => socket.close());
    socket.onmessage = (event) => client.handle_response(new Uint8Array(event.data));
    const viewer = document.querySelector("perspective-viewer");
    const part = { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3, hour12: false };
    const none = { year: "disabled", month: "disabled", day: "disabled" };
    await viewer.load(await client.open_table("data_source_one"));
    await viewer.restore({
        plugin: "Datagrid",
        sort: [["timestamp", "desc"]],
        columns_config: { timestamp: { date_format: { format: "custom", ...none, ...part } } },
    });
</script>
"""


class Page(tornado.web.RequestHandler):
    """The page."""

    def get(self) -> None:
        self.finish(PAGE)


async def main() -> None:
    """Serve until the process is ended."""
    port, at = options(__doc__)
    server = perspective.Server()
    table = server.new_local_client().table(SCHEMA, limit=SHOWN, name="data_source_one")
    newest = Newest(at)
    handler = {"perspective_server": server}
    tornado.web.Application(
        [
            ("/", Page),
            ("/websocket", perspective.handlers.tornado.PerspectiveTornadoHandler, handler),
            ("/static/(.*)", tornado.web.StaticFileHandler, {"path": WIDGET}),
        ]
    ).listen(port, "127.0.0.1")

    def update() -> None:
        if rows := newest.read():
            table.update(rows)

    update()
    tornado.ioloop.PeriodicCallback(update, INTERVAL).start()
    print("serving", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
