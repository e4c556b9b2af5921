"""History in a browser as tests use it: a running demo, and a visitor's page of it."""

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage

from parts import Part, free_port, get_json, sql
from viewers import PRESSED, SIZE, VIEWER, Watched
from waiting import eventually

CELLS = "document.querySelector('perspective-viewer-datagrid').shadowRoot"


@dataclass
class Demo:
    """A running demo: the server's address and process, and the port of its TDengine."""

    address: str
    server: Part
    taos_port: int


SLOW = ("--rows", "100", "--interval", "1000")


@contextmanager
def running_demo(
    logs: Path, made: Sequence[str], *options: str, fill: int = 0, producer: Sequence[str] = SLOW, shown: int = 1000
) -> Iterator[Demo]:
    """A demo over a TDengine with so many trades of a day, and what these statements make, once rows are shown."""
    taos, port = free_port(), free_port()
    filled = ["--fill", str(fill)] if fill else []
    parts = [Part(logs / "embedded.log", "-m", "embedded", "--port", str(taos), *filled)]
    parts[0].says("listening", 60)
    for statement in made:
        sql(taos, statement)
    parts.append(Part(logs / "producer.log", "producer.py", "--taos-port", str(taos), *producer))
    server = ["perspective_server.py", "--port", str(port), "--taos-port", str(taos), *options]
    parts.append(Part(logs / "server.log", *server))
    address = f"http://127.0.0.1:{port}"
    eventually(lambda: get_json(address + "/status")[1].get("rows", 0) >= shown, 30)
    yield Demo(address, parts[-1], taos)
    for part in reversed(parts):
        part.kill()


def small_demo(logs: Path, *options: str) -> AbstractContextManager[Demo]:
    """A demo of a day of trades, to which a hundred come a second, and of a small table that stays as it is."""
    rows = "(NOW, 'Zürich', 230.5) (NOW - 2h, '汉', 229.0) (NOW - 3h, '汉', 228.0)"
    made = ["CREATE TABLE stocks.meters (ts TIMESTAMP, place NCHAR(20), volts FLOAT)"]
    return running_demo(logs, [*made, f"INSERT INTO stocks.meters VALUES {rows}"], *options, fill=50_000)


def new_context(browser: Browser) -> BrowserContext:
    """A browser of one visitor, who has chosen nothing yet whenever a tab is opened."""
    context = browser.new_context(bypass_csp=True, reduced_motion="reduce", viewport=SIZE)
    context.add_init_script("sessionStorage.visited || localStorage.clear(); sessionStorage.visited = true;")
    return context


class History(Watched):
    """A page in History."""

    def _console(self, message: ConsoleMessage) -> None:
        # Perspective logs it where it was drawing for another reason, a resize say, when a question was given up.
        if "Abort(): given up" not in message.text:
            super()._console(message)

    def go(self, button: str) -> None:
        """Press the button and wait until what it leads to is shown."""
        self.page.locator(button).click()
        self.drawn()

    def pick(self, view: str) -> None:
        """Choose a ready-made view."""
        self.go(f"nav button[value='{view}']")
        assert self.page.evaluate(PRESSED) == view

    def table(self, name: str) -> None:
        """Choose a table."""
        self.list_tables(name)
        self.page.locator("#tables a", has_text=re.compile(f"^{re.escape(name)}$")).click()
        self.until(f"return document.querySelector('#table').textContent.endsWith('.{name}')")
        self.drawn()

    def list_tables(self, name: str) -> None:
        """Open the list of tables, until this one is in it: it may be as old as a second."""

        def listed() -> bool:
            self.page.locator("#tables").evaluate("(list) => (list.open = false)")
            self.page.locator("#tables > summary").click()
            self.page.locator("#tables a").first.wait_for()
            return name in self.page.locator("#tables a").all_inner_texts()

        eventually(listed)

    def count(self) -> int:
        """How many rows the view has."""
        rows: int = self.page.evaluate(f"{VIEWER}.getView().then((view) => view.num_rows())")
        return rows

    def title(self) -> str:
        """What the viewer is titled."""
        return str(self.saved()["title"])

    def note(self, text: str, seconds: float = 20) -> None:
        """Wait until the page has noted the text."""
        self.until(f"return document.querySelector('#note').innerText.includes({json.dumps(text)})", seconds)


def opened(context: BrowserContext, address: str) -> History:
    """A tab of the browser's, in which the page's first view is shown."""
    watched = History(context)
    watched.page.goto(address)
    watched.drawn()
    return watched
