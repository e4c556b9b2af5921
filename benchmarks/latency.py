"""How long a viewer waits: while the database hangs, and for a row that was just written."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median, quantiles

from benchmarks.cost import ask, load
from benchmarks.drawn_ages import NOTE_AGES
from benchmarks.figures import Note
from benchmarks.processes import running, served, status, taos_options, until
from benchmarks.target import database

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from faults import Proxy
from viewers import Watched, chromium

INTERVALS = (250, 50)

AGES = (
    """
    const grid = document.querySelector("perspective-viewer-datagrid").shadowRoot;
    const inDay = (time) => (time - new Date(time).getTimezoneOffset() * 60000) % 86400000;
    const newestShown = () => {
        for (const cell of grid.querySelectorAll("td")) {
            const time = timeOf(cell.textContent);
            if (time !== null) return time;
        }
        return null;
    };
"""
    + NOTE_AGES
    + """
    return true;
"""
)
"""JavaScript that notes how old each row is when it is drawn in the grid whose newest row is the first."""


def stall(note: Note, quick: bool) -> None:
    """The longest time that a viewer's question takes while the database hangs, which it does for both ways at once."""
    seconds, repeats = (2, 3) if quick else (10, 3)
    with database() as at, running("producer.py", *taos_options(at)):
        proxy = Proxy(at.port, at.host)
        behind = replace(at, host="127.0.0.1", port=proxy.port)
        with served(behind, document=True) as (document, _), served(behind) as (ours, _):
            found = []
            for _ in range(repeats):
                with pinging(document) as one, pinging(ours) as other:
                    proxy.silence()
                    time.sleep(seconds)
                    proxy.recover()
                    time.sleep(0.5)
                    found.append([longest(one), longest(other)])
                until(lambda: status(ours).get("state") == "live")
        proxy.close()
    what = f"longest stall of a viewer while TDengine hangs for {seconds} s"
    note(what, "ms", *map(list, zip(*found, strict=True)))


@contextmanager
def pinging(port: int) -> "Iterator[subprocess.Popen[str]]":
    """A viewer that asks a server all the time, and has had its first answer."""
    command = ["tests/pinger.py", f"ws://127.0.0.1:{port}/websocket"]
    with running(*command, stdin=True) as pinger:
        assert pinger.stdout is not None
        pinger.stdout.readline()
        yield pinger


def longest(pinger: "subprocess.Popen[str]") -> float:
    """The longest time in ms that an answer took it."""
    assert pinger.stdin is not None
    assert pinger.stdout is not None
    pinger.stdin.close()
    return float(pinger.stdout.readlines()[-1])


@contextmanager
def steady(interval: int) -> Iterator[int]:
    """The port of the demo's server, which polls so often what is written every 10 ms, so that age is its doing."""
    with (
        database() as at,
        running("producer.py", *taos_options(at), "--rows", "10", "--interval", "10"),
        served(at, "--interval", str(interval)) as (port, _),
    ):
        yield port


def freshness(note: Note, quick: bool) -> None:
    """The age of a row when a viewer has it, polled every 250 and every 50 ms."""
    seconds, repeats = (1, 3) if quick else (5, 4)
    for interval in INTERVALS:
        with steady(interval) as port, load(port, 1) as (viewer,):
            repeated = []
            for _ in range(repeats):
                ask(viewer)
                time.sleep(seconds)
                repeated.append(ask(viewer)["ages"])
        told(note, f"age of a row on arrival, polled every {interval} ms", repeated)


def drawn(note: Note, quick: bool) -> None:
    """The age of a row when Chromium has drawn it, in the page's Rows view and in its pivot, the Grid."""
    seconds, repeats = (1, 3) if quick else (5, 4)
    views = {"Rows": "rows"} if quick else {"Rows": "rows", "Grid": "pivot"}
    with chromium() as browser:
        for interval in INTERVALS:
            with steady(interval) as port:
                for view, name in views.items():
                    watched = Watched(browser)
                    watched.page.goto(f"http://127.0.0.1:{port}")
                    watched.drawn()
                    watched.page.click(f"nav [value={view}]")
                    watched.page.wait_for_timeout(500)
                    watched.drawn()
                    watched.until(AGES)
                    repeated = []
                    for _ in range(repeats):
                        watched.page.evaluate("window.ages = []")
                        watched.page.wait_for_timeout(1000 * seconds)
                        repeated.append(watched.page.evaluate("window.ages"))
                    watched.context.close()
                    told(note, f"age of a row drawn by Chromium ({name}), polled every {interval} ms", repeated)


def told(note: Note, what: str, repeated: list[list[float]]) -> None:
    """Median, 95th and 99th percentile of ages."""
    cuts = [quantiles(ages, n=100) for ages in repeated]
    note(f"{what}, median", "ms", [], [median(ages) for ages in repeated])
    note(f"{what}, p95", "ms", [], [cut[94] for cut in cuts])
    note(f"{what}, p99", "ms", [], [cut[98] for cut in cuts])
