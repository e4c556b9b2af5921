"""A viewer that pings: run as a process of its own, so that nothing in the tests' process delays it.

usage: pinger.py WS_ADDRESS. Ends at end of input, and prints the longest time in ms that an answer took.
"""

import asyncio
import sys
import time

import perspective
from tornado.websocket import websocket_connect


async def main(address: str) -> None:
    """Ask for the server's features every 10 ms; a websocket ping would not wait for the Perspective engine."""
    socket = await websocket_connect(address)

    async def send(message: bytes) -> None:
        await socket.write_message(message, binary=True)

    async def close() -> None:
        socket.close()

    client = perspective.AsyncClient(send, close)

    async def read() -> None:
        while isinstance(message := await socket.read_message(), bytes):
            await client.handle_response(message)

    reading = asyncio.ensure_future(read())
    loop = asyncio.get_running_loop()
    ended = loop.run_in_executor(None, sys.stdin.read)
    await client.get_hosted_table_names()
    print("pinging", flush=True)
    longest = 0.0
    while not (ended.done() or reading.done()):
        began = time.perf_counter()
        await client.get_hosted_table_names()
        longest = max(longest, time.perf_counter() - began)
        await asyncio.sleep(0.01)
    print(f"{longest * 1000:.1f}", flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
