#!/usr/bin/env python3
"""Run the demo for long and hard, and watch the memory, files, threads and children of each of its processes.

Polls every 20 ms, kills and restarts the embedded server from time to time, and lets viewers come and go. Prints what
each process held early and at the end, and writes the course of it as JSON; `--plot FILE` draws it (needs matplotlib).
"""

import argparse
import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import perspective
from tornado.websocket import websocket_connect

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from parts import ROOT, free_port
from waiting import eventually

INTERVAL_MS = 20
WARM_UP = 0.25
"""Share of the run after which a process has all that it is going to need."""


@dataclass(frozen=True)
class Sample:
    """What one process holds at a moment: resident memory in KiB, open files, threads, child processes."""

    seconds: float
    name: str
    rss_kib: int
    files: int
    threads: int
    children: int


def children(pid: int) -> list[int]:
    """The child processes of a process."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def sample(name: str, pid: int, seconds: float) -> Sample:
    """What a process holds now. Raises OSError where it has ended."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    files = len(os.listdir(f"/proc/{pid}/fd"))
    return Sample(seconds, name, int(status["VmRSS"].split()[0]), files, int(status["Threads"]), len(children(pid)))


class Soak:
    """The demo's processes on ports of their own, its viewers, and the samples taken of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.taos_port, self.port = free_port(), free_port()
        self.samples: list[Sample] = []
        self.restarts = 0
        self.visits = 0
        self.began = time.monotonic()
        taos = ["--taos-port", str(self.taos_port), "--interval", str(INTERVAL_MS)]
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.start_embedded()
        self.start("producer", "producer.py", "--rows", "20", *taos)
        self.start("server", "perspective_server.py", "--port", str(self.port), *taos)

    def start(self, name: str, *command: str) -> None:
        """Start one of the processes."""
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen([sys.executable, *command], cwd=ROOT, stdout=log, stderr=log)

    def start_embedded(self) -> None:
        """Start the embedded server, over a file, so that a kill loses nothing."""
        data = str(self.folder / "data.duckdb")
        self.start("embedded", "-m", "embedded", "--port", str(self.taos_port), "--data", data, "--keep", "1m")

    def restart_embedded(self) -> None:
        """Kill it and start it again."""
        self.processes["embedded"].kill()
        self.processes["embedded"].wait()
        self.start_embedded()
        self.restarts += 1

    def status(self) -> dict[str, Any]:
        """What /status says, or nothing."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/status", timeout=5) as answer:
                found: dict[str, Any] = json.load(answer)
                return found
        except OSError:
            return {}

    async def visit(self, seconds: float) -> None:
        """A viewer that makes a replica's view, reads it, follows it for a while, and leaves without a word."""
        self.visits += 1
        socket_ = await websocket_connect(f"ws://127.0.0.1:{self.port}/websocket", max_message_size=2**26)

        async def send(message: bytes) -> None:
            await socket_.write_message(message, binary=True)

        async def close() -> None:
            socket_.close()

        client = perspective.AsyncClient(send, close)

        async def read() -> None:
            while isinstance(message := await socket_.read_message(), bytes):
                await client.handle_response(message)

        reading = asyncio.ensure_future(read())
        try:
            names = await asyncio.wait_for(client.get_hosted_table_names(), 10)
            if names:
                view = await (await client.open_table(names[0])).view()
                await view.on_update(lambda *_, **__: None, mode="row")
                await view.to_arrow()
            await asyncio.sleep(seconds)
        finally:
            socket_.close()
            await reading

    def take_samples(self) -> None:
        """Sample every process, the feed and the producer's worker included."""
        seconds = time.monotonic() - self.began
        pids = {name: process.pid for name, process in self.processes.items()}
        for parent, name in (("server", "feed"), ("producer", "producer's worker")):
            for pid in children(pids[parent])[:1]:
                pids[name] = pid
        for name, pid in pids.items():
            try:
                self.samples.append(sample(name, pid, seconds))
            except OSError:
                continue

    async def run(self, seconds: float, restart_every: float) -> None:
        """Let it run from its first rows on, sampling five times a second. Fails where none come in 60 s."""
        eventually(lambda: self.status().get("rows"), 60)
        self.began = time.monotonic()
        visitors: set[asyncio.Task[None]] = set()
        next_restart = restart_every
        while (elapsed := time.monotonic() - self.began) < seconds:
            if elapsed > next_restart:
                next_restart += restart_every
                await asyncio.to_thread(self.restart_embedded)
            visitors = {task for task in visitors if not task.done()}
            if len(visitors) < 8 and self.status().get("rows"):
                visitors.add(asyncio.create_task(self.visit(random.uniform(0.1, 3))))
            self.take_samples()
            await asyncio.sleep(0.2)
        for task in visitors:
            task.cancel()
        await asyncio.gather(*visitors, return_exceptions=True)

    def stop(self) -> dict[str, int]:
        """End all processes in order; their exit codes."""
        codes = {}
        for name in ("producer", "server", "embedded"):
            self.processes[name].send_signal(signal.SIGTERM)
            codes[name] = self.processes[name].wait(10)
        return codes


