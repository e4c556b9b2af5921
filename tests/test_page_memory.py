"""What the page holds while updates come and come. benchmarks/page.py does the same for longer."""

from benchmarks.page import demo, memory
from viewers import chromium


def test_the_pages_memory_does_not_grow_with_the_updates() -> None:
    with demo("--interval", "10", rows=10) as address, chromium() as browser:
        early, late = memory(browser, address, [150, 750])
    assert late < 1.1 * early
