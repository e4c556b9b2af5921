"""The processes that are measured: started on free ports, and what each and its children have cost."""

import json
import os
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import taosws

from tdengine.connecting import create_tdengine_connection
from tdengine.settings import Settings

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from parts import ROOT, free_port

DOCUMENT = "benchmarks/document_way.py"

TICK = 0.25
"""Seconds between two polls."""


class PartFailed(Exception):
    """A program that is measured has failed. Its text says which."""


@contextmanager
def running(*command: str, ready: str = "", stdin: bool = False) -> Iterator["subprocess.Popen[str]"]:
    """A Python program of the repository, once it has printed a line with `ready`.

    Raises PartFailed where it fails, at the end also: what was measured without it says nothing.
    """
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=None if stdin else subprocess.STDOUT if ready else subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    try:
        while ready and ready not in (line := process.stdout.readline()):
            if not line:
                raise PartFailed(f"{' '.join(command)} has ended")
        if not stdin:
            threading.Thread(target=process.stdout.read, daemon=True).start()
        yield process
        if process.poll():
            raise PartFailed(f"{' '.join(command)} has failed meanwhile")
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def embedded(*options: str) -> Iterator[Settings]:
    """An embedded server, and where its table of trades is or will be."""
    port = free_port()
    with running("-m", "embedded", "--port", str(port), "--log-level", "error", *options, ready="listening"):
        password = os.environ.get("TAOS_PASSWORD") or "taosdata"
        yield Settings("localhost", port, "root", "stocks", "stocks_values", password)


def taos_options(at: Settings) -> list[str]:
    """The options of a script that say where the table is."""
    where = ["--taos-host", at.host, "--taos-port", str(at.port), "--taos-user", at.user]
    return [*where, "--database", at.database, "--table", at.table]


def connect(at: Settings) -> taosws.Connection:
    """A connection on which a call may take long."""
    return create_tdengine_connection(at, timeout=120)


def sql(at: Settings, statement: str) -> list[tuple[Any, ...]]:
    """The rows of a statement, over a connection of its own."""
    connection = connect(at)
    return list(connection.query(statement))


@contextmanager
def served(at: Settings, *options: str, document: bool = False) -> Iterator[tuple[int, int]]:
    """A server over a table: its port and process id."""
    port = free_port()
    command = [DOCUMENT, "serve"] if document else ["perspective_server.py"]
    arguments = [*taos_options(at), "--port", str(port), *options]
    with running(*command, *arguments, ready="serving") as process:
        if document:
            # As a viewer of an empty table can bring Perspective (5.6.1) to a stand at its first update().
            time.sleep(4 * TICK)
        else:
            until(lambda: status(port).get("rows"))
        yield port, process.pid


def tree(pid: int) -> list[int]:
    """A process and all its descendants."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [pid, *(each for child in children for each in tree(int(child)))]


def keep_to(pid: int, cores: Iterable[int]) -> None:
    """Let a process and its descendants run on these cores only, of a machine that may have more.

    Only once they run: where a server of the document's way had one core from its start, its update() came to a stand
    while there were several pivots to keep (perspective-python 5.6.1). Why is not known.
    """
    for each in tree(pid):
        for thread in Path(f"/proc/{each}/task").iterdir():
            os.sched_setaffinity(int(thread.name), cores)


def cpu_seconds(pid: int) -> float:
    """What a process and its descendants have used so far, by Linux's clock of each, which counts nanoseconds."""
    return sum(time.clock_gettime(~each << 3 | 2) for each in tree(pid))


def cpu_shares(pids: Sequence[int], seconds: float) -> list[float]:
    """The cores that each of these processes uses, with its descendants, measured for so long at the same time."""
    began, before = time.monotonic(), [cpu_seconds(pid) for pid in pids]
    time.sleep(seconds)
    used = [cpu_seconds(pid) - at_first for pid, at_first in zip(pids, before, strict=True)]
    return [each / (time.monotonic() - began) for each in used]


def status(port: int) -> dict[str, Any]:
    """What the demo's server says of itself, or nothing."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/status", timeout=5) as answer:
            found: dict[str, Any] = json.load(answer)
            return found
    except OSError:
        return {}


def until(condition: Callable[[], Any], seconds: float = 30) -> None:
    """Wait for it. Raises TimeoutError."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.02)


def machine() -> str:
    """The processor, how many of its cores there are to use, the system and the Python."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "a processor")
    return f"{model}, {len(os.sched_getaffinity(0))} cores, {os.uname().sysname}, Python {sys.version.split()[0]}"
