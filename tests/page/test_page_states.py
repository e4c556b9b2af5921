"""What the page says and does while parts of the demo are missing, come back, hang, or serve other tables."""

import itertools
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Route, WebSocketRoute

from conftest import Start
from faults import Proxy
from parts import ROOT, Part, free_port, sql
from viewers import ARTEFACTS, PRESSED, VIEWER, Watched, chromium, looked_at


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser) -> Iterator[Watched]:
    """A page that nothing is loaded into yet, and that must not log a problem that is its own."""
    watched = Watched(browser, outage=True)
    watched.page.add_init_script(looked_at("Grid", "stocks.stocks_values"))
    yield watched
    watched.context.close()
    assert watched.problems == []


def serve(start: Start, taos_port: int, port: int | None = None, *options: str) -> tuple[Part, str]:
    """Start a server; it and its address."""
    port = port or free_port()
    server = start("perspective_server.py", "--port", str(port), "--taos-port", str(taos_port), *options)
    server.says("serving")
    return server, f"http://127.0.0.1:{port}"


def produce(start: Start, taos_port: int, *options: str) -> Part:
    return start("producer.py", "--taos-port", str(taos_port), *options)


def shoot(watched: Watched, name: str) -> None:
    ARTEFACTS.mkdir(exist_ok=True)
    watched.page.screenshot(path=ARTEFACTS / f"state-{name}.png")


def test_the_page_waits_for_tdengine_and_is_stale_while_it_is_away(page: Watched, start: Start, tmp_path: Path) -> None:
    taos_port = free_port()
    _, address = serve(start, taos_port)
    page.page.goto(address)
    page.state("waiting for TDengine")
    page.until("return document.querySelector('#progress').textContent.includes('first rows')")
    shoot(page, "waiting")
    embedded = ("-m", "embedded", "--port", str(taos_port), "--data", str(tmp_path / "data.duckdb"))
    database = start(*embedded)
    database.says("listening")
    produce(start, taos_port)
    page.until("return document.querySelector('#state').textContent === 'live'")
    page.drawn()
    page.rows("c.ticker.length === 1000")
    database.kill()
    page.state("stale waiting for TDengine:", 5)
    assert page.text("#rate") == "–"
    assert len(page.rows()["ticker"]) == 1000
    shoot(page, "stale")
    start(*embedded).says("listening")
    page.until("return document.querySelector('#state').textContent === 'live'")


def test_a_quiet_table_is_idle_and_a_server_that_restarts_is_found_again(
    page: Watched, start: Start, taos_port: int
) -> None:
    produce(start, taos_port, "--batches", "13").wait()
    server, address = serve(start, taos_port)
    page.page.goto(address)
    page.state("live, no new rows")
    page.drawn()
    shoot(page, "idle")
    assert page.text("#rate") == "0"
    columns = "CAST(`timestamp` AS BIGINT), ticker, volume"
    query = f"SELECT {columns} FROM stocks.stocks_values ORDER BY `timestamp` DESC LIMIT 1000"
    stored = [tuple(row) for row in sql(taos_port, query)[::-1]]

    def shown() -> list[tuple[Any, ...]]:
        columns = page.rows("c.timestamp.length === 1000")
        return list(zip(columns["timestamp"], columns["ticker"], columns["volume"], strict=True))

    assert shown() == stored
    page.page.evaluate(f"{VIEWER}.restore({{ group_by: ['client'] }})")
    page.until("return document.querySelector('nav .changed')")
    page.page.evaluate(
        "window.cells = 0; new MutationObserver(() => (window.cells += 1)).observe("
        "document.querySelector('main'), { childList: true, attributes: true })"
    )
    assert server.stop() == 0
    page.state("reconnecting the server does not answer", 2)
    shoot(page, "reconnecting")
    assert shown() == stored
    serve(start, taos_port, int(address.rsplit(":", 1)[1]))
    page.state("live, no new rows", 5)
    page.until("return document.querySelector('#viewers').textContent === '1'")
    assert shown() == stored
    assert page.page.evaluate("window.cells") == 0
    assert page.saved()["group_by"] == ["client"]
    produce(start, taos_port)
    page.until("return document.querySelector('#state').textContent === 'live'", 5)
    times = page.rows(f"c.timestamp.at(-1) > {stored[-1][0]}")["timestamp"]
    assert times == sorted(set(times))


