"""Poll a TDengine table and write what a mirror of its newest rows has to do, as Arrow, to standard output.

supervisor.py runs this (`python -m live.feed`) as a child process, because taosws holds the GIL in every call: here it
blocks nobody.

A message's `kind` is what to do: "table" (make the table anew, with the stream's schema), "append" or "replace" rows,
"waiting" (TDengine cannot be read now: `error` says why) or "failed" (only the user can mend it: `error`).
"""

import math
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import taosws

from live.mirror import Mirror
from live.rhythm import Rhythm
from live.texts import Texts
from protocol.pipe import write_message
from tdengine.command_line import Parser, positive
from tdengine.connecting import create_tdengine_connection, pauses
from tdengine.errors import TDengineError, reason
from tdengine.settings import Settings, add_options, add_text_option, settings
from tdengine.table import Row, open_table

CHECK_SECONDS = 5.0
"""How often the shown rows are compared with all of the newest ones, and the table's columns are looked at again."""


def run(at: Settings, interval_ms: int, limit: int, most_text: int) -> int:
    """Poll until the reader of standard output has gone, whatever becomes of TDengine. The exit code."""
    mirror: Mirror | None = None
    long: frozenset[str] = frozenset()
    waits = pauses()
    rhythm = Rhythm(interval_ms / 1000)
    while True:
        try:
            connection = create_tdengine_connection(at)
            checked = -math.inf
            while True:
                begun = time.monotonic()
                check = begun - checked >= CHECK_SECONDS
                if check:
                    checked = begun
                    table = open_table(connection, replace(at, text=at.text | long))
                    if mirror is None or mirror.table != table:
                        mirror, texts = Mirror(table, limit), Texts(table)
                        report("table", mirror, [])
                assert mirror is not None
                kind, rows = mirror.poll(connection, check)
                if found := mirror.table.long(rows):  # the table is made anew, with these columns as text
                    long |= found
                    checked = -math.inf
                    continue
                if texts.add(rows) > most_text + texts.first:
                    texts = Texts(table)
                    report("table", mirror, [], anew=True)
                    kind, rows = "replace", mirror.begin_anew()
                    texts.add(rows)
                report(kind, mirror, rows)
                waits = pauses()
                newest = mirror.newest
                due = rhythm.next(begun, None if newest is None else newest / mirror.table.second)
                time.sleep(max(0, due - time.monotonic()))
        except taosws.Error as error:
            write_message(sys.stdout.buffer, {"kind": "waiting", "error": reason(error)})
            time.sleep(next(waits))
        except TDengineError as error:
            write_message(sys.stdout.buffer, {"kind": "waiting" if mirror else "failed", "error": str(error)})
            if not mirror:
                return 1
            time.sleep(next(waits))
        except BrokenPipeError:
            return 0


def report(kind: str, mirror: Mirror, rows: list[Row], anew: bool = False) -> None:
    """Write what to do with the rows, and what is shown once it is done; `anew`, a table that is as the one before."""
    shown = mirror.shown or []
    newest = mirror.newest
    header: dict[str, Any] = {
        "kind": kind,
        "rows": len(shown),
        "rows_read": len(rows),
        "new": mirror.new,
        "newest": None if newest is None else mirror.table.milliseconds(newest),
        "ahead": mirror.table.milliseconds(mirror.ahead),
    }
    if kind == "table":
        header |= {"renamed": mirror.table.renamed, "tags": mirror.table.tags, "anew": anew}
    payload = mirror.table.to_arrow(rows) if rows or kind != "append" else b""
    write_message(sys.stdout.buffer, header, payload)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run with the options of the command line, which perspective_server.py passes on."""
    parser = Parser(description=__doc__)
    parser.add_argument("--interval", type=positive, default=250, help="milliseconds between two polls")
    parser.add_argument("--text-limit", type=positive, default=64, help="MiB of text until the table is made anew")
    parser.add_argument("--limit", type=positive, default=1000, help="how many of the newest rows to show")
    add_options(parser)
    add_text_option(parser)
    options = parser.parse_args(arguments)
    # taosws reads this when it first connects: one connection has work for one thread, and to wake a second one costs.
    os.environ.setdefault("TOKIO_WORKER_THREADS", "1")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the server, which has it from the same Ctrl-C, ends this process
    return run(settings(options), options.interval, options.limit, options.text_limit * 2**20)


if __name__ == "__main__":
    sys.exit(main())
