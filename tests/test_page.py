"""The page in a real browser: Chromium, the embedded server, the producer and the server."""

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser

from conftest import Start
from parts import ROOT, free_port, sql
from viewers import ROWS, Watched, chromium

STATE = "return document.querySelector('#state').textContent"
GROUPS = ROWS('{group_by: ["ticker", "client"], columns: ["timestamp", "volume"]}')
CELLS = "return document.querySelector('perspective-viewer-datagrid').shadowRoot.textContent"
ARTEFACTS = Path(__file__).parent / "artefacts"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def demo(start: Start, taos_port: int, server: str) -> str:
    """The server's address, with rows flowing."""
    start("producer.py", "--taos-port", str(taos_port))
    return server


def test_the_page_shows_the_pivot_live_and_asks_nobody_else(browser: Browser, demo: str) -> None:
    watched = Watched(browser)
    watched.page.goto(demo)
    tickers = watched.until(
        f"const c = await (async () => {{ {GROUPS} }})();"
        "const t = new Set(c.__ROW_PATH__.filter((path) => path.length === 1).map(([ticker]) => ticker));"
        "return t.size === 13 && [...t]"
    )
    assert {"AAPL.N", "PCLN.N"} < set(tickers)
    config = watched.page.evaluate("document.querySelector('perspective-viewer').save()")
    assert (config["plugin"], config["theme"], config["group_by"]) == ("Datagrid", "Pro Dark", ["ticker", "client"])
    before = watched.until(CELLS)
    watched.until(f"return (() => {{ {CELLS} }})() !== {json.dumps(before)}", seconds=2)
    watched.until(f"return (() => {{ {STATE} }})() === 'live'")
    ARTEFACTS.mkdir(exist_ok=True)
    watched.page.screenshot(path=ARTEFACTS / "pivot.png")
    assert watched.problems == []
    assert {urlsplit(url.removeprefix("blob:")).netloc for url in watched.requests} == {urlsplit(demo).netloc}


def test_the_replica_in_the_page_equals_tdengine_once_it_is_quiet(
    browser: Browser, start: Start, taos_port: int, server: str
) -> None:
    producer = start("producer.py", "--taos-port", str(taos_port), "--batches", "20")
    watched = Watched(browser)
    watched.page.goto(server)
    assert producer.wait() == 0
    columns = "CAST(`timestamp` AS BIGINT), ticker, volume"
    query = f"SELECT {columns} FROM stocks.stocks_values ORDER BY `timestamp` DESC LIMIT 1000"
    rows = sql(taos_port, query)[::-1]
    newest = rows[-1][0]
    columns = watched.until(
        f"const c = await (async () => {{ {ROWS('{}')} }})(); return c.timestamp.at(-1) === {newest} && c"
    )
    assert list(zip(columns["timestamp"], columns["ticker"], columns["volume"], strict=True)) == [
        tuple(row) for row in rows
    ]


def test_large_volumes_and_any_letters_reach_the_browser(
    browser: Browser, start: Start, taos_port: int, server: str
) -> None:
    start("producer.py", "--taos-port", str(taos_port), "--batches", "1").wait()
    sql(
        taos_port,
        "INSERT INTO stocks.stocks_values (`timestamp`, ticker, volume) VALUES (NOW() + 1s, 'Zürich汉', 4000000000)",
    )
    watched = Watched(browser)
    watched.page.goto(server)
    columns = watched.until(
        f"const c = await (async () => {{ {ROWS('{}')} }})(); return c.ticker.at(-1) === 'Zürich汉' && c"
    )
    assert columns["volume"][-1] == 4_000_000_000
    flat = "{group_by: [], columns: ['ticker', 'volume'], sort: [['timestamp', 'desc']]}"
    watched.page.evaluate(f"document.querySelector('perspective-viewer').restore({flat})")
    watched.until(f"const cells = (() => {{ {CELLS} }})(); return /Zürich汉\\s*4,000,000,000/.test(cells)")
    assert watched.problems == []


