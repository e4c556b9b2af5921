"""The embedded server's WebSocket without a connector: what is sent and answered, action by action."""

import asyncio
import json
from typing import Any, Protocol

from tornado.websocket import WebSocketClientConnection, websocket_connect


class Listening(Protocol):
    """A server, here or in a process of its own."""

    port: int


async def opened(server: Listening, path: str = "/ws") -> WebSocketClientConnection:
    """A socket that has done the handshake."""
    client = await websocket_connect(f"ws://127.0.0.1:{server.port}{path}")
    await ask(client, {"action": "version"})
    arguments = {"req_id": 1, "user": "root", "password": "taosdata", "db": ""}
    reply = await ask(client, {"action": "conn", "args": arguments})
    assert reply["code"] == 0
    return client


async def ask(client: WebSocketClientConnection, request: dict[str, Any] | bytes | str) -> Any:
    """Send one request and read the next message: JSON as a dict, binary as bytes."""
    message = json.dumps(request) if isinstance(request, dict) else request
    await client.write_message(message, binary=isinstance(message, bytes))
    return await answered(client)


async def answered(client: WebSocketClientConnection) -> Any:
    """The next message; fails if the server closes the socket instead, or is silent for 20 s."""
    reply = await asyncio.wait_for(client.read_message(), 20)
    assert reply is not None, "the server closed the socket"
    return json.loads(reply) if isinstance(reply, str) else reply
