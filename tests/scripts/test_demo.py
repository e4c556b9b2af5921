"""The demo from producer to viewer, each part a process of its own, over the embedded server."""

import re
import signal
import struct
import time
from typing import Any

import pytest

from conftest import Start
from parts import confirmed, free_port, get_json, sql
from viewers import Viewer
from waiting import eventually

COLUMNS = "CAST(`timestamp` AS BIGINT), ticker, client, open, high, low, close, volume, CAST(`date` AS BIGINT)"


@pytest.fixture
def viewer(server: str) -> Any:
    viewer = Viewer(server)
    yield viewer
    viewer.close()


def newest(taos_port: int, limit: int = 1000) -> list[tuple[Any, ...]]:
    rows = sql(taos_port, f"SELECT {COLUMNS} FROM stocks.stocks_values ORDER BY `timestamp` DESC LIMIT {limit}")
    return [(*row[:3], *map(single, row[3:7]), *row[7:]) for row in reversed(rows)]


def single(value: float) -> float:
    """A FLOAT as it is: REST prints as few digits as tell it from other FLOATs."""
    exact: float = struct.unpack("f", struct.pack("f", value))[0]
    return exact


def shown(viewer: Viewer) -> list[tuple[Any, ...]]:
    return list(zip(*viewer.columns().values(), strict=True))


def test_the_viewer_shows_exactly_the_newest_1000_rows_of_tdengine(
    start: Start, taos_port: int, server: str, viewer: Viewer
) -> None:
    producer = start("producer.py", "--taos-port", str(taos_port))
    eventually(lambda: get_json(server + "/status")[1].get("rows") == 1000)
    eventually(lambda: get_json(server + "/status")[1]["rows_read"] > 2000)
    rows = shown(viewer)
    times = [row[0] for row in rows]
    assert len(rows) == 1000
    assert times == sorted(set(times))
    assert producer.stop() == 0
    assert confirmed(producer) == sql(taos_port, "SELECT COUNT(*) FROM stocks.stocks_values")[0][0]
    expected = newest(taos_port)
    eventually(lambda: shown(viewer) == expected)


def test_rows_flow_at_the_rate_that_was_asked_for(start: Start, taos_port: int) -> None:
    options = ["--rows", "100", "--interval", "100", "--batches", "30"]
    producer = start("producer.py", "--taos-port", str(taos_port), *options)
    assert producer.wait() == 0
    assert confirmed(producer) == 3000
    times = [row[0] for row in newest(taos_port, 4000)]
    assert times == list(range(times[0], times[0] + 3000))


def test_status_says_what_is_shown(start: Start, taos_port: int, server: str, viewer: Viewer) -> None:
    start("producer.py", "--taos-port", str(taos_port), "--batches", "6").wait()
    last = newest(taos_port, 1)[0][0]
    eventually(lambda: get_json(server + "/status")[1]["newest"] == last)
    code, status = get_json(server + "/status")
    assert code == 200
    tables = status.pop("tables")
    of_all = {"viewers": 1, "now": status["now"]}
    assert status == {
        "state": "live",
        "error": None,
        "table": "stocks.stocks_values",
        "rows": 1000,
        "polls": status["polls"],
        "rows_read": status["rows_read"],
        "rows_per_second": status["rows_per_second"],
        "newest": last,
        "ahead": 0,
        "tags": [],
        "renamed": {},
        **of_all,
    }
    own = {name: value for name, value in status.items() if name not in of_all}
    assert tables == {"stocks.stocks_values": {**own, "viewers": 0}}
    assert 1000 <= status["rows_read"] <= 1500


def test_large_volumes_and_any_letters_reach_the_viewer(
    taos_port: int, server: str, start: Start, viewer: Viewer
) -> None:
    start("producer.py", "--taos-port", str(taos_port), "--batches", "1").wait()
    now = time.time_ns() // 10**6
    values = f"{now}, 'Zürich汉', 'Ünal', 1, 2, 0.5, 1.5, 4000000000, {now}"
    sql(taos_port, f"INSERT INTO stocks.stocks_values VALUES ({values})")
    eventually(lambda: 4_000_000_000 in viewer.columns().get("volume", []))
    row = {name: values[-1] for name, values in viewer.columns().items()}
    assert row == {
        "timestamp": now,
        "ticker": "Zürich汉",
        "client": "Ünal",
        "open": 1,
        "high": 2,
        "low": 0.5,
        "close": 1.5,
        "volume": 4_000_000_000,
        "date": now,
    }


def test_server_and_producer_wait_for_a_tdengine_that_is_not_there_yet(start: Start) -> None:
    taos_port, port = free_port(), free_port()
    server = start("perspective_server.py", "--port", str(port), "--taos-port", str(taos_port))
    producer = start("producer.py", "--taos-port", str(taos_port))
    server.says("waiting for TDengine")
    producer.says("waiting for TDengine")
    code, status = get_json(f"http://127.0.0.1:{port}/status")
    assert (code, status["state"]) == (503, "waiting")
    start("-m", "embedded", "--port", str(taos_port)).says("listening")
    eventually(lambda: get_json(f"http://127.0.0.1:{port}/status")[1].get("rows") == 1000, 20)
    before = re.sub(r"\d+", "", server.output.partition(": live")[0])
    reasons = re.findall("waiting for TDengine: (.*)", before)
    assert sorted(reasons) == sorted(set(reasons)), "a reason is said once"
    outages = producer.output.count("waiting for TDengine")
    assert outages == producer.output.count("TDengine answers again"), "an outage is said once, not each attempt"


@pytest.mark.alone
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_sigterm_end_every_part_within_a_second_and_in_order(
    start: Start, taos_port: int, number: signal.Signals
) -> None:
    port = free_port()
    server = start("perspective_server.py", "--port", str(port), "--taos-port", str(taos_port))
    producer = start("producer.py", "--taos-port", str(taos_port))
    eventually(lambda: get_json(f"http://127.0.0.1:{port}/status")[1].get("rows"))
    for part in (producer, server):
        began = time.monotonic()
        assert part.stop(number) == 0, part.output
        assert time.monotonic() - began < 1.2
        assert "Traceback" not in part.output
