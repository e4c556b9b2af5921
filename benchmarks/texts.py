"""Write 1000 new kilobyte texts a second into a table that a tab of Chromium shows, and watch everybody's memory.

Perspective's engine keeps each text for ever; server and page make their tables anew before that is too much. Prints
what each process held early, at most and at the end; `--plot FILE` draws it (needs matplotlib). Run it from the root:
`venv/bin/python -m benchmarks.texts`.
"""

import argparse
import json
import random
import string
import sys
import tempfile
import threading
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

from benchmarks.page import renderer_mib
from benchmarks.soak import children

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from parts import Part, free_port, sql
from viewers import FLAGS

WARM_UP_SECONDS = 60.0


def write(taos: int, stop: threading.Event) -> None:
    """A hundred texts ten times a second."""
    chance = random.Random(1)
    while not stop.wait(0.1):
        rows = (f"(NOW + {at}a, '{''.join(chance.choices(string.ascii_letters, k=1000))}')" for at in range(100))
        sql(taos, f"INSERT INTO texts.t VALUES {' '.join(rows)}")


def mib(pid: int) -> float:
    """Resident memory of a process and its children."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.split("VmRSS:")[1].split()[0]) / 1024 + sum(map(mib, children(pid)))


def main() -> int:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--text-limit", default="64", help="as perspective_server.py takes it (64)")
    parser.add_argument("--chromium", default="/usr/bin/chromium", help="browser to use")
    parser.add_argument("--json", type=Path, help="write all samples to this file")
    parser.add_argument("--plot", type=Path, help="draw memory over time into this file")
    options = parser.parse_args()
    samples: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        taos, port = free_port(), free_port()
        embedded = Part(Path(folder) / "embedded.log", "-m", "embedded", "--port", str(taos), "--keep", "1m")
        embedded.says("listening", 60)
        sql(taos, "CREATE DATABASE texts")
        sql(taos, "CREATE TABLE texts.t (ts TIMESTAMP, said VARCHAR(1100))")
        where = ["--taos-port", str(taos), "--database", "texts", "--table", "t", "--text-limit", options.text_limit]
        server = Part(Path(folder) / "server.log", "perspective_server.py", "--port", str(port), *where)
        server.says("serving")
        stop = threading.Event()
        writer = threading.Thread(target=write, args=(taos, stop))
        writer.start()
        browser = playwright.chromium.launch(executable_path=options.chromium, args=FLAGS)
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{port}")
        began = time.monotonic()
        while time.monotonic() - began < options.minutes * 60:
            time.sleep(5)
            page_mib = renderer_mib(browser)
            samples.append({"seconds": time.monotonic() - began, "server": mib(server.process.pid), "page": page_mib})
        stop.set()
        writer.join()
        browser.close()
        server.kill()
        embedded.kill()
    after = [each for each in samples if each["seconds"] > min(WARM_UP_SECONDS, options.minutes * 15)]
    for name in ("server", "page"):
        held = [each[name] for each in after]
        print(f"{name}: {held[0]:.0f} MiB early, {max(held):.0f} at most, {held[-1]:.0f} at the end")
    if options.json:
        options.json.write_text(json.dumps(samples))
    if options.plot:
        import matplotlib.pyplot as plt

        for name in ("server", "page"):
            plt.plot([each["seconds"] / 60 for each in samples], [each[name] for each in samples], label=name)
        plt.xlabel("minutes")
        plt.ylabel("MiB")
        plt.ylim(bottom=0)
        plt.legend()
        plt.savefig(options.plot, dpi=110)
    return 0


if __name__ == "__main__":
    sys.exit(main())
