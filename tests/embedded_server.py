"""The embedded server as a process of its own, for tests that talk to it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import taosws

ROOT = Path(__file__).resolve().parent.parent
RECORDINGS = ROOT / "tests" / "tdengine"


class EmbeddedServer:
    """A running server, a process because taosws holds the GIL: one in the same process would never answer."""

    def __init__(self, *arguments: str, password: str = "taosdata") -> None:
        environment = {**os.environ, "TZ": "UTC", "TAOS_PASSWORD": password}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "embedded", "--port", "0", *arguments],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.greeting = self.process.stdout.readline().strip()
        if not self.greeting:
            raise RuntimeError(f"the server did not start: {self.process.communicate()[1]}")
        self.port = int(self.greeting.split(",")[0].rsplit(":", 1)[1])

    def connect(self, database: str | None = None) -> taosws.Connection:
        """A taosws connection that gives up soon, so that a fault fails a test instead of hanging it."""
        options = {"database": database} if database else {}
        return taosws.connect(
            host="127.0.0.1", port=self.port, user="root", password="taosdata", read_timeout="20", **options
        )

    def stop(self, with_signal: int = signal.SIGTERM) -> tuple[int, str]:
        """End the process; returns its exit code and what it wrote to stderr."""
        if self.process.poll() is None:
            self.process.send_signal(with_signal)
        _, errors = self.process.communicate(timeout=10)
        return self.process.returncode, errors


@contextmanager
def running(*arguments: str, password: str = "taosdata") -> Iterator[EmbeddedServer]:
    """A server for the length of a `with`."""
    server = EmbeddedServer(*arguments, password=password)
    try:
        yield server
    finally:
        server.stop(signal.SIGKILL)


def rows(connection: taosws.Connection, sql: str) -> list[tuple[Any, ...]]:
    """All rows of a query."""
    result = connection.query(sql)
    return list(result)


def outcome(connection: taosws.Connection, sql: str) -> dict[str, Any]:
    """What a statement gives, in the form of the recordings."""
    try:
        result = connection.query(sql)
        fields = [[field.name(), str(field.type()), field.bytes()] for field in result.fields or []]
        return {"sql": sql, "fields": fields, "rows": [list(row) for row in result] if fields else None}
    except taosws.Error as error:
        return {"sql": sql, "error": type(error).__name__, "message": str(error)}