def test_a_network_that_goes_silent_is_noticed_and_survived(page: Watched, start: Start, taos_port: int) -> None:
    produce(start, taos_port)
    _, address = serve(start, taos_port)
    proxy = Proxy(int(address.rsplit(":", 1)[1]))
    try:
        page.page.goto(f"http://127.0.0.1:{proxy.port}")
        page.drawn()
        newest = page.rows("c.timestamp.length === 1000")["timestamp"][-1]
        proxy.hang()
        page.state("reconnecting", 4)
        proxy.heal()
        page.until("return document.querySelector('#state').textContent === 'live'")
        times = page.rows(f"c.timestamp.at(-1) > {newest} + 4000")["timestamp"]
        assert times == sorted(set(times))
        assert len(times) == 1000
    finally:
        proxy.close()


def test_a_connection_that_has_died_unnoticed_is_made_anew(page: Watched, start: Start, taos_port: int) -> None:
    produce(start, taos_port)
    _, address = serve(start, taos_port)
    numbers = itertools.count()
    deaf = False

    def first_goes_deaf(route: WebSocketRoute) -> None:
        first = next(numbers) == 0
        server = route.connect_to_server()
        server.on_message(lambda message: None if first and deaf else route.send(message))

    page.page.route_web_socket(re.compile("/websocket"), first_goes_deaf)
    page.page.goto(address)
    page.drawn()
    page.rows("c.timestamp.length === 1000")
    deaf = True
    newest = page.rows()["timestamp"][-1]
    page.rows(f"c.timestamp.at(-1) > {newest} + 2000")
    assert next(numbers) == 2


def test_a_visitor_who_may_not_look_or_comes_too_many_is_told_why(page: Watched, start: Start, taos_port: int) -> None:
    produce(start, taos_port, "--batches", "4").wait()
    _, address = serve(start, taos_port)
    allowed = False

    def refuse(route: Route) -> None:
        if allowed:
            route.continue_()
        else:
            route.fulfill(status=403, body="not allowed")

    def turn_away(route: WebSocketRoute) -> None:
        if allowed:
            route.connect_to_server()
        else:
            route.close(code=1013, reason="as many viewers as the server takes are looking")

    status = re.compile(r"/status\?quiet$")
    page.page.route(status, refuse)
    page.page.route_web_socket(re.compile("/websocket"), turn_away)
    page.page.goto(address)
    page.state("not allowed open the link that the server printed")
    shoot(page, "not-allowed")
    page.page.unroute(status)
    page.state("reconnecting as many viewers as the server takes are looking")
    allowed = True
    page.state("live")
    page.drawn()


def test_a_page_opened_from_disk_finds_the_server_when_it_starts(
    page: Watched, start: Start, taos_port: int, tmp_path: Path
) -> None:
    port = free_port()
    shutil.copytree(ROOT / "page", tmp_path / "page")
    copy = tmp_path / "index.html"
    shutil.copy(ROOT / "index.html", copy)
    script = tmp_path / "page" / "cannot_start.js"
    script.write_text(script.read_text().replace("http://localhost:8080/", f"http://localhost:{port}/"))
    page.page.goto(copy.as_uri())
    page.state("no server yet start it with ./run.sh")
    assert page.until("return getComputedStyle(document.querySelector('header')).display") == "flex"
    serve(start, taos_port, port)
    page.page.wait_for_url(f"http://localhost:{port}/", timeout=10_000)


@pytest.mark.parametrize("file", ["viewer.js", "messages.js"])
def test_the_page_begins_anew_where_the_server_goes_away_before_it_has_sent_all_files(
    page: Watched, start: Start, taos_port: int, file: str
) -> None:
    produce(start, taos_port, "--batches", "4").wait()
    server, address = serve(start, taos_port)

    def cut(route: Route) -> None:
        server.kill()
        route.continue_()

    page.page.route(f"**/{file}?*", cut, times=1)
    page.page.goto(address, wait_until="commit")
    page.until("return document.querySelector('#progress').textContent.includes('could not be loaded')")
    shoot(page, "not-loaded")
    serve(start, taos_port, int(address.rsplit(":", 1)[1]))
    page.drawn()
    page.state("live, no new rows")


