"""A writer that does everything a writer can, and a viewer that must show the newest rows after each thing it did."""

import random
import time
from typing import Any

import pytest

from conftest import Start
from parts import free_port, get_json, sql
from viewers import Viewer
from waiting import eventually

LIMIT = 60
ROUNDS = 75

Rows = list[tuple[Any, ...]]


class Writer:
    """Random inserts, late inserts, overwrites and deletes of rows that are at most a second old."""

    def __init__(self, taos_port: int, seed: int) -> None:
        self.taos_port = taos_port
        self.random = random.Random(seed)
        self.value = 0

    def write(self) -> str:
        """Do one of them; what it was."""
        now = time.time_ns() // 10**6
        recent = [
            time for (time,) in sql(self.taos_port, f"SELECT CAST(ts AS BIGINT) FROM test.t WHERE ts > {now - 800}")
        ]
        what = self.random.choice(["insert", "burst", "late", "overwrite", "delete"]) if recent else "insert"
        if what == "insert":
            self.insert([now])
        elif what == "burst":
            self.insert(range(now - self.random.randint(1, 3 * LIMIT), now))
        elif what == "late":
            self.insert([now - self.random.randint(1, 700)])
        elif what == "overwrite":
            self.insert(self.random.sample(recent, min(3, len(recent))))
        else:
            first, last = sorted(self.random.choices(recent, k=2))
            sql(self.taos_port, f"DELETE FROM test.t WHERE ts >= {first} AND ts <= {last}")
        return what

    def insert(self, times: Any) -> None:
        rows = []
        for moment in times:
            self.value += 1
            rows.append(f"({moment}, {self.value}, {self.random.choice(['NULL', repr('汉字')])})")
        sql(self.taos_port, "INSERT INTO test.t VALUES " + " ".join(rows))

    def newest(self) -> Rows:
        columns = "CAST(ts AS BIGINT), v, s"
        rows = sql(self.taos_port, f"SELECT {columns} FROM test.t ORDER BY ts DESC LIMIT {LIMIT}")
        return [tuple(row) for row in reversed(rows)]


@pytest.mark.parametrize("seed", [1, 2])
def test_the_viewer_shows_the_newest_rows_whatever_is_written(start: Start, taos_port: int, seed: int) -> None:
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    sql(taos_port, "CREATE DATABASE test")
    sql(taos_port, "CREATE TABLE test.t (ts TIMESTAMP, v INT, s NCHAR(4))")
    options = ["--database", "test", "--table", "t", "--limit", str(LIMIT), "--interval", "10"]
    start("perspective_server.py", "--port", str(port), "--taos-port", str(taos_port), *options)
    eventually(lambda: get_json(address + "/status")[0] == 200)
    writer, viewer = Writer(taos_port, seed), Viewer(address)
    done = []

    def shown() -> Rows:
        return list(zip(*viewer.columns().values(), strict=True))

    for _ in range(ROUNDS):
        done.append([writer.write() for _ in range(writer.random.randint(1, 3))])
        expected = writer.newest()
        eventually(lambda expected=expected: shown() == expected, 8, f"after {done[-3:]}")  # type: ignore[misc]
    viewer.close()
    assert len({what for round_ in done for what in round_}) == 5
