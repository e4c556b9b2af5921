"""How long it takes until there is something to see: the whole demo, and the page."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.figures import Note
from benchmarks.page import first_rows
from benchmarks.processes import status, until

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from parts import ROOT, free_port
from viewers import chromium


def start(note: Note, quick: bool) -> None:
    """`run.sh` on a machine where everything is installed, to the first row; the page, to its first rows."""
    seconds, cold, warm = [], [], []
    for _ in range(2 if quick else 5):
        port = free_port()
        command = ["./run.sh", "--no-browser", "--port", str(port)]
        began = time.monotonic()
        demo = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "TAOS_HOST": "localhost", "TAOS_PORT": str(free_port())},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            until(lambda port=port: status(port).get("rows"), 60)  # type: ignore[misc]
            seconds.append(time.monotonic() - began)
            with chromium() as browser:
                context = browser.new_context(bypass_csp=True)
                cold.append(first_rows(context, f"http://127.0.0.1:{port}"))
                warm += [first_rows(context, f"http://127.0.0.1:{port}") for _ in range(1 if quick else 3)]
        finally:
            os.killpg(demo.pid, signal.SIGINT)
            demo.wait(30)
    note("run.sh to the first row, everything installed", "s", [], seconds)
    note("page to its first rows, nothing cached", "ms", [], cold)
    note("page to its first rows, files cached", "ms", [], warm)
