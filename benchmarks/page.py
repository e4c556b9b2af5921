#!/usr/bin/env python3
"""Measure the page in Chromium: time to the first rows, long tasks and reaction to a key in each view, CPU, memory.

Starts the demo on ports of its own, at its usual 1000 rows a second, and once more with 100 updates a second for the
memory of the page after many of them. Nothing else should run beside it.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from parts import ROOT, free_port

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]

COUNT_MESSAGES = """
    window.messages = 0;
    window.WebSocket = class extends WebSocket {
        constructor(...address) {
            super(...address);
            this.addEventListener("message", () => (window.messages += 1));
        }
    };
"""

FIRST_ROWS = """
    const look = () => {
        const grid = document.querySelector("perspective-viewer-datagrid");
        if (grid?.shadowRoot?.querySelector("td")) window.firstRows ??= performance.now();
        else requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
"""

HIDE = """
    Object.defineProperty(document, "hidden", { get: () => true });
    document.dispatchEvent(new Event("visibilitychange"));
"""
"""As a browser does with a tab in the background, of which a headless one has none."""

MANY = 100_000

SHOWN = "document.querySelector('nav[aria-busy=false]')"


@contextmanager
def demo(*options: str, rows: int, limit: int = 1000) -> Iterator[str]:
    """Run the demo, producer and server with these options; the server's address, once it has all rows."""
    fill = ["--fill", str(limit)] if limit > 1000 else []
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        taos, port = str(free_port()), free_port()
        commands = [
            ("-m", "embedded", "--port", taos, *fill),
            ("producer.py", "--taos-port", taos, "--rows", str(rows), *options),
            ("perspective_server.py", "--taos-port", taos, "--port", str(port), "--limit", str(limit), *options),
        ]
        for number, command in enumerate(commands):
            log = stack.enter_context((Path(folder) / f"{number}.log").open("wb"))
            process = subprocess.Popen([sys.executable, *command], cwd=ROOT, stdout=log, stderr=log)
            stack.callback(process.wait)
            stack.callback(process.terminate)
        address = f"http://127.0.0.1:{port}"
        while status(address).get("rows") != limit:
            time.sleep(0.1)
        yield address


def status(address: str) -> dict[str, Any]:
    """What /status says, or nothing."""
    try:
        with urllib.request.urlopen(address + "/status", timeout=5) as answer:
            found: dict[str, Any] = json.load(answer)
            return found
    except OSError:
        return {}


def first_rows(context: BrowserContext, address: str) -> float:
    """Milliseconds from the start of the navigation to the first rows on the screen."""
    page = context.new_page()
    page.add_init_script(FIRST_ROWS)
    page.goto(address)
    page.wait_for_function("window.firstRows")
    found: float = page.evaluate("window.firstRows")
    page.close()
    return found


def responsiveness(page: Page, key: str, seconds: float) -> dict[str, Any]:
    """In the view of this key: long tasks (ms) and frames while rows flow, and how late a key press is heard (ms)."""
    page.keyboard.press(key)
    page.wait_for_timeout(200)
    page.wait_for_function(SHOWN)
    page.evaluate(
        """() => {
            Object.assign(window, { tasks: [], frames: 0, heard: [] });
            window.observer?.disconnect();
            const note = (list) => tasks.push(...list.getEntries().map((task) => task.duration));
            window.observer = new PerformanceObserver(note);
            window.observer.observe({ type: "longtask" });
            const count = () => { window.frames += 1; requestAnimationFrame(count); };
            if (!window.counting) { window.counting = true; requestAnimationFrame(count); }
            window.onkeydown = (event) => heard.push(performance.now() - event.timeStamp);
        }"""
    )
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        page.keyboard.press("Shift")
        page.wait_for_timeout(97)
    name = page.evaluate("document.querySelector('nav [aria-pressed=true]').value")
    tasks, frames, heard = page.evaluate("[tasks, frames, heard]")
    return {
        "view": name,
        "long_tasks": len(tasks),
        "longest_ms": max(tasks, default=0),
        "frames_per_second": frames / seconds,
        "key_median_ms": median(heard),
        "key_worst_ms": max(heard),
    }


def cpu_seconds(browser: Browser) -> float:
    """What all of the browser's processes have used so far."""
    session = browser.new_browser_cdp_session()
    processes = session.send("SystemInfo.getProcessInfo")["processInfo"]
    session.detach()
    return float(sum(process["cpuTime"] for process in processes))


def cpu_a_minute(browser: Browser, page: Page, seconds: float) -> float:
    """CPU seconds a minute that the browser takes while this page is open, and nothing is done with it."""
    page.wait_for_timeout(1000)
    began, before = time.monotonic(), cpu_seconds(browser)
    page.wait_for_timeout(1000 * seconds)
    return 60 * (cpu_seconds(browser) - before) / (time.monotonic() - began)


def background(browser: Browser, address: str, seconds: float) -> dict[str, float]:
    """CPU seconds a minute of the page in the dashboard, the grid, and hidden; beside those of an empty page."""
    context = browser.new_context(bypass_csp=True, viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.goto(address)
    page.wait_for_function(SHOWN)
    found = {}
    for name, key in (("dashboard", "1"), ("grid", "2")):
        page.keyboard.press(key)
        page.wait_for_timeout(200)
        page.wait_for_function(SHOWN)
        found[name] = cpu_a_minute(browser, page, seconds)
    page.emulate_media(reduced_motion="reduce")  # as animations stand still in the background, too
    page.evaluate(HIDE)
    found["hidden"] = cpu_a_minute(browser, page, seconds)
    page.goto("about:blank")
    found["an empty page"] = cpu_a_minute(browser, page, seconds)
    context.close()
    return found


def many_rows(browser: Browser, seconds: float) -> tuple[dict[str, Any], float, float]:
    """With very many rows: the grid's long tasks and the rest, CPU seconds a minute, and MiB."""
    with demo(rows=250, limit=MANY) as address:
        context = browser.new_context(bypass_csp=True, viewport={"width": 1440, "height": 900})
        page = context.new_page()
        page.goto(address)
        page.wait_for_function(SHOWN, timeout=60_000)
        page.keyboard.press("2")
        page.wait_for_timeout(200)
        page.wait_for_function(SHOWN)
        cpu = cpu_a_minute(browser, page, seconds)
        found = responsiveness(page, "2", seconds), cpu, renderer_mib(browser)
        context.close()
        return found


def renderer_mib(browser: Browser) -> float:
    """Resident memory of the largest renderer process, its workers included: that of the page."""
    session = browser.new_browser_cdp_session()
    processes = session.send("SystemInfo.getProcessInfo")["processInfo"]
    session.detach()
    pids = [process["id"] for process in processes if process["type"] == "renderer"]
    texts = [Path(f"/proc/{pid}/status").read_text() for pid in pids]
    return max(int(text.split("VmRSS:")[1].split()[0]) for text in texts) / 1024


def memory(browser: Browser, address: str, updates: list[int]) -> list[float]:
    """MiB that the page holds after so many updates each, garbage collected. Linux only."""
    context = browser.new_context(bypass_csp=True)
    page = context.new_page()
    page.add_init_script(COUNT_MESSAGES)
    page.goto(address)
    page.wait_for_function(SHOWN)
    session = context.new_cdp_session(page)
    held = []
    for count in updates:
        page.wait_for_function(f"window.messages >= {count}", timeout=0)
        session.send("HeapProfiler.collectGarbage")
        held.append(renderer_mib(browser))
    context.close()
    return held


def main() -> int:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chromium", default=os.environ.get("CHROMIUM") or "/usr/bin/chromium", help="browser to use")
    parser.add_argument("--seconds", type=float, default=8.0, help="to watch each view for")
    parser.add_argument("--updates", type=int, default=5000, help="after which memory is measured again")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=options.chromium, args=FLAGS)
        figures: dict[str, Any] = {}
        with demo(rows=250) as address:
            cold, warm = [], []
            for _ in range(5):
                context = browser.new_context(bypass_csp=True)
                cold.append(first_rows(context, address))
                warm.append(first_rows(context, address))
                context.close()
            figures["first_rows_ms"] = {"without the files": median(cold), "with them": median(warm)}
            print(f"first rows: {median(cold):.0f} ms without the files, {median(warm):.0f} ms with them (median of 5)")
            context = browser.new_context(bypass_csp=True, viewport={"width": 1440, "height": 900})
            page = context.new_page()
            page.goto(address)
            page.wait_for_function(SHOWN)
            keys = page.locator("nav button").count()
            figures["views"] = [responsiveness(page, str(key), options.seconds) for key in range(1, keys + 1)]
            context.close()
            figures["cpu_seconds_a_minute"] = background(browser, address, options.seconds)
        grid, cpu, mib = many_rows(browser, options.seconds)
        figures["many_rows"] = {**grid, "cpu_seconds_a_minute": cpu, "memory_mib": mib}
        figures["views"].append({**grid, "view": f"{MANY:,}"})
        figures["cpu_seconds_a_minute"][f"grid of {MANY:,} rows"] = cpu
        print(f"{'view':10}{'long tasks':>12}{'longest':>10}{'frames/s':>10}{'key: median':>13}{'worst':>9}")
        for view in figures["views"]:
            print(
                f"{view['view']:10}{view['long_tasks']:>12}{view['longest_ms']:>7.0f} ms"
                f"{view['frames_per_second']:>10.0f}{view['key_median_ms']:>10.1f} ms{view['key_worst_ms']:>6.0f} ms"
            )
        for name, seconds in figures["cpu_seconds_a_minute"].items():
            print(f"{name}: {seconds:.1f} CPU seconds a minute")
        print(f"memory with {MANY:,} rows: {mib:.0f} MiB")
        with demo("--interval", "10", rows=10) as address:
            held = memory(browser, address, [options.updates // 10, options.updates])
        figures["memory_mib"] = held
        print(f"memory: {held[0]:.0f} MiB after {options.updates // 10} updates, {held[1]:.0f} after {options.updates}")
        browser.close()
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
