"""Text that never recurs: server and page begin anew before it fills their memory, and nobody sees that."""

import random
import string
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser

from conftest import Start
from parts import free_port, get_json, sql
from viewers import VIEWER, Watched, chromium
from waiting import eventually


def a_hundred_rows(chance: random.Random) -> str:
    """As many rows, of a thousand new letters each, as INSERT takes them."""
    rows = (f"(NOW + {at}a, '{''.join(chance.choices(string.ascii_letters, k=1000))}', 1)" for at in range(100))
    return " ".join(rows)


@contextmanager
def writing(taos_port: int) -> Iterator[None]:
    """Write a hundred new kilobytes of text ten times a second."""
    stop = threading.Event()

    def write() -> None:
        chance = random.Random(1)
        while not stop.wait(0.1):
            sql(taos_port, f"INSERT INTO test.t VALUES {a_hundred_rows(chance)}")

    thread = threading.Thread(target=write)
    thread.start()
    yield
    stop.set()
    thread.join()


def served(start: Start, taos_port: int, text_limit: int) -> str:
    """The address of a server of an empty table, which begins anew after so many megabytes of text."""
    sql(taos_port, "CREATE DATABASE test")
    sql(taos_port, "CREATE TABLE test.t (ts TIMESTAMP, said VARCHAR(1100), v INT)")
    port = free_port()
    options = ["--database", "test", "--table", "t", "--text-limit", str(text_limit)]
    start("perspective_server.py", "--port", str(port), "--taos-port", str(taos_port), *options).says("serving")
    return f"http://127.0.0.1:{port}"


def changed(browser: Browser, address: str) -> Watched:
    """The page with Rows as the visitor has changed it."""
    page = Watched(browser)
    page.page.goto(address)
    page.drawn()
    page.page.locator("nav button[value=Rows]").click()
    page.drawn()
    page.page.evaluate(f"{VIEWER}.restore({{ columns: ['said', 'v'] }})")
    page.page.locator("nav .changed").wait_for()
    return page


def heap(page: Watched) -> int:
    """How many bytes of Perspective's engine in the page are in use."""
    size: int = page.page.evaluate(
        f"(async () => (await (await (await {VIEWER}.getTable()).get_client()).system_info()).used_size)()"
    )
    return size


def test_text_that_never_recurs_is_let_go_of_in_server_and_page_and_the_view_stays(
    start: Start, taos_port: int
) -> None:
    address = served(start, taos_port, 3)
    with chromium() as browser, writing(taos_port):
        page = changed(browser, address)
        name = f"return (await (await {VIEWER}.getTable()).get_name())"
        for again in ("stock_values ", "stock_values"):
            page.until(f"{name} === {again!r}", 30)
            assert heap(page) < 40_000_000
        assert page.saved()["columns"] == ["said", "v"]
        assert page.page.locator("nav .changed").count() == 1
        page.state("live")
        eventually(lambda: get_json(address + "/status")[1]["viewers"] == 1)
        page.rows("c.said.length === 1000")
        page.page.close()


def test_a_view_that_is_chosen_while_the_table_begins_anew_is_shown(start: Start, taos_port: int) -> None:
    address = served(start, taos_port, 1)
    sql(taos_port, f"INSERT INTO test.t VALUES {a_hundred_rows(random.Random(1))}")
    with chromium() as browser:
        page = changed(browser, address)
        page.page.locator("nav button").first.click()
        page.drawn()
        # The viewer's turn is held until another replica waits for it, and then the view.
        page.page.evaluate(
            "import(new URL('page/turns.js', location)).then(({ inTurn }) => {"
            "inTurn(() => new Promise((release) => (window.release = release))); })"
        )
        with writing(taos_port):
            client = f"(await (await {VIEWER}.getTable()).get_client())"
            page.until(f"return (await {client}.get_hosted_table_names()).length === 2")
        page.page.locator("nav button[value=Rows]").click()
        page.page.evaluate("window.release()")
        page.drawn()
        assert page.saved()["columns"] == ["said", "v"]
        page.page.close()
