"""The server's child processes: begun in one way, and counted where they end by themselves."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parent.parent

MODULES = ("live.feed", "live.engine", "history.worker")

deaths: Counter[str] = Counter()
"""How many of each module's have ended, or had to be ended, without being told to by whoever runs the server."""

_begun: dict[str, list[Process]] = {}


async def begin(
    module: str,
    *options: str,
    stdin: int | IO[bytes] | None = None,
    stdout: int | IO[bytes] | None = asyncio.subprocess.PIPE,
    stderr: int | IO[bytes] | None = None,
) -> Process:
    """Run a module of this program as a child. Raises OSError where descriptors, processes or memory are wanting."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, *options), cwd=ROOT, stdin=stdin, stdout=stdout, stderr=stderr
    )
    others = [each for each in _begun.get(module, []) if each.returncode is None]
    _begun[module] = [*others, process]
    return process


def kill(process: Process) -> None:
    """End a child, where it has not ended, and leave how it ended to be told.

    Not with its own `kill`: that first asks whether it has ended and, where it has, takes its status away from asyncio,
    which then tells of 255, as if it had ended by itself.
    """
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)


def alive() -> Iterator[tuple[str, int]]:
    """The module and number of each child that runs now."""
    for module, processes in _begun.items():
        for process in processes:
            if process.returncode is None:
                yield module, process.pid