def test_the_page_waits_for_tdengine_and_says_so(browser: Browser, start: Start) -> None:
    taos_port, port = free_port(), free_port()
    start("perspective_server.py", "--port", str(port), "--taos-port", str(taos_port)).says("serving")
    watched = Watched(browser)
    watched.page.goto(f"http://127.0.0.1:{port}")
    watched.until(f"return (() => {{ {STATE} }})().startsWith('waiting for TDengine')")
    start("-m", "embedded", "--port", str(taos_port)).says("listening")
    start("producer.py", "--taos-port", str(taos_port))
    watched.until(f"return (() => {{ {STATE} }})() === 'live'")
    watched.until(f"const c = await (async () => {{ {ROWS('{}')} }})(); return c.ticker.length === 1000")


def test_a_page_opened_from_disk_finds_the_server_when_it_starts(
    browser: Browser, start: Start, taos_port: int, tmp_path: Path
) -> None:
    port = free_port()
    page = tmp_path / "index.html"
    page.write_text((ROOT / "index.html").read_text().replace("http://localhost:8080/", f"http://localhost:{port}/"))
    watched = Watched(browser)
    watched.page.goto(page.as_uri())
    watched.until(f"return (() => {{ {STATE} }})().includes('start it with ./run.sh')")
    start("perspective_server.py", "--port", str(port), "--taos-port", str(taos_port)).says("serving")
    watched.page.wait_for_url(f"http://localhost:{port}/", timeout=10_000)


def test_the_page_follows_a_server_that_restarts_and_keeps_the_users_layout(
    browser: Browser, start: Start, taos_port: int
) -> None:
    port = free_port()
    options = ["--port", str(port), "--taos-port", str(taos_port)]
    start("producer.py", "--taos-port", str(taos_port))
    server = start("perspective_server.py", *options)
    server.says("serving")
    watched = Watched(browser)
    watched.page.goto(f"http://127.0.0.1:{port}")
    full = (
        f"const c = await (async () => {{ {ROWS('{}')} }})(); return c.timestamp.length === 1000 && c.timestamp.at(-1)"
    )
    watched.until(full)
    watched.page.evaluate("document.querySelector('perspective-viewer').restore({group_by: ['client']})")
    assert server.stop() == 0
    watched.until(f"return (() => {{ {STATE} }})().includes('does not answer')")
    start("perspective_server.py", *options).says("serving")
    watched.until(f"return (() => {{ {STATE} }})() === 'live'")
    newest = watched.until(full)
    columns = watched.until(
        f"const c = await (async () => {{ {ROWS('{}')} }})(); return c.timestamp.at(-1) > {newest} && c"
    )
    times = columns["timestamp"]
    assert times == sorted(set(times))
    assert len(times) == 1000
    config = watched.page.evaluate("document.querySelector('perspective-viewer').save()")
    assert config["group_by"] == ["client"]


def test_the_replica_in_the_page_follows_when_rows_are_deleted(
    browser: Browser, start: Start, taos_port: int, server: str
) -> None:
    start("producer.py", "--taos-port", str(taos_port), "--batches", "4").wait()
    watched = Watched(browser)
    watched.page.goto(server)
    rows = f"const c = await (async () => {{ {ROWS('{}')} }})(); return "
    newest = watched.until(rows + "c.timestamp.length === 1000 && c.timestamp.at(-1)")
    sql(taos_port, f"DELETE FROM stocks.stocks_values WHERE `timestamp` > {newest - 400}")
    watched.until(rows + f"c.timestamp.length === 600 && c.timestamp.at(-1) === {newest - 400}")
    assert watched.problems == []


def test_the_page_follows_a_table_whose_columns_change(
    browser: Browser, start: Start, taos_port: int, server: str
) -> None:
    start("producer.py", "--taos-port", str(taos_port), "--batches", "1").wait()
    watched = Watched(browser)
    watched.page.goto(server)
    columns = f"const c = await (async () => {{ {ROWS('{}')} }})(); return "
    watched.until(columns + "c.open")
    sql(taos_port, "ALTER TABLE stocks.stocks_values DROP COLUMN open")
    sql(taos_port, "ALTER TABLE stocks.stocks_values ADD COLUMN note NCHAR(8)")
    watched.until(columns + "c.note && !c.open && c.note.length === 250")
    assert watched.problems == []
