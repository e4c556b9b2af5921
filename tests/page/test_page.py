"""The page that people look at, in a real browser, over one running demo: views, links, looks, access."""

import json
import random
import re
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from statistics import fmean
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser

from history_page import running_demo
from parts import ROOT, get_json
from viewers import ARTEFACTS, PRESSED, SIZE, VIEWER, Watched, chromium
from waiting import eventually

VIEWS = {
    "Dashboard": ("Datagrid", ["ticker"], []),
    "Grid": ("Datagrid", ["ticker", "client"], []),
    "Candles": ("Candlestick", ["ticker", "time"], []),
    "Treemap": ("Treemap", ["ticker", "client"], []),
    "Heat map": ("Heatmap", ["ticker"], ["client"]),
    "Lines": ("Y Line", ["time"], ["ticker"]),
    "Average": ("Y Line", ["time"], ["ticker"]),
    "Rows": ("Datagrid", [], []),
}
"""The ready-made views of the stock table: plugin, group_by, split_by; of the dashboard those of its first panel."""

Visit = Callable[..., Watched]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server with rows flowing, for all tests here."""
    often = ("--rows", "1000", "--interval", "1000")
    with running_demo(tmp_path_factory.mktemp("demo"), [], producer=often) as demo:
        yield demo.address


@pytest.fixture(scope="module")
def visits(browser: Browser, demo: str) -> Iterator[Visit]:
    """`visits()` opens the page, with a view drawn: as a new visitor's, but of one whose browser has the files."""
    # Motion unwanted: the page draws once a second, which leaves the machine to the tests.
    context = browser.new_context(bypass_csp=True, color_scheme="dark", reduced_motion="reduce", viewport=SIZE)
    context.add_init_script("sessionStorage.visited || localStorage.clear(); sessionStorage.visited = true;")

    def visits(path: str = "/") -> Watched:
        watched = Watched(context)
        watched.page.goto(demo + path)
        watched.drawn()
        return watched

    yield visits
    context.close()


@pytest.fixture
def visit(visits: Visit) -> Iterator[Visit]:
    """`visit()` opens a page for one test, which must not leave a problem logged."""
    opened: list[Watched] = []

    def visit(path: str = "/") -> Watched:
        opened.append(visits(path))
        return opened[-1]

    yield visit
    problems = [problem for watched in opened for problem in watched.problems]
    for watched in opened:
        if not watched.page.is_closed():
            watched.page.evaluate("localStorage.removeItem('theme')")  # which the other pages of this browser follow
        watched.page.close()
    assert problems == []


@pytest.fixture(scope="module")
def screen(visits: Visit) -> Iterator[Watched]:
    """A page that several tests look at, and leave as they found it but for the view that is chosen."""
    watched = visits()
    yield watched
    watched.page.close()
    assert watched.problems == []


@pytest.fixture(scope="class")
def blank(visits: Visit) -> Iterator[Watched]:
    """A page whose charts have never drawn a row."""
    watched = visits()
    yield watched
    watched.page.close()


def choose(watched: Watched, name: str, key: bool = True) -> None:
    """Choose a ready-made view by its key, or else by its button, and wait until it is the viewer's."""
    if key:
        watched.page.keyboard.press(str(list(VIEWS).index(name) + 1))
    else:
        watched.page.locator(f"nav button[value='{name}']").click()
    plugin, group_by, split_by = VIEWS[name]
    wanted = json.dumps([plugin, group_by, split_by])
    saved = f"const s = await {VIEWER}.save();"
    watched.until(f"{saved} return JSON.stringify([s.plugin, s.group_by, s.split_by]) === JSON.stringify({wanted})")
    watched.until(f"return {PRESSED} === {json.dumps(name)}")
    watched.drawn()


