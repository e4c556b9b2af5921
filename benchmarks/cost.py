"""What serving costs, in CPU time of all of a server's processes: a tick, a viewer, and how both grow."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from statistics import quantiles

import taosws

from benchmarks.data import SEED, Note, create
from benchmarks.processes import cpu_share, embedded, free_port, running, status, until

TICK = 0.25


@contextmanager
def load(port: int, count: int, pivot: bool = False) -> Iterator["list[subprocess.Popen[str]]"]:
    """So many viewers of a server, in processes of up to 200 each."""
    with ExitStack() as stack:
        processes = []
        for first in range(0, count, 200):
            options = ["--viewers", str(min(200, count - first)), *(["--pivot"] if pivot else [])]
            command = ["benchmarks/load.py", f"ws://127.0.0.1:{port}/websocket", *options]
            processes.append(stack.enter_context(running(*command, stdin=True)))
        until(lambda: all(json.loads(ask(each))["updates"] > 0 for each in processes), 60)
        yield processes


def ask(process: "subprocess.Popen[str]") -> str:
    """What a load process has seen since it was last asked."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    return process.stdout.readline()


@contextmanager
def served(taos: int, *options: str, seed: bool = False) -> Iterator[tuple[int, int]]:
    """A server over a TDengine at `taos`: its port and process id."""
    port = free_port()
    command = [SEED, "serve"] if seed else ["perspective_server.py"]
    with running(*command, "--taos-port", str(taos), "--port", str(port), *options, ready="serving") as process:
        if not seed:
            until(lambda: status(port).get("rows"))
        yield port, process.pid


def tick(note: Note, quick: bool) -> None:
    """CPU of one tick while 1000 rows a second come, with one viewer."""
    seconds, repeats = (4, 2) if quick else (15, 3)
    with embedded() as taos:
        create(taos)
        with running("producer.py", "--taos-port", str(taos)):
            found = []
            for seed in (True, False):
                with served(taos, seed=seed) as (port, pid), load(port, 1, pivot=seed):
                    cpu_share(pid, 1)
                    found.append([1000 * TICK * cpu_share(pid, seconds) for _ in range(repeats)])
    note("CPU of one tick, 1000 rows/s, one viewer", "ms", *found)


def viewers(note: Note, quick: bool) -> None:
    """CPU for each viewer and tick, and how old rows are when many viewers are sent them."""
    seconds = 4 if quick else 12
    with embedded() as taos:
        create(taos)
        with running("producer.py", "--taos-port", str(taos)):
            slopes = []
            for seed, counts in ((True, (1, 20)), (False, (1, 100))):
                shares = []
                for count in counts:
                    with served(taos, seed=seed) as (port, pid), load(port, count, pivot=seed):
                        shares.append(cpu_share(pid, seconds))
                slopes.append([1000 * TICK * (shares[1] - shares[0]) / (counts[1] - counts[0])])
            note("CPU of each further viewer and tick", "ms", *slopes)
            for count in (100, 400) if quick else (1, 50, 100, 200, 400):
                with served(taos) as (port, pid), load(port, count) as processes:
                    for each in processes:
                        ask(each)
                    share = cpu_share(pid, seconds)
                    ages = [age for each in processes for age in json.loads(ask(each))["ages"]]
                note(f"cores that {count} viewers take", "cores", [], [share])
                if len(ages) > 1:
                    p99 = quantiles(ages, n=100)[98]
                    note(f"age of a row on arrival, {count} viewers, p99", "ms", [], [p99])


def growth(note: Note, quick: bool) -> None:
    """CPU of a tick as there are more rows stored, more rows a second, more columns, a larger table."""
    seconds = 3 if quick else 8
    for rows in (10_000, 1_000_000) if quick else (10_000, 100_000, 1_000_000, 10_000_000):
        with embedded("--fill", str(rows)) as taos, running("producer.py", "--taos-port", str(taos)):
            one(note, taos, f"CPU of one tick, {rows:,} rows stored", seconds)
    for rate in (100, 10_000) if quick else (100, 1_000, 10_000, 100_000):
        with embedded() as taos:
            batch = max(1, rate // 4)
            options = ["--taos-port", str(taos), "--rows", str(batch), "--precision", "us"]
            with running("producer.py", *options):
                one(note, taos, f"CPU of one tick, {rate:,} rows/s", seconds)
    for count in (5, 200) if quick else (5, 20, 50, 200):
        with embedded() as taos:
            wide(taos, count)
            writer = "benchmarks/wide.py"
            with running(writer, str(taos), str(count), ready="writing"):
                options = ["--database", "wide", "--table", "t"]
                one(note, taos, f"CPU of one tick, {count} columns", seconds, *options)
    for limit in (1_000, 10_000) if quick else (1_000, 10_000, 100_000):
        with embedded("--fill", "200000") as taos, running("producer.py", "--taos-port", str(taos)):
            one(note, taos, f"CPU of one tick, {limit:,} rows shown", seconds, "--limit", str(limit))


def one(note: Note, taos: int, what: str, seconds: float, *options: str) -> None:
    """Measure the demo's server over what is there."""
    with served(taos, *options) as (port, pid), load(port, 1):
        cpu_share(pid, 1)
        note(what, "ms", [], [1000 * TICK * cpu_share(pid, seconds)])


def wide(port: int, columns: int) -> None:
    """A table of so many columns of floats."""
    connection = taosws.connect(host="localhost", port=port, user="root", password="taosdata")
    connection.execute("CREATE DATABASE wide")
    declared = ", ".join(f"c{number} FLOAT" for number in range(columns - 1))
    connection.execute(f"CREATE TABLE wide.t (`timestamp` TIMESTAMP, {declared})")
