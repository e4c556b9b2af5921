"""Eight tables live at once, of all kinds and precisions: each is the newest rows of TDengine's, whatever breaks."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest

from conftest import Noted, Start
from faults import Proxy
from parts import Part, children_of, free_port, get_json, sql
from viewers import Viewer
from waiting import eventually

pytestmark = pytest.mark.alone

LIMIT = 200
CHILDREN = 4
RECOVERY_SECONDS = 5.0
WRITTEN = {
    "ms.plain": "CREATE TABLE ms.plain (ts TIMESTAMP, v INT)",
    "ms.keyed": "CREATE TABLE ms.keyed (ts TIMESTAMP, k INT PRIMARY KEY, v INT)",
    "us.meters": "CREATE STABLE us.meters (ts TIMESTAMP, v INT) TAGS (place NCHAR(10))",
    "us.keyed": "CREATE STABLE us.keyed (ts TIMESTAMP, k INT PRIMARY KEY, v INT) TAGS (place NCHAR(10))",
    "ns.meters": "CREATE STABLE ns.meters (ts TIMESTAMP, v INT) TAGS (place NCHAR(10))",
    "ns.plain": "CREATE TABLE ns.plain (ts TIMESTAMP, v INT)",
}
"""The tables that the test writes to; in those with keys or children four rows have each timestamp."""

PRODUCED = {"stocks.stocks_values": "volume", "stocks.stocks_by_ticker": "volume"}
TICKS = {"ms": 10**6, "us": 10**3, "ns": 1}


class Writer(threading.Thread):
    """Writes to all of its tables ten times a second, until it is stopped."""

    def __init__(self, taos_port: int) -> None:
        super().__init__(daemon=True)
        self.taos_port = taos_port
        self.numbers = count()
        self.over = threading.Event()
        self.sent = dict.fromkeys(WRITTEN, 0)

    def run(self) -> None:
        while not self.over.wait(0.1):
            for name, made in WRITTEN.items():
                sql(self.taos_port, self.insert(name, "TAGS" in made, "KEY" in made))

    def insert(self, name: str, children: bool, keyed: bool) -> str:
        """A statement with the rows of one moment, or of four."""
        now = time.time_ns() // TICKS[name[:2]]
        self.sent[name] += CHILDREN
        if not children and not keyed:
            return f"INSERT INTO {name} VALUES " + " ".join(
                f"({now + at}, {next(self.numbers)})" for at in range(CHILDREN)
            )
        values = [f"({now}, {f'{at}, ' if keyed else ''}{next(self.numbers)})" for at in range(CHILDREN)]
        if not children:
            return f"INSERT INTO {name} VALUES " + " ".join(values)
        using = [f"{name}_{at} USING {name} TAGS ('p{at}') VALUES {value}" for at, value in enumerate(values)]
        return "INSERT INTO " + " ".join(using)


@dataclass
class Demo:
    """A server that eight viewers look at, each at a table of its own, over a breakable connection to TDengine."""

    taos_port: int
    proxy: Proxy
    server: Part
    producers: list[Part]
    writer: Writer
    viewers: dict[str, tuple[Viewer, Any]]
    address: str

    def statuses(self) -> dict[str, dict[str, Any]]:
        """How each table is."""
        tables: dict[str, dict[str, Any]] = get_json(self.address + "/status")[1]["tables"]
        return tables

    def live(self, *but: str) -> bool:
        """Whether all tables are live, with rows of the last second, leaving out some."""
        now = time.time() * 1000
        tables = {name: each for name, each in self.statuses().items() if name not in but}
        return all(each["state"] == "live" and now - each["newest"] < 1000 for each in tables.values())

    def shown(self, name: str) -> list[int]:
        """What a viewer has of a table."""
        viewer, view = self.viewers[name]

        async def read() -> list[int]:
            columns = await view.to_columns()
            return list(columns[PRODUCED.get(name, "v")])

        return viewer.call(read())

    def newest(self, name: str) -> list[int]:
        """The same as TDengine has it."""
        column = PRODUCED.get(name, "v")
        time_column = "`timestamp`" if name in PRODUCED else "ts"
        asked = f"SELECT {column} FROM {name} ORDER BY {time_column} DESC LIMIT {LIMIT}"
        return [value for (value,) in sql(self.taos_port, asked)]


@pytest.fixture
def demo(start: Start, taos_port: int) -> Iterator[Demo]:
    for precision in TICKS:
        sql(taos_port, f"CREATE DATABASE {precision} PRECISION '{precision}'")
    for made in WRITTEN.values():
        sql(taos_port, made)
    proxy, port = Proxy(taos_port), free_port()
    slow = ["--taos-port", str(taos_port), "--rows", "50", "--interval", "100"]
    producers = [start("producer.py", *slow), start("producer.py", *slow, "--by-ticker")]
    options = ["--port", str(port), "--taos-port", str(proxy.port), "--limit", str(LIMIT), "--interval", "100"]
    databases = [f"--database={name}" for name in ("stocks", *TICKS)]
    server = start("perspective_server.py", *options, *databases)
    writer = Writer(taos_port)
    writer.start()
    address = f"http://127.0.0.1:{port}"
    eventually(lambda: get_json(address + "/status")[1].get("state") == "live")
    viewers: dict[str, tuple[Viewer, Any]] = {}
    for name in [*PRODUCED, *WRITTEN]:
        viewer = Viewer(address)
        eventually(lambda name=name, viewer=viewer: name in viewer.tables())  # type: ignore[misc]
        table = viewer.call(viewer.client.open_table(name))
        viewers[name] = viewer, viewer.call(table.view())
    demo = Demo(taos_port, proxy, server, producers, writer, viewers, address)
    eventually(lambda: all(each["rows"] == LIMIT for each in demo.statuses().values()) and demo.live(), 30)
    yield demo
    writer.over.set()
    for viewer, _ in viewers.values():
        viewer.close()
    proxy.close()


def wait_for_outage(demo: Demo) -> None:
    eventually(lambda: all(each["state"] == "waiting" for each in demo.statuses().values()), 12)


def kill_feeds(demo: Demo) -> None:
    for feed in children_of(demo.server, "live.feed"):
        os.kill(feed, signal.SIGKILL)
    wait_for_outage(demo)


def silence(demo: Demo) -> None:
    demo.proxy.silence()
    wait_for_outage(demo)
    demo.proxy.recover()


def refuse(demo: Demo) -> None:
    demo.proxy.refuse()
    wait_for_outage(demo)
    demo.proxy.heal()


def test_eight_tables_are_the_newest_rows_whatever_breaks(demo: Demo, noted: Noted) -> None:
    assert len(children_of(demo.server, "live.feed")) == 8
    for what, fault in {"refused": refuse, "silent": silence, "killed feeds": kill_feeds}.items():
        fault(demo)
        began = time.monotonic()
        eventually(demo.live, 20)
        recovery = time.monotonic() - began
        noted(f"eight tables, {what}", f"{recovery:.1f} s", "", "", "")
        assert recovery < RECOVERY_SECONDS, what
    stuck = max(children_of(demo.server, "live.feed"))
    os.kill(stuck, signal.SIGSTOP)
    eventually(lambda: [each["state"] for each in demo.statuses().values()].count("waiting") == 1, 8)
    (late,) = [name for name, each in demo.statuses().items() if each["state"] == "waiting"]
    assert demo.live(late)
    eventually(demo.live, 20)
    demo.writer.over.set()
    demo.writer.join()
    confirmed = {}
    for name, producer in zip(PRODUCED, demo.producers, strict=True):
        assert producer.stop() == 0
        confirmed[name] = int(producer.output.split(" rows sent")[-2].split()[-1].replace(",", ""))
    for name, sent in {**demo.writer.sent, **confirmed}.items():
        ((stored,),) = sql(demo.taos_port, f"SELECT COUNT(*) FROM {name}")
        expected = sorted(demo.newest(name))
        eventually(lambda name=name, expected=expected: sorted(demo.shown(name)) == expected, 8, name)  # type: ignore[misc]
        noted(f"eight tables, {name}", "", str(sent - stored), str(len(demo.shown(name)) - LIMIT), "")
        assert (stored, len(demo.shown(name))) == (sent, LIMIT)
