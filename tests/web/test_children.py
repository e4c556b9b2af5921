"""The server's child processes."""

import asyncio
import signal
import time

from protocol import children
from script_helpers import is_alive


def test_how_a_child_ended_is_told_though_it_is_ended_twice() -> None:
    async def test() -> list[int]:
        told = []
        for _ in range(50):
            process = await asyncio.create_subprocess_exec("sleep", "60")
            children.kill(process)
            wait_for_end(process.pid)
            children.kill(process)
            told.append(await process.wait())
        return told

    assert asyncio.run(test()) == [-signal.SIGKILL] * 50


def wait_for_end(pid: int) -> None:
    """Go on as soon as a process has ended, which asyncio notices at about the same time."""
    end = time.monotonic() + 10
    while is_alive(pid):
        assert time.monotonic() < end
