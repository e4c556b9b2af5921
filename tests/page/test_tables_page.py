"""Every table of the server on the page, by hand: the list, live and History of each, and all at once."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext

from history_page import Demo, History, new_context, running_demo
from parts import children_of, get_json, sql
from viewers import ARTEFACTS, PRESSED, VIEWER, Viewer, chromium, looked_at
from waiting import eventually

MADE = [
    "CREATE DATABASE power PRECISION 'us'",
    "CREATE STABLE power.meters (ts TIMESTAMP, current FLOAT) TAGS (place NCHAR(10))",
    "INSERT INTO power.kitchen USING power.meters TAGS ('kitchen') VALUES (NOW, 1) (NOW - 1s, 2)",
    "INSERT INTO power.cellar USING power.meters TAGS ('cellar') VALUES (NOW, 3)",
    "CREATE TABLE power.`odd # name/ä.b` (ts TIMESTAMP, x INT)",
    "INSERT INTO power.`odd # name/ä.b` VALUES (NOW, 42)",
    "CREATE DATABASE hidden",
    "CREATE TABLE hidden.secret (ts TIMESTAMP, x INT)",
    "CREATE DATABASE stocks",
    *(f"CREATE TABLE stocks.t{number} (ts TIMESTAMP, x INT)" for number in range(9)),
]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A server of two databases, which shows four tables live at a time, and rows that come to one of them."""
    offered = ["--database", "stocks", "--database", "power", "--max-tables", "4"]
    with running_demo(tmp_path_factory.mktemp("tables"), MADE, *offered, shown=1) as demo:
        yield demo


@pytest.fixture(scope="module")
def context() -> Iterator[BrowserContext]:
    with chromium() as browser:
        made = new_context(browser)
        made.add_init_script(looked_at("Rows", "stocks.stocks_values"))
        yield made


@pytest.fixture
def page(context: BrowserContext, demo: Demo) -> Iterator[History]:
    """The page of a new visitor. No test may leave a problem logged."""
    watched = History(context)
    watched.page.goto(demo.address)
    watched.drawn()
    yield watched
    watched.page.close()
    assert watched.problems == []


def names(page: History) -> list[str]:
    """What the list has, indented where it is in something else."""
    return [text.strip() for text in page.page.locator("#tables .values").inner_text().splitlines() if text.strip()]


def shown(page: History) -> str:
    """What is on the screen, once it is."""
    page.drawn()
    return f"{page.text('#table')} {page.text('#mode [aria-pressed=true]')} {page.page.evaluate(PRESSED)}"


def test_the_list_has_all_that_is_offered_by_database_super_tables_first(page: History) -> None:
    page.list_tables("meters")
    listed = names(page)
    assert listed[0] == "stocks"
    power = listed[listed.index("power") :]
    assert power == ["power", "meters", "2 children", "odd # name/ä.b"]
    assert "secret" not in listed
    page.page.locator("#tables summary", has_text="2 children").click()
    assert names(page)[-4:] == ["2 children", "cellar", "kitchen", "odd # name/ä.b"]
    page.page.screenshot(path=ARTEFACTS / "tables-list.png")
    page.page.locator("#tables input").fill("KIT")
    page.until("return document.querySelectorAll('#tables a').length === 1")
    assert names(page) == ["power", "kitchen"]
    page.page.keyboard.press("Escape")
    assert page.page.locator("#tables .values").is_hidden()


def test_a_table_is_live_after_a_click_and_can_be_linked_to(page: History, demo: Demo) -> None:
    page.table("meters")
    assert shown(page) == "power.meters Live Dashboard"
    page.state("power.meters live")
    page.rows("c.current.length === 3 && c.place.includes('cellar')")
    sql(demo.taos_port, "INSERT INTO power.kitchen VALUES (NOW, 77)")
    page.rows("c.current.includes(77)")
    page.pick("Rows")
    link = page.page.url
    assert link.endswith("#live=meters/Rows/power")
    page.page.go_back()
    page.page.go_back()
    page.until("return document.querySelector('#table').textContent === 'stocks.stocks_values'")
    assert shown(page) == "stocks.stocks_values Live Rows"
    page.page.goto(link)
    page.until("return document.querySelector('#table').textContent === 'power.meters'")
    assert shown(page) == "power.meters Live Rows"
    page.page.reload()
    page.until("return document.querySelector('#table').textContent === 'power.meters'")
    assert shown(page) == "power.meters Live Rows"


