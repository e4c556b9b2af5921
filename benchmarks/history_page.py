"""History in Chromium: from a click to what it leads to, over a whole table, while rows keep coming."""

import sys
import time
from contextlib import ExitStack
from pathlib import Path

from playwright.sync_api import Page

from benchmarks.cost import ask, load
from benchmarks.figures import Note
from benchmarks.processes import running, served, sql, taos_options
from benchmarks.target import database

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from viewers import chromium

UNTIL_DRAWN = """
    const grid = () => document.querySelector("perspective-viewer-datagrid")?.shadowRoot;
    do await new Promise(requestAnimationFrame);
    while (document.querySelector("nav[aria-busy=true]") || !grid()?.querySelector("tbody td"));
    return performance.now() - began;
"""

CLICK = f"""async (selector) => {{
    const began = performance.now();
    document.querySelector(selector).click();
    {UNTIL_DRAWN}
}}"""
"""Milliseconds from a click until the view that it leads to is on the screen."""

SCROLL = """async (last) => {
    const began = performance.now();
    const root = document.querySelector("perspective-viewer-datagrid").shadowRoot;
    root.querySelector("regular-table").scrollTop = 1e9;
    do await new Promise(requestAnimationFrame);
    while (!root.querySelector("tbody tr:last-child td").innerText.endsWith(last));
    return performance.now() - began;
}"""
"""Milliseconds from a jump to the end of a table until its last row is there: `last` is how its time ends."""

CANCEL = f"""async (groups) => {{
    document.querySelector("perspective-viewer").restore({{ group_by: groups }}).catch(() => {{}});
    await new Promise((resolve) => setTimeout(resolve, 100));
    const began = performance.now();
    document.querySelector("#cancel").click();
    {UNTIL_DRAWN}
}}"""
"""Milliseconds from cancelling a question that has been asked for 100 ms until the view before it is there again."""

SELECT = f"""async () => {{
    const root = document.querySelector("perspective-viewer-datagrid").shadowRoot;
    const row = [...root.querySelectorAll("th")].find((each) => each.textContent.trim() === "MSFT.N");
    const began = performance.now();
    for (const type of ["mousedown", "mouseup", "click"]) {{
        row.dispatchEvent(new MouseEvent(type, {{ bubbles: true, composed: true, button: 0 }}));
    }}
    while (!document.querySelector("#selection .chip")) await new Promise(requestAnimationFrame);
    {UNTIL_DRAWN}
}}"""
"""Milliseconds from a click on a row of the dashboard until all panels show what is selected."""

SHOWN = "document.querySelector('nav[aria-busy=false]')"


def history_page(note: Note, quick: bool) -> None:
    """The clicks of a visitor of history, and the updates of the live table that another viewer has meanwhile."""
    rows, repeats = (500_000, 2) if quick else (10_000_000, 5)
    with ExitStack() as stack:
        at = stack.enter_context(database(fill=rows))
        stack.enter_context(running("producer.py", *taos_options(at)))
        port, _ = stack.enter_context(served(at))
        (viewer,) = stack.enter_context(load(port, 1))
        ((first,),) = sql(at, f"SELECT CAST(FIRST(`timestamp`) AS BIGINT) FROM {at.full_name}")
        page = stack.enter_context(chromium()).new_context(bypass_csp=True).new_page()
        page.goto(f"http://127.0.0.1:{port}")
        page.wait_for_function(SHOWN)
        ask(viewer)
        began = time.monotonic()
        found: dict[str, list[float]] = {}
        for _ in range(repeats):
            for what, milliseconds in visit(page, first):
                found.setdefault(what, []).append(milliseconds)
        updates = ask(viewer)["updates"] / (time.monotonic() - began)
    for what, figures in found.items():
        note(f"history page: {what}, {rows:,} rows", "ms", [], figures)
    note(f"live updates a second meanwhile, {rows:,} rows", "/s", [], [updates], better="more")


def visit(page: Page, first: int) -> list[tuple[str, float]]:
    """One visit of history, from Live and back again: what was done, and how long it took."""

    def click(selector: str) -> float:
        milliseconds: float = page.evaluate(CLICK, selector)
        page.wait_for_timeout(500)
        return milliseconds

    found = [("the dashboard of an hour", click("#mode button[value=history]"))]
    found.append(("the dashboard of a day", click("#ranges button[value='1d']")))
    found.append(("a selection in it", page.evaluate(SELECT)))
    page.evaluate("document.querySelector('#selection .chip').click()")
    page.wait_for_function(SHOWN)
    click("#ranges button[value='1h']")
    click("nav button[value=Rows]")
    click("#mode button[value=live]")
    found.append(("the first rows", click("#mode button[value=history]")))
    found.append(("all rows", click("#ranges button[value=all]")))
    found.append(("a jump to the end", page.evaluate(SCROLL, f".{first % 1000:03}")))
    found.append(("a pivot of two levels", click("nav button[value=Pivot]")))
    click("nav button[value=Rows]")
    groups = ["ticker", "client", "timestamp by minute"]
    found.append(("cancelling", page.evaluate(CANCEL, groups)))
    page.wait_for_timeout(500)
    click("#ranges button[value='1h']")
    click("nav button[value=Dashboard]")
    click("#mode button[value=live]")
    return found
