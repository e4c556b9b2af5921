"""Faults: what breaks, what each part says meanwhile, and that nothing is lost or doubled once it is mended."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from conftest import Noted, Start
from faults import Proxy
from parts import ROOT, Part, free_port, get_json, sql
from viewers import Viewer
from waiting import eventually

pytestmark = pytest.mark.alone

RECOVERY_SECONDS = 5.0
STALL_MS = 100.0
OUTAGE_MS = 4000.0
"""How long TDengine is away: longer than the client's own attempts to come back."""


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

    def age_ms(self) -> float:
        """The age of the newest row that is shown."""
        newest: int = self.status["newest"]
        return time.time() * 1000 - newest

    def is_live(self) -> bool:
        """Live, with rows of the last second."""
        return self.status["state"] == "live" and self.age_ms() < 1000

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
    command = [sys.executable, str(ROOT / "tests/pinger.py"), address.replace("http", "ws") + "/websocket"]
    pinger = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert pinger.stdout is not None
    assert pinger.stdout.readline() == "pinging\n"
    return pinger


def make_demo(start: Start, taos_port: int) -> Iterator[Demo]:
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
    demo.pinger.wait()


@pytest.fixture
def demo(start: Start, taos_port: int) -> Iterator[Demo]:
    yield from make_demo(start, taos_port)


@pytest.fixture
def durable(start: Start, tmp_path: Path) -> Iterator[tuple[Demo, Part, list[str]]]:
    """A demo over an embedded server that keeps its data in a file, that server, and the command that starts it."""
    port = free_port()
    command = ["-m", "embedded", "--port", str(port), "--data", str(tmp_path / "data.duckdb")]
    embedded = start(*command)
    embedded.says("listening")
    for demo in make_demo(start, port):
        yield demo, embedded, command


@dataclass(frozen=True)
class Fault:
    """A way to fail, and how it ends."""

    begin: Callable[[Proxy], None]
    end: Callable[[Proxy], None] = Proxy.heal


