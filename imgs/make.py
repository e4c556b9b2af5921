#!/usr/bin/env python3
"""Take the README's pictures anew, from the running demo: `./run.sh` first, then `venv/bin/python imgs/make.py`."""

import argparse
import os
from pathlib import Path

from playwright.sync_api import sync_playwright

HERE = Path(__file__).parent


def main() -> None:
    """Open the page in Chromium, wait for its rows, and save what it looks like."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--address", default="http://localhost:8080", help="of the server")
    parser.add_argument(
        "--chromium", default=os.environ.get("CHROMIUM", "/usr/bin/chromium"), help="the browser to use"
    )
    options = parser.parse_args()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=options.chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1200, "height": 720})
        page.goto(options.address)
        page.locator("#state.live").wait_for()
        page.locator("perspective-viewer-datagrid td").first.wait_for()
        page.wait_for_timeout(2000)
        page.screenshot(path=HERE / "grid.png")
        browser.close()


if __name__ == "__main__":
    main()
