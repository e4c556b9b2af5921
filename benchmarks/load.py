#!/usr/bin/env python3
"""Viewers without a screen, many in one process: what a server has to serve, and how old its rows are on arrival.

Prints a line of JSON for each line that it reads: {"viewers": n, "ages": [ms, ...], "updates": n, "bytes": n}, those
viewers that get updates by now, and what all have seen since the line before.
`--pivot` keeps a pivot for each viewer in the server, as the document has it, and asks for its rows when it changes;
without, each follows the flat table, as the page does; `--stuck` asks for that and reads nothing.
"""

import argparse
import asyncio
import json
import resource
import sys
import time
from pathlib import Path

from tornado.websocket import WebSocketClientConnection, websocket_connect

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.followers import ROWS, UPDATES, Follower, Seen, Stuck, follow, is_about
from frames import config, delimited, make_view, request

SCREEN = delimited(1, b"\x08\x00\x18\x28")
"""The first forty rows."""


async def draw(address: str, number: int, seen: Seen) -> None:
    """Ask for what is on the screen after each update, as a viewer does whose pivot is in the server; for ever."""
    socket = await websocket_connect(address, max_message_size=2**26)
    name = f"load{number}-{id(socket)}-{time.time_ns()}"
    made = config(["ticker", "client"], columns=["open", "volume"])
    ask = request(16, SCREEN, name, ROWS)
    for message in (make_view(name, made, 1), request(21, b"", name, UPDATES), ask):
        await socket.write_message(message, binary=True)
    await answered(socket, ask, seen)
    raise ConnectionError(f"{socket.close_code} {socket.close_reason}")


async def answered(socket: WebSocketClientConnection, ask: bytes, seen: Seen) -> None:
    """Ask again when there is something new and the last answer has come, until the server ends it."""
    waits, changed = True, False
    seen.viewers += 1
    while isinstance(message := await socket.read_message(), bytes):
        seen.updates += 1
        seen.bytes += len(message)
        waits, changed = waits and not is_about(message, ROWS), changed or is_about(message, UPDATES)
        if changed and not waits:
            waits, changed = True, False
            await socket.write_message(ask, binary=True)


def take(seen: Seen) -> str:
    """What has been seen since the last time."""
    told = json.dumps(vars(seen))
    seen.ages, seen.updates, seen.bytes = [], 0, 0
    return told


async def main() -> None:
    """Connect all viewers, then report at each line of standard input."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address")
    parser.add_argument("--viewers", type=int, default=1)
    parser.add_argument("--pivot", action="store_true")
    parser.add_argument("--stuck", action="store_true", help="they read nothing")
    options = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    seen = Seen()
    loop = asyncio.get_running_loop()
    async with asyncio.TaskGroup() as group:
        if options.pivot:
            viewing = [draw(options.address, number, seen) for number in range(options.viewers)]
        else:
            viewing = [follow(options.address, options.viewers, seen, Stuck if options.stuck else Follower)]
        tasks = [group.create_task(each) for each in viewing]
        while await loop.run_in_executor(None, sys.stdin.readline):
            print(take(seen), flush=True)
        for task in tasks:
            task.cancel()


if __name__ == "__main__":
    asyncio.run(main())