FAULTS = {
    "refuses connections": Fault(Proxy.refuse),
    "accepts and never answers": Fault(Proxy.hang),
    "goes silent in mid-query": Fault(Proxy.silence),
    "goes silent and answers late": Fault(Proxy.silence, Proxy.recover),
    "loses answers": Fault(Proxy.lose, Proxy.recover),
    "breaks off in mid-fetch": Fault(lambda proxy: proxy.cut(3000)),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_nothing_is_lost_or_doubled_when_tdengine(demo: Demo, fault: str, noted: Noted) -> None:
    FAULTS[fault].begin(demo.proxy)
    eventually(lambda: demo.status["state"] == "waiting", 8)
    eventually(lambda: demo.age_ms() > OUTAGE_MS)
    assert (demo.status["state"], demo.status["rows"]) == ("waiting", 1000)
    assert demo.status["error"]
    FAULTS[fault].end(demo.proxy)
    check_recovery(demo, f"TDengine {fault}", noted)


def check_recovery(demo: Demo, what: str, noted: Noted, seconds: float = RECOVERY_SECONDS) -> None:
    """Rows flow again in time, no viewer has noticed, and the rows are all there, once."""
    began = time.monotonic()
    eventually(demo.is_live, 20)
    recovery = time.monotonic() - began
    stall = demo.longest_stall_ms()
    lost, twice = check_mirror(demo)
    noted(what, f"{recovery:.1f} s", str(lost), str(twice), f"{stall:.0f} ms")
    assert (lost, twice) == (0, 0)
    assert recovery < seconds
    assert stall < STALL_MS


def check_mirror(demo: Demo) -> tuple[int, int]:
    """Stop the producer; rows confirmed but not stored, and rows shown twice. The viewer's are the newest 1000."""
    confirmed = demo.confirmed_rows()
    assert "dropped" not in demo.producer.output
    stored = sql(demo.taos_port, "SELECT COUNT(*) FROM stocks.stocks_values")[0][0]
    columns = "CAST(`timestamp` AS BIGINT), ticker, volume"
    query = f"SELECT {columns} FROM stocks.stocks_values ORDER BY `timestamp` DESC LIMIT 1000"
    newest = [tuple(row) for row in reversed(sql(demo.taos_port, query))]
    viewer = Viewer(demo.address)

    def shown() -> list[tuple[Any, ...]]:
        columns = viewer.columns()
        return list(zip(columns["timestamp"], columns["ticker"], columns["volume"], strict=True))

    try:
        eventually(lambda: shown() == newest)
        return confirmed - stored, len(newest) - len(set(newest))
    finally:
        viewer.close()


def test_rows_that_tdengine_has_confirmed_survive_its_being_killed(
    durable: tuple[Demo, Part, list[str]], noted: Noted
) -> None:
    demo, embedded, command = durable
    embedded.kill()
    eventually(lambda: demo.status["state"] == "waiting", 8)
    demo.start(*command).says("listening")
    check_recovery(demo, "TDengine is killed", noted)


def test_slow_answers_slow_nobody_else_down(demo: Demo, noted: Noted) -> None:
    demo.proxy.slow(0.4)
    eventually(lambda: demo.age_ms() > 1500)
    demo.proxy.heal()
    check_recovery(demo, "TDengine answers slowly", noted)


def feed_of(demo: Demo) -> int:
    """The process id of the server's feed."""
    children = Path(f"/proc/{demo.server.process.pid}/task/{demo.server.process.pid}/children")
    return int(children.read_text().split()[0])


def test_a_feed_that_is_killed_is_replaced(demo: Demo, noted: Noted) -> None:
    os.kill(feed_of(demo), signal.SIGKILL)
    eventually(lambda: demo.status["state"] == "waiting", 5)
    check_recovery(demo, "the feed is killed", noted)


def test_a_feed_that_is_stuck_is_ended_and_replaced(demo: Demo, noted: Noted) -> None:
    os.kill(feed_of(demo), signal.SIGSTOP)
    eventually(lambda: demo.status["state"] == "waiting", 5)
    check_recovery(demo, "the feed is stuck", noted, seconds=10)


def test_a_feed_does_not_outlive_a_server_that_is_killed(demo: Demo) -> None:
    feed = Path(f"/proc/{feed_of(demo)}")
    os.kill(demo.server.process.pid, signal.SIGKILL)
    demo.server.wait()
    eventually(lambda: not feed.exists(), 5)


def test_ctrl_c_ends_the_producer_within_a_second_while_tdengine_hangs(demo: Demo) -> None:
    demo.proxy.hang()
    eventually(lambda: demo.age_ms() > 1500)
    began = time.monotonic()
    assert demo.producer.stop(signal.SIGINT) == 0
    assert demo.server.stop(signal.SIGINT) == 0
    assert time.monotonic() - began < 2.4
    assert "Traceback" not in demo.producer.output + demo.server.output


def test_what_does_not_fit_the_producers_buffer_is_counted_and_nothing_else_is_lost(
    start: Start, taos_port: int
) -> None:
    proxy = Proxy(taos_port)
    producer = start("producer.py", "--taos-port", str(proxy.port), "--rows", "20", "--interval", "20")
    eventually(lambda: stored_rows(taos_port) > 100)
    proxy.refuse()
    producer.says("waiting for TDengine")
    time_of_refusal = time.monotonic()
    eventually(lambda: time.monotonic() - time_of_refusal > 240 * 0.020 + 0.5)
    proxy.heal()
    producer.says("TDengine answers again")
    newest = "SELECT CAST(LAST(`timestamp`) AS BIGINT) FROM stocks.stocks_values"
    eventually(lambda: time.time() * 1000 - sql(taos_port, newest)[0][0] < 300, 30)
    assert producer.stop() == 0, producer.output
    proxy.close()
    total = producer.output.splitlines()[-1]
    confirmed, dropped = (
        int(re.search(rf"([\d,]+) rows {what}", total)[1].replace(",", ""))  # type: ignore[index]
        for what in ("sent", "dropped")
    )
    assert "waiting" not in total
    assert confirmed == stored_rows(taos_port)
    first, last = sql(taos_port, "SELECT FIRST(`timestamp`), LAST(`timestamp`) FROM stocks.stocks_values")[0]
    span = datetime.fromisoformat(last) - datetime.fromisoformat(first)
    assert confirmed + dropped == span // timedelta(milliseconds=1) + 1


def stored_rows(taos_port: int) -> int:
    """How many rows the demo's table has; none where there is no table yet."""
    try:
        count: int = sql(taos_port, "SELECT COUNT(*) FROM stocks.stocks_values")[0][0]
    except AssertionError:
        return 0
    return count
