"""How long it takes until there is something to see: the whole demo, and the page."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.figures import Note
from benchmarks.page import first_rows
from benchmarks.processes import status, until
from benchmarks.target import database, named

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from parts import ROOT, free_port
from viewers import chromium


def start(note: Note, quick: bool) -> None:
    """`run.sh` on a machine where everything is installed, to the first row; the page, to its first rows.

    It starts the embedded server, unless there is a TDengine to measure over.
    """
    seconds, cold, warm = [], [], []
    for _ in range(2 if quick else 5):
        with nothing_stored() as variables, demo(variables) as (port, took):
            seconds.append(took)
            with chromium() as browser:
                context = browser.new_context(bypass_csp=True)
                cold.append(first_rows(context, f"http://127.0.0.1:{port}"))
                warm += [first_rows(context, f"http://127.0.0.1:{port}") for _ in range(1 if quick else 3)]
    note("run.sh to the first row, everything installed", "s", [], seconds)
    note("page to its first rows, nothing cached", "ms", [], cold)
    note("page to its first rows, files cached", "ms", [], warm)


@contextmanager
def nothing_stored() -> Iterator[dict[str, str]]:
    """The variables that lead run.sh to an empty table, or to a port where no TDengine is."""
    if named() is None:
        yield {"TAOS_HOST": "localhost", "TAOS_PORT": str(free_port())}
        return
    with database() as at:
        yield {"TAOS_DATABASE": at.database, "TAOS_TABLE": at.table}


@contextmanager
def demo(variables: dict[str, str]) -> Iterator[tuple[int, float]]:
    """The whole demo, run: the port of its page, and the seconds until it had rows."""
    port = free_port()
    began = time.monotonic()
    process = subprocess.Popen(
        ["./run.sh", "--no-browser", "--port", str(port)],
        cwd=ROOT,
        env={**os.environ, **variables},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        until(lambda: status(port).get("rows"), 60)
        yield port, time.monotonic() - began
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(30)
