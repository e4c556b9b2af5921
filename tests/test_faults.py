"""Faults: what breaks, what each part says meanwhile, and that nothing is lost or doubled once it is mended."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from conftest import Start
from faults import Proxy
from parts import Part, free_port, get_json, sql
from viewers import Viewer
from waiting import eventually

RECOVERY_SECONDS = 5.0
STALL_MS = 100.0


@dataclass
class Demo:
    """All of the demo with a breakable connection between TDengine and the rest, and a viewer that pings."""

    start: Start
    taos_port: int
    proxy: Proxy
    producer: Part
    server: Part
    address: str
    pinger: "subprocess.Popen[str]"

    @property
    def status(self) -> dict[str, Any]:
        return get_json(self.address + "/status")[1]

    def is_live(self) -> bool:
        """Live, with rows of the last second."""
        status = self.status
        return status.get("state") == "live" and time.time() * 1000 - (status["newest"] or 0) < 1000

    def longest_stall_ms(self) -> float:
        assert self.pinger.stdin is not None
        assert self.pinger.stdout is not None
        self.pinger.stdin.close()
        return float(self.pinger.stdout.readlines()[-1])

    def confirmed_rows(self) -> int:
        """Stop the producer; the rows that it says TDengine has confirmed."""
        assert self.producer.stop() == 0, self.producer.output
        return int(self.producer.output.split(" rows sent")[-2].split()[-1].replace(",", ""))


def ping(address: str) -> "subprocess.Popen[str]":
    command = [sys.executable, str(Path(__file__).with_name("pinger.py")), address.replace("http", "ws") + "/websocket"]
    pinger = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert pinger.stdout is not None
    assert pinger.stdout.readline() == "pinging\n"
    return pinger


@pytest.fixture
def demo(start: Start, taos_port: int) -> Iterator[Demo]:
    proxy = Proxy(taos_port)
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    taos = ["--taos-port", str(proxy.port)]
    server = start("perspective_server.py", "--port", str(port), *taos)
    producer = start("producer.py", *taos)
    eventually(lambda: get_json(address + "/status")[1].get("rows") == 1000, 20)
    demo = Demo(start, taos_port, proxy, producer, server, address, ping(address))
    yield demo
    proxy.close()
    demo.pinger.kill()
    demo.pinger.communicate()


FAULTS: dict[str, Callable[[Proxy], None]] = {
    "refuses connections": Proxy.refuse,
    "accepts and never answers": Proxy.hang,
    "goes silent in mid-query": Proxy.silence,
    "breaks off in the middle of a fetch": lambda proxy: proxy.cut(3000),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_nothing_is_lost_or_doubled_when_tdengine(demo: Demo, fault: str, report: Callable[..., None]) -> None:
    FAULTS[fault](demo.proxy)
    if "breaks" not in fault:
        eventually(lambda: demo.status["state"] == "waiting", 8)
        assert demo.status["error"]
        assert demo.status["rows"] == 1000
    demo.proxy.heal()
    healed = time.monotonic()
    eventually(demo.is_live, 15)
    recovery = time.monotonic() - healed
    eventually(lambda: "rows waiting" not in demo.producer.output.splitlines()[-1])
    stall = demo.longest_stall_ms()
    check_mirror(demo)
    report(fault, recovery=recovery, stall=stall)
    assert recovery < RECOVERY_SECONDS
    assert stall < STALL_MS


def check_mirror(demo: Demo) -> None:
    """Rows confirmed are rows stored, and the viewer's are the newest of them."""
    assert demo.confirmed_rows() == sql(demo.taos_port, "SELECT COUNT(*) FROM stocks.stocks_values")[0][0]
    assert "dropped" not in demo.producer.output
    columns = "CAST(`timestamp` AS BIGINT), ticker, volume"
    query = f"SELECT {columns} FROM stocks.stocks_values ORDER BY `timestamp` DESC LIMIT 1000"
    newest = [tuple(row) for row in reversed(sql(demo.taos_port, query))]
    viewer = Viewer(demo.address)

    def shown() -> list[tuple[Any, ...]]:
        columns = viewer.columns()
        return list(zip(columns["timestamp"], columns["ticker"], columns["volume"], strict=True))

    try:
        eventually(lambda: shown() == newest)
    finally:
        viewer.close()


def test_a_feed_that_is_killed_is_replaced(demo: Demo) -> None:
    children = subprocess.run(["pgrep", "-P", str(demo.server.process.pid)], capture_output=True, text=True, check=True)
    os.kill(int(children.stdout.split()[0]), signal.SIGKILL)
    eventually(lambda: demo.status["state"] == "waiting", 5)
    eventually(demo.is_live, RECOVERY_SECONDS)
    assert demo.longest_stall_ms() < STALL_MS
    check_mirror(demo)


def test_a_stopped_feed_is_ended_and_replaced(demo: Demo) -> None:
    children = subprocess.run(["pgrep", "-P", str(demo.server.process.pid)], capture_output=True, text=True, check=True)
    os.kill(int(children.stdout.split()[0]), signal.SIGSTOP)
    eventually(lambda: demo.status["state"] == "waiting", 5)
    eventually(demo.is_live, 20)
    assert demo.longest_stall_ms() < STALL_MS
    check_mirror(demo)
