"""Dashboards by hand: panels, one selection through all of them, and views of one's own."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext

from history_page import Demo, History, new_context, opened, small_demo
from parts import get_json, sql
from viewers import VIEWER, chromium

PANELS = f"""
    const found = {{}};
    for (const panel of {VIEWER}.getPanelNames()) {{
        const view = await {VIEWER}.getView({{ panel }});
        found[panel] = [await view.to_columns(), (await {VIEWER}.save({{ panel }})).title];
    }}
"""
"""JavaScript that finds, for each panel, its rows as columns, and its title."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the server offers to all: a view of the trades, and files that are none."""
    folder = tmp_path_factory.mktemp("dashboards")
    view = {"columns": ["ticker", "volume"], "plugin": "Datagrid", "sort": [["volume", "desc"]]}
    (folder / "largest.json").write_text(json.dumps({"name": "Largest", "view": view}))
    (folder / "other.json").write_text(json.dumps({"name": "Another table's", "table": "a.b", "view": view}))
    (folder / "broken.json").write_text("{")
    return folder


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> Iterator[Demo]:
    with small_demo(tmp_path_factory.mktemp("dashboards"), "--dashboards", str(folder)) as demo:
        yield demo


@pytest.fixture(scope="module")
def browsers() -> Iterator[list[BrowserContext]]:
    """Two visitors' browsers."""
    with chromium() as browser:
        yield [new_context(browser), new_context(browser)]


@pytest.fixture
def page(browsers: list[BrowserContext], demo: Demo) -> Iterator[History]:
    """A new visitor's page. No test may leave a problem logged."""
    watched = opened(browsers[0], demo.address)
    yield watched
    watched.page.close()
    assert watched.problems == []


def panels(page: History) -> list[str]:
    names: list[str] = page.page.evaluate(f"{VIEWER}.getPanelNames()")
    return names


def click_row(page: History, name: str) -> None:
    """Click a row of the panel that selects."""
    cells = "perspective-viewer-datagrid"
    page.page.locator(f"{cells} th", has_text=name).first.click()


def shows_alone(page: History, ticker: str) -> None:
    """Wait until all panels but the one that selects show the rows of one ticker, and what they show is those rows."""
    page.until(
        f"""{PANELS}
        const table = await {VIEWER}.getTable();
        const view = await table.view({{ filter: [["ticker", "==", "{ticker}"]], columns: ["volume"] }});
        const volumes = (await view.to_columns()).volume;
        await view.delete();
        const total = volumes.reduce((sum, each) => sum + each, 0);
        const [over, map, bars] = ["panel 1", "panel 2", "panel 3"].map((name) => found[name]);
        const first = Object.keys(over[0]).filter((name) => name !== "__ROW_PATH__");
        const sum = (columns) => columns.volume.reduce((all, each) => all + each, 0);
        return first.every((name) => name.startsWith("{ticker}"))
            && [over, map, bars].every(([, title]) => title.includes("{ticker}"))
            && sum(bars[0]) === total && sum(map[0]) === total;"""
    )


@pytest.mark.parametrize("mode", ["live", "history"])
def test_the_page_opens_with_a_dashboard_whose_rows_select_for_all_panels(page: History, demo: Demo, mode: str) -> None:
    if mode == "history":  # of an hour to which no rows come any more
        end = get_json(demo.address + "/status")[1]["now"] // 1000 * 1000 - 3_600_000
        page.page.goto(f"{demo.address}/#history=stocks_values/{end - 3_600_000}-{end}")
        page.until("return !document.querySelector('#history').hidden")
        page.drawn()
    assert panels(page) == ["main", "panel 1", "panel 2", "panel 3"]
    click_row(page, "MSFT.N")
    picked = page.page.locator("#selection details").first
    picked.filter(has_text="ticker: MSFT.N").wait_for()
    shows_alone(page, "MSFT.N")
    page.page.locator("#selection details", has_text="client").click()
    page.page.locator("#selection label", has_text="Homer").click()
    page.drawn()
    filters = f"return JSON.stringify((await {VIEWER}.saveWorkspace()).global_filters)"
    both = [["ticker", "==", "MSFT.N"], ["client", "in", ["Homer"]]]
    page.until(f"{filters} === {json.dumps(json.dumps(both, separators=(',', ':')))}")
    page.page.keyboard.press("Escape")
    click_row(page, "FB.N")  # what the picker has selected stays
    picked.filter(has_text="ticker: FB.N").wait_for()
    page.drawn()
    page.until(
        f"const {{ global_filters: filters }} = await {VIEWER}.saveWorkspace();"
        """return JSON.stringify(filters.flatMap(([, , value]) => value).sort()) === '["FB.N","Homer"]'"""
    )
    for chip in (1, 0):
        page.page.locator("#selection .chip").nth(chip).click()
        page.drawn()
    page.until(f"return !(await {VIEWER}.saveWorkspace()).global_filters?.length")
    assert page.page.locator("nav .changed").count() == 0


