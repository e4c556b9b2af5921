"""A server that waits for a TDengine, and requests to it that say who asks."""

import asyncio
import http.client

from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect

from conftest import Start
from parts import Part, free_port

TOKEN = "0123456789abcdef"


def serve(start: Start, *options: str, **env: str) -> tuple[Part, int]:
    """A server that waits for a TDengine, and its port."""
    port = free_port()
    server = start("perspective_server.py", "--port", str(port), "--taos-port", str(free_port()), *options, env=env)
    server.says("serving")
    return server, port


def get(port: int, path: str, **headers: str) -> http.client.HTTPResponse:
    """The answer to a GET."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", path, headers={name.replace("_", "-"): text for name, text in headers.items()})
    answer = connection.getresponse()
    answer.read()
    return answer


def websocket(port: int, query: str = "", **headers: str) -> None:
    """Open a websocket and close it again. Raises HTTPClientError where it is refused."""

    async def connect() -> None:
        address = f"ws://127.0.0.1:{port}/websocket{query}"
        connection = await websocket_connect(HTTPRequest(address, headers=headers))
        connection.close()
        while await connection.read_message() is not None:
            pass

    asyncio.run(connect())
