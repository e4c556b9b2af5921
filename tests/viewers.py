"""Viewers as tests use them: a Python one over the websocket, and Chromium with the page."""

import asyncio
import json
import os
import re
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import axe_playwright_python
import perspective
import pyarrow as pa
import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, ViewportSize, sync_playwright
from playwright.sync_api import Error as PlaywrightError
from tornado.websocket import WebSocketClientConnection, websocket_connect

T = TypeVar("T")

ARTEFACTS = Path(__file__).parent / "artefacts"
"""Where screenshots are left, to look at."""

VIEWER = "document.querySelector('perspective-viewer')"
PRESSED = "document.querySelector('nav button[aria-pressed=true]').value"
"""JavaScript for the viewer, and for the name of the view that is chosen."""

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def looked_at(view: str, *places: str) -> str:
    """JavaScript of a visitor who has looked at a view last in these places, which is drawn sooner than four panels.

    A place is "stocks.stocks_values" for a table, live, and "history stocks.stocks_values" for its History.
    """
    last = json.dumps({"changed": {}, "current": view})
    return f"for (const place of {json.dumps(places)}) localStorage[`views of ${{place}}`] ??= {json.dumps(last)};"


SIZE: ViewportSize = {"width": 900, "height": 600}
"""Of a window: a larger one takes longer to draw, which Chromium does without a graphics card here."""


