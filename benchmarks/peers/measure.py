#!/usr/bin/env python3
"""Measure this demo beside others that show the newest 1,000 rows of TDengine live, in one run, each in turn.

    python -m venv /tmp/peers && /tmp/peers/bin/pip install -r requirements.txt -r benchmarks/peers/requirements.txt
    /tmp/peers/bin/python benchmarks/peers/measure.py

Each reads the same table of the embedded server, to which 1,000 rows a second come, polls it every 250 ms, and shows
its rows in headless Chromium, which is started anew for each. Prints a table in Markdown: medians, with half the
distance between the least and the greatest of the spans that were measured. None of the others was tuned.
"""

import argparse
import asyncio
import os
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles

from playwright.sync_api import Browser, Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from benchmarks.drawn_ages import NOTE_AGES
from benchmarks.figures import spread
from benchmarks.processes import cpu_seconds, machine, running, served, status, taos_options, until
from benchmarks.target import database
from faults import Proxy
from parts import free_port
from tdengine.settings import Settings

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]
"""As tests/viewers.py has them."""

FIND = """
    const everywhere = (root, selector) => [
        ...root.querySelectorAll(selector),
        ...[...root.querySelectorAll("*")]
            .filter((each) => each.shadowRoot)
            .flatMap((each) => everywhere(each.shadowRoot, selector)),
    ];
"""
"""JavaScript that finds elements, in others' shadow roots, too."""

LOOK = (
    FIND
    + """
    const inDay = (time) => time % 86400000;
    let roots = [];
    const newestShown = () => {
        const times = roots
            .flatMap((root) => [...root.querySelectorAll(selector)])
            .map((cell) => timeOf(cell.textContent))
            .filter((time) => time !== null);
        if (times.length) return Math.max(...times);
        roots = [...new Set(everywhere(document, selector).map((cell) => cell.getRootNode()))];
        return null;
    };
"""
    + NOTE_AGES
)
"""JavaScript that notes how old each row is when it is drawn in any of the cells, whose times are UTC."""

TO_THE_END = FIND + "everywhere(document, '.slick-viewport').forEach((each) => (each.scrollTop = each.scrollHeight));"
"""JavaScript that shows the last rows of a table that has the newest there and does not follow them by itself."""


class Counting(Proxy):
    """A proxy that counts what is answered: what goes to the browser, as it is on the wire."""

    answered = 0

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, answers: bool) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                self.answered += len(data) * answers
                sink.write(data)
                await sink.drain()
        sink.close()


@dataclass
class Peer:
    """One that shows the rows: its program (none is this demo's), the cells that it draws, and what was measured.

    CPU is in per cent of a core, ages are in ms, and what goes to the browser is in KB a second.
    """

    name: str
    program: str
    cells: str
    server: list[float] = field(default_factory=list)
    browser: list[float] = field(default_factory=list)
    age: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    bytes: list[float] = field(default_factory=list)

    def line(self) -> str:
        """The row of the table."""
        values = (self.server, self.browser, self.age, self.late, self.bytes)
        return f"| {' | '.join([self.name, *map(spread, values)])} |"


HEADING = """| | server, % of a core | browser, % of a core | age of a row drawn, ms: median | p99 | KB/s to browser |
| --- | ---: | ---: | ---: | ---: | ---: |"""


def peers() -> list[Peer]:
    """All that are measured."""
    return [
        Peer("this demo (Rows)", "", "td"),
        Peer("Perspective's example for Tornado", "perspective_streaming.py", "td"),
        Peer("Bokeh, DataTable", "bokeh_streaming.py", ".slick-cell"),
        Peer("Panel, Tabulator", "panel_streaming.py", ".tabulator-cell"),
    ]


@contextmanager
def serving(peer: Peer, at: Settings) -> Iterator[tuple[int, int]]:
    """The port and process id of a peer's server."""
    if not peer.program:
        with served(at) as found:
            until(lambda: status(found[0]).get("rows") == 1000)
            yield found
        return
    port = free_port()
    with running(f"benchmarks/peers/{peer.program}", "--port", str(port), *taos_options(at), ready="serving") as server:
        until(lambda: answers(port))
        yield port, server.pid


def answers(port: int) -> bool:
    """Whether a server does."""
    with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
        return bool(answer.status == 200)
    return False


def show(browser: Browser, peer: Peer, port: int) -> Page:
    """The peer's page, with the newest rows on the screen."""
    context = browser.new_context(bypass_csp=True, viewport={"width": 900, "height": 600}, timezone_id="UTC")
    page = context.new_page()
    page.goto(f"http://127.0.0.1:{port}/")
    if not peer.program:
        page.wait_for_selector("nav[aria-busy=false]")
        page.click("nav [value=Rows]")
    page.wait_for_timeout(3000)
    page.evaluate(TO_THE_END)
    page.evaluate(f"(selector) => {{ {LOOK} }}", peer.cells)
    page.wait_for_function("ages.length > 1000", timeout=15_000)
    return page


def browsers_seconds(browser: Browser) -> float:
    """What all processes of a browser have used so far."""
    session = browser.new_browser_cdp_session()
    found = session.send("SystemInfo.getProcessInfo")["processInfo"]
    session.detach()
    return sum(time.clock_gettime(~each["id"] << 3 | 2) for each in found)


def measure(browser: Browser, peer: Peer, at: Settings, seconds: float, spans: int) -> None:
    """Let a peer show the rows for a while."""
    with serving(peer, at) as (port, pid):
        proxy = Counting(port)
        page = show(browser, peer, proxy.port)
        for _ in range(spans):
            page.evaluate("window.ages = []")
            began = time.monotonic()
            before = cpu_seconds(pid), browsers_seconds(browser), proxy.answered
            page.wait_for_timeout(1000 * seconds)
            after = cpu_seconds(pid), browsers_seconds(browser), proxy.answered
            took = time.monotonic() - began
            ages = page.evaluate("window.ages")
            server, drawing, answered = (now - then for now, then in zip(after, before, strict=True))
            peer.server.append(100 * server / took)
            peer.browser.append(100 * drawing / took)
            peer.bytes.append(answered / 1000 / took)
            peer.age.append(median(ages))
            peer.late.append(quantiles(ages, n=100)[98])
        page.context.close()
        proxy.close()


def main() -> None:
    """Measure all, twice in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chromium", default=os.environ.get("CHROMIUM") or "/usr/bin/chromium", help="browser to use")
    parser.add_argument("--seconds", type=float, default=5.0, help="that a span lasts (5)")
    parser.add_argument("--spans", type=int, default=3, help="spans of each, each time (3)")
    parser.add_argument("--rounds", type=int, default=2, help="how often each has its turn (2)")
    options = parser.parse_args()
    found = peers()
    # Written every 10 ms, as by many: so no age depends on when in a batch a poll comes.
    with (
        database() as at,
        running("producer.py", *taos_options(at), "--rows", "10", "--interval", "10"),
        sync_playwright() as playwright,
    ):
        time.sleep(2)
        for _ in range(options.rounds):
            for peer in found:
                browser = playwright.chromium.launch(executable_path=options.chromium, args=FLAGS)
                measure(browser, peer, at, options.seconds, options.spans)
                browser.close()
                print(peer.line(), file=sys.stderr, flush=True)
    print(f"{machine()}\n\n{HEADING}")
    for peer in found:
        print(peer.line())


if __name__ == "__main__":
    main()
