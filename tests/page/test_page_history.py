"""History in a real browser: a day of trades, browsed over one running demo while new ones keep coming."""

import json
import re
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import BrowserContext

from history_page import CELLS, Demo, History, new_context, opened, running_demo
from parts import Part, get_json, history_workers, sql, stopped
from viewers import ARTEFACTS, PRESSED, SIZE, VIEWER, chromium
from waiting import eventually

ROWS = 500_000


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A demo whose table begins with a day of trades, and whose database has another table, of other columns."""
    made = [
        "CREATE TABLE stocks.meters (ts TIMESTAMP, place NCHAR(20), volts FLOAT, ok BOOL)",
        "INSERT INTO stocks.meters VALUES (NOW, 'Zürich', 230.5, true) (NOW - 2d, '汉', 229.0, false)",
        "CREATE TABLE stocks.bare (ts TIMESTAMP, flag BOOL)",
    ]
    logs = tmp_path_factory.mktemp("history")
    with running_demo(logs, made, "--history-timeout", "60", fill=ROWS, producer=()) as demo:
        yield demo


@pytest.fixture(scope="module")
def context() -> Iterator[BrowserContext]:
    with chromium() as browser:
        yield new_context(browser)


@pytest.fixture(scope="module")
def tab(context: BrowserContext, demo: Demo) -> Iterator[History]:
    """A page for all tests here."""
    watched = opened(context, demo.address)
    watched.go("#mode button[value=history]")
    yield watched
    watched.page.close()


@pytest.fixture
def page(tab: History) -> Iterator[History]:
    """A page in History as it is for a new visitor. No test may leave a problem logged."""
    if tab.page.locator("#history").is_hidden():
        tab.go("#mode button[value=history]")
    if tab.text("#table") != "stocks.stocks_values":
        tab.table("stocks_values")
    tab.page.evaluate("localStorage.clear(), document.querySelector('#dismiss').click()")
    tab.go("#ranges button[value='1h']")
    tab.pick("Rows")
    yield tab
    assert tab.problems == []


def test_history_is_one_click_away_and_shows_the_newest_rows_of_the_last_hour(page: History, demo: Demo) -> None:
    assert page.title() == "stocks_values: the last hour"
    assert page.page.evaluate(PRESSED) == "Rows"
    assert page.text("#table") == "stocks.stocks_values"
    assert page.saved()["columns"][:3] == ["timestamp", "ticker", "client"]
    assert not any(" by " in name for name in page.saved()["columns"])
    assert 1000 < page.count() < ROWS / 10
    page.until(f"return {CELLS}.querySelectorAll('tbody tr').length > 10")
    (newest,) = page.page.evaluate(
        f"{VIEWER}.getView().then((view) => view.to_columns({{ end_row: 1 }})).then((columns) => columns.timestamp)"
    )
    assert get_json(demo.address + "/status")[1]["now"] - newest < 30_000


def test_a_pivot_of_two_levels_covers_a_day(page: History) -> None:
    page.go("#ranges button[value='1d']")
    page.pick("Pivot")
    assert page.saved()["group_by"] == ["ticker", "client"]
    total = page.page.evaluate(f"{VIEWER}.getView().then((view) => view.to_columns({{ end_row: 2 }}))")
    assert total["__ROW_PATH__"][0] == []
    assert page.count() == 1 + 13 + 13 * 9


def test_candles_of_one_ticker_over_a_day_are_one_click(page: History) -> None:
    page.go("#ranges button[value='1d']")
    page.pick("Candles")
    saved = page.saved()
    assert (saved["plugin"], saved["group_by"]) == ("Candlestick", ["timestamp by 10 minutes"])
    ((column, op, ticker),) = saved["filter"]
    assert (column, op) == ("ticker", "in")
    assert re.fullmatch(r"[A-Z]+\.N", ticker[0])
    assert page.title() == f"{ticker[0]}, stocks_values: the last day by 10 minutes, green up, orange down"
    assert 140 < page.count() <= 147
    page.page.screenshot(path=ARTEFACTS / "history-candles.png")


@pytest.mark.parametrize("view", ["Treemap", "Lines"])
def test_the_other_views_are_drawn(page: History, view: str) -> None:
    page.pick(view)
    assert page.count() > 50
    page.page.screenshot(path=ARTEFACTS / f"history-{view.lower()}.png")


def test_a_range_is_part_of_the_query_and_keeps_the_view(page: History, demo: Demo) -> None:
    page.pick("Pivot")
    page.page.evaluate(f"{VIEWER}.restore({{ columns: ['volume'] }})")
    page.until("return document.querySelector('nav button[value=Pivot].changed')")
    total = f"{VIEWER}.getView().then((view) => view.to_columns()).then((columns) => columns.volume[0])"
    hour = page.page.evaluate(total)
    page.go("#ranges button[value=all]")
    assert page.saved()["columns"] == ["volume"]
    assert page.page.evaluate(total) > 5 * hour
    page.page.locator("#ranges button[value='']").click()
    now = time.time()
    for name, ago in [("from", 7200), ("to", 3600)]:
        local = page.page.evaluate("(s) => new Date(s * 1000).toLocaleString('sv').replace(' ', 'T')", int(now) - ago)
        page.page.locator(f"#between [name={name}]").fill(local)
    page.go("#between button")
    (stored,) = sql(
        demo.taos_port,
        f"SELECT SUM(volume) FROM stocks.stocks_values WHERE `timestamp` >= {int(now) - 7200}000"
        f" AND `timestamp` < {int(now) - 3600}000",
    )
    assert page.page.evaluate(total) == stored[0]
    asked = [url for url in page.requests if "/history?" in url]
    assert asked[-1].endswith(f"range={int(now) - 7200}000-{int(now) - 3600}000")


def test_the_end_of_the_table_can_be_scrolled_to(page: History, demo: Demo) -> None:
    page.go("#ranges button[value=all]")
    ((first,),) = sql(demo.taos_port, "SELECT CAST(FIRST(`timestamp`) AS BIGINT) FROM stocks.stocks_values")
    text = page.page.evaluate(
        """(ms) => new Date(ms).toLocaleString("en-US", { fractionalSecondDigits: 3, year: "numeric", month: "2-digit",
            day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false })""",
        first,
    )
    page.page.evaluate(f"{CELLS}.querySelector('regular-table').scrollTop = 1e9")
    rows = f"[...{CELLS}.querySelectorAll('tbody tr')]"
    page.until(f"return {rows}.at(-1).innerText.startsWith({json.dumps(text)})")
    assert page.page.evaluate(f"{rows}.length") > 10


@pytest.mark.parametrize(("table", "views"), [("meters", 5), ("bare", 1)])
def test_other_tables_of_the_database_have_the_views_that_their_columns_allow(
    page: History, table: str, views: int
) -> None:
    page.table(table)
    page.go("#ranges button[value=all]")
    names = page.page.evaluate("[...document.querySelectorAll('nav button')].map((button) => button.value)")
    assert len(names) == views
    for name in names:
        page.pick(name)
        rows = {"Dashboard": 3, "Rows": 2, "Pivot": 3, "Treemap": 2, "Lines": 2}[name]
        assert page.count() == rows * (table == "meters")
    assert not page.page.locator("#note").is_visible()


def test_a_range_without_rows_says_so(page: History) -> None:
    page.table("bare")
    page.until("return document.querySelector('#asking').textContent === 'no rows in this time'")


@pytest.mark.alone
def test_cancelling_brings_back_what_was_shown_while_live_rows_keep_coming(page: History, demo: Demo) -> None:
    page.pick("Pivot")
    with stopped(history_workers(demo.server)):
        page.page.locator("nav button[value=Treemap]").click()
        page.until("return document.querySelector('#asking').textContent.startsWith('asking TDengine …')")
        page.page.screenshot(path=ARTEFACTS / "history-asking.png")
        read = get_json(demo.address + "/status")[1]["rows_read"]
        eventually(lambda: get_json(demo.address + "/status")[1]["rows_read"] >= read + 1000, 5)
        page.state("history")
        page.page.locator("#cancel").click()
    page.drawn()
    assert page.page.evaluate(PRESSED) == "Pivot"
    assert (page.saved()["plugin"], page.saved()["group_by"]) == ("Datagrid", ["ticker", "client"])
    assert page.count() > 100
    page.page.locator("#cancel").wait_for(state="hidden")
    assert not page.page.locator("#note").is_visible()


@pytest.mark.alone
def test_cancelling_a_change_of_the_visitors_own_undoes_it(page: History, demo: Demo) -> None:
    page.pick("Pivot")
    with stopped(history_workers(demo.server)):
        page.page.evaluate(f"{VIEWER}.restore({{ group_by: ['client'] }}).catch(() => {{}}), null")
        page.page.locator("#cancel").wait_for()
        page.page.locator("#cancel").click()
    page.drawn()
    assert page.saved()["group_by"] == ["ticker", "client"]
    assert page.page.locator("nav .changed").count() == 0


def test_a_question_that_the_server_refuses_is_a_note_and_the_view_is_as_it_was(page: History) -> None:
    page.go("#ranges button[value=all]")
    page.page.evaluate(f"{VIEWER}.restore({{ group_by: ['timestamp by second', 'ticker'] }}).catch(() => {{}}), null")
    page.note("More than 50,000 groups: narrow the time range")
    page.drawn()
    page.until(f"return (await {VIEWER}.save()).group_by.length === 0")
    assert page.count() > ROWS
    assert page.title() == "stocks_values: all rows"


@pytest.mark.parametrize("width", [360, 2560])
def test_the_bar_of_history_fits_narrow_and_wide_windows(page: History, width: int) -> None:
    page.page.locator("#ranges button[value='']").click()
    page.page.set_viewport_size({"width": width, "height": 740})
    assert page.page.evaluate("document.documentElement.scrollWidth") == width
    for selector in ["#mode", "#tables", "#ranges", "#between [name=from]", "#between [name=to]", "#between button"]:
        page.inside(selector, width)
    page.page.screenshot(path=ARTEFACTS / f"history-width-{width}.png")
    page.page.set_viewport_size(SIZE)


def test_axe_finds_nothing_serious_in_history(page: History) -> None:
    page.page.locator("#ranges button[value='']").click()
    page.page.evaluate("document.querySelector('#note span').textContent = 'a note'")
    assert page.barriers() == []
    page.page.screenshot(path=ARTEFACTS / "history-dark.png")


def test_live_and_history_keep_their_views_apart(page: History, demo: Demo) -> None:
    page.page.evaluate(f"{VIEWER}.restore({{ columns: ['ticker'] }})")
    page.until("return document.querySelector('nav button[value=Rows].changed')")
    page.go("#mode button[value=live]")
    assert page.page.evaluate(PRESSED) == "Dashboard"
    assert page.page.locator("#history").is_hidden()
    page.rows("c.timestamp.length === 1000")
    page.pick("Rows")
    assert len(page.saved()["columns"]) == 9
    page.page.evaluate(f"{VIEWER}.restore({{ filter: [['ticker', '==', 'AAPL.N']] }})")
    page.until("return document.querySelector('nav button[value=Rows].changed')")
    page.go("#mode button[value=history]")
    assert page.saved()["columns"] == ["ticker"]
    page.go("#mode button[value=live]")
    assert page.saved()["filter"] == [["ticker", "==", "AAPL.N"]]


def test_a_link_carries_the_table_and_the_range_and_a_reload_stays(page: History, demo: Demo) -> None:
    page.table("meters")
    page.pick("Rows")
    page.go("#ranges button[value=all]")
    page.page.reload()
    page.drawn()
    assert page.title() == "meters: all rows"
    page.page.locator("#share").click()
    page.note("link")
    other = History(page.context)
    other.page.goto(f"{demo.address}/#{urlsplit(page.page.url).fragment}")
    other.drawn()
    assert other.title() == "meters: all rows"
    other.until(f"return (await (await {VIEWER}.getView()).num_rows()) === 2")
    other.page.close()
    assert other.problems == []


def test_the_server_that_restarts_is_asked_again(context: BrowserContext, demo: Demo) -> None:
    page = History(context, outage=True)
    page.page.goto(demo.address)
    page.drawn()
    page.go("#mode button[value=history]")
    page.pick("Pivot")
    demo.server.stop()
    page.until("return document.querySelector('#asking').textContent.includes('trying again')")
    port, taos = demo.address.rsplit(":", 1)[1], str(demo.taos_port)
    demo.server = Part(demo.server.log, "perspective_server.py", "--port", port, "--taos-port", taos)
    try:
        page.until(f"return (await (await {VIEWER}.getView()).num_rows()) > 100")
        page.drawn()
        assert page.count() > 100
        assert page.page.evaluate(PRESSED) == "Pivot"
        page.page.close()
    finally:
        demo.server.kill()
