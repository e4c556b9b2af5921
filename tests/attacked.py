"""A running demo under attack, and an honest viewer that must notice nothing."""

import asyncio
import http.client
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from tornado.httpclient import HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

from parts import Part, free_port, get_json
from viewers import Viewer
from waiting import eventually

COLUMNS = ["timestamp", "ticker", "client", "open", "high", "low", "close", "volume", "date"]


@dataclass
class Target:
    """A server under attack, and the viewer that must notice nothing."""

    taos_port: int
    port: int
    server: Part
    honest: Viewer

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str, **headers: str) -> tuple[int, dict[str, str], str]:
        """Status, headers and body of a GET; the path goes out as it is."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request("GET", path, headers={name.replace("_", "-"): text for name, text in headers.items()})
            answer = connection.getresponse()
            return answer.status, {name.lower(): text for name, text in answer.getheaders()}, answer.read().decode()
        finally:
            connection.close()

    async def connect(
        self, path: str = "/websocket", source: str = "127.0.0.1", **headers: str
    ) -> WebSocketClientConnection:
        """A websocket, from an address of this machine's."""
        asked = HTTPRequest(f"ws://127.0.0.1:{self.port}{path}", headers=headers, network_interface=source)
        return await websocket_connect(asked, max_message_size=2**26)

    def ask(self, *messages: bytes | str, path: str = "/websocket") -> list[bytes | None]:
        """The answers to messages on one websocket, one each; None from where on it was closed."""

        async def exchange() -> list[bytes | None]:
            websocket = await self.connect(path)
            answers: list[bytes | None] = []
            for message in messages:
                if None not in answers:
                    await websocket.write_message(message, binary=isinstance(message, bytes))
                answer = await asyncio.wait_for(websocket.read_message(), 10)
                answers.append(answer if isinstance(answer, bytes) else None)
            if None not in answers:
                await leave(websocket)
            return answers

        return asyncio.run(exchange())

    def age_ms(self) -> float:
        """The age of the newest row that the honest viewer sees, who asks for all of them."""
        columns = self.honest.columns()
        assert list(columns) == COLUMNS
        assert len(columns["ticker"]) == 1000
        assert columns["timestamp"] == sorted(set(columns["timestamp"]))
        newest: float = columns["timestamp"][-1]
        return time.time() * 1000 - newest


async def leave(*websockets: WebSocketClientConnection) -> None:
    """Close them, and wait until they are."""
    for websocket in websockets:
        websocket.close()
    for websocket in websockets:
        await drain(websocket)


async def drain(websocket: WebSocketClientConnection) -> None:
    """Read until it is closed."""
    while await asyncio.wait_for(websocket.read_message(), 20) is not None:
        pass


@contextmanager
def demo(folder: Path) -> Iterator[Target]:
    """A running demo, its output in files of the folder."""
    taos, port = free_port(), free_port()
    parts = [Part(folder / "embedded.log", "-m", "embedded", "--port", str(taos))]
    parts[0].says("listening")
    shared = ["--taos-port", str(taos)]
    parts.append(Part(folder / "producer.log", "producer.py", *shared))
    options = ["--port", str(port), "--history-timeout", "2"]
    parts.append(Part(folder / "server.log", "perspective_server.py", *options, *shared))
    address = f"http://127.0.0.1:{port}"
    try:
        eventually(lambda: get_json(address + "/status")[1].get("rows") == 1000)
        target = Target(taos, port, parts[-1], Viewer(address))
        yield target
        target.honest.close()
    finally:
        for part in reversed(parts):
            part.kill()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    with demo(tmp_path_factory.mktemp("attacks")) as target:
        yield target


@pytest.fixture
def target(running: Target) -> Iterator[Target]:
    """The server, looked after when the test is over."""
    yield running
    assert running.server.process.poll() is None, running.server.output
    eventually(lambda: running.age_ms() < 1000, 3)
    assert running.honest.tables() == ["stock_values", "stocks.stocks_values"]
    assert "Traceback" not in running.server.output


def resident_kib(pid: int) -> int:
    """The memory that a process holds."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1])
