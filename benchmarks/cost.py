"""What serving costs, in CPU time of all of a server's processes: a tick, a viewer, and how both grow."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from itertools import pairwise
from statistics import median, quantiles
from typing import Any

from benchmarks.figures import Note
from benchmarks.processes import (
    TICK,
    connect,
    cpu_shares,
    keep_to,
    running,
    served,
    sql,
    taos_options,
    until,
)
from benchmarks.target import database
from tdengine.settings import Settings

CHECK = 5.0
"""Every so many seconds the demo's server reads all that it shows: what is measured lasts so long, or multiples."""

FRESH = 1000.0
"""How old in ms a row may be on arrival, in 99 of 100 cases."""

Load = list["subprocess.Popen[str]"]


@contextmanager
def load(port: int, count: int, pivot: bool = False) -> Iterator[Load]:
    """So many viewers of a server: of those with a pivot up to 100 in a process, of others all."""
    with ExitStack() as stack:
        processes = []
        most = 100 if pivot else count
        for first in range(0, count, most):
            options = ["--viewers", str(min(most, count - first)), *(["--pivot"] if pivot else [])]
            command = ["benchmarks/load.py", f"ws://127.0.0.1:{port}/websocket", *options]
            processes.append(stack.enter_context(running(*command, stdin=True)))
        until(lambda: sum(ask(each)["viewers"] for each in processes) == count, 60)
        yield processes


def ask(process: "subprocess.Popen[str]") -> dict[str, Any]:
    """What a load process has seen since it was last asked."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    seen: dict[str, Any] = json.loads(process.stdout.readline())
    return seen


def ticks(pids: Sequence[int], seconds: float, repeats: int) -> list[list[float]]:
    """For each of these processes, CPU of one tick in ms, so often."""
    shares = [cpu_shares(pids, seconds) for _ in range(repeats)]
    return [[1000 * TICK * share for share in each] for each in zip(*shares, strict=True)]


@contextmanager
def both() -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """The document's server and ours, over the same table, to which 1000 rows a second come."""
    with (
        database() as at,
        running("producer.py", *taos_options(at)),
        served(at, document=True) as document,
        served(at) as ours,
    ):
        yield document, ours


def tick(note: Note, quick: bool) -> None:
    """CPU of one tick while 1000 rows a second come, with one viewer; then of each further viewer."""
    repeats = 3 if quick else 5
    with both() as (document, ours), load(document[0], 1, pivot=True), load(ours[0], 1):
        pids = [document[1], ours[1]]
        cpu_shares(pids, 1)
        alone = ticks(pids, CHECK, repeats)
        note("CPU of one tick, 1000 rows/s, one viewer", "ms", *alone)
        more = 20, 100
        with load(document[0], more[0], pivot=True), load(ours[0], more[1]):
            cpu_shares(pids, 1)
            together = ticks(pids, CHECK / 2 if quick else CHECK, repeats)
        further = [
            [(with_them - median(before)) / count for with_them in after]
            for before, after, count in zip(alone, together, more, strict=True)
        ]
        note("CPU of each further viewer and tick", "ms", *further)


def viewers(note: Note, quick: bool) -> None:
    """How many viewers a server on one core serves before their rows are old; viewers have the other cores."""
    ladders = ((100, 200), (2000,)) if quick else ((50, 100, 150, 200, 300, 400), (100, 400, 2000))
    seconds, repeats = (1.0, 3) if quick else (5, 4)
    served_by_one = []
    for document, ladder in zip((True, False), ladders, strict=True):
        found: list[tuple[int, list[float]]] = []
        for count in ladder:
            share, ages = crowd(count, document, seconds, repeats)
            found.append((count, ages))
            if not document:
                note(f"cores that {count} viewers take", "cores", [], share)
                note(f"age of a row on arrival, {count} viewers, p99", "ms", [], ages)
            if median(ages) > 2 * FRESH:
                break
        served_by_one.append([most([(count, ages[repeat]) for count, ages in found]) for repeat in range(repeats)])
    note("viewers that one core serves, rows at most 1 s old (p99)", "viewers", *served_by_one, better="more")