def difference(watched: Watched, one: bytes, other: bytes) -> float:
    """The share of pixels that differ between two screenshots (PNG) of the same size."""
    compare = """async (images) => {
        const pixels = await Promise.all(images.map(async (image) => {
            const bytes = Uint8Array.from(atob(image), (letter) => letter.charCodeAt(0));
            const bitmap = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
            const canvas = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
            canvas.drawImage(bitmap, 0, 0);
            return canvas.getImageData(0, 0, bitmap.width, bitmap.height).data;
        }));
        let differ = 0;
        for (let at = 0; at < pixels[0].length; at += 4) {
            differ += [0, 1, 2].some((c) => Math.abs(pixels[0][at + c] - pixels[1][at + c]) > 24);
        }
        return differ / (pixels[0].length / 4);
    }"""
    return float(watched.page.evaluate(compare, [b64encode(each).decode() for each in (one, other)]))


class TestReadyMadeViews:
    @pytest.mark.parametrize("name", VIEWS)
    def test_each_ready_made_view_draws_the_rows(self, screen: Watched, blank: Watched, name: str) -> None:
        choose(screen, name)
        assert screen.until(f"return (await (await {VIEWER}.getView()).num_rows()) > 10")
        ARTEFACTS.mkdir(exist_ok=True)
        screen.page.screenshot(path=ARTEFACTS / f"view-{name.lower().replace(' ', '-')}.png")
        empty = {**screen.saved(), "filter": [["volume", "<", 0]]}
        blank.page.evaluate(f"(view) => {VIEWER}.restore(view)", empty)
        blank.until(f"return (await (await {VIEWER}.getView()).num_rows()) <= 1")
        pictures = [watched.page.locator("main").screenshot() for watched in (screen, blank)]
        assert difference(screen, *pictures) > 0.005


AGGREGATED = """async (batches) => {
    const viewer = document.querySelector("perspective-viewer");
    const client = await (await viewer.getTable()).get_client();
    const types = { timestamp: "datetime", ticker: "string", client: "string", volume: "integer" };
    for (const name of ["open", "high", "low", "close"]) types[name] = "float";
    const table = await client.table(types, { limit: 100 });
    const { liveViews } = await import("/page/live.js");
    const facts = { span: 1000, dated: false, dates: [], crosses: true, children: 0, middle: null };
    const open = [];
    for (const [name, { panels }] of Object.entries(liveViews(Object.entries(types), [], facts))) {
        const { group_by, columns, aggregates, expressions } = panels.main;
        if (name === "Grid" || name === "Candles")
            open.push([name, await table.view({ group_by, columns, aggregates, expressions })]);
    }
    let heard;
    await open[0][1].on_update(() => heard());
    const found = [];
    for (const batch of batches) {
        const updated = new Promise((resolve) => (heard = resolve));
        await table.update(batch);
        await updated;
        found.push(Object.fromEntries(await Promise.all(open.map(async ([name, v]) => [name, await v.to_columns()]))));
    }
    return found;
}"""
"""JavaScript that gives rows to a table for a hundred; what the Grid and the Candles of it hold after each batch."""

Rows = list[dict[str, Any]]


def test_the_figures_of_grid_and_candles_are_those_of_the_rows_in_the_table(screen: Watched) -> None:
    """Totals included, and rows that have left the table do not."""
    draw = random.Random(7)
    prices = ["open", "high", "low", "close"]

    def row(at: int) -> dict[str, Any]:
        names = {"ticker": draw.choice("AB"), "client": draw.choice("XYZ")}
        return {"timestamp": at, **names, "volume": at, **{name: float(draw.randint(1, 999)) for name in prices}}

    batches = [[row(at) for at in range(begin, begin + 28, 4)] for begin in range(0, 1680, 28)]
    found = screen.page.evaluate(AGGREGATED, batches)
    held: Rows = []
    for batch, shown in zip(batches, found, strict=True):
        held = [*held, *batch][-100:]
        assert table_of(shown["Grid"]) == {path: grid(rows) for path, rows in grouped(held, by_client).items()}
        assert table_of(shown["Candles"]) == {path: candle(rows) for path, rows in grouped(held, by_moment).items()}


def table_of(columns: dict[str, list[Any]]) -> dict[tuple[str, ...], dict[str, Any]]:
    """What Perspective says of a pivot, column by column, as rows by their path."""
    paths = columns.pop("__ROW_PATH__")
    return {
        tuple(path): {name: pytest.approx(values[at]) for name, values in columns.items()}
        for at, path in enumerate(paths)
    }