def test_a_selection_goes_down_to_tdengine_as_do_several_tickers(page: History, demo: Demo) -> None:
    page.go("#mode button[value=history]")
    page.pick("Rows")
    page.go("#ranges button[value='all']")
    page.page.locator("#selection summary").first.click()
    for ticker in ("AAPL.N", "QQQ.N"):
        page.page.locator("#selection label", has_text=ticker).click()
        page.drawn()
    where = "ticker IN ('AAPL.N', 'QQQ.N')"
    ((count,),) = sql(demo.taos_port, f"SELECT COUNT(*) FROM stocks.stocks_values WHERE {where}")
    assert count - 100 <= page.count() <= count
    page.page.locator("#selection input[type=search]").first.fill("qq")
    assert page.page.locator("#selection label").all_inner_texts()[0] == "QQQ.N"
    page.pick("Lines")
    lines = page.page.evaluate(f"{VIEWER}.getView().then((view) => view.column_paths())")
    assert lines == [["AAPL.N", "QQQ.N"], ["close", "close"]]
    page.pick("Candles")
    assert page.title().startswith("AAPL.N, QQQ.N, stocks_values: all rows by ")


def test_panels_that_a_visitor_adds_moves_and_closes_are_kept_and_shared(
    page: History, demo: Demo, browsers: list[BrowserContext]
) -> None:
    def menu(tab: int, words: str) -> None:
        page.page.locator("perspective-viewer-tab").nth(tab).click(button="right", position={"x": 60, "y": 10})
        page.page.locator(".context-menu-item", has_text=re.compile(f"^{words}$")).click()

    menu(1, "Duplicate")
    page.until(f"return {VIEWER}.getPanelNames().length === 5")
    page.page.locator("nav .changed").wait_for()
    menu(0, "Close")
    page.until(f"return {VIEWER}.getPanelNames().length === 4")
    layout = f"JSON.stringify((await {VIEWER}.saveWorkspace()).layout)"
    before = page.until(f"return {layout}")
    box = page.page.locator("perspective-viewer").bounding_box()
    edge = page.page.locator("perspective-viewer-tab").nth(0).bounding_box()
    assert box is not None
    assert edge is not None
    right = edge["x"] + edge["width"] + 1
    page.page.mouse.move(right, box["y"] + box["height"] / 3)
    page.page.mouse.down()
    page.page.mouse.move(right + 60, box["y"] + box["height"] / 3, steps=4)
    page.page.mouse.up()
    page.until(f"return {layout} !== {json.dumps(before)}")
    kept = page.until(
        "const kept = JSON.parse(localStorage['views of stocks.stocks_values']).changed.Dashboard;"
        f"const shown = (await {VIEWER}.saveWorkspace()).layout;"
        "return JSON.stringify(kept.layout) === JSON.stringify(shown) && Object.keys(kept.panels).sort()"
    )
    page.page.reload()
    page.drawn()
    assert sorted(panels(page)) == kept
    page.page.locator("#share").click()
    page.until("return location.hash.startsWith('#view=')")
    other = opened(browsers[1], page.page.url)
    assert sorted(panels(other)) == kept
    other.page.close()
    page.go("#reset")
    assert panels(page) == ["main", "panel 1", "panel 2", "panel 3"]


def test_a_link_carries_the_selection(page: History, browsers: list[BrowserContext]) -> None:
    click_row(page, "AMZN.N")
    page.page.locator("#selection .chip").wait_for()
    page.drawn()
    page.page.locator("#share").click()
    page.until("return location.hash.startsWith('#view=')")
    other = opened(browsers[1], page.page.url)
    shows_alone(other, "AMZN.N")
    other.page.close()