def growth(samples: list[Sample], seconds: float) -> dict[str, dict[str, tuple[int, int]]]:
    """For each process: memory (KiB), files, threads, children, each at its highest early after warm-up and at the end.

    "Early" is the second quarter of the run, "at the end" its last.
    """
    found: dict[str, dict[str, tuple[int, int]]] = {}
    for name in sorted({each.name for each in samples}):
        mine = [asdict(each) for each in samples if each.name == name]
        early = [each for each in mine if WARM_UP * seconds <= each["seconds"] < 2 * WARM_UP * seconds]
        late = [each for each in mine if each["seconds"] >= (1 - WARM_UP) * seconds]
        if early and late:
            found[name] = {
                what: (max(each[what] for each in early), max(each[what] for each in late))
                for what in ("rss_kib", "files", "threads", "children")
            }
    return found


def plot(samples: list[Sample], path: Path) -> None:
    """Draw memory over time, a line a process."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(9, 4.5))
    for name in sorted({each.name for each in samples}):
        mine = [each for each in samples if each.name == name]
        axes.plot([each.seconds / 60 for each in mine], [each.rss_kib / 1024 for each in mine], label=name)
    axes.set(xlabel="minutes", ylabel="resident memory (MiB)", ylim=(0, None))
    axes.legend(ncols=5, loc="lower center", bbox_to_anchor=(0.5, 1), frameon=False)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def main() -> int:
    """Run it and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--restart-every", type=float, default=45.0, metavar="SECONDS", help="of the embedded server")
    parser.add_argument("--json", type=Path, help="write all samples to this file")
    parser.add_argument("--plot", type=Path, help="draw memory over time into this file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        soak = Soak(Path(folder))
        try:
            asyncio.run(soak.run(options.minutes * 60, options.restart_every))
        finally:
            codes = soak.stop()
    print(f"{soak.visits} viewers came and went, the database was killed {soak.restarts} times; exit codes {codes}")
    print(f"{'process':20}{'memory, early':>16}{'at the end':>13}{'files':>12}{'threads':>12}{'children':>12}")
    for name, held in growth(soak.samples, options.minutes * 60).items():
        memory = [f"{kib / 1024:.0f} MiB" for kib in held["rss_kib"]]
        rest = [f"{before} → {after}" for before, after in (held["files"], held["threads"], held["children"])]
        print(f"{name:20}{memory[0]:>16}{memory[1]:>13}{rest[0]:>12}{rest[1]:>12}{rest[2]:>12}")
    if options.json:
        options.json.write_text(json.dumps([asdict(each) for each in soak.samples]))
    if options.plot:
        plot(soak.samples, options.plot)
    return 0


if __name__ == "__main__":
    sys.exit(main())
