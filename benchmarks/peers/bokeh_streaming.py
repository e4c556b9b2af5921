#!/usr/bin/env python3
"""A Bokeh server whose DataTable is streamed what is new, as Bokeh's documentation streams into a ColumnDataSource.

A DataTable (3.9.2) whose source has as many rows after `stream()` as before does not draw itself anew: here a callback
in the page tells it to.
"""

import sys
from pathlib import Path

from bokeh.document import Document
from bokeh.models import ColumnDataSource, CustomJS, DataTable, DateFormatter, TableColumn
from bokeh.server.server import Server

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from benchmarks.peers.newest import INTERVAL, NAMES, SHOWN, Newest, options

CLOCK = {"timestamp": DateFormatter(format="%H:%M:%S.%3N"), "date": DateFormatter(format="%F")}


def main() -> None:
    """Serve until the process is ended."""
    port, at = options(__doc__)

    def show(document: Document) -> None:
        newest = Newest(at)
        source = ColumnDataSource(newest.read())
        columns = [
            TableColumn(field=name, title=name, **({"formatter": CLOCK[name].clone()} if name in CLOCK else {}))
            for name in NAMES
        ]
        table = DataTable(source=source, columns=columns, width=880, height=560, sortable=False)
        source.js_on_change("streaming", CustomJS(args={"view": table.view}, code="view.change.emit()"))
        document.add_root(table)

        def update() -> None:
            if rows := newest.read():
                source.stream(rows, rollover=SHOWN)

        document.add_periodic_callback(update, INTERVAL)

    server = Server({"/": show}, port=port, address="127.0.0.1", allow_websocket_origin=["*"])
    server.start()
    print("serving", flush=True)
    server.io_loop.start()


if __name__ == "__main__":
    main()
