#!/usr/bin/env python3
"""Make the README's pictures anew: the views from the running demo, the architecture from imgs/architecture.svg.

Start `venv/bin/python -m embedded --fill 4000000` first, then ./run.sh: history is pictured as well.
"""

import argparse
import os
from datetime import datetime
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

HERE = Path(__file__).parent

PICTURES = {
    "dashboard": ("Dashboard", "dark"),
    "dashboard-light": ("Dashboard", "light"),
    "grid": ("Grid", "dark"),
    "candles": ("Candles", "dark"),
    "treemap": ("Treemap", "light"),
    "heat-map": ("Heat map", "dark"),
    "lines": ("Lines", "light"),
}
"""The view and the colours of each picture, by its file's name."""


def draw(browser: Browser) -> None:
    """Make a JPEG of the architecture's drawing, twice as large, for sharp screens."""
    page = browser.new_page(viewport={"width": 1525, "height": 560}, device_scale_factor=2)
    page.goto((HERE / "architecture.svg").as_uri())
    page.screenshot(path=HERE / "tdengine_prsp_architecture.jpg", type="jpeg", quality=88)
    page.close()


def photograph(browser: Browser, address: str) -> None:
    """Open the page, choose each view, and save what it looks like."""
    # The page's Content-Security-Policy forbids the code that Playwright waits with.
    context = browser.new_context(bypass_csp=True, viewport={"width": 1200, "height": 720})
    page = context.new_page()
    page.goto(address)
    page.locator("nav[aria-busy=false]").wait_for()
    for file, (view, colours) in PICTURES.items():
        page.emulate_media(color_scheme="dark" if colours == "dark" else "light")
        page.locator(f"nav button[value='{view}']").click()
        page.wait_for_timeout(500)
        page.locator("nav[aria-busy=false]").wait_for()
        page.locator("#state[data-state=live]").wait_for()
        page.mouse.move(0, 0)
        page.wait_for_timeout(1500)
        page.evaluate("document.activeElement.blur()")
        page.screenshot(path=HERE / f"{file}.png")
    browse(page)


def browse(page: Page) -> None:
    """Save what history looks like: candles of the day that `--fill` made, without the producer's own random prices."""
    page.locator("#mode button[value=history]").click()
    page.locator("nav[aria-busy=false]").wait_for()
    now = page.evaluate("Date.now()")
    times = [datetime.fromtimestamp(now / 1000 - hours * 3600).isoformat(timespec="seconds") for hours in (7, 1)]
    page.locator("#ranges button[value='']").click()
    for name, time in zip(("from", "to"), times, strict=True):
        page.locator(f"#between input[name={name}]").fill(time)
    page.locator("#between button").click()
    page.locator("nav[aria-busy=false]").wait_for()
    page.locator("nav button[value=Candles]").click()
    page.wait_for_timeout(500)
    page.locator("nav[aria-busy=false]").wait_for()
    page.wait_for_timeout(1500)
    page.screenshot(path=HERE / "history.png")


def main() -> None:
    """Open Chromium and make the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--address", default="http://localhost:8080", help="of the server")
    parser.add_argument("--only-architecture", action="store_true", help="leave the views as they are")
    parser.add_argument(
        "--chromium", default=os.environ.get("CHROMIUM") or "/usr/bin/chromium", help="the browser to use"
    )
    options = parser.parse_args()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=options.chromium, args=["--no-sandbox", "--disable-gpu"])
        draw(browser)
        if not options.only_architecture:
            photograph(browser, options.address)
        browser.close()


if __name__ == "__main__":
    main()
