"""History as a visitor uses it, by mouse and keyboard, and what it shows, compared with SQL."""

import base64
import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from playwright.sync_api import BrowserContext, Route, WebSocket

from history_page import CELLS, Demo, History, new_context, opened, small_demo
from parts import Part, free_port, get_json, history_workers, sql, stopped
from protocol.messages import parse
from viewers import PRESSED, VIEWER, chromium, looked_at
from waiting import eventually


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with small_demo(tmp_path_factory.mktemp("by hand")) as demo:
        yield demo


@pytest.fixture(scope="module")
def context() -> Iterator[BrowserContext]:
    with chromium() as browser:
        made = new_context(browser)
        made.add_init_script(
            looked_at("Rows", "history stocks.stocks_values", "history stocks.meters", "stocks.stocks_values")
        )
        yield made


@pytest.fixture
def page(context: BrowserContext, demo: Demo) -> Iterator[History]:
    """A new visitor's tab, in History. No test may leave a problem logged."""
    watched = opened(context, demo.address)
    watched.go("#mode button[value=history]")
    yield watched
    watched.page.close()
    # A refresh deletes the view, which the viewer may be reading just then.
    assert [problem for problem in watched.problems if "that is no view of yours" not in problem] == []


def between(page: History, begin: int, end: int) -> None:
    """Ask for a time by hand, from and to, in epoch milliseconds."""
    page.page.locator("#ranges button[value='']").click()
    for name, ms in [("from", begin), ("to", end)]:
        local = page.page.evaluate("(ms) => new Date(ms).toLocaleString('sv').replace(' ', 'T')", ms)
        page.page.locator(f"#between [name={name}]").fill(local)
    page.go("#between button")


@pytest.mark.parametrize(
    ("value", "words", "seconds"),
    [
        ("5m", "the last 5 minutes", 300),
        ("15m", "the last 15 minutes", 900),
        ("6h", "the last 6 hours", 21_600),
        ("7d", "the last 7 days", 604_800),
    ],
)
def test_a_range_shows_the_rows_of_that_time(page: History, demo: Demo, value: str, words: str, seconds: int) -> None:
    def stored() -> int:
        begin = get_json(demo.address + "/status")[1]["now"] - seconds * 1000
        ((count,),) = sql(demo.taos_port, f"SELECT COUNT(*) FROM stocks.stocks_values WHERE `timestamp` >= {begin}")
        return int(count)

    before = stored()
    page.go(f"#ranges button[value='{value}']")
    assert page.title() == f"stocks_values: {words}"
    assert before - 200 <= page.count() <= stored() + 200


def test_a_time_before_1970_can_be_asked_for(page: History, demo: Demo) -> None:
    page.table("meters")
    ((rows, newest),) = sql(demo.taos_port, "SELECT COUNT(*), CAST(LAST(ts) AS BIGINT) FROM stocks.meters")
    between(page, -86_400_000, newest - 3_600_000)
    assert page.count() == rows - 1 == 2
    page.page.reload()
    page.drawn()
    assert page.count() == 2
    assert page.page.locator("#between").is_visible()
    page.page.locator("#ranges button[value='']").click()
    assert page.page.locator("#between [name=from]").input_value().startswith("1969-12-3")


def test_the_pressed_range_is_renewed_by_a_click(page: History) -> None:
    page.go("#ranges button[value='1m']")
    (first,) = newest(page)
    page.page.wait_for_timeout(1500)
    page.go("#ranges button[value='1m']")
    page.until("return /^renewed at \\d/.test(document.querySelector('#asking').textContent)")
    assert newest(page)[0] > first
    page.pick("Pivot")
    page.until("return document.querySelector('#asking').textContent === ''")


def newest(page: History) -> list[int]:
    """The time of the first row that is shown."""
    script = f"{VIEWER}.getView().then((v) => v.to_columns({{ end_row: 1 }})).then((columns) => columns.timestamp)"
    return list(page.page.evaluate(script))


@pytest.mark.parametrize("view", ["Candles", "Lines"])
def test_a_view_keeps_the_range_and_copes_with_any(page: History, view: str) -> None:
    page.pick(view)
    assert "stocks_values: the last hour by 15 seconds" in page.title()
    for value in ["1m", "1h", "1d", "7d", "all"]:
        page.go(f"#ranges button[value='{value}']")
        (group,) = page.saved()["group_by"]
        assert group.startswith("timestamp by "), value
        assert 1 < page.count() < 10_000
        assert page.page.evaluate(PRESSED) == view
    assert not page.page.locator("#note").is_visible()


def scroll(page: History) -> int:
    """How far the grid is scrolled down."""
    return int(page.page.evaluate(f"{CELLS}.querySelector('regular-table').scrollTop"))


