"""Somebody's own page, from another origin, whose viewer lets the server compute: as Perspective's tutorials do."""

import os
import signal
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import perspective
import pytest
from playwright.sync_api import Browser

from conftest import Start
from parts import Part, children_of, free_port
from viewers import SIZE, VIEWER, Watched, chromium

PAGE = Path(__file__).with_name("server_mode.html")
WIDGET = Path(perspective.__file__).parent / "widget/static"


class Files(SimpleHTTPRequestHandler):
    """The page, and the viewer of the wheel."""

    def translate_path(self, path: str) -> str:
        name = path.split("?")[0].lstrip("/")
        return str(PAGE if name == PAGE.name else WIDGET / name)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def origin() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Files)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def demo(start: Start, taos_port: int, origin: str) -> tuple[Part, str]:
    """A server that lets pages of this origin connect, and the address of its websocket."""
    port = free_port()
    start("producer.py", "--taos-port", str(taos_port))
    options = ["--port", str(port), "--taos-port", str(taos_port), "--allow-origin", origin]
    server = start("perspective_server.py", *options)
    server.says("live")
    return server, f"ws://127.0.0.1:{port}/websocket"


def grid(watched: Watched, config: str, condition: str, seconds: float = 20) -> Any:
    """Give the viewer a configuration, and wait until the columns `c` of its view fulfil a condition; return them."""
    return watched.until(
        f"""
        const viewer = {VIEWER};
        const wanted = {config};
        const saved = await viewer.save();
        if (Object.keys(wanted).some((key) => JSON.stringify(saved[key]) !== JSON.stringify(wanted[key])))
            await viewer.restore(wanted);
        const view = await viewer.getView();
        const c = await view.to_columns({{ start_row: 0, end_row: 2000 }});
        return {condition} && c;
        """,
        seconds,
    )


@pytest.mark.parametrize("how", ["table", "client"])
def test_a_page_of_ones_own_pivots_the_live_table(
    browser: Browser, origin: str, demo: tuple[Part, str], how: str
) -> None:
    watched = Watched(browser.new_context(bypass_csp=True, viewport=SIZE))
    watched.page.goto(f"{origin}/{PAGE.name}#{demo[1]} {how}")
    flat = grid(watched, "{}", "c.ticker.length === 1000")
    assert len(flat["volume"]) == 1000
    pivot = grid(watched, '{ group_by: ["ticker"], columns: ["volume", "open"] }', "c.volume.length === 14")
    assert pivot["volume"][0] == sum(pivot["volume"][1:])
    grid(watched, '{ group_by: ["ticker"], columns: ["volume", "open"] }', f"c.volume[0] !== {pivot['volume'][0]}")
    split = grid(
        watched,
        '{ group_by: ["ticker"], split_by: ["client"], columns: ["volume"] }',
        'Object.keys(c).includes("Homer|volume")',
    )
    assert len(split) == 10
    computed = grid(
        watched,
        """{ group_by: [], split_by: [], expressions: { spread: '"high" - "low"' }, columns: ["spread", "ticker"],
             filter: [["ticker", "==", "AAPL.N"]], sort: [["spread", "desc"]] }""",
        'c.ticker.every((each) => each === "AAPL.N")',
    )
    assert computed["spread"] == sorted(computed["spread"], reverse=True)
    watched.context.close()
    assert [problem for problem in watched.problems if "`load(table)` is deprecated" not in problem] == []


def test_pages_with_pivots_of_their_own_come_back_when_the_engine_ends(
    browser: Browser, origin: str, demo: tuple[Part, str]
) -> None:
    server, address = demo
    pages = [Watched(browser.new_context(bypass_csp=True, viewport=SIZE), outage=True) for _ in range(2)]
    shapes = ['{ group_by: ["ticker"], columns: ["volume"] }', '{ group_by: ["client"], columns: ["close"] }']
    counts = ["c.volume.length === 14", "c.close.length === 10"]
    for page, shape, count in zip(pages, shapes, counts, strict=True):
        page.page.goto(f"{origin}/{PAGE.name}#{address} table")
        grid(page, shape, count)
    before = [page.page.evaluate("window.connections") for page in pages]
    os.kill(children_of(server, "live.engine")[0], signal.SIGKILL)
    for page, shape, count, connections in zip(pages, shapes, counts, before, strict=True):
        page.until(f"return window.connections === {connections + 1}", 3)
        assert page.page.evaluate("window.reasons.at(-1)") == "what computes your views has ended: connect again"
        grid(page, "{}", count, 5)
        assert page.saved()["group_by"] == [shape.split('"')[1]]
        page.context.close()
