#!/usr/bin/env python3
"""A Panel server whose Tabulator is streamed what is new, as Panel's documentation streams into one."""

import sys
from pathlib import Path

import pandas as pd
import panel as pn
from bokeh.models import DateFormatter

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from benchmarks.peers.newest import INTERVAL, SHOWN, Newest, options

TIMES = ["timestamp", "date"]


def main() -> None:
    """Serve until the process is ended."""
    port, at = options(__doc__)
    pn.extension("tabulator")

    def show() -> pn.widgets.Tabulator:
        newest = Newest(at)

        def read() -> pd.DataFrame:
            rows = pd.DataFrame(newest.read())
            for name in TIMES if len(rows) else []:
                rows[name] = pd.to_datetime(rows[name], unit="ms")
            return rows

        formatters = {"timestamp": DateFormatter(format="%H:%M:%S.%3N"), "date": DateFormatter(format="%F")}
        table = pn.widgets.Tabulator(
            read(), formatters=formatters, show_index=False, disabled=True, width=880, height=560
        )

        def update() -> None:
            rows = read()
            if len(rows):
                table.stream(rows, rollover=SHOWN, follow=True)

        pn.state.add_periodic_callback(update, INTERVAL)
        return table

    print("serving", flush=True)
    pn.serve({"/": show}, port=port, address="127.0.0.1", websocket_origin="*", show=False, verbose=False)


if __name__ == "__main__":
    main()