def grouped(rows: Rows, path: Callable[[dict[str, Any]], tuple[str, str]]) -> dict[tuple[str, ...], Rows]:
    """The rows of each group of two levels, and of all."""
    groups: dict[tuple[str, ...], Rows] = {}
    for row in rows:
        for depth in range(3):
            groups.setdefault(path(row)[:depth], []).append(row)
    return groups


def by_client(row: dict[str, Any]) -> tuple[str, str]:
    return row["ticker"], row["client"]


def by_moment(row: dict[str, Any]) -> tuple[str, str]:
    """A fifth of a second, as the page names it."""
    seconds, milliseconds = divmod(row["timestamp"] // 200 * 200, 1000)
    return row["ticker"], f"00:{seconds:02}.{milliseconds // 100}"


def grid(rows: Rows) -> dict[str, Any]:
    averages = {name: fmean(row[name] for row in rows) for name in ("open", "high", "low", "close")}
    return {"timestamp": rows[-1]["timestamp"], "volume": sum(row["volume"] for row in rows), **averages}


def candle(rows: Rows) -> dict[str, Any]:
    prices = [row[name] for row in rows for name in ("open", "high", "low", "close")]
    ends = {"open": rows[0]["open"], "close": rows[-1]["close"]}
    return {**ends, "highest": max(prices), "lowest": min(prices)}


def test_a_table_may_have_very_many_rows(screen: Watched) -> None:
    """More than JavaScript takes as arguments of one call."""
    span = """async () => {
        const client = await (await document.querySelector("perspective-viewer").getTable()).get_client();
        const table = await client.table({ time: Array.from({ length: 200_000 }, (_, at) => at) });
        return (await (await import("/page/live.js")).factsOf(table, [["time", "datetime"]], [])).span;
    }"""
    assert screen.page.evaluate(span) == 199_999


def test_the_candles_are_real_ones(screen: Watched) -> None:
    choose(screen, "Candles")
    candles = screen.until(
        f"const v = await {VIEWER}.getView(); const c = await v.to_columns(); return c.open.length > 60 && c"
    )
    paths = [path for path in candles["__ROW_PATH__"] if len(path) == 2]
    assert len({ticker for ticker, _ in paths}) == 13
    assert all(re.fullmatch(r"\d\d:\d\d\.\d", moment) for _, moment in paths)
    for opened, closed, highest, lowest in zip(
        candles["open"], candles["close"], candles["highest"], candles["lowest"], strict=True
    ):
        assert lowest <= min(opened, closed)
        assert highest >= max(opened, closed)


def test_the_grid_moves(screen: Watched) -> None:
    choose(screen, "Grid", key=False)
    cells = "return document.querySelector('perspective-viewer-datagrid').shadowRoot.textContent"
    before = screen.until(cells)
    screen.until(f"return (() => {{ {cells} }})() !== {json.dumps(before)}", seconds=5)


def test_keys_choose_views_except_while_typing(screen: Watched) -> None:
    watched = screen
    choose(watched, "Grid")
    watched.page.evaluate("document.querySelector('#note span').append(document.createElement('input'))")
    watched.page.locator("#note input").fill("")
    watched.page.keyboard.type("6")
    watched.page.keyboard.press("Control+4")
    assert watched.page.locator("#note input").input_value() == "6"
    assert watched.page.evaluate(PRESSED) == "Grid"
    watched.page.evaluate("document.querySelector('#note input').remove()")
    choose(watched, "Rows")


def test_the_head_line_tells_how_things_are(screen: Watched, visit: Visit) -> None:
    watched = screen
    watched.until("return document.querySelector('#state').textContent === 'live'")
    assert watched.text("#table") == "stocks.stocks_values"
    watched.until("return document.querySelector('#rows').textContent === '1,000'")
    rate = "Number(document.querySelector('#rate').textContent.replace(',', ''))"
    watched.until(f"return {rate} > 700 && {rate} < 1300")
    watched.until("return parseFloat(document.querySelector('#age').textContent) < 2")
    viewers = int(watched.text("#viewers"))
    other = visit()
    watched.until(f"return document.querySelector('#viewers').textContent === '{viewers + 1}'")
    other.page.close()
    watched.until(f"return document.querySelector('#viewers').textContent === '{viewers}'")


def test_the_age_of_the_newest_row_is_told_by_the_servers_clock(screen: Watched) -> None:
    screen.page.evaluate("() => { const now = Date.now; Date.now = () => now() + 3_600_000; }")
    screen.until("return document.querySelector('#age').textContent.endsWith(' s ago')")
    shown = [float(screen.text("#age").split()[0]) for _ in range(5)]
    assert max(shown) < 5


def test_what_a_visitor_changes_is_kept_until_it_is_reset(visit: Visit) -> None:
    watched = visit()
    choose(watched, "Rows")
    watched.page.evaluate(f"{VIEWER}.restore({{ columns: ['ticker', 'volume'] }})")
    watched.until("return document.querySelector('nav button[value=Rows].changed')")
    choose(watched, "Grid")
    watched.page.reload()
    watched.drawn()
    assert watched.page.evaluate(PRESSED) == "Grid"
    choose(watched, "Rows")
    watched.until(f"return (await {VIEWER}.save()).columns.length === 2")
    watched.page.locator("#reset").click()
    watched.until(f"return (await {VIEWER}.save()).columns.length === 9")
    assert watched.page.locator("#reset").is_disabled()
    watched.page.reload()
    watched.drawn()
    assert watched.page.evaluate(PRESSED) == "Rows"
    assert len(watched.saved()["columns"]) == 9


def test_two_tabs_keep_each_others_changes(visit: Visit) -> None:
    one, other = visit(), visit()
    for watched, name in [(one, "Rows"), (other, "Grid")]:
        choose(watched, name, key=False)
        watched.page.evaluate(f"{VIEWER}.restore({{ columns: ['volume'] }})")
        watched.until(f"return document.querySelector('nav button[value={name}].changed')")
    for watched in (one, other):
        watched.page.reload()
        watched.drawn()
        changed = watched.page.locator("nav .changed").evaluate_all("(all) => all.map((each) => each.value)")
        assert sorted(changed) == ["Grid", "Rows"]
        choose(watched, "Rows", key=False)
        assert watched.saved()["columns"] == ["volume"]


def test_a_view_that_was_not_changed_is_shared_unchanged(visit: Visit) -> None:
    watched = visit()
    choose(watched, "Treemap")
    watched.page.locator("#share").click()
    watched.until("return location.hash.startsWith('#view=')")
    other = visit(f"/#{urlsplit(watched.page.url).fragment}")
    assert other.page.evaluate(PRESSED) == "Treemap"
    assert other.page.locator("nav .changed").count() == 0


def test_choosing_a_ready_made_view_is_no_change(visit: Visit) -> None:
    watched = visit()
    for name in ["Candles", "Grid"]:
        choose(watched, name)
        watched.until("return !document.querySelector('nav .changed')")
    kept = watched.page.evaluate("localStorage['views of stocks.stocks_values']")
    assert json.loads(kept) == {"changed": {}, "current": "Grid"}


def test_a_view_is_shared_as_a_link(visit: Visit) -> None:
    watched = visit()
    choose(watched, "Heat map")
    watched.page.evaluate(f"{VIEWER}.restore({{ filter: [['client', '==', 'Zürich汉']] }})")
    watched.until("return document.querySelector('nav .changed')")
    watched.page.locator("#share").click()
    watched.until("return document.querySelector('#note').innerText.includes('link')")
    link = urlsplit(watched.page.url)
    assert re.fullmatch(r"view=[\w-]+", link.fragment)
    other = visit(f"/#{link.fragment}")
    assert other.page.evaluate(PRESSED) == "Heat map"
    saved = other.saved()
    assert (saved["plugin"], saved["filter"]) == ("Heatmap", [["client", "==", "Zürich汉"]])
    assert other.page.evaluate("localStorage['views of stocks.stocks_values']") is None
    other.page.locator("#reset").click()
    other.until(f"return (await {VIEWER}.save()).filter.length === 0 && !location.hash")


def test_a_view_that_does_not_fit_is_dropped_with_a_note(visit: Visit) -> None:
    watched = visit()
    changed = {"Rows": {"plugin": "Datagrid", "columns": ["no such column"], "group_by": []}}
    kept = json.dumps({"changed": changed, "current": "Rows"})
    watched.page.evaluate(f"localStorage['views of stocks.stocks_values'] = {json.dumps(kept)}")
    watched.page.reload()
    watched.drawn()
    watched.until("return document.querySelector('#note').innerText.includes('the table has no no such column')")
    assert len(watched.saved()["columns"]) == 9
    watched.page.locator("#dismiss").click()
    assert not watched.page.locator("#note").is_visible()
    watched.page.evaluate("location.hash = '#view=nonsense'")
    watched.until("return document.querySelector('#note').innerText.includes('The view in the link does not fit')")
    watched.rows("c.timestamp.length === 1000")


def test_a_hidden_tab_asks_for_nothing_and_comes_back_current(visit: Visit, demo: str) -> None:
    watched = visit()
    viewers = get_json(demo + "/status")[1]["viewers"]
    hide = (
        "(hidden) => { Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });"
        " document.dispatchEvent(new Event('visibilitychange')); }"
    )
    watched.page.evaluate(hide, True)
    eventually(lambda: get_json(demo + "/status")[1]["viewers"] == viewers - 1)
    last = watched.rows()["timestamp"][-1]
    asked = len(watched.requests)
    eventually(lambda: get_json(demo + "/status")[1]["newest"] > last + 1500)
    assert len(watched.requests) - asked <= 1
    assert watched.rows()["timestamp"][-1] == last
    newest = get_json(demo + "/status")[1]["newest"]
    watched.page.evaluate(hide, False)
    times = watched.rows(f"c.timestamp.at(-1) >= {newest}", seconds=2)["timestamp"]
    assert times == sorted(set(times))
    assert len(times) == 1000
    watched.state("live", 2)


@pytest.mark.parametrize("width", [360, 2560])
def test_the_page_fits_narrow_and_wide_windows(screen: Watched, width: int) -> None:
    watched = screen
    watched.page.set_viewport_size({"width": width, "height": 740})
    assert watched.page.evaluate("document.documentElement.scrollWidth") == width
    for name in VIEWS:
        watched.page.locator(f"nav button[value='{name}']").scroll_into_view_if_needed()
        watched.inside(f"nav button[value='{name}']", width)
    for selector in ["#table", "#state", "#rate", "#age", "#share", "#theme"]:
        watched.inside(selector, width)
    box = watched.page.locator("main").bounding_box()
    assert box is not None
    assert box["height"] > 500
    watched.page.screenshot(path=ARTEFACTS / f"width-{width}.png")
    watched.page.set_viewport_size(SIZE)


def test_colours_follow_the_system_until_the_visitor_chooses(visit: Visit) -> None:
    watched = visit()
    watched.page.emulate_media(color_scheme="light")
    watched.until(f"return (await {VIEWER}.save()).theme === 'Pro Light'")
    ground = "return getComputedStyle(document.body).backgroundColor"
    assert (watched.until(ground), watched.saved()["theme"]) == ("rgb(255, 255, 255)", "Pro Light")
    watched.page.screenshot(path=ARTEFACTS / "light.png")
    watched.page.emulate_media(color_scheme="dark")
    watched.until(f"return (await {VIEWER}.save()).theme === 'Pro Dark'")
    assert watched.until(ground) == "rgb(36, 37, 38)"
    watched.page.locator("#theme").click()
    watched.until(f"return (await {VIEWER}.save()).theme === 'Pro Light'")
    assert watched.text("#theme") == "Colours: light"
    watched.page.reload()
    watched.drawn()
    assert (watched.until(ground), watched.saved()["theme"]) == ("rgb(255, 255, 255)", "Pro Light")


def test_nothing_of_the_page_moves_where_motion_is_unwanted(screen: Watched) -> None:
    dot = "return getComputedStyle(document.querySelector('#state'), '::before').animationName"
    watched = screen
    watched.page.emulate_media(reduced_motion="no-preference")
    choose(watched, "Grid")
    watched.state("live")
    assert watched.until(dot) == "beat"
    assert watched.saved()["columns_config"]["close"]["bg_mode"] == "pulse"
    watched.page.emulate_media(reduced_motion="reduce")
    assert watched.until(dot) == "none"
    choose(watched, "Grid")
    assert "close" not in watched.saved()["columns_config"]


def test_the_keyboard_reaches_everything_and_shows_where_it_is(visit: Visit) -> None:
    watched = visit()
    watched.page.locator("body").focus()
    reached = []
    for _ in range(17):
        watched.page.keyboard.press("Tab")
        reached.append(watched.page.evaluate("(at => at.value || at.id || at.textContent)(document.activeElement)"))
        assert watched.page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    head = ["stocks.stocks_values", "share", "Save", "theme", "live", "history", "tables"]
    assert reached == [*head, *VIEWS, "ticker: all", "client: all"]
    watched.page.locator("#theme").focus()
    watched.page.keyboard.press("Enter")
    assert watched.text("#theme") == "Colours: light"


def test_axe_finds_nothing_serious(screen: Watched) -> None:
    screen.page.evaluate("document.querySelector('#note span').textContent = 'a note'")
    assert screen.barriers() == []
    screen.page.evaluate("document.querySelector('#note span').textContent = ''")


def test_the_document_has_a_title_a_language_and_landmarks(screen: Watched) -> None:
    assert screen.page.title() == "stocks.stocks_values – live"
    assert screen.page.evaluate("document.documentElement.lang") == "en"
    assert [screen.page.locator(tag).count() for tag in ["header", "nav", "main", "h1"]] == [1, 1, 1, 1]


def test_no_file_is_asked_for_twice_and_on_the_next_visit_not_at_all(browser: Browser, demo: str) -> None:
    watched = Watched(browser.new_context(bypass_csp=True, reduced_motion="reduce", viewport=SIZE))
    watched.page.goto(demo)
    watched.drawn()
    asked = [urlsplit(url) for url in watched.requests if url.startswith(demo)]
    files = [url for url in asked if url.path.startswith(("/page/", "/static/"))]
    own = [f"/page/{path.name}" for path in (ROOT / "page").iterdir()]
    others = ["engine.wasm", "perspective.css", "viewer.js", "viewer.wasm"]
    assert sorted(url.path for url in files) == sorted([*own, *(f"/static/{name}" for name in others)])
    assert all(re.fullmatch(r"v=\w+", url.query) for url in files)
    assert "/favicon.ico" not in [url.path for url in asked]
    watched.page.goto(demo)
    watched.drawn()
    sizes = "performance.getEntriesByType('resource').filter((e) => e.name.includes('?v=')).map((e) => e.transferSize)"
    assert watched.page.evaluate(sizes) == [0] * len(files)
    watched.context.close()
    assert watched.problems == []


def test_the_page_asks_nobody_but_its_server(screen: Watched, demo: str) -> None:
    assert {urlsplit(url.removeprefix("blob:")).netloc for url in screen.requests} == {urlsplit(demo).netloc}


def test_the_replica_follows_for_as_long_as_the_page_is_open(screen: Watched) -> None:
    end = time.time_ns() // 10**6 + 1500
    times = screen.rows(f"c.timestamp.at(-1) > {end}")["timestamp"]
    assert times == sorted(set(times))
    assert len(times) == 1000


def test_every_view_is_drawn_under_the_pages_content_security_policy(browser: Browser, demo: str) -> None:
    context = browser.new_context(reduced_motion="reduce", viewport=SIZE)
    watched = Watched(context)
    response = watched.page.goto(demo)
    assert response is not None
    assert "script-src" in response.headers["content-security-policy"]
    shown = watched.page.locator("nav[aria-busy=false]")
    shown.wait_for(state="attached")
    for name in VIEWS:
        watched.page.locator(f"nav button[value='{name}']").click()
        watched.page.locator(f"nav[aria-busy=false] button[value='{name}'][aria-pressed=true]").wait_for()
    context.close()
    assert watched.problems == []