def crowd(count: int, document: bool, seconds: float, repeats: int) -> tuple[list[float], list[float]]:
    """With so many viewers of a server on one core: the part that it takes, and the p99 of its rows' age in ms."""
    options = [] if document else ["--max-viewers", str(count)]
    with (
        database() as at,
        running("producer.py", *taos_options(at)),
        served(at, *options, document=document) as (port, pid),
        load(port, count - 1, pivot=document) as others,
        load(port, 1) as looking,
    ):
        cores = sorted(os.sched_getaffinity(0))
        keep_to(pid, cores[:1])
        for each in (*others, *looking):
            keep_to(each.pid, cores[1:] or cores)
        cpu_shares([pid], 0.5 if seconds < 5 else 2)
        shares, ages = [], []
        for _ in range(repeats):
            for each in (*others, *looking):
                ask(each)
            shares += cpu_shares([pid], seconds)
            seen = [age for each in (*others, *looking) for age in ask(each)["ages"]]
            ages.append(quantiles(seen, n=100)[98] if len(seen) > 1 else 1000 * seconds)
    return shares, ages


def most(found: list[tuple[int, float]]) -> float:
    """The number of viewers at which rows are just fresh enough, on the line between two that were tried."""
    before: tuple[int, float] = (0, 0.0)
    for count, age in found:
        if age > FRESH:
            return before[0] + (count - before[0]) * (FRESH - before[1]) / (age - before[1])
        before = count, age
    return before[0]


Setting = AbstractContextManager[tuple[Settings, int]]
"""A demo to measure: where its table is, and the process id of its server."""


def growth(note: Note, quick: bool) -> None:
    """CPU of a tick as there are more rows stored, more rows a second, more columns, a larger table.

    There is one viewer, and 1000 rows a second come unless it is their number that grows.
    """
    series: list[tuple[str, list[int], Callable[[int], Setting]]] = [
        ("rows stored", [10_000, 100_000, 1_000_000, 10_000_000], lambda rows: filled(rows)),
        ("rows/s sent", [100, 1000, 10_000, 100_000], flowing),
        ("columns", [5, 20, 50, 200], wide),
        ("rows shown", [1000, 3000, 10_000, 100_000], lambda limit: filled(200_000, "--limit", str(limit))),
    ]
    for name, points, setting in series:
        # Quick: the first and the third or the last of them, at the same time.
        groups = [[points[0], points[-1 if name == "columns" else 2]]] if quick else [[point] for point in points]
        for group in groups:
            with ExitStack() as stack:
                settings = [stack.enter_context(setting(point)) for point in group]
                cpu_shares([pid for _, pid in settings], 1)
                counts = [[count(at) for at, _ in settings]] if name == "rows/s sent" else []
                found: list[list[float]] = [[] for _ in group]
                for _ in range(1 if quick else 2):
                    for values, (value,) in zip(found, ticks([pid for _, pid in settings], CHECK, 1), strict=True):
                        values.append(value)
                    counts += [[count(at) for at, _ in settings]] if counts else []
            for place, (point, values) in enumerate(zip(group, found, strict=True)):
                at: float = point
                if counts:
                    came = [(after[place] - before[place]) / CHECK for before, after in pairwise(counts)]
                    note(f"rows that came, {point:,} {name}", "rows/s", [], came)
                    at = median(came)
                note(f"CPU of one tick, {point:,} {name}", "ms", [], values, series=name, at=at)


def count(at: Settings) -> int:
    """The rows that are stored."""
    return int(sql(at, f"SELECT COUNT(*) FROM {at.full_name}")[0][0])


@contextmanager
def filled(rows: int, *options: str) -> Iterator[tuple[Settings, int]]:
    """So many rows of the last day, and 1000 more a second."""
    with (
        database(fill=rows) as at,
        running("producer.py", *taos_options(at)),
        served(at, *options) as (port, pid),
        load(port, 1),
    ):
        yield at, pid


@contextmanager
def flowing(rate: int) -> Iterator[tuple[Settings, int]]:
    """So many rows a second, if producer and TDengine keep up with it."""
    with (
        database(precision="us") as at,
        running("producer.py", *taos_options(at), "--rows", str(rate // 4), "--precision", "us"),
        served(at) as (port, pid),
        load(port, 1),
    ):
        yield at, pid


@contextmanager
def wide(columns: int) -> Iterator[tuple[Settings, int]]:
    """A table of so many columns, of floats but for the first."""
    with database() as trades:
        at = replace(trades, table="wide")
        declared = ", ".join(f"c{number} FLOAT" for number in range(columns - 1))
        connect(at).execute(f"CREATE TABLE {at.full_name} (`timestamp` TIMESTAMP, {declared})")
        with (
            running("benchmarks/wide.py", str(columns), *taos_options(at), ready="writing"),
            served(at) as (port, pid),
            load(port, 1),
        ):
            yield at, pid
