"""The viewers' engine killed, stopped and starved under load: pages see no late update, its own viewers come back."""

import contextlib
import os
import resource
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import perspective
import pytest

from conftest import Start
from parts import Part, children_of, free_port, get_json
from viewers import Viewer
from waiting import eventually

pytestmark = pytest.mark.alone

GAP_SECONDS = 0.4
BACK_SECONDS = 3.0
TIMEOUT_SECONDS = 1
"""What the engine may take for a request here."""


class Page:
    """A viewer that follows the whole table, as a page does, and notes the longest time between two updates."""

    def __init__(self, address: str) -> None:
        self.viewer = Viewer(address)
        self.updates = 0
        self.longest = 0.0
        self.last = time.monotonic()
        self.viewer.call(self._follow())

    async def _follow(self) -> None:
        view = await (await self.viewer.client.open_table("stock_values")).view()
        await view.on_update(self._hear, mode="row")

    def _hear(self, *_: Any) -> None:
        now = time.monotonic()
        self.updates += 1
        self.longest, self.last = max(self.longest, now - self.last), now


class Pivoting:
    """A viewer whose pivot the server computes, again and again; it connects again whenever it has to."""

    def __init__(self, address: str, group_by: str) -> None:
        self.address = address
        self.group_by = group_by
        self.answered = 0.0
        self.away = 0.0
        """The longest time without an answer."""
        self.stopped = False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        viewer = None
        while not self.stopped:
            try:
                viewer = viewer or Viewer(self.address)
                assert viewer.columns(group_by=[self.group_by], columns=["volume"])
                now = time.monotonic()
                self.away = max(self.away, now - self.answered if self.answered else 0.0)
                self.answered = now
            except (ConnectionError, perspective.PerspectiveError, TimeoutError, OSError):
                if viewer is not None:
                    viewer.close()
                viewer = None
        if viewer is not None:
            viewer.close()

    def stop(self) -> None:
        """Ask no more."""
        self.stopped = True
        self.thread.join(20)


@pytest.fixture
def demo(start: Start, taos_port: int) -> tuple[Part, str]:
    port = free_port()
    start("producer.py", "--taos-port", str(taos_port))
    options = ["--port", str(port), "--taos-port", str(taos_port), "--engine-timeout", str(TIMEOUT_SECONDS)]
    server = start("perspective_server.py", *options)
    address = f"http://127.0.0.1:{port}"
    eventually(lambda: get_json(address + "/status")[1].get("rows") == 1000)
    return server, address


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def stop(pid: int) -> None:
    os.kill(pid, signal.SIGSTOP)


def starve(pid: int) -> None:
    """Let it run for a twentieth of the time, for two seconds."""
    end = time.monotonic() + 2
    with contextlib.suppress(ProcessLookupError):
        while time.monotonic() < end:
            os.kill(pid, signal.SIGSTOP)
            threading.Event().wait(0.095)
            os.kill(pid, signal.SIGCONT)
            threading.Event().wait(0.005)


def leave_no_memory(pid: int) -> None:
    """Let it have no more memory than it has."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[0])
    most = pages * resource.getpagesize()
    resource.prlimit(pid, resource.RLIMIT_AS, (most, most))


@pytest.mark.parametrize("harm", [kill, stop, starve, leave_no_memory])
def test_an_engine_in_trouble_delays_no_page_and_its_viewers_are_back_soon(
    demo: tuple[Part, str], harm: Callable[[int], None]
) -> None:
    server, address = demo
    page = Page(address)
    pivoting = [Pivoting(address, group_by) for group_by in ("ticker", "client")]
    eventually(lambda: all(each.answered for each in pivoting))
    page.longest, calm = 0.0, page.updates + 12
    eventually(lambda: page.updates >= calm)
    usual, page.longest = page.longest, 0.0  # of a machine that is busy with something else, too
    try:
        for _ in range(2):
            (engine,) = eventually(lambda: children_of(server, "live.engine"))
            harm(engine)
            began = time.monotonic()
            eventually(lambda: all(each.answered > began for each in pivoting), 10)  # noqa: B023
    finally:
        for each in pivoting:
            each.stop()
        page.viewer.close()
    assert page.longest < max(GAP_SECONDS, 1.5 * usual)
    assert max(each.away for each in pivoting) < BACK_SECONDS
    assert server.process.poll() is None
    assert "Traceback" not in server.output