def test_the_page_begins_anew_where_its_style_does_not_come(page: Watched, start: Start, taos_port: int) -> None:
    produce(start, taos_port, "--batches", "4").wait()
    _, address = serve(start, taos_port)
    page.page.route("**/page.css?*", lambda route: route.abort(), times=1)
    page.page.goto(address)
    page.until("return document.querySelector('#progress').textContent.includes('could not be loaded')")
    page.drawn()
    assert page.until("return getComputedStyle(document.querySelector('header')).display") == "flex"


@pytest.mark.parametrize("name", ["WebAssembly", "WebSocket"])
def test_a_browser_that_cannot_show_the_page_is_told_so(browser: Browser, name: str, tmp_path: Path) -> None:
    page = Watched(browser)
    page.page.add_init_script(f"delete window.{name}")

    def fulfill(route: Route) -> None:
        file = ROOT / (urlsplit(route.request.url).path[1:] or "index.html")
        if file.is_file():
            route.fulfill(path=file)
        else:
            route.fulfill(body="", content_type="text/css")

    page.page.route("**/*", fulfill)
    page.page.goto("http://127.0.0.1:9/")
    page.until("return document.querySelector('#progress').textContent.startsWith('This page needs WebAssembly')")
    page.context.close()


def test_without_webgl_one_line_says_so_and_the_views_that_do_without_are_offered(
    page: Watched, start: Start, taos_port: int
) -> None:
    _, address = serve(start, taos_port)
    produce(start, taos_port, "--batches", "2")
    page.page.add_init_script(
        "const get = HTMLCanvasElement.prototype.getContext;"
        "HTMLCanvasElement.prototype.getContext = function (kind, ...more) {"
        "  return /webgl/.test(kind) ? null : get.call(this, kind, ...more); };"
    )
    page.page.goto(address)
    page.drawn()
    assert page.until("return document.querySelector('#note span').textContent") == (
        "Charts need WebGL, which this browser does not have. Here are the views that do without."
    )
    offered = "return [...document.querySelectorAll('nav button')].map((each) => each.value)"
    assert page.until(offered) == ["Grid", "Rows"]
    assert page.until(f"return {PRESSED}") == "Grid"
    assert page.until(f"return (await {VIEWER}.save()).plugin") == "Datagrid"
    page.page.click("nav [value=Rows]")
    page.drawn()
    page.page.click("#mode [value=history]")
    page.until("return document.querySelector('#span').textContent")
    page.drawn()
    assert page.until(f"{offered}.join()") == "Rows,Pivot"


def test_large_volumes_and_any_letters_reach_the_browser(page: Watched, start: Start, taos_port: int) -> None:
    produce(start, taos_port, "--batches", "1").wait()
    values = "(NOW() + 1s, 'Zürich汉', 4000000000)"
    sql(taos_port, f"INSERT INTO stocks.stocks_values (`timestamp`, ticker, volume) VALUES {values}")
    _, address = serve(start, taos_port)
    page.page.goto(address)
    page.drawn()
    assert page.rows("c.ticker.at(-1) === 'Zürich汉'")["volume"][-1] == 4_000_000_000
    page.page.locator("nav button[value=Rows]").click()
    cells = "document.querySelector('perspective-viewer-datagrid').shadowRoot.textContent"
    page.until(f"return /Zürich汉[^]*4,000,000,000/.test({cells})")


def test_a_row_ahead_of_the_clock_changes_nothing_but_that_the_page_says_so(
    page: Watched, start: Start, taos_port: int
) -> None:
    produce(start, taos_port, "--rows", "10")
    _, address = serve(start, taos_port)
    page.page.goto(address)
    page.drawn()
    sql(taos_port, "INSERT INTO stocks.stocks_values (`timestamp`, ticker) VALUES (NOW() + 1h, 'later')")
    page.state("live the newest row is 59 min ahead of the server's clock")
    page.until("return parseFloat(document.querySelector('#age').textContent) < 2")
    page.until("return parseFloat(document.querySelector('#rate').textContent) > 20")
    page.rows("c.ticker.includes('later')")


