#!/usr/bin/env python3
"""Follow the live table from a program, and print the newest price of each ticker, once a second, until Ctrl-C.

python client.py [ws://localhost:8080/websocket]    PSP_TOKEN: the server's token, where it asks for one
"""

import asyncio
import os
import sys

import perspective
from tornado.httpclient import HTTPError, HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect


async def receive(socket: WebSocketClientConnection, client: perspective.AsyncClient) -> None:
    """Hand the server's messages to the client. Raises ConnectionError where there are no more."""
    while isinstance(message := await socket.read_message(), bytes):
        await client.handle_response(message)
    raise ConnectionError(socket.close_reason or "the server has closed the connection")


async def follow(client: perspective.AsyncClient) -> None:
    """Print what the table's updates bring. The view has two columns: no more is computed or sent."""
    table = await client.open_table("stock_values")
    view = await table.view(columns=["ticker", "close"])
    updated = asyncio.Event()
    loop = asyncio.get_running_loop()
    await view.on_update(lambda *_: loop.call_soon_threadsafe(updated.set))
    while True:
        columns = await view.to_columns()  # the oldest row first, so that the newest of a ticker remains
        newest = dict(zip(columns["ticker"], columns["close"], strict=True))
        print("  ".join(f"{ticker} {price:.2f}" for ticker, price in sorted(newest.items())), flush=True)
        updated.clear()
        await asyncio.sleep(1)
        await updated.wait()


async def main(address: str) -> None:
    """Connect, and follow until the connection ends."""
    token = os.environ.get("PSP_TOKEN")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    socket = await websocket_connect(HTTPRequest(address, headers=headers), max_message_size=100 * 2**20)
    client = perspective.AsyncClient(lambda message: socket.write_message(message, binary=True), socket.close)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(receive(socket, client))
        tasks.create_task(follow(client))


if __name__ == "__main__":
    try:
        asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "ws://localhost:8080/websocket"))
    except* KeyboardInterrupt:
        pass
    except* (OSError, HTTPError) as errors:
        sys.exit(f"client.py: {errors.exceptions[0]}: does the server run, and is PSP_TOKEN its token?")
