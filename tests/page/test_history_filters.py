"""Filters of History, set by hand: by typing into the viewer's own panel."""

from collections.abc import Iterator
from contextlib import suppress

import pytest
from playwright.sync_api import Browser, Locator, ViewportSize

from attacked import Target, demo
from parts import sql
from viewers import VIEWER, Watched, chromium, looked_at


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    with demo(tmp_path_factory.mktemp("filters")) as target:
        yield target


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def history(browser: Browser, target: Target) -> Iterator[Watched]:
    """History, with the viewer's panel open. Nothing that it logs may be a problem."""
    size: ViewportSize = {"width": 1300, "height": 800}
    watched = Watched(browser.new_context(bypass_csp=True, reduced_motion="reduce", viewport=size))
    watched.page.add_init_script(looked_at("Rows", "stocks.stocks_values", "history stocks.stocks_values"))
    watched.page.goto(target.address)
    watched.drawn()
    watched.page.locator("#mode button[value=history]").click()
    watched.drawn()
    watched.page.evaluate(f"{VIEWER}.toggleConfig(true)")
    yield watched
    watched.context.close()
    assert watched.problems == []


def place(history: Watched, section: str) -> Locator:
    """Where a column's name can be typed in a section of the panel."""
    return history.page.locator(f"perspective-viewer #{section} input.column-empty-input")


def add(history: Watched, section: str, typed: str) -> None:
    """Type the beginning of a column's name there, and take what is suggested."""
    place(history, section).click()
    place(history, section).press_sequentially(typed)
    place(history, section).press("Enter")


def filters(history: Watched, expected: str, seconds: float = 20) -> None:
    """Wait until the view is filtered so."""
    history.until(f"return JSON.stringify((await {VIEWER}.save()).filter) === JSON.stringify({expected})", seconds)


def shown(history: Watched) -> int:
    """How many rows there are in the view."""
    count: int = history.page.evaluate(f"(async () => (await (await {VIEWER}.getView()).num_rows()))()")
    return count


@pytest.mark.parametrize("column", ["open", "timestamp", "volume"])
def test_a_column_can_be_filtered_by_before_its_value_is_typed(history: Watched, column: str) -> None:
    add(history, "filter", column)
    filters(history, f'[["{column}", "==", null]]')
    history.drawn()
    assert shown(history) > 0
    assert history.text("#mode [aria-pressed=true]") == "History"
    assert history.text("#note") == "" or not history.page.locator("#note").is_visible()


def test_a_number_that_is_typed_filters(history: Watched, target: Target) -> None:
    add(history, "filter", "volume")
    filters(history, '[["volume", "==", null]]')
    history.page.locator("perspective-viewer #filter select").first.select_option(">")
    filters(history, '[["volume", ">", null]]')
    history.drawn()
    value = history.page.locator("perspective-viewer #filter input:not(.column-empty-input)").first
    for seconds in (
        5,
        5,
        20,
    ):  # the viewer asks at each key, and on a busy machine may draw its panel over the next one
        value.click(click_count=3)
        value.press_sequentially("90000")
        value.press("Enter")
        with suppress(AssertionError):
            filters(history, '[["volume", ">", 90000]]', seconds)
            break
    filters(history, '[["volume", ">", 90000]]', 1)
    end = history.until(
        f"const view = await {VIEWER}.getView(); const {{ filter }} = await view.get_config();"
        "return JSON.stringify(filter).includes('90000') && (await view.num_rows()) && Date.now()"
    )
    stored = sql(
        target.taos_port, f"SELECT COUNT(*) FROM stocks.stocks_values WHERE volume > 90000 AND `timestamp` < {end}"
    )
    assert 0 < shown(history) <= stored[0][0]


def test_a_text_columns_own_values_are_suggested(history: Watched, target: Target) -> None:
    add(history, "filter", "tick")
    filters(history, '[["ticker", "==", null]]')
    value = history.page.locator("perspective-viewer #filter input:not(.column-empty-input)").first
    value.click()
    value.press_sequentially("AAP")
    history.until(
        """const walk = (root) => [...root.querySelectorAll("*")].some((each) =>
            (each.childElementCount === 0 && each.textContent.trim() === "AAPL.N" && !each.closest("td")
                && each.tagName !== "TD" && each.tagName !== "TH") || (each.shadowRoot && walk(each.shadowRoot)));
        return walk(document)"""
    )
    value.press("Enter")
    filters(history, '[["ticker", "==", "AAPL.N"]]')
    tickers = history.page.evaluate(
        f"(async () => (await (await {VIEWER}.getView()).to_columns({{ start_row: 0, end_row: 50 }})).ticker)()"
    )
    assert set(tickers) == {"AAPL.N"}


def test_text_that_is_no_column_and_no_expression_breaks_nothing(history: Watched) -> None:
    for section in ("group_by", "sort", "filter"):
        place(history, section).click()
        place(history, section).press_sequentially('"open" + nonsense(')
        place(history, section).press("Enter")
        place(history, section).press("Escape")
    history.drawn()
    assert history.page.locator("perspective-viewer #settings_panel").is_visible()
    assert history.text("#mode [aria-pressed=true]") == "History"
    assert not history.page.locator("#note").is_visible()
    assert shown(history) > 0