@pytest.mark.parametrize("table", ["odd # name/ä.b", "meters"])
def test_live_and_history_lead_to_each_other_of_the_same_table(page: History, table: str) -> None:
    page.table(table)
    page.go("#mode [value=history]")
    page.until("return location.hash.startsWith('#history')")
    assert shown(page).startswith(f"power.{table} History")
    assert page.count() > 0
    page.page.reload()
    page.until("return document.querySelector('#mode [value=history][aria-pressed=true]')")
    assert shown(page).startswith(f"power.{table} History")
    page.go("#mode [value=live]")
    page.until("return location.hash.startsWith('#live')")
    assert shown(page).startswith(f"power.{table} Live")
    page.rows("Object.values(c)[0].length > 0")


def test_a_child_is_a_table_like_any_other(page: History) -> None:
    page.list_tables("meters")
    page.page.locator("#tables summary", has_text="2 children").click()
    page.page.locator("#tables a", has_text="cellar").click()
    page.state("power.cellar live")
    page.rows("c.place.every((place) => place === 'cellar')")
    page.go("#mode [value=history]")
    page.until("return location.hash.startsWith('#history')")
    assert shown(page).startswith("power.cellar History")


def test_over_the_bound_the_page_says_so_and_shows_what_it_did(page: History, demo: Demo) -> None:
    others = [Viewer(demo.address) for _ in range(3)]
    for number, viewer in enumerate(others):
        table = viewer.call(viewer.client.open_table(f"stocks.t{number}"))
        viewer.call(table.view())
    page.list_tables("t3")
    page.page.locator("#tables a", has_text=re.compile("^t3$")).click()
    page.note("4 tables are looked at already, as many as this server shows at a time (--max-tables)")
    page.drawn()
    page.state("stocks.stocks_values live")
    others.pop().close()
    page.table("t3")
    page.state("stocks.t3 live")
    for viewer in others:
        viewer.close()


@pytest.mark.parametrize("place", ["live=secret//hidden", "history=secret/1h//hidden", "live=gone/Rows"])
def test_a_link_to_what_is_not_offered_leads_to_what_is(page: History, demo: Demo, place: str) -> None:
    page.page.goto(f"{demo.address}/#{place}")
    page.note("not offered")
    page.drawn()
    page.state("stocks.stocks_values live")


def test_twenty_switches_leave_nothing_behind(page: History, demo: Demo) -> None:
    for number in range(20):
        page.table(["meters", "odd # name/ä.b"][number % 2])
        page.rows("Object.values(c)[0].length > 0")
    assert len(children_of(demo.server, "live.feed")) <= 4
    eventually(lambda: get_json(demo.address + "/status")[1]["viewers"] == 1)
    replicas = f"(async () => await (await {VIEWER}.getClient()).get_hosted_table_names())()"
    eventually(lambda: page.page.evaluate(replicas) == ["power.odd # name/ä.b"])


def test_all_tables_at_once_say_how_they_are_and_lead_to_each(page: History, demo: Demo) -> None:
    page.page.locator("#mode [value=tables]").click()
    page.page.locator("#overview tr td").first.wait_for()
    rows = {row.split("\t")[0]: row.split("\t")[1:3] for row in page.text("#overview").splitlines()[1:] if "\t" in row}
    assert set(rows) >= {"stocks.stocks_values", "power.meters super table", "power.odd # name/ä.b"}
    assert not any("hidden" in name or "kitchen" in name for name in rows)
    assert rows["stocks.t8"] == ["0", "no rows"]
    eventually(lambda: re.search(r"stocks_values\t(\d+)", page.text("#overview"))[1] not in ("0", ""), 20)  # type: ignore[index]
    lines = "return document.querySelectorAll('#overview polyline').length"
    assert page.until(lines) >= 3
    page.page.screenshot(path=ARTEFACTS / "tables-overview.png")
    assert page.barriers() == []
    page.page.locator("#overview a", has_text="power.meters").click()
    page.until("return document.querySelector('#table').textContent === 'power.meters'")
    assert shown(page).startswith("power.meters Live")
    page.page.go_back()
    page.page.locator("#overview").wait_for()
    page.page.locator("#mode [value=live]").click()
    page.page.locator("#overview").wait_for(state="hidden")
    assert shown(page).startswith("power.meters Live")


def test_the_tables_fit_a_narrow_window(page: History) -> None:
    width = 360
    page.page.set_viewport_size({"width": width, "height": 740})
    page.list_tables("meters")
    page.inside("#tables .values", width)
    page.page.keyboard.press("Escape")
    page.page.locator("#mode [value=tables]").click()
    page.page.locator("#overview tr td").first.wait_for()
    assert page.page.evaluate("document.documentElement.scrollWidth") == width
    page.page.screenshot(path=ARTEFACTS / f"tables-width-{width}.png")
