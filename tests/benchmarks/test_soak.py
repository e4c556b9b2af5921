"""A short version of benchmarks/soak.py: nothing grows, and the mirror is right in the end."""

import asyncio
import signal
from pathlib import Path
from typing import Any

from benchmarks import soak
from parts import sql
from viewers import Viewer
from waiting import eventually

SECONDS = 12.0
GROWTH_KIB = 12 * 1024
GROWTH_EMBEDDED_KIB = 48 * 1024
"""It is killed again and again: on a slow machine an early sample finds it before it has its usual size."""

GROWTH_THREADS = 2
"""The client's thread pool has one or two more while it connects again."""


def test_kills_of_the_database_and_viewers_that_come_and_go_leave_nothing_behind(tmp_path: Path) -> None:
    run = soak.Soak(tmp_path)
    try:
        asyncio.run(run.run(SECONDS, restart_every=3.5))
        assert run.restarts >= 3
        assert run.visits > 10
        run.processes["producer"].send_signal(signal.SIGTERM)
        assert run.processes["producer"].wait(10) == 0
        eventually(lambda: run.status().get("viewers") == 0)
        assert shown(run) == newest(run)
    finally:
        codes = run.stop()
    assert set(codes.values()) == {0}
    held = soak.growth(run.samples, SECONDS)
    assert set(held) == {"embedded", "producer", "producer's worker", "server", "feed"}
    for name, grown in held.items():
        for what, (early, late) in grown.items():
            memory = GROWTH_EMBEDDED_KIB if name == "embedded" else GROWTH_KIB
            allowed = {"rss_kib": memory, "files": 10, "threads": GROWTH_THREADS}.get(what, 0)
            assert late <= early + allowed, (name, what, early, late)


def shown(run: soak.Soak) -> list[tuple[Any, ...]]:
    """What a viewer sees once it is what the feed has read last."""
    last = newest(run)[-1][0]
    eventually(lambda: run.status().get("newest") == last)
    viewer = Viewer(f"http://127.0.0.1:{run.port}")
    try:
        columns = viewer.columns()
        return list(zip(columns["timestamp"], columns["ticker"], columns["volume"], strict=True))
    finally:
        viewer.close()


def newest(run: soak.Soak) -> list[tuple[Any, ...]]:
    columns = "CAST(`timestamp` AS BIGINT), ticker, volume"
    query = f"SELECT {columns} FROM stocks.stocks_values ORDER BY `timestamp` DESC LIMIT 1000"
    return [tuple(row) for row in reversed(sql(run.taos_port, query))]
