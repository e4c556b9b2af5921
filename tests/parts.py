"""The demo's parts as a user runs them: processes of their own, on free ports of loopback."""

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from waiting import eventually

ROOT = Path(__file__).parent.parent


def free_port() -> int:
    """A port of loopback that nothing listens on at the moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


class Part:
    """A running Python program of the demo, its output in a file."""

    def __init__(self, log: Path, *command: str, env: Mapping[str, str] | None = None) -> None:
        self.log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, *command],
                cwd=ROOT,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        """All that it has printed so far."""
        return self.log.read_text()

    def says(self, text: str, seconds: float = 15) -> str:
        """Wait until it has printed `text`; the line with it."""
        eventually(lambda: text in self.output or self.process.poll() is not None, seconds, f"{text!r} from {self.log}")
        assert text in self.output, self.output
        return next(line for line in self.output.splitlines() if text in line)

    def wait(self, seconds: float = 15) -> int:
        """Wait for its end; its exit code."""
        return self.process.wait(seconds)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it with a signal; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.wait()

    def kill(self) -> None:
        """End it, and what it has started, at once."""
        kill_session(self.process)


def kill_session(process: "subprocess.Popen[bytes]") -> None:
    """End a process that leads a session of its own, and what it has started, at once."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def confirmed(producer: Part) -> int:
    """The rows that a producer's last line says TDengine has confirmed."""
    return int(producer.output.splitlines()[-1].split(" rows sent")[0].split()[-1].replace(",", ""))


def has_ipv6() -> bool:
    """Whether this machine has an ::1."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


def children_of(server: Part, module: str) -> list[int]:
    """The process ids of a server's children that run this module."""
    pid = server.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(each) for each in children if module.encode() in Path(f"/proc/{each}/cmdline").read_bytes()]


def history_workers(server: Part) -> list[int]:
    """The process ids of a server's history workers."""
    return children_of(server, "history.worker")


@contextmanager
def stopped(pids: Sequence[int]) -> Iterator[None]:
    """Let processes do nothing meanwhile. Those that somebody ends then are gone; the others go on afterwards."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def get_json(url: str) -> tuple[int, dict[str, Any]]:
    """HTTP status and JSON body of a GET; (0, {}) where nothing answers."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)
    except OSError:
        return 0, {}


def sql(port: int, statement: str) -> list[list[Any]]:
    """The rows that a TDengine answers to a statement over REST."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/rest/sql",
        statement.encode(),
        {"Authorization": "Basic " + base64.b64encode(b"root:taosdata").decode()},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        result = json.load(answer)
    assert result["code"] == 0, result
    data: list[list[Any]] = result["data"]
    return data