def listen(page: History) -> list[str | bytes]:
    """What is asked of history from now on, once the page connects anew."""
    sent: list[str | bytes] = []

    def opened(socket: WebSocket) -> None:
        if "/history" in socket.url:
            socket.on("framesent", lambda message: sent.append(message))

    page.page.on("websocket", opened)
    return sent


def test_dragging_over_the_axis_of_time_shows_that_part_of_it_and_back_returns(page: History, demo: Demo) -> None:
    status = get_json(demo.address + "/status")[1]
    begin, end = [status["now"] // 1000 * 1000 - hours * 3_600_000 for hours in (3, 1)]
    between(page, begin, end)
    box = page.page.locator("#axis").bounding_box()
    assert box is not None
    x, y = [box["x"] + box["width"] * part for part in (0.25, 0.75)], box["y"] + box["height"] / 2
    page.page.mouse.move(x[0], y)
    page.page.mouse.down()
    page.page.mouse.move(x[1], y, steps=4)
    page.page.mouse.up()
    page.until(f"return !location.hash.includes('{begin}-{end}')")
    page.drawn()
    part = [int(each) for each in page.page.url.split("/")[-2].split("-")]
    assert part == pytest.approx([begin + 1_800_000, end - 1_800_000], abs=20_000)
    time = f"`timestamp` >= {part[0]} AND `timestamp` < {part[1]}"
    assert [page.count()] == sql(demo.taos_port, f"SELECT COUNT(*) FROM stocks.stocks_values WHERE {time}")[0]
    page.page.go_back()
    page.until(f"return location.hash.includes('{begin}-{end}')")
    page.drawn()
    time = f"`timestamp` >= {begin} AND `timestamp` < {end}"
    assert [page.count()] == sql(demo.taos_port, f"SELECT COUNT(*) FROM stocks.stocks_values WHERE {time}")[0]


def test_refresh_asks_anew_and_keeps_the_view_its_changes_and_its_scroll(page: History, demo: Demo) -> None:
    page.go("#ranges button[value='all']")
    page.page.locator("perspective-viewer-datagrid regular-table").hover()
    page.page.mouse.wheel(0, 2000)
    page.until(f"return {CELLS}.querySelector('regular-table').scrollTop === 2000")
    before = page.count()
    page.page.wait_for_timeout(1500)
    page.page.locator("#refresh").click()
    page.until(f"return (await (await {VIEWER}.getView()).num_rows()) > {before}")
    assert scroll(page) == 2000
    ((stored,),) = sql(demo.taos_port, "SELECT COUNT(*) FROM stocks.stocks_values")
    assert before < page.count() <= stored
    page.pick("Pivot")
    rows = "const c = await (await document.querySelector('perspective-viewer').getView()).to_columns()"
    total = page.until(f"{rows}; return c.volume[0]")
    page.page.wait_for_timeout(2500)
    page.page.locator("#refresh").click()
    page.until(f"{rows}; return c.volume[0] > {total}")
    assert page.page.locator("nav .changed").count() == 0


def test_what_is_shown_refreshes_itself_as_often_as_the_visitor_says_while_it_is_seen(page: History) -> None:
    sent = listen(page)
    page.go("#ranges button[value='all']")
    page.page.locator("#every").select_option("1")
    before = page.count()
    page.until(f"return (await (await {VIEWER}.getView()).num_rows()) > {before + 150}", 10)
    page.page.evaluate(
        "Object.defineProperty(document, 'hidden', { value: true, configurable: true });"
        "document.dispatchEvent(new Event('visibilitychange'))"
    )
    page.page.wait_for_timeout(1000)
    sent.clear()
    page.page.wait_for_timeout(2500)
    assert sent == []
    page.page.evaluate("delete document.hidden, document.dispatchEvent(new Event('visibilitychange'))")
    page.page.reload()
    page.drawn()
    assert page.page.locator("#every").input_value() == "1"


def test_a_refresh_waits_for_the_one_before(page: History, demo: Demo) -> None:
    sent = listen(page)
    page.go("#ranges button[value='1d']")
    page.page.wait_for_timeout(500)
    sent.clear()
    with stopped(history_workers(demo.server)):
        for _ in range(5):
            page.page.locator("#refresh").click()
        page.page.locator("#cancel").wait_for()
        asked = [parse(message)[1] for message in sent if isinstance(message, bytes)]
        assert asked.count("table_make_view") == 1
    page.page.locator("#cancel").wait_for(state="hidden")


def test_the_head_line_and_the_bar_tell_what_is_on_the_screen(page: History) -> None:
    page.table("meters")
    page.state("stocks.meters history")
    assert page.page.title() == "stocks.meters – history"
    assert page.page.evaluate("document.querySelector('#state').dataset.state") == "history"
    between(page, 1_700_000_000_000, 1_700_003_600_000)
    told = page.page.evaluate("(ms) => new Date(ms).toLocaleString()", 1_700_000_000_000)
    shown = page.text("#span")
    assert shown.startswith(f"{told} – ")
    zone = page.page.evaluate("new Date().toLocaleTimeString(undefined, { timeZoneName: 'short' }).split(' ').at(-1)")
    assert shown.count(zone) == 1
    as_of = shown.rpartition(", as of ")[2]
    page.page.wait_for_timeout(1100)
    page.page.locator("#refresh").click()
    page.until(f"return !document.querySelector('#span').textContent.endsWith({json.dumps(as_of)})")
    page.go("#mode button[value=live]")
    page.state("stocks.meters live, no new rows")
    page.table("stocks_values")
    page.state("stocks.stocks_values live")
    assert page.page.title() == "stocks.stocks_values – live"


def export(page: History, kind: str) -> bytes:
    """The file that an export by hand saves."""
    page.page.evaluate("delete window.showSaveFilePicker")  # whose dialogue no test can answer
    with page.page.expect_download() as saving:
        page.page.locator("#export").click()
        page.page.locator(f"#formats button[value={kind}]").click()
    assert saving.value.suggested_filename == f"{page.text('#table').removeprefix('stocks.')}.{kind}"
    return Path(saving.value.path()).read_bytes()


def test_what_is_shown_is_exported(page: History, demo: Demo) -> None:
    status = get_json(demo.address + "/status")[1]
    begin, end = [status["now"] // 1000 * 1000 - seconds * 1000 for seconds in (7200, 3600)]
    between(page, begin, end)
    time = f"`timestamp` >= {begin} AND `timestamp` < {end}"
    ((count,),) = sql(demo.taos_port, f"SELECT COUNT(*) FROM stocks.stocks_values WHERE {time}")
    header, *rows = csv.reader(io.StringIO(export(page, "csv").decode()))
    assert header[:3] == ["timestamp", "ticker", "client"]
    assert len(rows) == count == page.count()
    assert rows[0][0] > rows[-1][0]  # as the view is sorted
    page.pick("Candles")
    ((_, _, [ticker]),) = page.saved()["filter"]
    table = pa.ipc.open_stream(export(page, "arrow")).read_all()
    assert set(table["ticker"].to_pylist()) == {ticker}
    only = f"SELECT COUNT(*), SUM(volume) FROM stocks.stocks_values WHERE {time} AND ticker = '{ticker}'"
    assert [table.num_rows, sum(table["volume"].to_pylist())] == sql(demo.taos_port, only)[0]
    page.until("return document.querySelector('#exporting').textContent === ''")


def test_an_export_says_how_far_it_is_and_can_be_stopped(page: History) -> None:
    page.go("#ranges button[value='all']")
    page.page.evaluate(
        """() => {
            delete window.showSaveFilePicker;
            const fetched = window.fetch;
            window.fetch = async (address, options) => {
                if (!address.startsWith("export")) return fetched(address, options);
                const lines = new TextEncoder().encode("a,b\\r\\n" + '1,"two\\nlines"\\r\\n'.repeat(70000));
                const body = new ReadableStream({ start(controller) {
                    controller.enqueue(lines);
                    options.signal.addEventListener("abort", () => controller.error(options.signal.reason));
                } });
                return new Response(body);
            };
        }"""
    )
    page.page.locator("#export").click()
    page.page.keyboard.press("Escape")
    assert page.page.locator("#formats").is_hidden()
    page.page.keyboard.press("Enter")
    page.page.locator("#formats button[value=csv]").click()
    page.until("return document.querySelector('#exporting').textContent === 'exporting … 1.1 MB, 70,000 rows'")
    page.pick("Pivot")
    page.page.locator("#stop").click()
    page.page.locator("#stop").wait_for(state="hidden")
    assert not page.page.locator("#note").is_visible()


def test_an_export_that_the_server_refuses_is_a_note(page: History, demo: Demo) -> None:
    page.outage = True  # Chromium logs the answer
    sql(demo.taos_port, "CREATE TABLE stocks.brief (ts TIMESTAMP, volts FLOAT)")
    page.table("brief")
    page.until("return document.querySelector('#asking').textContent === 'no rows in this time'")  # the bar is still

    def drop(route: Route) -> None:  # only now: a question of the viewer's that came later would lead elsewhere
        sql(demo.taos_port, "DROP TABLE stocks.brief")
        route.continue_()

    page.page.route("**/export?*", drop, times=1)
    page.page.evaluate("delete window.showSaveFilePicker")
    page.page.locator("#export").click()
    page.page.locator("#formats button[value=csv]").click()
    page.note("The export has failed: there is no table 'brief'")


def test_a_note_goes_away_by_itself_but_not_while_somebody_is_at_it_or_with_the_next_action(page: History) -> None:
    page.page.clock.install()

    def noted() -> None:
        page.page.locator("#share").click()
        page.note("link")

    note = page.page.locator("#note")
    noted()
    note.hover()
    page.page.clock.run_for(20_000)
    assert note.is_visible()
    page.page.locator("h1").hover()
    page.page.clock.run_for(2_000)
    assert note.is_hidden()
    noted()
    page.page.keyboard.press("Tab")
    assert note.is_visible()
    page.page.keyboard.press("Escape")
    assert note.is_hidden()
    noted()
    page.page.locator("h1").click()
    assert note.is_hidden()


@pytest.mark.parametrize(
    ("table", "span", "says"),
    [
        ("meters", "4 weeks", "The link names no time range"),
        ("gone", "all", "There is no table gone in stocks"),
    ],
)
def test_a_link_to_what_is_not_there_says_so_and_opens_history(
    page: History, demo: Demo, table: str, span: str, says: str
) -> None:
    shared = json.dumps({"name": "Rows", "view": {"columns": ["ts"]}, "history": {"table": table, "range": span}})
    page.page.goto(f"{demo.address}/#view={base64.urlsafe_b64encode(shared.encode()).decode().rstrip('=')}")
    page.note(says)
    page.drawn()
    assert page.page.locator("#history").is_visible()
    assert page.text("#table") == ("stocks.meters" if table == "meters" else "stocks.stocks_values")


def test_reload_back_and_forward_keep_mode_table_range_and_view(page: History, demo: Demo) -> None:
    def shows(table: str, title: str, view: str) -> None:
        page.until(f"return (await {VIEWER}.save()).title === {json.dumps(f'{table}: {title}')}")
        page.until(f"return {PRESSED} === '{view}'")
        page.drawn()
        page.state(f"stocks.{table} history")

    assert page.page.url.endswith("#history=stocks_values/1h/Rows")
    page.pick("Pivot")
    page.go("#ranges button[value='1d']")
    page.table("meters")
    assert page.page.url.endswith("#history=meters/1d/Rows")
    page.page.reload()
    page.drawn()
    shows("meters", "the last day", "Rows")
    page.page.go_back()
    shows("stocks_values", "the last day", "Pivot")
    page.page.go_back()
    shows("stocks_values", "the last hour", "Pivot")
    page.page.go_back()
    shows("stocks_values", "the last hour", "Rows")
    page.page.go_forward()
    shows("stocks_values", "the last hour", "Pivot")
    page.page.go_back()
    page.page.go_back()
    page.state("stocks.stocks_values live")
    page.drawn()
    assert page.page.url == f"{demo.address}/"
    page.page.go_forward()
    shows("stocks_values", "the last hour", "Rows")


def test_an_outage_of_tdengine_keeps_what_is_on_the_screen(context: BrowserContext, tmp_path: Path) -> None:
    taos, port = free_port(), free_port()
    command = ["-m", "embedded", "--port", str(taos), "--data", str(tmp_path / "data")]
    parts = [Part(tmp_path / "embedded.log", *command, "--keep", "1d")]
    parts[0].says("listening", 60)
    slow = ["--rows", "100", "--interval", "1000"]
    parts.append(Part(tmp_path / "producer.log", "producer.py", "--taos-port", str(taos), *slow))
    parts.append(Part(tmp_path / "server.log", "perspective_server.py", "--port", str(port), "--taos-port", str(taos)))
    page = History(context, outage=True)
    try:
        eventually(lambda: get_json(f"http://127.0.0.1:{port}/status")[1].get("rows", 0) > 100, 30)
        page.page.goto(f"http://127.0.0.1:{port}")
        page.drawn()
        page.go("#mode button[value=history]")
        page.pick("Pivot")
        page.page.wait_for_timeout(1000)  # until it has drawn all that has room
        cells = page.page.evaluate(f"{CELLS}.querySelector('tbody').innerText")
        parts[0].kill()
        page.page.locator("#refresh").click()
        line = "document.querySelector('#asking').textContent"
        page.until(f"return {line} === 'stale: TDengine does not answer, trying again …'")
        for _ in range(20):
            page.page.wait_for_timeout(250)
            assert page.page.evaluate(line) == "stale: TDengine does not answer, trying again …"
            assert page.page.evaluate(f"{CELLS}.querySelector('tbody').innerText") == cells
            assert page.page.locator("#history").is_visible()
            assert not page.page.locator("#note").is_visible()
        page.state("waiting for TDengine")
        parts.append(Part(tmp_path / "again.log", *command, "--keep", "1d"))
        page.until(f"return {line} === ''", 30)
        page.drawn()
        assert page.page.evaluate(PRESSED) == "Pivot"
        assert page.page.url.endswith("#history=stocks_values/1h/Pivot")
        assert page.count() > 10
        assert page.problems == []
    finally:
        page.page.close()
        for part in reversed(parts):
            part.kill()
