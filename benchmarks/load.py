#!/usr/bin/env python3
"""Viewers without a screen, many in one process: what a server has to serve, and how old its rows are on arrival.

Prints a line of JSON for each line that it reads: {"ages": [ms, ...], "updates": n} since the line before. `--pivot`
keeps a pivot for each viewer in the server, as the seed has it; without, each follows the flat table, as the page does.
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

from frames import config, make_view, request

NAME = "stock_values"


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
    """Viewers of one server; the first of them looks at what it is sent."""

    def __init__(self) -> None:
        self.ages: list[float] = []
        self.updates = 0

    async def view(self, address: str, number: int, pivot: bool) -> None:
        """Connect, subscribe, and read for ever."""
        socket = await websocket_connect(address, max_message_size=2**26)
        name = f"load{number}-{id(self)}-{time.time_ns()}"
        made = config(["ticker", "client"], columns=["open", "volume"]) if pivot else b""
        for message in (
            make_view(name, made, 1),
            request(21, b"" if pivot else b"\x08\x00", name, 2),
            request(16, b"", name, 3),
        ):
            await socket.write_message(message, binary=True)
        await self._read(socket, number == 0 and not pivot)

    async def _read(self, socket: WebSocketClientConnection, looks: bool) -> None:
        while isinstance(message := await socket.read_message(), bytes):
            self.updates += 1
            if looks and message.startswith(b"\x08\x02") and (arrow := payload(message, 21, 1)):
                now = time.time() * 1000
                times = pa.ipc.open_stream(io.BytesIO(arrow)).read_all()["timestamp"]
                self.ages += [now - value.value for value in times]

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
    tasks = [
        asyncio.ensure_future(viewers.view(options.address, number, options.pivot)) for number in range(options.viewers)
    ]
    loop = asyncio.get_running_loop()
    while await loop.run_in_executor(None, sys.stdin.readline):
        print(viewers.take(), flush=True)
    for task in tasks:
        task.cancel()


if __name__ == "__main__":
    asyncio.run(main())
