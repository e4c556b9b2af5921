#!/usr/bin/env python3
"""Viewers without a screen, many in one process: what a server has to serve, and how old its rows are on arrival.

Prints a line of JSON for each line that it reads: {"ages": [ms, ...], "updates": n} since the line before. `--pivot`
keeps a pivot for each viewer in the server, as the document has it, and asks for its rows when it changes; without,
each follows the flat table, as the page does.
"""

import argparse
import asyncio
import io
import json
import sys
import time
from pathlib import Path

import pyarrow as pa
from tornado.websocket import WebSocketClientConnection, websocket_connect

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from frames import config, delimited, make_view, request

UPDATES, ROWS = 2, 3
"""The numbers of a viewer's requests for updates and for rows, which are those of the answers, too."""

SCREEN = delimited(1, b"\x08\x00\x18\x28")
"""The first forty rows."""


def is_about(message: bytes, number: int) -> bool:
    """Whether it answers the request of this number."""
    return message.startswith(b"\x08" + bytes([number]))


def payload(message: bytes, *path: int) -> bytes | None:
    """The content of a field inside fields of a protobuf message, by their numbers; None where it is not there."""
    for wanted in path:
        at, found = 0, None
        while at < len(message):
            key, at = varint(message, at)
            if key & 7 == 0:
                _, at = varint(message, at)
                continue
            length, at = varint(message, at)
            if key >> 3 == wanted:
                found = message[at : at + length]
            at += length
        if found is None:
            return None
        message = found
    return message


def varint(message: bytes, at: int) -> tuple[int, int]:
    """A number of protobuf's, and where it ends."""
    number = shift = 0
    while True:
        byte = message[at]
        number |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return number, at


class Viewers:
    """Viewers of one server. Every twentieth of those that follow the flat table looks at how old its rows are."""

    def __init__(self) -> None:
        self.ages: list[float] = []
        self.updates = 0

    async def view(self, address: str, number: int, pivot: bool) -> None:
        """Connect, subscribe, and read for ever."""
        socket = await websocket_connect(address, max_message_size=2**26)
        name = f"load{number}-{id(self)}-{time.time_ns()}"
        made = config(["ticker", "client"], columns=["open", "volume"]) if pivot else b""
        ask = request(16, SCREEN if pivot else b"", name, ROWS)
        for message in (make_view(name, made, 1), request(21, b"" if pivot else b"\x08\x00", name, UPDATES), ask):
            await socket.write_message(message, binary=True)
        if pivot:
            await self._draw(socket, ask)
        else:
            await self._follow(socket, looks=number % 20 == 0)
        raise ConnectionError(f"{socket.close_code} {socket.close_reason}")

    async def _follow(self, socket: WebSocketClientConnection, looks: bool) -> None:
        """Take what has changed, as the page does; of rows that came before, nothing is noted."""
        newest = None
        while isinstance(message := await socket.read_message(), bytes):
            self.updates += 1
            if looks and is_about(message, UPDATES) and (arrow := payload(message, 21, 1)):
                now = time.time() * 1000
                times = pa.ipc.open_stream(io.BytesIO(arrow)).read_all()["timestamp"].cast(pa.int64()).to_pylist()
                if newest is not None:
                    self.ages += [now - at for at in times if at > newest]
                newest = max(times)

    async def _draw(self, socket: WebSocketClientConnection, ask: bytes) -> None:
        """Ask for what is on the screen after each update, as a viewer does whose pivot is in the server."""
        waits, changed = True, False
        while isinstance(message := await socket.read_message(), bytes):
            self.updates += 1
            waits, changed = waits and not is_about(message, ROWS), changed or is_about(message, UPDATES)
            if changed and not waits:
                waits, changed = True, False
                await socket.write_message(ask, binary=True)

    def take(self) -> str:
        """What has been seen since the last time."""
        seen = json.dumps({"ages": self.ages, "updates": self.updates})
        self.ages, self.updates = [], 0
        return seen


async def main() -> None:
    """Connect all viewers, then report at each line of standard input."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address")
    parser.add_argument("--viewers", type=int, default=1)
    parser.add_argument("--pivot", action="store_true")
    options = parser.parse_args()
    viewers = Viewers()
    loop = asyncio.get_running_loop()
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(viewers.view(options.address, number, options.pivot)) for number in range(options.viewers)
        ]
        while await loop.run_in_executor(None, sys.stdin.readline):
            print(viewers.take(), flush=True)
        for task in tasks:
            task.cancel()


if __name__ == "__main__":
    asyncio.run(main())