def test_a_view_of_ones_own_is_saved_renamed_downloaded_deleted_and_read_from_a_file(
    page: History, tmp_path: Path
) -> None:
    def names() -> Any:
        return page.page.locator("nav button").evaluate_all("(all) => all.map((each) => each.value)")

    def menu(button: str, name: str | None = None) -> None:
        page.page.locator("#own summary").click()
        if name is not None:
            page.page.locator("#own input").first.fill(name)
        page.page.locator("#own button", has_text=button).click()
        page.drawn()

    made = names()
    assert made[-1] == "Largest"  # the server's
    page.page.evaluate(f"{VIEWER}.restore({{ columns: ['volume'] }})")
    page.page.locator("nav .changed").wait_for()
    menu("Save", "Floor")
    page.until("return document.querySelector('nav button[aria-pressed=true]').value === 'Floor'")
    assert len(panels(page)) == 4
    assert page.page.locator("nav .changed").count() == 0  # what was changed is saved now
    menu("Rename", "Ceiling")
    page.until("return document.querySelector('nav button[aria-pressed=true]').value === 'Ceiling'")
    page.page.reload()
    page.drawn()
    assert names() == [*made, "Ceiling"]
    with page.page.expect_download() as saving:
        menu("Download")
    path = tmp_path / saving.value.suggested_filename
    saving.value.save_as(path)
    assert path.name == "Ceiling.json"
    page.page.keyboard.press("Escape")
    page.page.locator("h1").click()
    menu("Delete")
    page.until("return document.querySelector('nav button[aria-pressed=true]').value === 'Dashboard'")
    assert names() == made
    menu("Save", "Largest")
    page.note("There is a view called Largest already")
    page.page.locator("h1").click()
    (tmp_path / "none.json").write_text('{"name": "x", "view": {"panels": {}}}')
    page.page.locator("#own input[type=file]").set_input_files(tmp_path / "none.json")
    page.note("No view can be read from none.json: it is none.")
    page.page.locator("#own input[type=file]").set_input_files(path)
    page.until("return document.querySelector('nav button[aria-pressed=true]').value === 'Ceiling'")
    page.drawn()
    assert len(panels(page)) == 4
    page.go("nav button[value=Largest]")
    assert page.saved()["columns"] == ["ticker", "volume"]


def test_a_name_that_is_being_typed_stays_whatever_happens_meanwhile(page: History) -> None:
    page.page.locator("#own summary").click()
    page.page.locator("#own input").first.fill("Half a na")
    page.page.evaluate(f"{VIEWER}.restore({{ columns: ['volume'] }})")
    page.page.locator("nav .changed").wait_for()
    assert page.page.locator("#own input").first.input_value() == "Half a na"


def test_on_a_small_screen_panels_are_shown_one_at_a_time_and_none_is_out_of_reach(page: History) -> None:
    page.page.set_viewport_size({"width": 360, "height": 740})
    tabs = page.page.locator("perspective-viewer-tab")
    page.until("return document.querySelectorAll('perspective-viewer-tab').length === 4")
    page.drawn()
    for at in range(4):
        tabs.nth(at).click()
        box = tabs.nth(at).bounding_box()
        assert box is not None
        assert 0 <= box["x"] < 360
        page.until(f"return {VIEWER}.getActivePanel() === {VIEWER}.getPanelNames()[{at}]")
    assert page.page.locator("nav .changed").count() == 0
    page.page.set_viewport_size({"width": 900, "height": 600})
    page.until(f"return (await {VIEWER}.saveWorkspace()).layout.type === 'split-layout'")


def test_the_moving_average_is_that_of_the_rows(page: History) -> None:
    page.pick("Average")
    page.until(
        f"""const table = await {VIEWER}.getTable();
        const {{ windows }} = await {VIEWER}.save();
        const [name] = Object.keys(windows);
        const view = await table.view({{ columns: ["timestamp", "ticker", "close", name], windows }});
        const rows = await view.to_json();
        await view.delete();
        return rows.length === 1000 && [...new Set(rows.map((row) => row.ticker))].every((ticker) => {{
            const own = rows.filter((row) => row.ticker === ticker).sort((a, b) => a.timestamp - b.timestamp);
            return own.every((row, at) => {{
                const last = own.slice(Math.max(0, at - 9), at + 1).map((each) => each.close);
                return Math.abs(last.reduce((sum, each) => sum + each, 0) / last.length - row[name]) < 1e-6;
            }});
        }});"""
    )