class Viewer:
    """A Perspective client over the server's websocket, with plain synchronous calls."""

    def __init__(self, address: str) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        connecting = self._connect(address.replace("http", "ws") + "/websocket")
        self.socket = asyncio.run_coroutine_threadsafe(connecting, self.loop).result(15)

    async def _connect(self, address: str) -> WebSocketClientConnection:
        socket = await websocket_connect(address, max_message_size=100 * 2**20)

        async def send(message: bytes) -> None:
            await socket.write_message(message, binary=True)

        async def close() -> None:
            socket.close()

        self.client = perspective.AsyncClient(send, close)
        self.reading = asyncio.ensure_future(self._read(socket))
        return socket

    async def _read(self, socket: WebSocketClientConnection) -> None:
        while isinstance(message := await socket.read_message(), bytes):
            await self.client.handle_response(message)

    def call(self, what: Awaitable[T], seconds: float = 15) -> T:
        """The result of something awaitable of the client's. Raises ConnectionError where the socket closes before."""

        async def result() -> T:
            task = asyncio.ensure_future(what)
            await asyncio.wait({task, self.reading}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise ConnectionError("the server has closed the websocket")
            return task.result()

        return asyncio.run_coroutine_threadsafe(result(), self.loop).result(seconds)

    def tables(self) -> list[str]:
        """The names of the server's tables."""
        return list(self.call(self.client.get_hosted_table_names()))

    def columns(self, **config: Any) -> dict[str, list[Any]]:
        """The server's table, column by column, times as epoch milliseconds.

        The whole of it as pages read it, in Arrow; otherwise a view that the server computes.
        """

        async def read() -> dict[str, list[Any]]:
            names = await self.client.get_hosted_table_names()
            if not names:
                return {}
            view = await (await self.client.open_table(names[0])).view(**config)
            if config:
                columns: dict[str, list[Any]] = await view.to_columns()
            else:
                columns = pa.ipc.open_stream(await view.to_arrow()).read_all().to_pydict()
            await view.delete()
            return columns

        columns = self.call(read())
        return {name: [as_ms(value) for value in values] for name, values in columns.items()}

    def close(self) -> None:
        """Close the websocket and end the thread."""
        self.loop.call_soon_threadsafe(self.socket.close)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(5)


def as_ms(value: Any) -> Any:
    """A datetime of Perspective's (UTC without saying so) as epoch milliseconds; anything else as it is."""
    return round(value.replace(tzinfo=UTC).timestamp() * 1000) if isinstance(value, datetime) else value


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless Chromium: the one that CHROMIUM names, as test.sh sets it. "none" skips the test that wants one."""
    if os.environ.get("CHROMIUM") == "none":
        pytest.skip("this run is one without a browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=os.environ.get("CHROMIUM") or "/usr/bin/chromium", args=FLAGS
        )
        yield browser
        browser.close()


OUTAGE = re.compile(r"Failed to load resource|WebSocket connection to .* failed|status of [45]\d\d")
"""What Chromium itself logs where a server is away or answers with an error, which no page can prevent."""


class Watched:
    """A page and all that it has logged, thrown or asked for.

    `outage` says that the test takes the server or TDengine away: what Chromium itself logs of it is no problem.
    """

    def __init__(self, where: Browser | BrowserContext, outage: bool = False) -> None:
        # Playwright's own waiting evaluates code in the page, which its Content-Security-Policy forbids.
        if isinstance(where, Browser):
            where = where.new_context(bypass_csp=True, reduced_motion="reduce", viewport=SIZE)
        self.context = where
        self.outage = outage
        self.page: Page = self.context.new_page()
        self.problems: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("request", self._request)
        self.page.on("websocket", lambda socket: self.requests.append(socket.url))

    def _console(self, message: ConsoleMessage) -> None:
        # That the rows are stale, as on a machine that is busy enough, is an answer, which Chromium logs as an error.
        stale = "503" in message.text and message.location.get("url", "").endswith("/status")
        # Perspective (5.6.1) now and then draws or saves a panel that has just been taken away.
        retired = re.search(
            r"No panel named|Panel disposed|reading '(setSelection|port1)'|Couldn't find key", message.text
        )
        expected = stale or retired or (self.outage and OUTAGE.search(message.text))
        if message.type in ("error", "warning") and not expected:
            self.problems.append(f"{message.type}: {message.text}")

    def _request(self, request: Request) -> None:
        self.requests.append(request.url)

    def state(self, text: str, seconds: float = 20) -> None:
        """Wait until the head line shows this state, reason included (a part of it will do)."""
        head = "document.querySelector('.what').innerText.replace(/\\s+/g, ' ')"
        self.until(f"return {head}.includes({json.dumps(text)})", seconds)

    def drawn(self) -> None:
        """Wait until the view that was chosen is shown."""
        self.until("return document.querySelector('nav[aria-busy=false]')")

    def rows(self, condition: str = "true", seconds: float = 20) -> Any:
        """Wait until the page's own replica, as columns `c`, fulfils a condition (JavaScript), and return it."""
        return self.until(f"const c = await (async () => {{ {ROWS('{}')} }})(); return {condition} && c", seconds)

    def text(self, selector: str) -> str:
        """What an element shows."""
        return self.page.locator(selector).inner_text()

    def saved(self) -> dict[str, Any]:
        """The view as the viewer saves it, once it has come to rest."""
        saved: dict[str, Any] = self.page.evaluate(f"{VIEWER}.save()")
        return saved

    def barriers(self) -> list[tuple[str, list[str]]]:
        """What axe finds serious in light and in dark: its rules, and the elements that break them."""
        self.page.evaluate(AXE)
        serious = []
        for scheme in ("light", "dark"):
            self.page.emulate_media(color_scheme=scheme)
            self.until(f"return (await {VIEWER}.save()).theme.toLowerCase().endsWith('{scheme}')")
            # What Perspective draws inside its own element is not the page's to mend.
            found = self.page.evaluate("axe.run({ exclude: ['perspective-viewer'] })")
            assert found["passes"]
            for each in found["violations"]:
                if each["impact"] in ("serious", "critical"):
                    serious.append((each["id"], [node["html"] for node in each["nodes"]]))
        return serious

    def inside(self, selector: str, width: int) -> None:
        """Fail unless the window of that width shows the element whole, from side to side."""
        box = self.page.locator(selector).bounding_box()
        assert box is not None, selector
        assert box["x"] >= 0, selector
        assert box["x"] + box["width"] <= width, selector

    def until(self, script: str, seconds: float = 20) -> Any:
        """Wait until an (async) JavaScript function body returns something true, and return that."""
        poll = """async ([body, ms]) => {
            const probe = new (Object.getPrototypeOf(async () => {}).constructor)(body);
            for (const end = Date.now() + ms; ; await new Promise((resolve) => setTimeout(resolve, 50))) {
                const value = await probe().catch(() => null);
                if (value || Date.now() > end) return value;
            }
        }"""
        end = time.monotonic() + seconds
        while True:
            try:
                value = self.page.evaluate(poll, [script, seconds * 1000])
                break
            except PlaywrightError as error:  # the page may have reloaded itself
                if "context was destroyed" not in str(error) or time.monotonic() > end:
                    raise
        assert value, f"not within {seconds} s: {script}"
        return value


ROWS: Callable[[str], str] = """
    const table = await document.querySelector("perspective-viewer").getTable();
    const view = await table.view(%s);
    const columns = await view.to_columns();
    await view.delete();
    return columns;
""".__mod__
"""JavaScript that reads the page's own replica through a view of the given configuration (JSON)."""