def test_the_page_follows_when_rows_are_deleted(page: Watched, start: Start, taos_port: int) -> None:
    produce(start, taos_port, "--batches", "4").wait()
    _, address = serve(start, taos_port)
    page.page.goto(address)
    page.drawn()
    newest = page.rows("c.timestamp.length === 1000")["timestamp"][-1]
    sql(taos_port, f"DELETE FROM stocks.stocks_values WHERE `timestamp` > {newest - 400}")
    page.rows(f"c.timestamp.length === 600 && c.timestamp.at(-1) === {newest - 400}")
    page.until("return document.querySelector('#rows').textContent === '600'")


def test_the_page_follows_a_table_whose_columns_change_and_drops_what_no_longer_fits(
    page: Watched, start: Start, taos_port: int
) -> None:
    produce(start, taos_port, "--batches", "1").wait()
    _, address = serve(start, taos_port)
    page.page.goto(address)
    page.drawn()
    page.page.locator("nav button[value=Grid]").click()
    page.drawn()
    page.page.evaluate(f"{VIEWER}.restore({{ columns: ['open', 'close'] }})")
    page.until("return document.querySelector('nav .changed')")
    sql(taos_port, "ALTER TABLE stocks.stocks_values DROP COLUMN open")
    sql(taos_port, "ALTER TABLE stocks.stocks_values ADD COLUMN note NCHAR(8)")
    page.rows("c.note && !c.open && c.note.length === 250")
    page.until("return document.querySelector('#note').innerText.includes('the table has no open')")
    names = "return [...document.querySelectorAll('nav button')].map((button) => button.value)"
    assert page.until(names) == ["Dashboard", "Grid", "Treemap", "Heat map", "Lines", "Average", "Rows"]


TABLES = {
    "meters": (
        "CREATE STABLE test.meters (ts TIMESTAMP, current FLOAT, voltage INT) TAGS (groupid INT, location VARCHAR(24))",
        "INSERT INTO test.d1 USING test.meters TAGS (1, 'San José') VALUES (1500000000000, 1, 9) (1500000060000, 2, 1)",
        ["Dashboard", "Grid", "Treemap", "Heat map", "Lines", "Average", "Rows"],
    ),
    "numbers": (
        'CREATE TABLE test.numbers (`time` TIMESTAMP, `a "quoted" one` DOUBLE, b BIGINT)',
        "INSERT INTO test.numbers VALUES (1500000000000, 1.5, 220) (1500086400000, 2, NULL)",
        ["Dashboard", "Lines", "Average", "Rows"],
    ),
    "words": (
        "CREATE TABLE test.words (ts TIMESTAMP, said NCHAR(20), ok BOOL)",
        "INSERT INTO test.words VALUES (1500000000000, 'yes', true)",
        ["Grid", "Rows"],
    ),
}


@pytest.mark.parametrize("table", TABLES)
def test_any_table_has_views_made_from_its_columns(page: Watched, start: Start, taos_port: int, table: str) -> None:
    create, insert, names = TABLES[table]
    for statement in ("CREATE DATABASE test", create, insert):
        sql(taos_port, statement)
    _, address = serve(start, taos_port, None, "--database", "test", "--table", table)
    page.page.goto(address)
    page.drawn()
    buttons = page.page.locator("nav button")
    assert [button.get_attribute("value") for button in buttons.all()] == names
    for number, name in enumerate(names, 1):
        page.page.keyboard.press(str(number))
        page.until(f"return document.querySelector('nav button[aria-pressed=true]').value === {json.dumps(name)}")
        page.drawn()
        assert page.until(f"return await (await {VIEWER}.getView()).num_rows()") >= 1
        assert not page.page.locator("#note").is_visible()
        shoot(page, f"{table}-{name.lower().replace(' ', '-')}")
    assert page.page.evaluate("document.querySelectorAll('nav .changed').length") == 0


def test_an_empty_table_is_shown_and_fills(page: Watched, start: Start, taos_port: int) -> None:
    produce(start, taos_port, "--batches", "1").wait()
    sql(taos_port, "DELETE FROM stocks.stocks_values")
    _, address = serve(start, taos_port)
    page.page.goto(address)
    page.drawn()
    page.state("live")
    assert page.text("#age") == "–"
    produce(start, taos_port, "--batches", "2")
    page.rows("c.timestamp.length === 500")
