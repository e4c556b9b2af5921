"""The processes that are measured: started on free ports, and what each and its children have cost."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
TICKS = os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    """A port of loopback that nothing listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def running(*command: str, ready: str = "", stdin: bool = False) -> Iterator["subprocess.Popen[str]"]:
    """A Python program of the repository, once it has printed a line with `ready`."""
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if ready and not stdin else subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    try:
        while ready and ready not in (line := process.stdout.readline()):
            if not line:
                raise RuntimeError(f"{' '.join(command)} has ended")
        if not stdin:
            threading.Thread(target=process.stdout.read, daemon=True).start()
        yield process
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def embedded(*options: str) -> Iterator[int]:
    """The port of an embedded server."""
    port = free_port()
    with running("-m", "embedded", "--port", str(port), "--log-level", "error", *options, ready="listening"):
        yield port


def tree(pid: int) -> list[int]:
    """A process and all its descendants."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [pid, *(each for child in children for each in tree(int(child)))]


def cpu_seconds(pid: int) -> float:
    """What a process and its descendants have used so far."""
    total = 0
    for each in tree(pid):
        fields = Path(f"/proc/{each}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def cpu_share(pid: int, seconds: float) -> float:
    """The cores that a process and its descendants use, measured for so long."""
    began, before = time.monotonic(), cpu_seconds(pid)
    time.sleep(seconds)
    return (cpu_seconds(pid) - before) / (time.monotonic() - began)


def resident_mib(pid: int) -> float:
    """The memory of a process and its descendants."""
    total = 0
    for each in tree(pid):
        line = next(line for line in Path(f"/proc/{each}/status").read_text().splitlines() if line.startswith("VmRSS"))
        total += int(line.split()[1])
    return total / 1024


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
